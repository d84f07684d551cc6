//! Congestion control behind a trait, and pacing.

mod bbr;
mod cubic;
mod hystart;
mod pacer;

pub(crate) use bbr::Bbr;
pub(crate) use cubic::Cubic;
pub(crate) use pacer::Pacer;

use core::time::Duration;

use crate::Instant;
use crate::recovery::RateSample;

/// How much a connection may have in flight, and how fast it sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CongestionControl {
    /// Models the path's bandwidth and round trip: keeps up its rate on links that lose packets or
    /// vary, and keeps queues short.
    #[default]
    Bbr,
    /// CUBIC (RFC 9438): fills queues until packets are lost, and takes every loss for congestion.
    Cubic,
}

impl CongestionControl {
    pub(crate) fn controller(self, mss: u64) -> Box<dyn Controller> {
        match self {
            Self::Bbr => Box::new(Bbr::new(mss)),
            Self::Cubic => Box::new(Cubic::new(mss)),
        }
    }
}

/// Decides how much may be in flight, and how fast it goes out.
pub(crate) trait Controller: Send {
    /// A packet that elicits an acknowledgement is sent; `in_flight` bytes were on the way before.
    fn on_sent(&mut self, now: Instant, bytes: u64, in_flight: u64);

    /// Packets were newly acknowledged.
    fn on_ack(&mut self, acked: &Acked);

    /// Packets were lost.
    fn on_loss(&mut self, lost: &Lost);

    /// The path marked packets instead of dropping them (RFC 3168); the newest that is known to be
    /// marked was sent at `sent`.
    fn on_congestion_experienced(&mut self, now: Instant, sent: Instant);

    /// Packets of `bytes` that had been declared lost have arrived after all; the newest of them was
    /// sent at `sent`.
    fn on_spurious_loss(&mut self, now: Instant, sent: Instant, bytes: u64);

    /// Packets have another size from now on.
    fn on_mtu(&mut self, mss: u64);

    /// How many bytes may be in flight.
    fn window(&self) -> u64;

    /// Bytes per second at which to pace, given the smoothed round-trip time.
    fn pacing_rate(&self, srtt: Duration) -> u64;
}

/// What an acknowledgement tells a [`Controller`]. Losses that it shows were told before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acked {
    pub(crate) now: Instant,
    /// Bytes newly acknowledged.
    pub(crate) bytes: u64,
    /// When the newest of their packets was sent.
    pub(crate) newest_sent: Instant,
    /// Its round trip, if it is the newest packet of all that were acknowledged.
    pub(crate) rtt: Option<Duration>,
    /// Smoothed round-trip time.
    pub(crate) srtt: Duration,
    /// Bytes that remain in flight.
    pub(crate) in_flight: u64,
    /// Bytes acknowledged since the connection began, these included.
    pub(crate) delivered: u64,
    /// Whether the controller, and not the application, held the sender back.
    pub(crate) limited: bool,
    /// How fast the path delivers.
    pub(crate) rate: RateSample,
}

/// What a loss tells a [`Controller`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lost {
    pub(crate) now: Instant,
    /// Bytes newly lost.
    pub(crate) bytes: u64,
    /// When the oldest and the newest of their packets were sent.
    pub(crate) oldest_sent: Instant,
    pub(crate) newest_sent: Instant,
    /// The last round trip that was measured: where losses are told by what was sent right behind
    /// them, how long that waited in the queue that they did not get into.
    pub(crate) rtt: Duration,
    /// Nothing got through for several probe timeouts (RFC 9002 §7.6).
    pub(crate) persistent: bool,
}
