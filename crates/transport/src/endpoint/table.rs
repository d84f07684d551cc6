use core::net::SocketAddr;
use std::collections::{BTreeMap, BTreeSet};

use internet::{ConnectionId, ResetToken};

use crate::Instant;
use crate::connection::Connection;
use crate::event::ConnectionHandle;

/// What identifies a client's first packets before it knows our id.
pub(super) type Attempt = (SocketAddr, ConnectionId, ConnectionId);

/// A connection and where the endpoint's queues have it.
pub(super) struct Entry {
    connection: Box<Connection>,
    /// Stands in the queue of connections with something to send.
    pub(super) sending: bool,
    /// Stands in the queue of connections with something to tell.
    pub(super) telling: bool,
    /// Stands in the queue of connections with a request.
    pub(super) requesting: bool,
    /// The timeout under which it is filed.
    armed: Option<Instant>,
    /// Accepted, and the handshake is under way: since when, and how it began.
    half_open: Option<(Instant, Attempt)>,
    /// Where resets for it come from, and how they end.
    reset: Option<(SocketAddr, [u8; ResetToken::LEN])>,
}

impl Entry {
    pub(super) fn has_request(&self) -> bool {
        self.connection.has_request()
    }
}

/// All connections, found by handle, by id, by first attempt, by timeout.
#[derive(Default)]
pub(super) struct Table {
    entries: BTreeMap<ConnectionHandle, Entry>,
    ids: BTreeMap<ConnectionId, ConnectionHandle>,
    attempts: BTreeMap<Attempt, ConnectionHandle>,
    /// Half-open connections, oldest first.
    half_open: BTreeSet<ConnectionHandle>,
    resets: BTreeMap<(SocketAddr, [u8; ResetToken::LEN]), ConnectionHandle>,
    timeouts: BTreeSet<(Instant, ConnectionHandle)>,
    next: u64,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn half_open(&self) -> usize {
        self.half_open.len()
    }

    pub(super) fn handles(&self) -> impl Iterator<Item = ConnectionHandle> + '_ {
        self.entries.keys().copied()
    }

    pub(super) fn connections(&self) -> impl Iterator<Item = &Connection> {
        self.entries.values().map(|entry| &*entry.connection)
    }

    pub(super) fn insert(&mut self, connection: Connection) -> ConnectionHandle {
        let handle = ConnectionHandle(self.next);
        self.next += 1;
        self.ids.insert(connection.local_cid(), handle);
        self.entries.insert(
            handle,
            Entry {
                connection: Box::new(connection),
                sending: false,
                telling: false,
                requesting: false,
                armed: None,
                half_open: None,
                reset: None,
            },
        );
        handle
    }

    /// A connection that was accepted and whose handshake begins.
    pub(super) fn insert_half_open(
        &mut self,
        now: Instant,
        attempt: Attempt,
        connection: Connection,
    ) -> ConnectionHandle {
        let handle = self.insert(connection);
        if let Some(entry) = self.entries.get_mut(&handle) {
            entry.half_open = Some((now, attempt));
        }
        self.attempts.insert(attempt, handle);
        self.half_open.insert(handle);
        handle
    }

    pub(super) fn get_mut(&mut self, handle: ConnectionHandle) -> Option<&mut Connection> {
        self.entries
            .get_mut(&handle)
            .map(|entry| &mut *entry.connection)
    }

    pub(super) fn entry_mut(&mut self, handle: ConnectionHandle) -> Option<&mut Entry> {
        self.entries.get_mut(&handle)
    }

    pub(super) fn by_id(&self, id: ConnectionId) -> Option<ConnectionHandle> {
        self.ids.get(&id).copied()
    }

    pub(super) fn by_attempt(&self, attempt: Attempt) -> Option<ConnectionHandle> {
        self.attempts.get(&attempt).copied()
    }

    pub(super) fn by_reset(
        &self,
        remote: SocketAddr,
        tail: [u8; ResetToken::LEN],
    ) -> Option<ConnectionHandle> {
        self.resets.get(&(remote, tail)).copied()
    }

    /// Resets from `remote` that end with `token` are for this connection.
    pub(super) fn learn_reset(
        &mut self,
        handle: ConnectionHandle,
        remote: SocketAddr,
        token: ResetToken,
    ) {
        let Some(entry) = self.entries.get_mut(&handle) else {
            return;
        };
        if entry.reset.is_none() {
            let key = (remote, *token.as_bytes());
            entry.reset = Some(key);
            self.resets.insert(key, handle);
        }
    }

    /// The handshake of a half-open connection is over. Returns when it began.
    pub(super) fn end_handshake(&mut self, handle: ConnectionHandle) -> Option<Instant> {
        let (since, attempt) = self.entries.get_mut(&handle)?.half_open.take()?;
        self.attempts.remove(&attempt);
        self.half_open.remove(&handle);
        Some(since)
    }

    pub(super) fn oldest_half_open(&self) -> Option<ConnectionHandle> {
        self.half_open.first().copied()
    }

    /// A connection has nothing more to send: files its timeout anew.
    pub(super) fn settle(&mut self, handle: ConnectionHandle) {
        let Some(entry) = self.entries.get_mut(&handle) else {
            return;
        };
        entry.sending = false;
        let due = entry.connection.poll_timeout();
        if entry.armed == due {
            return;
        }
        if let Some(old) = entry.armed {
            self.timeouts.remove(&(old, handle));
        }
        if let Some(new) = due {
            self.timeouts.insert((new, handle));
        }
        entry.armed = due;
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.timeouts.first().map(|&(at, _)| at)
    }

    /// Takes out the next connection that is due.
    pub(super) fn next_due(&mut self, now: Instant) -> Option<ConnectionHandle> {
        let &(at, handle) = self.timeouts.first()?;
        if at > now {
            return None;
        }
        self.timeouts.pop_first();
        if let Some(entry) = self.entries.get_mut(&handle) {
            entry.armed = None;
        }
        Some(handle)
    }

    pub(super) fn remove(&mut self, handle: ConnectionHandle) {
        self.end_handshake(handle);
        let Some(entry) = self.entries.remove(&handle) else {
            return;
        };
        self.ids.remove(&entry.connection.local_cid());
        if let Some(at) = entry.armed {
            self.timeouts.remove(&(at, handle));
        }
        if let Some(key) = entry.reset {
            self.resets.remove(&key);
        }
    }
}
