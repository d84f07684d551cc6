//! What a connection tells its user.

use crate::stream::StreamId;

/// A connection of an [`crate::Endpoint`]. Never used twice by one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionHandle(pub(crate) u64);

impl ConnectionHandle {
    /// A number that tells connections of one endpoint apart.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

/// Something that happened on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The handshake is complete: the peer is who it proved to be, and streams can be used.
    Connected,
    /// The peer opened a stream to a port that is listened on.
    Opened {
        /// The stream.
        stream: StreamId,
        /// The port.
        port: u16,
    },
    /// There is something to read: data, a message or the stream's end. Told once; again only after
    /// a read found nothing more.
    Readable {
        /// The stream.
        stream: StreamId,
    },
    /// A stream that was full takes data again.
    Writable {
        /// The stream.
        stream: StreamId,
    },
    /// Another stream can be opened, where [`crate::StreamError::TooMany`] had said that none can.
    StreamsAvailable,
    /// Everything sent on a finished stream has been acknowledged by the peer's transport.
    Finished {
        /// The stream.
        stream: StreamId,
    },
    /// The peer will send no more on this stream, and what was not read is gone.
    Reset {
        /// The stream.
        stream: StreamId,
        /// The peer's reason; 2^32 and above are the transport's own
        /// ([`crate::PORT_CLOSED`], [`crate::MESSAGE_TOO_LONG`]).
        code: u64,
    },
    /// The peer reads no more of this stream; what is written to it is discarded.
    Stopped {
        /// The stream.
        stream: StreamId,
        /// The peer's reason, as in [`Event::Reset`].
        code: u64,
    },
    /// The connection goes on over another path, which was validated: this end has moved
    /// ([`crate::Connection::migrate`]), or the peer has, or its packets come to another address of this
    /// machine.
    Migrated,
    /// This end has moved, and nobody answered over the new path.
    MigrationFailed,
    /// The connection is over. The last event of a connection: its handle is now unknown.
    Closed(CloseReason),
}

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// This end closed it.
    #[error("closed here")]
    Local,
    /// The peer's application closed it.
    #[error("closed by the peer (code {code}): {reason}")]
    Peer {
        /// The application's code.
        code: u64,
        /// For a person; from the peer, at most 256 bytes, control characters removed.
        reason: String,
    },
    /// The peer's transport closed it because of something that this end did.
    #[error("the peer reports a protocol error ({code:#x}): {reason}")]
    PeerError {
        /// docs/PROTOCOL.md §4.6.
        code: u64,
        /// For a person; from the peer, at most 256 bytes, control characters removed.
        reason: String,
    },
    /// The peer broke the protocol, and this end closed the connection.
    #[error("protocol error ({code:#x}): {reason}")]
    ProtocolError {
        /// docs/PROTOCOL.md §4.6.
        code: u64,
        /// Which rule was broken.
        reason: &'static str,
    },
    /// The handshake failed, for instance because the peer is not whom we trust.
    #[error("{0}")]
    Handshake(crate::SessionError),
    /// Nothing was heard for the idle timeout.
    #[error("nothing was heard from the peer for too long")]
    IdleTimeout,
    /// The handshake did not complete in time.
    #[error("the peer did not answer in time")]
    HandshakeTimeout,
    /// The peer no longer knows the connection, for instance after a restart.
    #[error("the peer no longer knows this connection")]
    StatelessReset,
    /// The server wants a proof that this end refuses to compute.
    #[error("refused the server's challenge: {0}")]
    ChallengeRefused(String),
    /// The peer speaks no version of ours.
    #[error("the peer speaks no version of the protocol that we speak")]
    VersionMismatch,
    /// A half-open connection that made room for a newer one.
    #[error("made room for a newer handshake")]
    Evicted,
}

/// Work that a connection needs done elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// Answer the server's challenge, and bring the token back as [`Completion::Solved`].
    Solve {
        /// The challenge's body; its first byte is its kind, never 0.
        challenge: Vec<u8>,
        /// SHA-256 of our first handshake message with its 4-byte header.
        hello: [u8; 32],
    },
}

/// The outcome of a [`Request`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Completion {
    /// The token that answers the challenge, at most [`crate::TOKEN_BYTES_MAX`] bytes.
    Solved(Vec<u8>),
    /// The challenge is not one that we answer. The connection closes with this reason.
    Refused(String),
}
