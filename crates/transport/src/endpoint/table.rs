use core::hash::{Hash, Hasher};
use core::net::SocketAddr;
use core::time::Duration;
use std::collections::BTreeMap;

use crypto::Random;
use internet::{ConnectionId, ResetToken};

use crate::Instant;
use crate::connection::Connection;
#[cfg(feature = "danger-checking")]
use crate::connection::within;
use crate::event::ConnectionHandle;

use super::keyed::{Keyed, Map};
use super::slab::{self, Slab};
use super::wheel::Wheel;

/// A timeout that is put off stays filed where it was unless that is sooner than this: an answer
/// that takes an acknowledgement along must not leave a timer behind that wakes the process up for
/// nothing before the next packet comes.
const SOON: Duration = Duration::from_millis(1);

/// What identifies a client's first packets before it knows our id.
pub(super) type Attempt = (SocketAddr, ConnectionId, ConnectionId);

/// Where resets for a connection come from, and how they end.
#[derive(Clone, Copy)]
struct Reset(SocketAddr, [u8; ResetToken::LEN]);

/// In constant time, what is secret of it.
impl PartialEq for Reset {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 && ResetToken::new(self.1).matches_tail(&other.1)
    }
}

impl Eq for Reset {}

impl Hash for Reset {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.0, self.1).hash(state);
    }
}

/// A connection and where the endpoint's queues have it.
pub(super) struct Entry {
    pub(super) connection: Box<Connection>,
    /// Stands in the queue of connections with something to send.
    pub(super) sending: bool,
    /// Stands in the queue of connections with something to tell.
    pub(super) telling: bool,
    /// Stands in the queue of connections with a request.
    pub(super) requesting: bool,
    /// Accepted, and the handshake is under way: its number among those.
    half_open: Option<u64>,
    /// Of the ids that it sends to.
    resets: Box<[Reset]>,
}

/// A connection that was accepted and whose handshake is under way.
struct HalfOpen {
    handle: ConnectionHandle,
    since: Instant,
    attempt: Attempt,
}

/// All connections, found by handle, by id, by first attempt, by timeout.
pub(super) struct Table {
    entries: Slab<Entry>,
    ids: Map<ConnectionId, ConnectionHandle>,
    /// The last id that was looked up: a batch of datagrams is mostly for one connection.
    last: Option<(ConnectionId, ConnectionHandle)>,
    attempts: Map<Attempt, ConnectionHandle>,
    resets: Map<Reset, ConnectionHandle>,
    /// Half-open connections, oldest first.
    half_open: BTreeMap<u64, HalfOpen>,
    accepted: u64,
    /// By a connection's place in `entries`. A connection whose timeout moved to a later time stays
    /// where it is unless that is [`SOON`], and is filed anew when the wheel gets there.
    timeouts: Wheel,
}

