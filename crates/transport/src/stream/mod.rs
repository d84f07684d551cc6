//! Streams, as their user sees them, and their machinery.

mod ahead;
mod assembler;
#[cfg(feature = "danger-checking")]
mod check;
mod collection;
mod credit;
mod datagrams;
mod egress;
#[cfg(feature = "danger-fuzzing")]
pub(crate) mod fuzzing;
mod held;
mod ingress;
mod marks;
mod message;
mod reading;
mod receive;
mod repeat;
mod ring;
mod send;
mod send_buffer;
mod stats;
mod table;
mod turns;

#[cfg(any(feature = "danger-fuzzing", feature = "danger-checking"))]
pub(crate) use assembler::GAPS_MAX;
pub(crate) use assembler::{Assembler, TooManyGaps};
pub(crate) use collection::{Limits, Streams};
pub use credit::ReceiveBudget;
pub(crate) use marks::NEVER;
pub(crate) use repeat::Repeats;
pub(crate) use send_buffer::SendBuffer;

use crate::Side;

/// A stream of one connection. Both ends may write; each end finishes or resets its own direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub(crate) u64);

impl StreamId {
    /// The number as it travels: bit 0 tells who opened it (0 the client, 1 the server).
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The `index`-th stream that `side` opens.
    pub(crate) const fn new(side: Side, index: u64) -> Self {
        Self(index << 1 | side as u64)
    }

    /// Who opened it.
    pub(crate) const fn initiator(self) -> Side {
        if self.0 & 1 == 0 {
            Side::Client
        } else {
            Side::Server
        }
    }

    /// How many streams the same end opened before.
    pub(crate) const fn index(self) -> u64 {
        self.0 >> 1
    }
}

/// What a stream carries. Chosen by whoever opens it, for both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// Bytes, as TCP does: writes may be split or merged.
    Bytes,
    /// Whole messages, in order, boundaries kept.
    Messages,
    /// Whole messages of any length, each delivered when it is complete, whatever is missing before it.
    Unordered,
    /// Messages that fit into a packet. Each is sent once, and arrives with it or not at all.
    Datagrams,
}

/// Why a stream operation was not done. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// No such stream, or it is over in this direction.
    #[error("no such stream, or it is over")]
    Unknown,
    /// The buffer is full (writing; `Writable` will tell) or there is nothing (reading; `Readable`
    /// will tell).
    #[error("would block")]
    Blocked,
    /// The stream carries bytes and the call is for messages, or the other way round.
    #[error("the stream is in the other mode")]
    WrongMode,
    /// This direction was reset, here or by the peer, or the peer refuses to read it.
    #[error("the stream was broken off (code {0})")]
    Ended(u64),
    /// The message is longer than what the peer takes.
    #[error("the message is too long")]
    TooLong,
    /// The datagram is longer than the path takes: at most so many bytes fit now.
    #[error("the datagram does not fit: {0} bytes do")]
    DoesNotFit(usize),
    /// As many streams are open as the peer allows.
    #[error("too many streams")]
    TooMany,
    /// The handshake is not complete, or the connection is closing.
    #[error("the connection is not open")]
    NotOpen,
}

/// What a stream's opener sends before everything else: destination port and mode
/// (docs/PROTOCOL.md §4.4).
///
/// ```text
/// port 16 | mode 8 (0 bytes, 1 messages, 2 unordered messages, 3 datagrams)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Preamble {
    pub(crate) port: u16,
    pub(crate) mode: Mode,
}

impl Preamble {
    pub(crate) const LEN: usize = 3;

    pub(crate) fn encode(self) -> [u8; Self::LEN] {
        let [high, low] = self.port.to_be_bytes();
        let mode = match self.mode {
            Mode::Bytes => 0,
            Mode::Messages => 1,
            Mode::Unordered => 2,
            Mode::Datagrams => 3,
        };
        [high, low, mode]
    }

    pub(crate) fn decode(bytes: [u8; Self::LEN]) -> Option<Self> {
        let [high, low, mode] = bytes;
        let mode = match mode {
            0 => Mode::Bytes,
            1 => Mode::Messages,
            2 => Mode::Unordered,
            3 => Mode::Datagrams,
            _ => return None,
        };
        let port = u16::from_be_bytes([high, low]);
        Some(Self { port, mode })
    }
}

#[cfg(test)]
mod ahead_tests;
#[cfg(test)]
mod credit_tests;
#[cfg(test)]
mod datagram_tests;
#[cfg(test)]
mod delivery_tests;
#[cfg(test)]
mod message_tests;
#[cfg(test)]
mod tests;
