use core::time::Duration;

use crate::Instant;

/// A burst may last so long at the pacing rate: long enough for one send call to be worth it,
/// short enough for any queue.
const BURST: Duration = Duration::from_millis(1);

/// The smallest burst, in packets. RFC 9002 §7.7 allows ten; a queue of a fifth of a round trip of 10 ms
/// at 50 Mbit/s holds nine, and two CUBIC flows on it use 39 % of the link with ten. At 20 ms they use 68 %
/// with ten, and 91 % with four.
const BURST_PACKETS: u64 = 4;

/// What was not sent because a timer fired late, or the process did not run, is made up for as far
/// back as this.
const LATE_MAX: Duration = Duration::from_millis(10);

/// No timer is set to less.
const WAIT_MIN: Duration = Duration::from_micros(1);

/// Spreads packets over time: a bucket that fills at the pacing rate.
///
/// Timers fire a millisecond late, or more. Whoever was told to wait finds what has come together
/// since, beyond the size of a burst, and the rate is kept.
#[derive(Debug)]
pub(crate) struct Pacer {
    /// Bytes that may be sent now.
    tokens: u64,
    /// When the bucket was last filled.
    at: Instant,
    datagram: u64,
    /// Until when somebody was told to wait.
    waiting: Option<Instant>,
}

impl Pacer {
    pub(crate) fn new(datagram: u64) -> Self {
        Self {
            tokens: datagram * BURST_PACKETS,
            at: Instant::ZERO,
            datagram,
            waiting: None,
        }
    }

    /// Full datagrams have this length from now on. Tells whether that is a change.
    pub(crate) fn on_mtu(&mut self, datagram: u64) -> bool {
        let changes = self.datagram != datagram;
        self.datagram = datagram;
        changes
    }

    /// Whether a datagram may be sent now; otherwise when.
    pub(crate) fn check(&mut self, now: Instant, rate: u64) -> Result<(), Instant> {
        self.fill(now, rate);
        if self.tokens >= self.datagram {
            return Ok(());
        }
        // Waking up for one packet each would be dear: wait for half a burst.
        let wanted = (self.capacity(rate) / 2).max(self.datagram);
        let missing = wanted.saturating_sub(self.tokens);
        let nanos = u128::from(missing) * 1_000_000_000 / u128::from(rate.max(1));
        let wait = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        // Never now: whoever waits is to be let go when it comes back.
        let until = now + wait.max(WAIT_MIN);
        self.waiting = Some(until);
        Err(until)
    }

    pub(crate) fn on_sent(&mut self, bytes: u64) {
        self.tokens = self.tokens.saturating_sub(bytes);
        self.waiting = None;
    }

    fn capacity(&self, rate: u64) -> u64 {
        bytes(rate, BURST).max(self.datagram * BURST_PACKETS)
    }

    fn fill(&mut self, now: Instant, rate: u64) {
        // A clock that was set back must not stop the flow until it has caught up.
        self.at = self.at.min(now);
        let gained = bytes(rate, now.since(self.at));
        if gained == 0 {
            // Too early to tell: keep the time, so that small steps add up.
            return;
        }
        self.at = now;
        // Long after that, it is the application that had nothing to send.
        let late = (self.waiting)
            .map(|until| now.since(until))
            .filter(|late| *late < LATE_MAX * 10)
            .unwrap_or_default();
        let capacity = self.capacity(rate) + bytes(rate, late.min(LATE_MAX));
        self.tokens = self
            .tokens
            .saturating_add(gained)
            .min(capacity.max(self.tokens));
    }
}

/// What passes at `rate` in so much time.
fn bytes(rate: u64, time: Duration) -> u64 {
    let bytes = u128::from(rate) * time.as_nanos() / 1_000_000_000;
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_to_the_rate_after_the_first_burst() {
        let mut pacer = Pacer::new(1200);
        let (mut now, mut sent) = (Instant::from_nanos(1), 0u64);
        let end = now + Duration::from_secs(1);
        while now < end {
            match pacer.check(now, 1_000_000) {
                Ok(()) => {
                    pacer.on_sent(1200);
                    sent += 1200;
                }
                Err(later) => {
                    assert!(later > now);
                    now = later;
                }
            }
        }
        assert!((1_000_000..1_030_000).contains(&sent), "{sent}");
    }

    #[test]
    fn a_late_timer_costs_nothing_and_an_idle_time_gains_nothing() {
        let rate = 1_000_000_000;
        let drain = |pacer: &mut Pacer, now| {
            let mut sent = 0;
            while pacer.check(now, rate).is_ok() {
                pacer.on_sent(1200);
                sent += 1200;
            }
            sent
        };
        let mut pacer = Pacer::new(1200);
        let mut now = Instant::from_nanos(1);
        drain(&mut pacer, now);
        // Woken seven milliseconds after it asked to be, each time.
        let (mut sent, begin) = (0, now);
        for _ in 0..100 {
            now = pacer.check(now, rate).unwrap_err() + Duration::from_millis(7);
            sent += drain(&mut pacer, now);
        }
        let due = bytes(rate, now.since(begin));
        assert!(
            (due - due / 50..=due + 1_000_000).contains(&sent),
            "{sent} of {due}"
        );
        now += Duration::from_secs(2);
        assert!(drain(&mut pacer, now) <= 2_000_000, "a burst, after idling");
    }

    #[test]
    fn h31_a_clock_that_is_set_back_does_not_stop_the_flow() {
        let mut pacer = Pacer::new(1200);
        let mut now = Instant::from_nanos(3_600_000_000_000);
        while pacer.check(now, 1_000_000).is_ok() {
            pacer.on_sent(1200);
        }
        now = Instant::from_nanos(1);
        for _ in 0..2 {
            match pacer.check(now, 1_000_000) {
                Ok(()) => return,
                Err(later) => now = later,
            }
        }
        panic!("it waits for the old time");
    }

    #[test]
    fn small_steps_add_up() {
        let mut pacer = Pacer::new(1200);
        let mut now = Instant::from_nanos(1);
        while pacer.check(now, 1_000_000).is_ok() {
            pacer.on_sent(1200);
        }
        for _ in 0..100_000 {
            now += Duration::from_nanos(300);
            if pacer.check(now, 1_000_000).is_ok() {
                return;
            }
        }
        panic!("30 ms are enough for 1200 bytes at 1 MB/s");
    }
}
