use core::time::Duration;

use crate::Instant;

/// How fast a path delivers, as one acknowledgement shows it (draft-cheng-iccrg-delivery-rate-
/// estimation §3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RateSample {
    /// Bytes delivered within `interval`.
    pub(crate) delivered: u64,
    /// The longer of the times that it took to send them and to have them acknowledged.
    pub(crate) interval: Duration,
    /// Bytes that had been delivered on the connection when the newest of them was sent.
    pub(crate) prior_delivered: u64,
    /// The application had too little to send: the path may be faster.
    pub(crate) app_limited: bool,
}

impl RateSample {
    /// Bytes per second.
    pub(crate) fn rate(&self) -> u64 {
        let nanos = self.interval.as_nanos().max(1);
        let rate = u128::from(self.delivered) * 1_000_000_000 / nanos;
        u64::try_from(rate).unwrap_or(u64::MAX)
    }
}

/// Where delivery stood when a packet was sent. One is kept for each packet, so it is small: times
/// are told as how long before the packet they were.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Snapshot {
    /// Bytes delivered, modulo 2^32.
    delivered: u32,
    /// Since the last delivery.
    delivered_ago: Ago,
    /// Since the first packet of the flight was sent.
    first_sent_ago: Ago,
}

/// A time in units of 64 ns, up to 137 s; the lowest bit is free for a flag.
#[derive(Clone, Copy, Debug, Default)]
struct Ago(u32);

impl Ago {
    fn new(ago: Duration, flag: bool) -> Self {
        let units = u32::try_from(ago.as_nanos() / 64).unwrap_or(u32::MAX);
        Self(units.min(u32::MAX >> 1) << 1 | u32::from(flag))
    }

    fn duration(self) -> Duration {
        Duration::from_nanos(u64::from(self.0 >> 1) * 64)
    }

    fn flag(self) -> bool {
        self.0 & 1 == 1
    }
}

/// Delivery on a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delivery {
    /// Bytes acknowledged.
    delivered: u64,
    /// When the last of them were.
    delivered_at: Instant,
    /// When the newest packet that was acknowledged had been sent, or the first of a new flight.
    first_sent_at: Instant,
    /// Until so many bytes are delivered, what is delivered was held back by the application.
    app_limited_until: u64,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            delivered: 0,
            delivered_at: Instant::ZERO,
            first_sent_at: Instant::ZERO,
            app_limited_until: 0,
        }
    }
}

impl Delivery {
    /// Bytes acknowledged since the connection began.
    pub(crate) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// A packet is sent, while so many bytes are in flight.
    pub(crate) fn on_sent(&mut self, now: Instant, in_flight: u64) -> Snapshot {
        if in_flight == 0 {
            self.first_sent_at = now;
            self.delivered_at = now;
        }
        Snapshot {
            delivered: self.delivered as u32,
            delivered_ago: Ago::new(now.since(self.delivered_at), self.app_limited_until > 0),
            first_sent_ago: Ago::new(now.since(self.first_sent_at), false),
        }
    }

    /// The application has nothing to send, although more could be in flight.
    pub(crate) fn on_app_limited(&mut self, in_flight: u64) {
        self.app_limited_until = (self.delivered + in_flight).max(1);
    }

    /// Packets of `bytes` that had been declared lost have arrived.
    pub(crate) fn on_late(&mut self, bytes: u64) {
        self.delivered += bytes;
    }

    /// Packets of `bytes` were acknowledged; the newest was sent at `sent`, with this snapshot.
    pub(crate) fn on_acked(
        &mut self,
        now: Instant,
        bytes: u64,
        sent: Instant,
        snapshot: Snapshot,
    ) -> RateSample {
        self.delivered += bytes;
        if self.delivered > self.app_limited_until {
            self.app_limited_until = 0;
        }
        self.delivered_at = now;
        self.first_sent_at = self.first_sent_at.max(sent);
        let delivered = u64::from((self.delivered as u32).wrapping_sub(snapshot.delivered));
        let acked_within = now.since(sent) + snapshot.delivered_ago.duration();
        RateSample {
            delivered,
            interval: acked_within.max(snapshot.first_sent_ago.duration()),
            prior_delivered: self.delivered.saturating_sub(delivered),
            app_limited: snapshot.delivered_ago.flag(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn a_steady_flow_is_sampled_at_its_rate() {
        let mut delivery = Delivery::default();
        let mut sent = Vec::new();
        for ms in 0..200 {
            let in_flight = ms.min(40) * 1000;
            sent.push(delivery.on_sent(at(ms), in_flight));
            if ms < 40 {
                continue;
            }
            let packet = sent[ms as usize - 40];
            let sample = delivery.on_acked(at(ms), 1000, at(ms - 40), packet);
            assert!(!sample.app_limited);
            if ms > 80 {
                assert_eq!(sample.rate() / 1000, 1000, "1000 bytes a millisecond");
                assert_eq!(sample.interval, Duration::from_millis(41));
            }
        }
        assert_eq!(delivery.delivered(), 160_000);
    }

    #[test]
    fn a_burst_of_acknowledgements_does_not_look_faster_than_the_packets_were_sent() {
        let mut delivery = Delivery::default();
        let first = delivery.on_sent(at(0), 0);
        let last = delivery.on_sent(at(100), 1000);
        delivery.on_acked(at(150), 1000, at(0), first);
        let sample = delivery.on_acked(at(150), 1000, at(100), last);
        assert_eq!(sample.delivered, 2000);
        assert_eq!(sample.interval, Duration::from_millis(150));
    }

    #[test]
    fn samples_that_the_application_held_back_say_so_until_they_are_through() {
        let mut delivery = Delivery::default();
        let first = delivery.on_sent(at(0), 0);
        delivery.on_app_limited(1000);
        let second = delivery.on_sent(at(10), 1000);
        assert!(!delivery.on_acked(at(40), 1000, at(0), first).app_limited);
        assert!(delivery.on_acked(at(50), 1000, at(10), second).app_limited);
        let third = delivery.on_sent(at(60), 0);
        assert!(!delivery.on_acked(at(100), 1000, at(60), third).app_limited);
    }

    #[test]
    fn a_snapshot_is_twelve_bytes() {
        assert_eq!(size_of::<Snapshot>(), 12);
    }
}
