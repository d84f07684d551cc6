use core::time::Duration;

use super::Controller;
use crate::Instant;

/// Multiplicative decrease, in tenths (RFC 9438 §4.6).
const BETA_TENTHS: u64 = 7;
/// Aggressiveness, in segments per cubic second (RFC 9438 §4.2).
const C: f64 = 0.4;

/// CUBIC (RFC 9438).
#[derive(Debug)]
pub(crate) struct Cubic {
    /// Maximum segment size in bytes.
    mss: u64,
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
    /// Losses of packets that were sent before belong to the last reduction.
    recovery: Option<Instant>,
}

impl Cubic {
    pub(crate) fn new(mss: u64) -> Self {
        Self {
            mss,
            // RFC 9002 §7.2.
            cwnd: (10 * mss).min((2 * mss).max(14_720)),
            ssthresh: u64::MAX,
            w_max: 0.0,
            w_est: 0.0,
            epoch: None,
            cwnd_epoch: 0.0,
            recovery: None,
        }
    }

    /// RFC 9002 §7.2 recommends two packets. Four, the floor that BBR keeps to, leave enough in
    /// flight for a loss to be noticed by the acknowledgement of a later packet and not by a probe
    /// timeout: on a link that loses 30 % it doubles the goodput.
    fn min_window(&self) -> u64 {
        4 * self.mss
    }

    fn in_slow_start(&self) -> bool {
        self.cwnd < self.ssthresh
    }

    /// Congestion avoidance: the cubic window one round trip from now, or standard TCP's.
    fn avoid(&mut self, now: Instant, bytes: u64, srtt: Duration) {
        let mss = self.mss as f64;
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
}

impl Controller for Cubic {
    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, srtt: Duration, limited: bool) {
        if self.recovery.is_some_and(|start| sent <= start) {
            return;
        }
        if !limited {
            // RFC 9438 §5.8: a window that was not used says nothing about the path.
            self.epoch = None;
            return;
        }
        if self.in_slow_start() {
            self.cwnd += bytes;
        } else {
            self.avoid(now, bytes, srtt);
        }
    }

    fn on_loss(&mut self, now: Instant, sent: Instant, persistent: bool) {
        if self.recovery.is_some_and(|start| sent <= start) && !persistent {
            return;
        }
        self.recovery = Some(now);
        self.epoch = None;
        let cwnd = self.cwnd as f64;
        // RFC 9438 §4.7: give way faster when the last peak was not reached.
        self.w_max = if cwnd < self.w_max {
            cwnd * (1.0 + BETA_TENTHS as f64 / 10.0) / 2.0
        } else {
            cwnd
        };
        self.cwnd = (self.cwnd * BETA_TENTHS / 10).max(self.min_window());
        self.ssthresh = self.cwnd;
        if persistent {
            self.cwnd = self.min_window();
        }
    }

    fn window(&self) -> u64 {
        self.cwnd
    }

    fn pacing_rate(&self, srtt: Duration) -> u64 {
        // RFC 9002 §7.7: a little faster than the window per round trip; twice in slow start.
        let (gain, per) = if self.in_slow_start() { (2, 1) } else { (5, 4) };
        let nanos = srtt.as_nanos().max(1);
        let rate = u128::from(self.cwnd) * gain * 1_000_000_000 / (nanos * per);
        u64::try_from(rate).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(50);

    fn at(ms: u64) -> Instant {
        Instant::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn slow_start_doubles_and_a_loss_takes_three_tenths() {
        let mut cubic = Cubic::new(1200);
        assert_eq!(cubic.window(), 12_000);
        cubic.on_ack(at(50), at(0), 12_000, RTT, true);
        assert_eq!(cubic.window(), 24_000);
        cubic.on_loss(at(100), at(60), false);
        assert_eq!(cubic.window(), 16_800);
        cubic.on_loss(at(101), at(99), false);
        assert_eq!(cubic.window(), 16_800, "one reduction a round trip");
        cubic.on_loss(at(300), at(299), true);
        assert_eq!(cubic.window(), 4800, "persistent congestion");
    }

    #[test]
    fn an_unused_window_does_not_grow() {
        let mut cubic = Cubic::new(1200);
        cubic.on_ack(at(50), at(0), 1200, RTT, false);
        assert_eq!(cubic.window(), 12_000);
    }

    #[test]
    fn growth_is_concave_then_convex_around_the_last_peak() {
        let mut cubic = Cubic::new(1200);
        cubic.cwnd = 1_200_000;
        cubic.on_loss(at(0), at(0), false);
        let peak = 1_200_000;
        let mut windows = Vec::new();
        for round in 1..240u64 {
            let now = at(round * 50);
            cubic.on_ack(now, at(round * 50 - 1), cubic.window(), RTT, true);
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
