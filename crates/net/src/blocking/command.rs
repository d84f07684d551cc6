//! What handles ask of the service thread.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use transport::{ConnectionHandle, Instant, Mode, Sessions, StreamId};

use super::error;
use crate::{Clock, Waker};

/// Commands that wait for the service; a handle has at most one on its way.
const COMMANDS: usize = 256;

/// Where a result goes.
pub(super) type Reply<T> = SyncSender<io::Result<T>>;

/// Who is at the other end of a new connection.
pub(super) type Peer = (ConnectionHandle, SocketAddr);

pub(super) enum Command {
    Connect {
        remote: SocketAddr,
        sessions: Box<dyn Sessions>,
        reply: Reply<Peer>,
    },
    Accept {
        timeout: Option<Duration>,
        reply: Reply<Peer>,
    },
    /// Something about one connection.
    Connection(ConnectionHandle, OnConnection),
    /// The node is dropped.
    Shutdown,
}

pub(super) enum OnConnection {
    Open {
        port: u16,
        mode: Mode,
        reply: Reply<StreamId>,
    },
    Listen {
        port: u16,
        reply: Reply<()>,
    },
    Identity {
        reply: Reply<Option<Vec<u8>>>,
    },
    Export {
        label: Vec<u8>,
        context: Vec<u8>,
        len: usize,
        reply: Reply<Vec<u8>>,
    },
    Close {
        code: u64,
        reason: String,
        reply: Reply<()>,
    },
    /// The last handle is dropped.
    Release,
    Finish {
        stream: StreamId,
        reply: Reply<()>,
    },
    Reset {
        stream: StreamId,
        code: u32,
        reply: Reply<()>,
    },
    SetPriority {
        stream: StreamId,
        priority: i8,
        reply: Reply<()>,
    },
    /// The stream's handle is dropped.
    ReleaseStream(StreamId),
    /// Something that may take a while.
    Wait {
        what: Wait,
        timeout: Option<Duration>,
    },
}

/// What a handle waits for.
pub(super) enum Wait {
    AcceptStream {
        reply: Reply<(StreamId, u16)>,
    },
    Read {
        stream: StreamId,
        max: usize,
        reply: Reply<Vec<u8>>,
    },
    Write {
        stream: StreamId,
        data: Vec<u8>,
        reply: Reply<usize>,
    },
    Receive {
        stream: StreamId,
        reply: Reply<Option<Vec<u8>>>,
    },
    Send {
        stream: StreamId,
        message: Vec<u8>,
        /// When it is worth nothing any more, if ever.
        deadline: Option<Instant>,
        reply: Reply<()>,
    },
    /// Until the peer has acknowledged a finished stream.
    Acknowledged {
        stream: StreamId,
        reply: Reply<()>,
    },
}

/// How handles reach the service thread.
#[derive(Clone)]
pub(super) struct Remote {
    commands: SyncSender<Command>,
    waker: Waker,
    clock: Clock,
}

impl Remote {
    pub(super) fn new(waker: Waker, clock: Clock) -> (Self, Receiver<Command>) {
        let (commands, receiver) = sync_channel(COMMANDS);
        let remote = Self {
            commands,
            waker,
            clock,
        };
        (remote, receiver)
    }

    /// The time as the service thread tells it to the endpoint.
    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Asks, and waits for the answer.
    pub(super) fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> io::Result<T> {
        let (reply, answer) = sync_channel(1);
        self.tell(command(reply))?;
        answer.recv().unwrap_or_else(|_| Err(error::gone()))
    }

    /// Asks, and does not wait.
    pub(super) fn tell(&self, command: Command) -> io::Result<()> {
        self.commands.send(command).map_err(|_| error::gone())?;
        self.waker.wake();
        Ok(())
    }
}
