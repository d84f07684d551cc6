//! Loss recovery (RFC 9002).

#[cfg(feature = "danger-checking")]
mod check;
mod lengths;
mod lost;
mod outcome;
mod rate;
mod received;
mod reordering;
mod ring;
mod rtt;
mod sent;
mod sent_frame;
mod skip;

pub(crate) use outcome::{AckOutcome, LossOutcome};
pub(crate) use rate::{Delivery, RateSample, Snapshot};
pub(crate) use received::{Arrival, Received};
pub(crate) use reordering::Reordering;
pub(crate) use rtt::Rtt;
pub(crate) use sent::{SentPackets, Totals};
pub(crate) use sent_frame::SentFrame;
pub(crate) use skip::Skips;

use core::time::Duration;

/// How long we hold an acknowledgement back at most; told to the peer.
pub(crate) const MAX_ACK_DELAY: Duration = Duration::from_millis(25);

/// Timers are no finer than this (RFC 9002 §6.1.2).
pub(crate) const GRANULARITY: Duration = Duration::from_millis(1);

/// A packet is lost when one so many numbers later has arrived (RFC 9002 §6.1.1).
pub(crate) const PACKET_THRESHOLD: u64 = 3;

/// A probe timeout grows no further than this: a link that heals is noticed soon, and a dead peer
/// costs a small packet every other second until the idle timeout.
pub(crate) const PTO_MAX: Duration = Duration::from_secs(2);

/// The same while the handshake is under way.
pub(crate) const HANDSHAKE_PTO_MAX: Duration = Duration::from_secs(1);

/// Persistent congestion: nothing arrived for so many probe timeouts (RFC 9002 §7.6.1).
pub(crate) const PERSISTENT_CONGESTION_PTOS: u32 = 3;
