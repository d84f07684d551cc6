use core::time::Duration;

use super::hystart::{Growth, HyStart};
use super::{Acked, Controller, Lost};
use crate::Instant;

/// Multiplicative decrease, in tenths (RFC 9438 §4.6).
const BETA_TENTHS: u64 = 7;
/// Aggressiveness, in segments per cubic second (RFC 9438 §4.2).
const C: f64 = 0.4;

/// CUBIC (RFC 9438), with HyStart++ (RFC 9406).
#[derive(Debug)]
pub(crate) struct Cubic {
    /// Maximum segment size in bytes.
    mss: u64,
    growth: Growing,
    hystart: HyStart,
    /// Losses of packets that were sent before belong to the last reduction.
    recovery: Option<Instant>,
    /// What the last reduction changed, while it may prove to have been a mistake.
    undo: Option<Undo>,
}

/// What a reduction changes, and growth changes back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Growing {
    cwnd: u64,
    ssthresh: u64,
    /// The window when the last reduction came, in bytes.
    w_max: f64,
    /// The window that standard TCP would have, in bytes (RFC 9438 §4.3).
    w_est: f64,
    /// When the current growth began; `None` until the first acknowledgement after a reduction.
    epoch: Option<Instant>,
    /// The window at that time, in bytes.
    cwnd_epoch: f64,
}

/// RFC 9438 §4.9.
#[derive(Clone, Copy, Debug)]
struct Undo {
    before: Growing,
    /// Bytes whose loss led to the reduction, or came with it, and have not arrived since.
    lost: u64,
}

impl Cubic {
    pub(crate) fn new(mss: u64) -> Self {
        Self {
            mss,
            // RFC 9002 §7.2.
            growth: Growing::new((10 * mss).min((2 * mss).max(14_720))),
            hystart: HyStart::default(),
            recovery: None,
            undo: None,
        }
    }

    /// RFC 9002 §7.2 recommends two packets. Four, the floor that BBR keeps to, leave enough in
    /// flight for a loss to be noticed by the acknowledgement of a later packet and not by a probe
    /// timeout: on a link that loses 30 % it doubles the goodput.
    fn min_window(&self) -> u64 {
        4 * self.mss
    }

    fn in_slow_start(&self) -> bool {
        self.growth.cwnd < self.growth.ssthresh
    }

    fn is_recovered_from(&self, sent: Instant) -> bool {
        self.recovery.is_some_and(|start| sent <= start)
    }

    fn slow_start(&mut self, acked: &Acked) {
        if self.growth.ssthresh < u64::MAX {
            // RFC 9406 §4.3: what ends this slow start is known; HyStart++ is for the first one.
            self.growth.cwnd += acked.bytes;
            return;
        }
        let (now, sent) = (acked.now, acked.newest_sent);
        match (self.hystart).on_ack(now, sent, acked.rtt, acked.bytes, self.mss) {
            Growth::By(bytes) => self.growth.cwnd += bytes,
            Growth::Done => {
                self.growth.ssthresh = self.growth.cwnd;
                self.hystart = HyStart::default();
            }
        }
    }

    fn reduce(&mut self, now: Instant) {
        self.recovery = Some(now);
        let min = self.min_window();
        self.growth.reduce(min);
        self.hystart = HyStart::default();
    }
}

impl Growing {
    /// From so many bytes on.
    pub(super) fn new(cwnd: u64) -> Self {
        Self {
            cwnd,
            ssthresh: u64::MAX,
            w_max: 0.0,
            w_est: 0.0,
            epoch: None,
            cwnd_epoch: 0.0,
        }
    }

    /// Bytes that may be in flight.
    pub(super) fn window(&self) -> u64 {
        self.cwnd
    }

    /// The window was not used: that says nothing about the path (RFC 9438 §5.8).
    pub(super) fn pause(&mut self) {
        self.epoch = None;
    }

