/// The first number is skipped among so many.
const SPAN_FIRST: u64 = 64;

/// And no less often than one in about so many.
const SPAN_MAX: u64 = 1 << 15;

/// Chooses packet numbers that are never sent, so that a peer who acknowledges what it has not
/// received gives itself away (RFC 9000 §21.4).
#[derive(Debug)]
pub(crate) struct Skips {
    /// State of a generator (SplitMix64): what is skipped must not be guessed from what was skipped
    /// before, and no more hangs on it.
    state: u64,
    span: u64,
    next: u64,
}

impl Skips {
    /// `seed` is random.
    pub(crate) fn new(seed: u64) -> Self {
        let mut skips = Self {
            state: seed,
            span: SPAN_FIRST,
            next: 0,
        };
        skips.choose(0);
        skips
    }

    /// Whether `number`, the next to be sent, is skipped instead.
    pub(crate) fn take(&mut self, number: u64) -> bool {
        if number < self.next {
            return false;
        }
        self.span = (self.span * 2).min(SPAN_MAX);
        self.choose(number);
        true
    }

    /// Somewhere from half a span to one and a half behind `number`.
    fn choose(&mut self, number: u64) {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        self.next = number + self.span / 2 + mixed % self.span;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skips_become_rare_and_depend_on_the_seed() {
        let skipped = |seed| {
            let mut skips = Skips::new(seed);
            (0..1_000_000)
                .filter(|&n| skips.take(n))
                .collect::<Vec<u64>>()
        };
        let (one, other) = (skipped(1), skipped(2));
        assert_ne!(one, other);
        assert!((32..96).contains(&one[0]), "{one:?}");
        assert!((20..60).contains(&one.len()), "{one:?}");
        assert!(one.windows(2).all(|pair| pair[1] > pair[0] + 32));
    }
}
