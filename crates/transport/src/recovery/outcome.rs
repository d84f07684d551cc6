use core::time::Duration;

use super::lost::Spurious;
use super::ring::SentPacket;
use super::{RateSample, Snapshot};
use crate::Instant;

/// What an acknowledgement brought.
#[derive(Debug, Default)]
pub(crate) struct AckOutcome {
    /// Packets and bytes that are newly acknowledged.
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    /// A number is acknowledged that is larger than all before.
    pub(crate) advances: bool,
    /// When the newest of the newly acknowledged packets was sent, if any of them elicits
    /// acknowledgements.
    pub(crate) newest_sent: Option<Instant>,
    /// The largest number is new and its packet's round trip is this long.
    pub(crate) rtt_sample: Option<Duration>,
    /// What had been declared lost and was not.
    pub(crate) spurious: Spurious,
    /// How fast the path delivers.
    pub(crate) rate: Option<RateSample>,
    pub(super) newest: Snapshot,
}

/// What loss detection brought.
#[derive(Debug, Default)]
pub(crate) struct LossOutcome {
    /// Bytes that are newly lost.
    pub(crate) bytes: u64,
    /// When the oldest of them was sent.
    pub(crate) oldest_sent: Option<Instant>,
    /// When the newest of them was sent.
    pub(crate) newest_sent: Option<Instant>,
    /// For how long nothing got through that was sent: between the first and the last of the lost
    /// packets, none between them acknowledged, and all sent after the first round-trip time sample
    /// (RFC 9002 §7.6.2).
    pub(crate) silence: Duration,
    /// Their numbers, for the event log.
    #[cfg(feature = "qlog")]
    pub(crate) numbers: Vec<u64>,
}

impl AckOutcome {
    pub(super) fn note(&mut self, packet: &SentPacket) {
        self.packets += 1;
        self.bytes += u64::from(packet.size);
        if self.newest_sent.is_none_or(|newest| newest < packet.at) {
            self.newest_sent = Some(packet.at);
            self.newest = packet.delivery;
        }
    }
}

impl LossOutcome {
    pub(super) fn note(&mut self, packet: &SentPacket) {
        self.bytes += u64::from(packet.size);
        self.oldest_sent = self.oldest_sent.or(Some(packet.at));
        self.newest_sent = self.newest_sent.max(Some(packet.at));
    }
}
