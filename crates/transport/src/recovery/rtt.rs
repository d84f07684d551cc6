use core::time::Duration;

use super::GRANULARITY;
use crate::Instant;

/// Before the first sample (a first probe after 300 ms).
const INITIAL: Duration = Duration::from_millis(100);

/// The shortest sample is that of the last two spans of this length: a path can become longer (RFC
/// 9002 §5.2).
const MIN_SPAN: Duration = Duration::from_secs(10);

/// Round-trip time estimation (RFC 9002 §5).
#[derive(Clone, Debug)]
pub(crate) struct Rtt {
    latest: Duration,
    /// That without what the peer held it back.
    path: Duration,
    smoothed: Duration,
    variation: Duration,
    min: Option<Duration>,
    /// The shortest sample since this span began.
    span_min: Duration,
    span_began: Instant,
    first_sample_at: Option<Instant>,
}

impl Default for Rtt {
    fn default() -> Self {
        Self {
            latest: INITIAL,
            path: INITIAL,
            smoothed: INITIAL,
            variation: INITIAL / 2,
            min: None,
            span_min: Duration::MAX,
            span_began: Instant::ZERO,
            first_sample_at: None,
        }
    }
}

impl Rtt {
    /// Smoothed round-trip time.
    pub(crate) fn smoothed(&self) -> Duration {
        self.smoothed
    }

    pub(crate) fn latest(&self) -> Duration {
        self.latest
    }

    /// The latest sample without the time for which the peer says that it held its answer back: what
    /// the path took, and its queues.
    pub(crate) fn path(&self) -> Duration {
        self.path
    }

    /// Mean deviation.
    pub(crate) fn variation(&self) -> Duration {
        self.variation
    }

    /// The shortest sample of late.
    pub(crate) fn min(&self) -> Option<Duration> {
        self.min
    }

    /// When the first sample came.
    pub(crate) fn first_sample_at(&self) -> Option<Instant> {
        self.first_sample_at
    }

    /// Takes in a sample. `ack_delay` is how long the peer says that it held the acknowledgement
    /// back, already capped to what it may.
    pub(crate) fn update(&mut self, now: Instant, sample: Duration, ack_delay: Duration) {
        self.latest = sample;
        self.path = sample.saturating_sub(ack_delay);
        self.first_sample_at.get_or_insert(now);
        let first = self.min.is_none();
        let min = self.update_min(now, sample);
        if first {
            self.smoothed = sample;
            self.variation = sample / 2;
            return;
        }
        // RFC 9002 §5.3: the peer's delay is believed only as far as the minimum allows.
        let adjusted = if sample >= min + ack_delay {
            sample - ack_delay
        } else {
            sample
        };
        let deviation = self.smoothed.abs_diff(adjusted);
        self.variation = (self.variation * 3 + deviation) / 4;
        self.smoothed = (self.smoothed * 7 + adjusted) / 8;
    }

    fn update_min(&mut self, now: Instant, sample: Duration) -> Duration {
        let mut min = self.min.unwrap_or(sample);
        if now.since(self.span_began) >= MIN_SPAN {
            min = self.span_min;
            self.span_min = Duration::MAX;
            self.span_began = now;
        }
        self.span_min = self.span_min.min(sample);
        min = min.min(sample);
        self.min = Some(min);
        min
    }

    /// Probe timeout without the peer's acknowledgement delay (RFC 9002 §6.2.1).
    pub(crate) fn pto(&self) -> Duration {
        self.smoothed + (self.variation * 4).max(GRANULARITY)
    }

    /// How long the way there and back takes at present (RFC 9002 §6.1.2).
    pub(crate) fn current(&self) -> Duration {
        self.latest.max(self.smoothed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn first_sample_replaces_the_guess() {
        let mut rtt = Rtt::default();
        assert_eq!(rtt.pto(), 300 * MS);
        rtt.update(Instant::ZERO, 40 * MS, Duration::ZERO);
        assert_eq!(rtt.smoothed(), 40 * MS);
        assert_eq!(rtt.pto(), 120 * MS);
        assert_eq!((rtt.current(), rtt.min()), (40 * MS, Some(40 * MS)));
    }

    #[test]
    fn the_minimum_follows_a_path_that_becomes_longer() {
        let mut rtt = Rtt::default();
        let at = |secs: u64| Instant::ZERO + Duration::from_secs(secs);
        rtt.update(at(0), 40 * MS, Duration::ZERO);
        for second in 1..=10 {
            rtt.update(at(second), 400 * MS, Duration::ZERO);
            assert_eq!(rtt.min(), Some(40 * MS), "after {second} s");
        }
        for second in 11..=20 {
            rtt.update(at(second), 400 * MS, Duration::ZERO);
        }
        assert_eq!(rtt.min(), Some(400 * MS));
        rtt.update(at(21), 60 * MS, Duration::ZERO);
        assert_eq!(rtt.min(), Some(60 * MS), "shorter at once");
    }

    #[test]
    fn a_peers_delay_never_takes_a_sample_below_the_minimum() {
        let mut rtt = Rtt::default();
        rtt.update(Instant::ZERO, 40 * MS, Duration::ZERO);
        rtt.update(Instant::ZERO, 48 * MS, 25 * MS);
        assert_eq!(
            rtt.smoothed(),
            41 * MS,
            "believed: 23 ms would be below the minimum"
        );
        rtt.update(Instant::ZERO, 80 * MS, 25 * MS);
        assert_eq!(rtt.smoothed(), (41 * MS * 7 + 55 * MS) / 8);
    }
}
