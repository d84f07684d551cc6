use core::time::Duration;

use crate::Instant;

/// A burst may last so long at the pacing rate: long enough for one send call to be worth it,
/// short enough for any queue.
const BURST: Duration = Duration::from_millis(2);

/// The smallest burst, in packets (RFC 9002 §7.7).
const BURST_PACKETS: u64 = 10;

/// No timer is set to less.
const WAIT_MIN: Duration = Duration::from_micros(1);

/// Spreads packets over time: a bucket that fills at the pacing rate.
#[derive(Debug)]
pub(crate) struct Pacer {
    /// Bytes that may be sent now.
    tokens: u64,
    /// When the bucket was last filled.
    at: Instant,
    datagram: u64,
}

impl Pacer {
    pub(crate) fn new(datagram: u64) -> Self {
        Self {
            tokens: datagram * BURST_PACKETS,
            at: Instant::ZERO,
            datagram,
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
        Err(now + wait.max(WAIT_MIN))
    }

    pub(crate) fn on_sent(&mut self, bytes: u64) {
        self.tokens = self.tokens.saturating_sub(bytes);
    }

    fn capacity(&self, rate: u64) -> u64 {
        let burst = u128::from(rate) * BURST.as_nanos() / 1_000_000_000;
        u64::try_from(burst)
            .unwrap_or(u64::MAX)
            .max(self.datagram * BURST_PACKETS)
    }

    fn fill(&mut self, now: Instant, rate: u64) {
        // A clock that was set back must not stop the flow until it has caught up.
        self.at = self.at.min(now);
        let elapsed = now.since(self.at).as_nanos();
        let gained = u128::from(rate) * elapsed / 1_000_000_000;
        if gained == 0 {
            // Too early to tell: keep the time, so that small steps add up.
            return;
        }
        self.at = now;
        let tokens = u128::from(self.tokens) + gained;
        self.tokens = u64::try_from(tokens)
            .unwrap_or(u64::MAX)
            .min(self.capacity(rate));
    }
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