    /// Congestion avoidance: the cubic window one round trip from now, or standard TCP's.
    pub(super) fn avoid(&mut self, now: Instant, bytes: u64, srtt: Duration, mss: u64) {
        let mss = mss as f64;
        let start = *self.epoch.get_or_insert(now);
        if start == now {
            self.cwnd_epoch = self.cwnd as f64;
            self.w_est = self.cwnd as f64;
            self.w_max = self.w_max.max(self.cwnd as f64);
        }
        let cwnd = self.cwnd as f64;
        // RFC 9438 §4.2: K is the time at which the window is back at w_max.
        let k = ((self.w_max - self.cwnd_epoch) / mss / C).max(0.0).cbrt();
        let t = now.since(start).as_secs_f64() + srtt.as_secs_f64();
        let target = (C * (t - k).powi(3) * mss + self.w_max).clamp(cwnd, cwnd * 1.5);
        // RFC 9438 §4.3: alpha for a decrease of 0.7, 1 once w_max is passed.
        let alpha = if self.w_est < self.w_max {
            9.0 / 17.0
        } else {
            1.0
        };
        let acked = bytes as f64;
        self.w_est += alpha * mss * acked / cwnd;
        let grown = cwnd + (target - cwnd) * acked / cwnd;
        self.cwnd = grown.max(self.w_est.min(cwnd + acked)) as u64;
    }

    /// A multiplicative decrease, not below `min` bytes.
    pub(super) fn reduce(&mut self, min: u64) {
        self.epoch = None;
        let cwnd = self.cwnd as f64;
        // RFC 9438 §4.7: give way faster when the last peak was not reached.
        self.w_max = if cwnd < self.w_max {
            cwnd * (1.0 + BETA_TENTHS as f64 / 10.0) / 2.0
        } else {
            cwnd
        };
        self.cwnd = (self.cwnd * BETA_TENTHS / 10).max(min);
        self.ssthresh = self.cwnd;
    }
}

impl Controller for Cubic {
    fn on_sent(&mut self, _: Instant, _: u64, _: u64) {}

    fn on_ack(&mut self, acked: &Acked) {
        if self.is_recovered_from(acked.newest_sent) {
            return;
        }
        if !acked.limited {
            self.growth.pause();
            return;
        }
        if self.in_slow_start() {
            self.slow_start(acked);
        } else {
            let Acked {
                now, bytes, srtt, ..
            } = *acked;
            self.growth.avoid(now, bytes, srtt, self.mss);
        }
    }

    fn on_loss(&mut self, lost: &Lost) {
        if self.is_recovered_from(lost.newest_sent) && !lost.persistent {
            if let Some(undo) = &mut self.undo {
                undo.lost += lost.bytes;
            }
            return;
        }
        let before = self.growth;
        self.reduce(lost.now);
        self.undo = Some(Undo {
            before,
            lost: lost.bytes,
        });
        if lost.persistent {
            self.growth.cwnd = self.min_window();
            self.undo = None;
        }
    }

    fn on_congestion_experienced(&mut self, now: Instant, sent: Instant) {
        if !self.is_recovered_from(sent) {
            self.reduce(now);
        }
        // A mark is no mistake.
        self.undo = None;
    }

    fn on_spurious_loss(&mut self, _: Instant, sent: Instant, bytes: u64) {
        if !self.is_recovered_from(sent) {
            return;
        }
        let Some(undo) = &mut self.undo else {
            return;
        };
        undo.lost = undo.lost.saturating_sub(bytes);
        if undo.lost == 0 {
            let before = undo.before;
            self.undo = None;
            self.recovery = None;
            if before.cwnd > self.growth.cwnd {
                self.growth = before;
            }
        }
    }

    fn on_mtu(&mut self, mss: u64) {
        self.mss = mss;
        self.growth.cwnd = self.growth.cwnd.max(self.min_window());
    }

    fn window(&self) -> u64 {
        self.growth.cwnd
    }

