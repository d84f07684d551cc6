use crypto::Random;

/// Seeded randomness: xoshiro256++ (Blackman and Vigna 2019), seeded by SplitMix64. Good for
/// simulations, and for nothing that has to be secret.
///
/// Each concern draws from a stream of its own ([`Rng::stream`]), so that switching one fault off does
/// not shift the others.
#[derive(Clone, Debug)]
pub struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// The randomness of this seed.
    pub fn new(seed: u64) -> Self {
        let mut splitter = seed;
        Self {
            state: core::array::from_fn(|_| split_mix(&mut splitter)),
        }
    }

    /// The stream `index` of `concern` under this seed. Equal arguments give equal streams.
    pub fn stream(seed: u64, concern: &str, index: u64) -> Self {
        let mut mixed = seed;
        for byte in concern.bytes() {
            mixed = split_mix(&mut mixed) ^ u64::from(byte);
        }
        mixed = split_mix(&mut mixed) ^ index;
        Self::new(split_mix(&mut mixed))
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        let s = &mut self.state;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// A number below `bound`; 0 if that is 0. Its bias is below `bound` / 2^64.
    pub fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.next_u64()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// One of these.
    pub fn one_of<T: Copy + Default>(&mut self, from: &[T]) -> T {
        let place = usize::try_from(self.below(from.len() as u64)).unwrap_or(0);
        from.get(place).copied().unwrap_or_default()
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        // 53 bits are what a double holds exactly, so this is the same on every machine.
        let draw = (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        draw < probability
    }
}

impl Random for Rng {
    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            let bytes = self.next_u64().to_le_bytes();
            for (to, from) in chunk.iter_mut().zip(bytes) {
                *to = from;
            }
        }
    }
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_reference() {
        // SplitMix64 from 1234567, the well-known first outputs.
        let mut state = 1_234_567;
        assert_eq!(split_mix(&mut state), 6_457_827_717_110_365_317);
        assert_eq!(split_mix(&mut state), 3_203_168_211_198_807_973);
        // xoshiro256++ from {1, 2, 3, 4}.
        let mut rng = Rng {
            state: [1, 2, 3, 4],
        };
        assert_eq!(rng.next_u64(), 41_943_041);
        assert_eq!(rng.next_u64(), 58_720_359);
    }

    #[test]
    fn streams_are_their_own() {
        let draw = |concern, index| Rng::stream(7, concern, index).next_u64();
        assert_eq!(draw("loss", 1), draw("loss", 1));
        assert_ne!(draw("loss", 1), draw("loss", 2));
        assert_ne!(draw("loss", 1), draw("delay", 1));
    }

    #[test]
    fn draws_stay_in_their_bounds() {
        let mut rng = Rng::new(1);
        assert!((0..1000).all(|_| rng.below(10) < 10));
        assert_eq!(rng.below(0), 0);
        assert!((0..1000).all(|_| !rng.chance(0.0)));
        assert!((0..1000).all(|_| rng.chance(1.0)));
        let hits = (0..10_000).filter(|_| rng.chance(0.3)).count();
        assert!((2_800..3_200).contains(&hits), "{hits}");
    }
}
