//! Congestion control behind a trait, and pacing.

mod cubic;
mod pacer;

pub(crate) use cubic::Cubic;
pub(crate) use pacer::Pacer;

use core::time::Duration;

use crate::Instant;

/// Decides how much may be in flight.
pub(crate) trait Controller: Send {
    /// Packets of `bytes` in all were newly acknowledged; the newest was sent at `sent`.
    /// `limited` tells whether the window was what held the sender back.
    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, srtt: Duration, limited: bool);

    /// Packets were lost; the newest was sent at `sent`. `persistent`: nothing got through for
    /// several probe timeouts (RFC 9002 §7.6).
    fn on_loss(&mut self, now: Instant, sent: Instant, persistent: bool);

    /// Packets of `bytes` that had been declared lost have arrived after all; the newest of them was
    /// sent at `sent`.
    fn on_spurious_loss(&mut self, _now: Instant, _sent: Instant, _bytes: u64) {}

    /// How many bytes may be in flight.
    fn window(&self) -> u64;

    /// Bytes per second at which to pace, given the smoothed round-trip time.
    fn pacing_rate(&self, srtt: Duration) -> u64;
}