    fn pacing_rate(&self, srtt: Duration) -> u64 {
        // RFC 9002 §7.7: a little faster than the window per round trip; twice in slow start.
        let (gain, per) = if self.in_slow_start() { (2, 1) } else { (5, 4) };
        let nanos = srtt.as_nanos().max(1);
        let rate = u128::from(self.growth.cwnd) * gain * 1_000_000_000 / (nanos * per);
        u64::try_from(rate).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recovery::RateSample;

    const RTT: Duration = Duration::from_millis(50);

    fn at(ms: u64) -> Instant {
        Instant::from_nanos(ms * 1_000_000)
    }

    fn acked(now: Instant, sent: Instant, bytes: u64) -> Acked {
        Acked {
            now,
            bytes,
            newest_sent: sent,
            rtt: Some(RTT),
            srtt: RTT,
            in_flight: 0,
            delivered: 0,
            limited: true,
            rate: RateSample {
                delivered: bytes,
                interval: RTT,
                prior_delivered: 0,
                app_limited: false,
            },
        }
    }

    fn lost(now: Instant, sent: Instant, persistent: bool) -> Lost {
        Lost {
            now,
            bytes: 1200,
            oldest_sent: sent,
            newest_sent: sent,
            rtt: RTT,
            persistent,
        }
    }

    #[test]
    fn slow_start_doubles_and_a_loss_takes_three_tenths() {
        let mut cubic = Cubic::new(1200);
        assert_eq!(cubic.window(), 12_000);
        cubic.on_ack(&acked(at(50), at(0), 12_000));
        assert_eq!(cubic.window(), 24_000);
        cubic.on_loss(&lost(at(100), at(60), false));
        assert_eq!(cubic.window(), 16_800);
        cubic.on_loss(&lost(at(101), at(99), false));
        assert_eq!(cubic.window(), 16_800, "one reduction a round trip");
        cubic.on_loss(&lost(at(300), at(299), true));
        assert_eq!(cubic.window(), 4800, "persistent congestion");
    }

    #[test]
    fn a_slow_start_whose_end_is_known_ends_there() {
        let mut cubic = Cubic::new(1200);
        cubic.growth.cwnd = 1_200_000;
        cubic.on_loss(&lost(at(0), at(0), true));
        assert_eq!(cubic.window(), 4800);
        for round in 1..9u64 {
            let (now, sent) = (at(round * 500), at(round * 500 - 50));
            // Round trips grow by 20 ms each, which HyStart++ would take for a queue.
            let rtt = RTT + Duration::from_millis(20 * round);
            let bytes = cubic.window();
            cubic.on_ack(&Acked {
                rtt: Some(rtt),
                ..acked(now, sent, bytes)
            });
        }
        assert!(cubic.window() >= 840_000, "{}", cubic.window());
    }

    #[test]
    fn an_unused_window_does_not_grow() {
        let mut cubic = Cubic::new(1200);
        cubic.on_ack(&Acked {
            limited: false,
            ..acked(at(50), at(0), 1200)
        });
        assert_eq!(cubic.window(), 12_000);
    }

    #[test]
    fn a_reduction_is_taken_back_when_all_that_was_lost_has_arrived() {
        let mut cubic = Cubic::new(1200);
        cubic.on_loss(&lost(at(100), at(60), false));
        cubic.on_loss(&lost(at(101), at(99), false));
        assert_eq!(cubic.window(), 8400);
        cubic.on_spurious_loss(at(110), at(60), 1200);
        assert_eq!(cubic.window(), 8400, "the other may be a true loss");
        cubic.on_spurious_loss(at(110), at(99), 1200);
        assert_eq!(cubic.window(), 12_000);
        cubic.on_congestion_experienced(at(120), at(119));
        cubic.on_spurious_loss(at(121), at(99), 1200);
        assert_eq!(cubic.window(), 8400, "a mark is no mistake");
    }

    #[test]
    fn a_mark_counts_as_a_loss_once_a_round_trip() {
        let mut cubic = Cubic::new(1200);
        cubic.on_congestion_experienced(at(100), at(60));
        assert_eq!(cubic.window(), 8400);
        cubic.on_congestion_experienced(at(110), at(90));
        assert_eq!(cubic.window(), 8400);
    }

    #[test]
    fn growth_is_concave_then_convex_around_the_last_peak() {
        let mut cubic = Cubic::new(1200);
        cubic.growth.cwnd = 1_200_000;
        cubic.on_loss(&lost(at(0), at(0), false));
        let peak = 1_200_000;
        let mut windows = Vec::new();
        for round in 1..240u64 {
            let now = at(round * 50);
            cubic.on_ack(&acked(now, at(round * 50 - 1), cubic.window()));
            windows.push(cubic.window());
        }
        assert!(windows.windows(2).all(|pair| pair[0] <= pair[1]));
        let k_rounds = windows
            .iter()
            .position(|&w| w >= peak)
            .expect("it gets back");
        // K = cbrt(1000 * 0.3 / 0.4) = 9.1 s, 182 rounds of 50 ms.
        assert!((170..190).contains(&k_rounds), "{k_rounds}");
        let early = windows[20] - windows[0];
        let near = windows[k_rounds] - windows[k_rounds - 20];
        assert!(early > near * 4, "fast away from the peak, slow near it");
    }
}
