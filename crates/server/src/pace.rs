use core::time::Duration;

use transport::Instant;

use crate::limits::{SEND_BURST, SENDS_PER_S};

/// How fast a connection may speak: a leaky bucket, kept as the time at which it will be empty
/// (the generic cell rate algorithm).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    empty_at: Instant,
}

impl Pace {
    const EACH: Duration = Duration::from_nanos(1_000_000_000 / SENDS_PER_S as u64);
    const BURST: Duration = Duration::from_nanos(Self::EACH.as_nanos() as u64 * SEND_BURST as u64);

    /// When the next message may be taken, if not now.
    pub(crate) fn blocked_until(&self, now: Instant) -> Option<Instant> {
        let full = self.empty_at.since(now) >= Self::BURST;
        full.then(|| self.empty_at - Self::BURST + Self::EACH)
    }

    /// A message was taken.
    pub(crate) fn count(&mut self, now: Instant) {
        self.empty_at = self.empty_at.max(now) + Self::EACH;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let mut pace = Pace::default();
        let mut now = Instant::from_nanos(7);
        let mut taken = 0;
        while pace.blocked_until(now).is_none() {
            pace.count(now);
            taken += 1;
        }
        assert_eq!(taken, SEND_BURST);
        let start = now;
        for _ in 0..2 * SENDS_PER_S {
            if let Some(at) = pace.blocked_until(now) {
                assert!(at > now);
                now = at;
            }
            assert_eq!(pace.blocked_until(now), None);
            pace.count(now);
        }
        let took = now.since(start).as_secs_f64();
        assert!((1.9..2.1).contains(&took), "{took} s");
    }
}
