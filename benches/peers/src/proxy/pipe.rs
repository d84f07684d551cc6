//! One direction of a link, as arithmetic.

use fastrand::Rng;

use crate::job::Link;

/// What IPv4 and UDP add to a payload.
const HEADERS: u64 = 28;

/// One direction: a queue before a bottleneck, and a way behind it.
pub(super) struct Pipe {
    link: Link,
    /// When the bottleneck has passed on everything that it has taken in.
    free_ns: u64,
    chance: Rng,
}

/// Why a packet does not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is longer than the link takes.
    TooLong,
    /// The queue is full.
    Dropped,
    /// Chance.
    Lost,
}

impl Pipe {
    pub(super) fn new(link: Link, seed: u64) -> Self {
        Self {
            link,
            free_ns: 0,
            chance: Rng::with_seed(seed),
        }
    }

    /// When a packet that comes now arrives at the other end.
    pub(super) fn pass(&mut self, now_ns: u64, payload_bytes: usize) -> Result<u64, Fate> {
        let link = &self.link;
        if link.payload_bytes_max > 0 && payload_bytes > link.payload_bytes_max {
            return Err(Fate::TooLong);
        }
        let begins_ns = self.free_ns.max(now_ns);
        if begins_ns - now_ns > link.queue_us * 1000 {
            return Err(Fate::Dropped);
        }
        let bits = (payload_bytes as u64 + HEADERS) * 8;
        let takes_ns = (bits * 1_000_000_000).checked_div(link.rate_bps);
        let leaves_ns = begins_ns + takes_ns.unwrap_or(0);
        self.free_ns = leaves_ns;
        if self.chance.f64() < link.loss {
            return Err(Fate::Lost);
        }
        let jitter_ns = link.jitter_us * 1000;
        let varied_ns = link.delay_us * 1000 + self.chance.u64(0..=2 * jitter_ns);
        Ok(leaves_ns + varied_ns.saturating_sub(jitter_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: u64 = 1_000_000;

    #[test]
    fn packets_pass_at_the_rate_and_what_would_wait_too_long_is_dropped() {
        // A packet of 1472 bytes is 1500 on the wire: 1 ms at 12 Mbit/s.
        let link = Link {
            delay_us: 10_000,
            rate_bps: 12_000_000,
            queue_us: 3_000,
            ..Link::default()
        };
        let mut pipe = Pipe::new(link, 1);
        let arrivals: Vec<_> = (0..6).map(|_| pipe.pass(0, 1472)).collect();
        let at = |ms: u64| Ok(ms * MILLISECOND);
        let dropped = Err(Fate::Dropped);
        assert_eq!(arrivals, [at(11), at(12), at(13), at(14), dropped, dropped]);
        assert_eq!(pipe.pass(2 * MILLISECOND, 1472), at(15));
        assert_eq!(pipe.pass(50 * MILLISECOND, 1472), at(61));
    }

    #[test]
    fn loss_and_jitter_are_as_told_and_the_same_for_the_same_seed() {
        let link = Link {
            delay_us: 100_000,
            jitter_us: 20_000,
            loss: 0.05,
            payload_bytes_max: 1472,
            ..Link::default()
        };
        let run = |seed| -> Vec<_> {
            let mut pipe = Pipe::new(link, seed);
            (0..100_000).map(|_| pipe.pass(0, 100)).collect()
        };
        let arrivals = run(3);
        assert_eq!(arrivals, run(3));
        assert_ne!(arrivals, run(4));
        let lost = arrivals.iter().filter(|a| a.is_err()).count();
        assert!((4_700..5_300).contains(&lost), "{lost} lost");
        let delays: Vec<u64> = arrivals.into_iter().flatten().collect();
        let mean = delays.iter().sum::<u64>() / delays.len() as u64;
        assert!((99..=101).contains(&(mean / MILLISECOND)));
        assert!(
            delays
                .iter()
                .all(|d| (80..=120).contains(&(d / MILLISECOND)))
        );
        assert_eq!(Pipe::new(link, 1).pass(0, 1473), Err(Fate::TooLong));
    }
}