impl Table {
    pub(super) fn new(random: &mut (impl Random + ?Sized)) -> Self {
        let hasher = Keyed::new(random);
        Self {
            entries: Slab::default(),
            ids: Map::new(hasher.clone()),
            last: None,
            attempts: Map::new(hasher.clone()),
            resets: Map::new(hasher),
            half_open: BTreeMap::new(),
            accepted: 0,
            timeouts: Wheel::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn half_open(&self) -> usize {
        self.half_open.len()
    }

    /// Whether no map has more than there is.
    #[cfg(feature = "danger-checking")]
    pub(super) fn check(&self) -> Result<(), String> {
        let ids = |entry: &Entry| entry.connection.local_ids().count();
        let entries = || self.entries.values();
        let maps = [
            ("ids", self.ids.len(), entries().map(ids).sum()),
            (
                "resets",
                self.resets.len(),
                entries().map(|e| e.resets.len()).sum(),
            ),
            ("attempts", self.attempts.len(), self.half_open.len()),
        ];
        maps.into_iter()
            .try_for_each(|(what, there, most)| within(what, there, most))
    }

    pub(super) fn handles(&self) -> impl Iterator<Item = ConnectionHandle> + '_ {
        self.entries.handles().map(ConnectionHandle)
    }

    pub(super) fn connections(&self) -> impl Iterator<Item = &Connection> {
        self.entries.values().map(|entry| &*entry.connection)
    }

    pub(super) fn insert(&mut self, connection: Connection) -> ConnectionHandle {
        let handle = ConnectionHandle(self.entries.insert(Entry {
            connection: Box::new(connection),
            sending: false,
            telling: false,
            requesting: false,
            half_open: None,
            resets: Box::default(),
        }));
        if let Some(entry) = self.entries.get(handle.0) {
            for id in entry.connection.local_ids() {
                self.ids.insert(id, handle);
            }
        }
        handle
    }

    /// Packets under this id are for a connection.
    pub(super) fn add_id(&mut self, handle: ConnectionHandle, id: ConnectionId) {
        self.ids.insert(id, handle);
    }

    /// Packets under this id are for nobody any more.
    pub(super) fn forget_id(&mut self, id: ConnectionId) {
        self.last = None;
        self.ids.remove(&id);
    }

    /// A connection that was accepted and whose handshake begins.
    pub(super) fn insert_half_open(
        &mut self,
        now: Instant,
        attempt: Attempt,
        connection: Connection,
    ) -> ConnectionHandle {
        let handle = self.insert(connection);
        let number = self.accepted;
        self.accepted += 1;
        if let Some(entry) = self.entries.get_mut(handle.0) {
            entry.half_open = Some(number);
        }
        self.attempts.insert(attempt, handle);
        let half_open = HalfOpen {
            handle,
            since: now,
            attempt,
        };
        self.half_open.insert(number, half_open);
        handle
    }

    pub(super) fn get_mut(&mut self, handle: ConnectionHandle) -> Option<&mut Connection> {
        self.entry_mut(handle).map(|entry| &mut *entry.connection)
    }

    pub(super) fn entry_mut(&mut self, handle: ConnectionHandle) -> Option<&mut Entry> {
        self.entries.get_mut(handle.0)
    }

    pub(super) fn by_id(&mut self, id: ConnectionId) -> Option<ConnectionHandle> {
        if let Some((last, handle)) = self.last
            && last == id
        {
            return Some(handle);
        }
        let handle = self.ids.get(&id)?;
        self.last = Some((id, handle));
        Some(handle)
    }

    pub(super) fn by_attempt(&self, attempt: Attempt) -> Option<ConnectionHandle> {
        self.attempts.get(&attempt)
    }

    pub(super) fn by_reset(
        &self,
        remote: SocketAddr,
        tail: [u8; ResetToken::LEN],
    ) -> Option<ConnectionHandle> {
        self.resets.get(&Reset(remote, tail))
    }

    /// Resets from a connection's peer that end with the token of an id that it sends to are for it,
    /// and no others.
    pub(super) fn learn_resets(&mut self, handle: ConnectionHandle) {
        let Some(entry) = self.entries.get_mut(handle.0) else {
            return;
        };
        for reset in &entry.resets {
            self.resets.remove(reset);
        }
        let remote = entry.connection.remote();
        let tokens = entry.connection.reset_tokens();
        entry.resets = (tokens.map(|token| Reset(remote, *token.as_bytes()))).collect();
        for reset in &entry.resets {
            self.resets.insert(*reset, handle);
        }
    }

    /// The handshake of a half-open connection is over. Returns when it began.
    pub(super) fn end_handshake(&mut self, handle: ConnectionHandle) -> Option<Instant> {
        let number = self.entries.get_mut(handle.0)?.half_open.take()?;
        let half_open = self.half_open.remove(&number)?;
        self.attempts.remove(&half_open.attempt);
        Some(half_open.since)
    }

    pub(super) fn oldest_half_open(&self) -> Option<ConnectionHandle> {
        let (_, oldest) = self.half_open.first_key_value()?;
        Some(oldest.handle)
    }

    /// A connection has nothing more to send: files its timeout.
    pub(super) fn settle(&mut self, now: Instant, handle: ConnectionHandle) {
        let Some(entry) = self.entries.get_mut(handle.0) else {
            return;
        };
        entry.sending = false;
        let place = slab::place(handle.0);
        match entry.connection.poll_timeout() {
            None => self.timeouts.cancel(place),
            Some(due)
                if self
                    .timeouts
                    .armed(place)
                    .is_some_and(|at| may_stay(at, due, now)) => {}
            Some(due) => self.timeouts.arm(place, due),
        }
    }

    /// A time by which [`Table::next_due`] has to be called.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.timeouts.next()
    }

    /// Takes out the next connection that is due, as long as there is some of `left`: of timers that
    /// may be looked at.
    pub(super) fn next_due(&mut self, now: Instant, left: &mut usize) -> Option<ConnectionHandle> {
        loop {
            *left = left.checked_sub(1)?;
            let place = self.timeouts.pop_due(now)?;
            let Some(handle) = self.entries.at(place) else {
                continue;
            };
            let entry = self.entries.get_mut(handle)?;
            match entry.connection.poll_timeout() {
                Some(due) if due > now => {
                    let soon = planted!(TimerFiledTooSoon).then(|| now + Duration::from_micros(1));
                    self.timeouts.arm(place, soon.unwrap_or(due));
                }
                Some(_) => return Some(ConnectionHandle(handle)),
                None => {}
            }
        }
    }

    pub(super) fn remove(&mut self, handle: ConnectionHandle) {
        self.end_handshake(handle);
        let Some(entry) = self.entries.remove(handle.0) else {
            return;
        };
        self.last = None;
        let forgotten = usize::from(planted!(IdLeftInMap));
        for id in entry.connection.local_ids().skip(forgotten) {
            self.ids.remove(&id);
        }
        self.timeouts.cancel(slab::place(handle.0));
        for reset in &entry.resets {
            self.resets.remove(reset);
        }
    }
}

/// Whether what is filed for `at` may stay there though it is due later: that costs a look at it
/// then, which is less than moving it with every packet.
fn may_stay(at: Instant, due: Instant, now: Instant) -> bool {
    at == due || at < due && at.since(now) >= SOON
}
