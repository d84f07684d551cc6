//! What can go wrong, as an [`io::Error`] whose inner error says exactly what.

use std::io;

use transport::{CloseReason, StreamError};

use crate::PathError;

/// The node has been dropped, or its thread could not go on.
pub(super) fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the node is gone")
}

pub(super) fn timed_out() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "timed out")
}

pub(super) fn of_stream(error: StreamError) -> io::Error {
    let kind = match error {
        StreamError::Blocked => io::ErrorKind::WouldBlock,
        StreamError::WrongMode => io::ErrorKind::InvalidInput,
        StreamError::TooLong | StreamError::DoesNotFit(_) => io::ErrorKind::FileTooLarge,
        StreamError::TooMany => io::ErrorKind::QuotaExceeded,
        StreamError::Ended(_) => io::ErrorKind::ConnectionReset,
        // Unknown, NotOpen and what is yet to come.
        _ => io::ErrorKind::NotConnected,
    };
    io::Error::new(kind, error)
}

/// `path` is what the network said meanwhile.
pub(super) fn of_connection(reason: CloseReason, path: Option<PathError>) -> io::Error {
    let kind = match &reason {
        CloseReason::Local => io::ErrorKind::NotConnected,
        CloseReason::HandshakeTimeout => match path {
            Some(path @ PathError::PortClosed) => {
                return io::Error::new(io::ErrorKind::ConnectionRefused, path);
            }
            Some(path @ PathError::Unreachable) => {
                return io::Error::new(io::ErrorKind::HostUnreachable, path);
            }
            Some(path @ PathError::Forbidden) => {
                return io::Error::new(io::ErrorKind::PermissionDenied, path);
            }
            None => io::ErrorKind::TimedOut,
        },
        CloseReason::IdleTimeout => io::ErrorKind::TimedOut,
        CloseReason::Peer { .. } | CloseReason::StatelessReset => io::ErrorKind::ConnectionReset,
        _ => io::ErrorKind::ConnectionAborted,
    };
    io::Error::new(kind, reason)
}
