use std::collections::VecDeque;

use super::Captured;
use crate::Rng;

/// Datagrams that are kept of either kind.
const LATEST: usize = 32;
const SAMPLED: usize = 32;

/// What somebody on the path keeps: the latest datagrams, and a sample of all that came before them (a
/// reservoir; Vitter 1985), so that also those come again whose keys, windows and servers are long gone.
pub(crate) struct Overheard {
    latest: VecDeque<Captured>,
    sampled: Vec<Captured>,
    /// Those that the sample is of.
    older: u64,
    rng: Rng,
}

impl Overheard {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            latest: VecDeque::new(),
            sampled: Vec::new(),
            older: 0,
            rng: Rng::stream(seed, "overheard", 0),
        }
    }

    /// Keeps them for a while, and some for longer.
    pub(crate) fn keep(&mut self, captured: impl IntoIterator<Item = Captured>) {
        self.latest.extend(captured);
        while self.latest.len() > LATEST
            && let Some(old) = self.latest.pop_front()
        {
            self.older += 1;
            if self.sampled.len() < SAMPLED {
                self.sampled.push(old);
                continue;
            }
            let place = usize::try_from(self.rng.below(self.older)).ok();
            if let Some(kept) = place.and_then(|place| self.sampled.get_mut(place)) {
                *kept = old;
            }
        }
    }

    /// Any of them.
    pub(crate) fn any(&self, draw: &mut Rng) -> Option<&Captured> {
        let count = self.sampled.len() + self.latest.len();
        let place = usize::try_from(draw.below(count as u64)).ok()?;
        self.sampled.iter().chain(&self.latest).nth(place)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use transport::Instant;

    use super::*;

    #[test]
    fn the_latest_are_kept_and_some_of_all_before() {
        let to = ([10, 0, 0, 1], 1).into();
        let captured = |number: u32| Captured {
            at: Instant::ZERO,
            from: to,
            to,
            bytes: number.to_be_bytes().to_vec(),
            proven: Vec::new(),
        };
        let mut overheard = Overheard::new(1);
        let mut draw = Rng::new(2);
        assert!(overheard.any(&mut draw).is_none());
        for first in (0..10_000).step_by(100) {
            overheard.keep((first..first + 100).map(captured));
        }
        let number = |captured: &Captured| {
            u32::from_be_bytes(captured.bytes[..4].try_into().unwrap_or_default())
        };
        let seen: BTreeSet<u32> = (0..2_000)
            .filter_map(|_| overheard.any(&mut draw).map(number))
            .collect();
        assert_eq!(seen.len(), LATEST + SAMPLED);
        let latest: Vec<u32> = seen.iter().rev().take(LATEST).rev().copied().collect();
        assert!(latest.into_iter().eq(10_000 - LATEST as u32..10_000));
        let old = seen.iter().filter(|number| **number < 5_000).count();
        assert!((SAMPLED / 4..=SAMPLED * 3 / 4).contains(&old), "{old}");
    }
}
