/// Of so many bytes at a time it is told whether they may be part of a canary.
const GRAM: usize = 4;

/// There is a bit for each value of a hash of so many bits.
const HASH_BITS: u32 = 14;

/// Bytes that must not be seen where they are looked for.
///
/// Any place at which the shortest of them stands holds the four bytes at every so manyeth place whole: only these are
/// looked up among those of canaries, so many canaries cost no more than one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Canaries {
    all: Vec<Vec<u8>>,
    /// How far what is looked up may lie apart.
    stride: usize,
    /// The hashes of what may be met there.
    hints: Vec<u64>,
}

impl Canaries {
    /// From now on these bytes are looked for as well.
    ///
    /// # Panics
    /// When they are fewer than four.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        assert!(bytes.len() >= GRAM, "a canary that may be anything");
        self.all.push(bytes.to_vec());
        let shortest = self.iter().map(<[u8]>::len).min();
        self.stride = shortest.map_or(1, |shortest| shortest - GRAM + 1);
        self.hints = vec![0; 1 << (HASH_BITS - u64::BITS.ilog2())];
        let Self { all, stride, hints } = self;
        for gram in all
            .iter()
            .flat_map(|canary| canary.windows(GRAM).take(*stride))
        {
            let (word, bit) = hint(gram);
            if let Some(word) = hints.get_mut(word) {
                *word |= bit;
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.all.iter().map(Vec::as_slice)
    }

    /// Bytes in the longest.
    #[cfg(any(test, feature = "system"))]
    pub(crate) fn len_max(&self) -> usize {
        self.iter().map(<[u8]>::len).max().unwrap_or(0)
    }

    /// Whether `bytes` holds any of them.
    pub(crate) fn are_in(&self, bytes: &[u8]) -> bool {
        if self.all.is_empty() {
            return false;
        }
        let mut at = 0;
        while let Some(gram) = bytes.get(at..at + GRAM) {
            let (word, bit) = hint(gram);
            let may_be = self.hints.get(word).is_some_and(|word| word & bit != 0);
            if may_be && self.are_around(at, bytes) {
                return true;
            }
            at += self.stride;
        }
        false
    }

    /// Whether any of them begins at `at` or less than a stride before.
    fn are_around(&self, at: usize, bytes: &[u8]) -> bool {
        let begins = (at + 1).saturating_sub(self.stride)..=at;
        let mut rests = begins.filter_map(|begin| bytes.get(begin..));
        rests.any(|rest| self.iter().any(|canary| rest.starts_with(canary)))
    }
}

/// Where the bit for these bytes is, and which it is.
fn hint(gram: &[u8]) -> (usize, u64) {
    let gram = gram
        .first_chunk::<GRAM>()
        .map_or(0, |gram| u32::from_le_bytes(*gram));
    let hash = gram.wrapping_mul(0x9e37_79b1) >> (u32::BITS - HASH_BITS);
    ((hash / u64::BITS) as usize, 1 << (hash % u64::BITS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;

    #[test]
    fn each_is_found_wherever_it_stands_and_nothing_else_is() {
        let mut canaries = Canaries::default();
        assert!(!canaries.are_in(b"anything"));
        for canary in [&b"canary"[..], b"one that is longer than that", &[7; 24]] {
            canaries.add(canary);
        }
        assert_eq!(canaries.len_max(), 28);
        let mut rng = Rng::new(1);
        let mut noise: Vec<u8> = (0..500).map(|_| rng.below(256) as u8 | 1 << 7).collect();
        assert!(!canaries.are_in(&noise));
        for canary in canaries.clone().iter() {
            for at in 0..=noise.len() - canary.len() {
                let before = noise.clone();
                noise[at..at + canary.len()].copy_from_slice(canary);
                assert!(canaries.are_in(&noise), "{canary:?} at {at}");
                let last = canary.len() - 1;
                assert!(!canaries.are_in(&noise[at..at + last]), "a part of it");
                noise[at + last] ^= 1 << 7;
                assert!(!canaries.are_in(&noise), "nearly {canary:?} at {at}");
                noise = before;
            }
        }
    }
}
