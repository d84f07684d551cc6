use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use transport::{ConnectionHandle, Instant, Mode};

use super::command::{Command, OnConnection, Peer, Remote, Wait};
use super::stream::Stream;

/// A connection of a [`super::Node`]. Clones are the same connection.
///
/// When the last clone and the last stream of it are dropped it closes: when the peer has acknowledged
/// what was written, and half a second after that, in which it can read it. A peer that takes less than 64 KiB
/// of it in a minute, and does not have it all by then, is not waited for any longer: who has to know keeps a
/// handle and closes the streams ([`Stream::close`]).
#[derive(Clone)]
pub struct Connection {
    shared: Arc<Shared>,
}

/// What a connection and its streams have in common.
pub(super) struct Shared {
    remote: Remote,
    handle: ConnectionHandle,
    address: SocketAddr,
}

impl Connection {
    pub(super) fn new(remote: Remote, (handle, address): Peer) -> Self {
        Self {
            shared: Arc::new(Shared {
                remote,
                handle,
                address,
            }),
        }
    }

    /// The address that the peer had when the connection began.
    pub fn remote_addr(&self) -> SocketAddr {
        self.shared.address
    }

    /// DER SubjectPublicKeyInfo of the key that the peer proved to be its identity, where it has one.
    ///
    /// # Errors
    /// The connection is over.
    pub fn peer_identity(&self) -> io::Result<Option<Vec<u8>>> {
        self.shared.ask(|reply| OnConnection::Identity { reply })
    }

    /// `len` bytes of keying material bound to this channel (RFC 8446 §7.5).
    ///
    /// # Errors
    /// The connection is over.
    pub fn export(&self, label: &[u8], context: &[u8], len: usize) -> io::Result<Vec<u8>> {
        let (label, context) = (label.to_vec(), context.to_vec());
        self.shared.ask(|reply| OnConnection::Export {
            label,
            context,
            len,
            reply,
        })
    }

    /// Lets the peer open streams to `port`.
    ///
    /// # Errors
    /// The connection is over.
    pub fn listen(&self, port: u16) -> io::Result<()> {
        self.shared
            .ask(|reply| OnConnection::Listen { port, reply })
    }

    /// Opens a stream to the peer's `port`. If nobody listens there, using it fails.
    ///
    /// # Errors
    /// `QuotaExceeded`, at once, when as many streams are open as the peer allows: others have to end first. The
    /// connection is over.
    pub fn open(&self, port: u16, mode: Mode) -> io::Result<Stream> {
        let id = (self.shared).ask(|reply| OnConnection::Open { port, mode, reply })?;
        Ok(Stream::new(Arc::clone(&self.shared), id))
    }

    /// The next stream that the peer has opened, and the port it chose, when it comes.
    ///
    /// # Errors
    /// The connection is over.
    pub fn accept_stream(&self) -> io::Result<(u16, Stream)> {
        self.accept_stream_within(None)
    }

    /// The next stream that the peer opens within `timeout` (`None`: ever).
    ///
    /// # Errors
    /// `TimedOut`, and as [`Connection::accept_stream`].
    pub fn accept_stream_within(&self, timeout: Option<Duration>) -> io::Result<(u16, Stream)> {
        let (id, port) = (self.shared).wait(timeout, |reply| Wait::AcceptStream { reply })?;
        Ok((port, Stream::new(Arc::clone(&self.shared), id)))
    }

    /// Closes the connection at once and waits until the peer has acknowledged that, or three probe
    /// timeouts have passed. `code` and `reason` are told to the peer. Streams that must arrive are
    /// closed first ([`Stream::close`]).
    ///
    /// # Errors
    /// The connection was over already.
    pub fn close(&self, code: u64, reason: &str) -> io::Result<()> {
        let reason = reason.to_owned();
        self.shared.ask(|reply| OnConnection::Close {
            code,
            reason,
            reply,
        })
    }
}

impl Shared {
    pub(super) fn ask<T>(
        &self,
        command: impl FnOnce(super::command::Reply<T>) -> OnConnection,
    ) -> io::Result<T> {
        let handle = self.handle;
        self.remote
            .ask(|reply| Command::Connection(handle, command(reply)))
    }

    /// The endpoint's time.
    pub(super) fn now(&self) -> Instant {
        self.remote.now()
    }

    pub(super) fn wait<T>(
        &self,
        timeout: Option<Duration>,
        what: impl FnOnce(super::command::Reply<T>) -> Wait,
    ) -> io::Result<T> {
        self.ask(|reply| OnConnection::Wait {
            what: what(reply),
            timeout,
        })
    }

    /// For drops: nobody waits, and nobody is there to be told of an error.
    pub(super) fn tell(&self, command: OnConnection) {
        let _ = (self.remote).tell(Command::Connection(self.handle, command));
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.tell(OnConnection::Release);
    }
}
