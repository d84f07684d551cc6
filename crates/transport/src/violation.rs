//! Rules that a peer broke (docs/PROTOCOL.md §4.6).

use codec::DecodeError;

/// Closing codes of the transport (RFC 9000 §20.1, and ours from 0x20 on).
pub mod code {
    /// No error.
    pub const NONE: u64 = 0x00;
    /// The closing end failed, not its peer.
    pub const INTERNAL: u64 = 0x01;
    /// More data than was allowed.
    pub const FLOW_CONTROL: u64 = 0x03;
    /// More streams than were allowed.
    pub const STREAM_LIMIT: u64 = 0x04;
    /// A frame for a stream that cannot have it.
    pub const STREAM_STATE: u64 = 0x05;
    /// A stream's end that is contradicted.
    pub const FINAL_SIZE: u64 = 0x06;
    /// A frame that does not decode.
    pub const FRAME_ENCODING: u64 = 0x07;
    /// Transport parameters that do not decode or contradict what was seen.
    pub const PARAMETERS: u64 = 0x08;
    /// More connection ids than may be active.
    pub const CONNECTION_ID_LIMIT: u64 = 0x09;
    /// Any other broken rule.
    pub const PROTOCOL_VIOLATION: u64 = 0x0a;
    /// More handshake bytes out of order than are kept.
    pub const CRYPTO_BUFFER: u64 = 0x0d;
    /// A key was used as often as it may be.
    pub const AEAD_LIMIT: u64 = 0x0f;
    /// A message with a length that does not decode, or one that its stream's end cuts off.
    pub const MESSAGE: u64 = 0x20;
    /// The handshake failed; the low byte is the TLS alert.
    pub const CRYPTO: u64 = 0x100;
}

/// A broken rule: the connection closes with its code and reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) code: u64,
    pub(crate) reason: &'static str,
}

impl Violation {
    pub(crate) const fn new(code: u64, reason: &'static str) -> Self {
        Self { code, reason }
    }
}

impl From<DecodeError> for Violation {
    fn from(_: DecodeError) -> Self {
        Self::new(code::FRAME_ENCODING, "a frame does not decode")
    }
}

/// Why a packet's frames were not all taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The connection closes.
    Violation(Violation),
    /// There is no room for what the packet carries: it counts as not received, and the peer will
    /// send it again.
    NoRoom,
}

impl From<Violation> for Refused {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}

impl From<DecodeError> for Refused {
    fn from(error: DecodeError) -> Self {
        Self::Violation(error.into())
    }
}
