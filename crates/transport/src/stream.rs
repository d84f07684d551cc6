//! Streams, as their user sees them.

/// A stream of one connection. Both ends may write; each end finishes or resets its own direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub(crate) u64);

impl StreamId {
    /// The number as it travels: bit 0 tells who opened it (0 the client, 1 the server).
    pub const fn as_u64(self) -> u64 {
        self.0
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
    /// The peer reset this direction, or refuses to read it.
    #[error("the peer ended the stream (code {0})")]
    Ended(u64),
    /// The message is longer than what the peer takes, or than `message_bytes_max` here.
    #[error("the message is too long")]
    TooLong,
    /// As many streams are open as the peer allows.
    #[error("too many streams")]
    TooMany,
    /// The handshake is not complete, or the connection is closing.
    #[error("the connection is not open")]
    NotOpen,
}
