use core::time::Duration;

use crate::Instant;

/// RFC 9406 §4.3: how much a round trip has to grow, at least and at most.
const THRESHOLD_MIN: Duration = Duration::from_millis(4);
const THRESHOLD_MAX: Duration = Duration::from_millis(16);
/// So many samples make a round's minimum (N_RTT_SAMPLE). RFC 9406 counts acknowledgements; ours
/// stand for many packets each, so packets are counted: of the first rounds of a connection eight
/// acknowledgements would never come, and it is in these that slow start overshoots.
const SAMPLES: u64 = 8;
/// How much slower the window grows in conservative slow start.
const GROWTH_DIVISOR: u64 = 4;
/// So many rounds of it, the rest of the one in which it began included (RFC 9406 §4.2).
const ROUNDS: u8 = 5;

/// HyStart++ (RFC 9406): leaves slow start when the round trip begins to grow, before packets are
/// lost.
#[derive(Debug)]
pub(super) struct HyStart {
    /// The round ends when a packet that was sent after this is acknowledged.
    round_start: Option<Instant>,
    last_min: Duration,
    current_min: Duration,
    samples: u64,
    /// Minimum at which conservative slow start began, and how many rounds of it are complete.
    conservative: Option<(Duration, u8)>,
}

impl Default for HyStart {
    fn default() -> Self {
        Self {
            round_start: None,
            last_min: Duration::MAX,
            current_min: Duration::MAX,
            samples: 0,
            conservative: None,
        }
    }
}

/// What slow start is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Growth {
    /// Grow by so many bytes.
    By(u64),
    /// End.
    Done,
}

impl HyStart {
    /// Packets of `bytes` were acknowledged in slow start, the newest sent at `sent`.
    pub(super) fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        rtt: Option<Duration>,
        bytes: u64,
        mss: u64,
    ) -> Growth {
        if self.round_start.is_none_or(|start| sent >= start) {
            self.begin_round(now);
            if let Some((_, rounds)) = &mut self.conservative {
                *rounds += 1;
                if *rounds >= ROUNDS {
                    return Growth::Done;
                }
            }
        }
        if let Some(rtt) = rtt {
            self.current_min = self.current_min.min(rtt);
            self.samples += bytes.div_ceil(mss);
        }
        if self.samples >= SAMPLES {
            self.judge();
        }
        match self.conservative {
            None => Growth::By(bytes),
            Some(_) => Growth::By(bytes / GROWTH_DIVISOR),
        }
    }

    fn begin_round(&mut self, now: Instant) {
        self.round_start = Some(now);
        self.last_min = self.current_min;
        self.current_min = Duration::MAX;
        self.samples = 0;
    }

    fn judge(&mut self) {
        match self.conservative {
            // It was only a disturbance.
            Some((baseline, _)) if self.current_min < baseline => self.conservative = None,
            Some(_) => {}
            None if self.last_min == Duration::MAX => {}
            None => {
                let threshold = (self.last_min / 8).clamp(THRESHOLD_MIN, THRESHOLD_MAX);
                if self.current_min >= self.last_min + threshold {
                    self.conservative = Some((self.current_min, 0));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u64 = 1000;

    /// Rounds with these round-trip times in milliseconds, of ten packets each; what each packet of
    /// a round grew by, until the end.
    fn rounds(rtts: &[u64]) -> Vec<u64> {
        let mut hystart = HyStart::default();
        let mut grown = Vec::new();
        let mut start = 0;
        for &rtt in rtts {
            let mut last = 0;
            for packet in 0..10 {
                let sent = Instant::from_nanos((start + packet) * 1_000_000);
                let rtt = Duration::from_millis(rtt);
                match hystart.on_ack(sent + rtt, sent, Some(rtt), MSS, MSS) {
                    Growth::By(bytes) => last = bytes,
                    Growth::Done => return grown,
                }
            }
            grown.push(last);
            start += rtt + 10;
        }
        grown
    }

    #[test]
    fn a_steady_round_trip_doubles_for_ever() {
        assert_eq!(rounds(&[50; 20]), [MSS; 20]);
    }

    #[test]
    fn a_growing_round_trip_slows_down_and_then_ends_slow_start() {
        let mut rtts = vec![50; 3];
        rtts.extend([60; 20]);
        // Five rounds, that in whose middle it was noticed included.
        assert_eq!(rounds(&rtts), [1000, 1000, 1000, 250, 250, 250, 250, 250]);
    }

    #[test]
    fn a_disturbance_is_forgotten() {
        assert_eq!(rounds(&[50, 50, 60, 50, 50]), [1000, 1000, 250, 1000, 1000]);
    }

    /// RFC 9406 §4.2: neither into conservative slow start nor out of it before a round has had its
    /// samples.
    #[test]
    fn few_samples_decide_nothing() {
        let mut hystart = HyStart::default();
        let mut ack = |sent_ms: u64, rtt_ms: u64, packets: u64| {
            let sent = Instant::from_nanos(sent_ms * 1_000_000);
            let rtt = Duration::from_millis(rtt_ms);
            hystart.on_ack(sent + rtt, sent, Some(rtt), packets * MSS, MSS)
        };
        assert_eq!(ack(0, 50, 8), Growth::By(8 * MSS));
        assert_eq!(ack(60, 60, 7), Growth::By(7 * MSS), "7 slow ones");
        assert_eq!(ack(61, 60, 1), Growth::By(MSS / 4), "8");
        assert_eq!(ack(130, 40, 7), Growth::By(7 * MSS / 4), "7 fast ones");
        assert_eq!(ack(131, 40, 1), Growth::By(MSS), "8");
    }

    #[test]
    fn small_differences_are_noise() {
        assert_eq!(rounds(&[10, 10, 13, 13, 16]), [1000; 5]);
    }
}
