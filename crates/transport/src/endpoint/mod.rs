//! Many connections behind one UDP address.

#[cfg(feature = "danger-checking")]
mod check;
mod incoming;
mod keyed;
mod slab;
mod table;
mod wheel;
mod workers;

use core::net::SocketAddr;
use std::collections::VecDeque;
use std::sync::Arc;

use crypto::{Random, Secret};
use internet::{ConnectionId, ConnectionIds, Drops, ResetToken, Route};

use crate::connection::{Connection, Counters, Start};
use crate::datagram::{Addresses, Meta, Transmit};
use crate::event::{CloseReason, Completion, ConnectionHandle, Event, Request};
use crate::gate::{Gate, Load};
use crate::machine::Machine;
use crate::parameters::Parameters;
use crate::session::{SessionError, Sessions};
use crate::{Config, Instant, Side};

use table::Table;

/// Stateless answers that wait to be sent; more are dropped.
const ANSWERS_MAX: usize = 256;

/// Connections whose timers one call of [`Endpoint::handle_timeout`] looks at: some milliseconds of
/// work.
pub const DUE_MAX: usize = 1024;

/// What accepts connections.
pub struct Accept {
    /// Makes a session for each admitted connection.
    pub sessions: Box<dyn Sessions>,
    /// Decides who is admitted.
    pub gate: Box<dyn Gate>,
    /// Connection ids and stateless reset tokens derive from it. Keep it over restarts, so that
    /// clients learn at once that their connection is gone.
    pub secret: Secret<32>,
}

/// Why a connection was not begun.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No session could be made.
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// Counters of an endpoint.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct EndpointStats {
    /// Connections that exist, half-open ones included.
    pub connections: usize,
    /// Accepted connections whose handshake is under way.
    pub half_open: usize,
    /// Challenges sent.
    pub challenges: u64,
    /// Stateless resets sent.
    pub resets: u64,
    /// Datagrams and packets dropped, by reason.
    pub drops: Drops,
    /// What happened on all connections, those that are gone included.
    pub counters: Counters,
}

/// The accepting half of an endpoint.
struct Server {
    accept: Accept,
    ids: ConnectionIds,
}

/// Many connections behind one UDP address: a sans-IO machine.
///
/// After every mutation drain [`Endpoint::poll_transmit`], then [`Endpoint::poll_event`] and
/// [`Endpoint::poll_request`]; a call made in answer to an event means: drain again; then arm the
/// timer with [`Endpoint::poll_timeout`].
pub struct Endpoint {
    config: Arc<Config>,
    server: Option<Server>,
    random: Box<dyn Random>,
    table: Table,
    /// Connections that may have something to send, in turn.
    sending: VecDeque<ConnectionHandle>,
    /// Connections that may have events.
    telling: VecDeque<ConnectionHandle>,
    /// Connections that have a request.
    requesting: VecDeque<ConnectionHandle>,
    /// Stateless answers: challenges, resets, version packets.
    answers: VecDeque<(Addresses, Vec<u8>)>,
    /// Whose the last datagram is, if another worker's.
    stray: Option<u8>,
    /// A connection has begun to end since everything was sent.
    ending: bool,
    stats: EndpointStats,
}

impl Endpoint {
    /// An endpoint that only connects.
    pub fn client(config: Config, random: Box<dyn Random>) -> Self {
        Self::new(config, None, random)
    }

    /// An endpoint that accepts connections, and may connect as well.
    pub fn server(config: Config, accept: Accept, random: Box<dyn Random>) -> Self {
        let ids = ConnectionIds::new(&accept.secret);
        Self::new(config, Some(Server { accept, ids }), random)
    }

    fn new(config: Config, server: Option<Server>, mut random: Box<dyn Random>) -> Self {
        let table = Table::new(&mut *random);
        Self {
            config: Arc::new(config.within_limits()),
            server,
            random,
            table,
            sending: VecDeque::new(),
            telling: VecDeque::new(),
            requesting: VecDeque::new(),
            answers: VecDeque::new(),
            stray: None,
            ending: false,
            stats: EndpointStats::default(),
        }
    }

    /// Begins a connection. [`Event::Connected`] or [`Event::Closed`] follows.
    ///
    /// # Errors
    /// When no session can be made.
    pub fn connect(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        sessions: &mut dyn Sessions,
    ) -> Result<ConnectionHandle, ConnectError> {
        let local_cid = self.issue_id();
        let original_dcid = ConnectionId::random(&mut *self.random);
        let parameters = Parameters::new(&self.config, local_cid).encode();
        let session = sessions.session(parameters)?;
        let [seed, path_seed] = self.seeds();
        let start = Start {
            now,
            side: Side::Client,
            addresses: Addresses {
                remote,
                local: None,
            },
            local_cid,
            remote_cid: original_dcid,
            original_dcid,
            session,
            seed,
            path_seed,
            admission: None,
        };
        let connection = Connection::new(start, Arc::clone(&self.config));
        let handle = self.table.insert(connection);
        self.touch(handle);
        Ok(handle)
    }

    /// What a connection needs of randomness.
    fn seeds(&mut self) -> [u64; 2] {
        let mut draw = || u64::from_be_bytes(crypto::random_array(&mut *self.random));
        [draw(), draw()]
    }

    /// A new id that no other connection has.
    fn issue_id(&mut self) -> ConnectionId {
        loop {
            let id = match &self.server {
                Some(server) => {
                    let worker = self.config.worker;
                    server
                        .ids
                        .issue(Route { node: 0, worker }, &mut *self.random)
                }
                None => ConnectionId::random(&mut *self.random),
            };
            if self.table.by_id(id).is_none() {
                return id;
            }
        }
    }

    /// A connection's ids have come or gone, or the peer lacks some.
    fn update_ids(&mut self, handle: ConnectionHandle) {
        while let Some(connection) = self.table.get_mut(handle) {
            if let Some(retired) = connection.take_retired_id() {
                self.table.forget_id(retired);
            } else if connection.ids_wanted() > 0 {
                let id = self.issue_id();
                let token = match &self.server {
                    Some(server) => server.ids.reset_token(id),
                    None => ResetToken::new(crypto::random_array(&mut *self.random)),
                };
                self.table.add_id(handle, id);
                if let Some(connection) = self.table.get_mut(handle) {
                    connection.issue_id(id, token);
                }
            } else {
                break;
            }
        }
        self.table.learn_resets(handle);
    }

    /// Takes in one UDP payload. It is opened in place, so its bytes are changed.
    pub fn handle_datagram(&mut self, now: Instant, meta: Meta, datagram: &mut [u8]) {
        if let Some(handle) = self.route(now, meta, datagram) {
            let Some(connection) = self.table.get_mut(handle) else {
                return;
            };
            let half_open = connection.side() == Side::Server && connection.is_handshaking();
            connection.handle_datagram(now, meta, datagram, &mut self.stats.drops);
            let ended = half_open && !connection.is_handshaking();
            self.ending |= !connection.is_alive();
            if connection.take_ids_changed() {
                self.update_ids(handle);
            }
            if ended {
                self.on_handshake_end(now, handle);
            }
            self.touch(handle);
        }
    }

    /// Does what is due, for at most [`DUE_MAX`] connections: of very many that are due at once,
    /// [`Endpoint::poll_timeout`] tells the rest to be due still, so that datagrams have their turn.
    pub fn handle_timeout(&mut self, now: Instant) {
        let mut left = DUE_MAX;
        while let Some(handle) = self.table.next_due(now, &mut left) {
            let Some(connection) = self.table.get_mut(handle) else {
                continue;
            };
            let half_open = connection.side() == Side::Server && connection.is_handshaking();
            connection.handle_timeout(now);
            let ids_changed = connection.take_ids_changed();
            if half_open && connection.is_gone() {
                self.on_handshake_end(now, handle);
            }
            if ids_changed {
                self.update_ids(handle);
            }
            self.touch(handle);
        }
    }

    /// Takes in the outcome of a request. For a connection that is gone it does nothing.
    pub fn handle_completion(
        &mut self,
        now: Instant,
        connection: ConnectionHandle,
        completion: Completion,
    ) {
        if let Some(found) = self.table.get_mut(connection) {
            found.handle_completion(now, completion);
            self.touch(connection);
        }
    }

    /// Appends up to `max_segments` datagrams for one address to `buffer`, which is empty: all of
    /// equal length but the last, which may be shorter. Call until `None`.
    pub fn poll_transmit(
        &mut self,
        now: Instant,
        max_segments: usize,
        buffer: &mut Vec<u8>,
    ) -> Option<Transmit> {
        if let Some((to, answer)) = self.answers.pop_front() {
            buffer.extend_from_slice(&answer);
            return Some(Transmit {
                remote: to.remote,
                local: to.local,
                len: answer.len(),
                segment_len: None,
                ecn: None,
            });
        }
        while let Some(handle) = self.sending.pop_front() {
            let connection = self.table.get_mut(handle);
            if connection.is_some_and(Connection::take_ids_changed) {
                self.update_ids(handle);
            }
            let Some(connection) = self.table.get_mut(handle) else {
                continue;
            };
            let transmit = connection.poll_transmit(now, max_segments.max(1), buffer);
            // Sending may end a connection, which has to be told or forgotten.
            let ended = connection.is_gone() || connection.has_event();
            if ended
                && let Some(entry) = self.table.entry_mut(handle)
                && !entry.telling
            {
                entry.telling = true;
                self.telling.push_back(handle);
            }
            if transmit.is_some() {
                // Connections take turns, a batch each.
                self.sending.push_back(handle);
                return transmit;
            }
            self.table.settle(now, handle);
        }
        self.ending = false;
        None
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<(ConnectionHandle, Event)> {
        while let Some(&handle) = self.telling.front() {
            if let Some(event) = self.table.get_mut(handle).and_then(Connection::poll_event) {
                return Some((handle, event));
            }
            self.telling.pop_front();
            if let Some(entry) = self.table.entry_mut(handle) {
                entry.telling = false;
            }
            self.forget_if_gone(handle);
        }
        None
    }

    /// The next request.
    pub fn poll_request(&mut self) -> Option<(ConnectionHandle, Request)> {
        while let Some(handle) = self.requesting.pop_front() {
            if let Some(entry) = self.table.entry_mut(handle) {
                entry.requesting = false;
            }
            if let Some(request) = self
                .table
                .get_mut(handle)
                .and_then(Connection::poll_request)
            {
                return Some((handle, request));
            }
        }
        None
    }

    /// When [`Endpoint::handle_timeout`] is to be called next. May lie in the past: then at once. It
    /// may be that nothing turns out to be due then; drain and ask again all the same.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        self.table.next_timeout()
    }

    /// A connection, to use its streams or close it. `None` once it is gone.
    pub fn connection(&mut self, handle: ConnectionHandle) -> Option<&mut Connection> {
        let entry = self.table.entry_mut(handle)?;
        if !entry.sending {
            entry.sending = true;
            self.sending.push_back(handle);
        }
        if !entry.telling {
            entry.telling = true;
            self.telling.push_back(handle);
        }
        Some(&mut *entry.connection)
    }

    /// Handles of all connections.
    pub fn connections(&self) -> impl Iterator<Item = ConnectionHandle> + '_ {
        self.table.handles()
    }

    /// Counters of the endpoint. Adds up those of every connection, so ask once in a while.
    pub fn stats(&self) -> EndpointStats {
        EndpointStats {
            connections: self.table.len(),
            half_open: self.table.half_open(),
            counters: self
                .table
                .connections()
                .fold(self.stats.counters, |mut all, connection| {
                    all += connection.counters();
                    all
                }),
            ..self.stats
        }
    }

    /// A connection was changed: it may have something to send, to tell, or another timeout.
    fn touch(&mut self, handle: ConnectionHandle) {
        let Some(entry) = self.table.entry_mut(handle) else {
            return;
        };
        if !entry.sending {
            entry.sending = true;
            self.sending.push_back(handle);
        }
        if !entry.telling {
            entry.telling = true;
            self.telling.push_back(handle);
        }
        if !entry.requesting && entry.connection.has_request() {
            entry.requesting = true;
            self.requesting.push_back(handle);
        }
    }

    /// An accepted handshake has ended, well or not.
    fn on_handshake_end(&mut self, now: Instant, handle: ConnectionHandle) {
        let admitted = self.table.end_handshake(handle);
        if let (Some(server), Some(admitted)) = (&mut self.server, admitted) {
            let load = Load {
                half_open: self.table.half_open(),
                handshake: now.since(admitted),
            };
            server.accept.gate.observe(now, load);
        }
    }

    /// Makes room for another half-open connection.
    fn evict_half_open(&mut self, now: Instant) {
        let limit = self.config.half_open_max.max(1);
        while self.table.half_open() >= limit {
            let Some(oldest) = self.table.oldest_half_open() else {
                return;
            };
            if let Some(connection) = self.table.get_mut(oldest) {
                connection.abandon(CloseReason::Evicted);
            }
            self.on_handshake_end(now, oldest);
            // Nobody was told of it: it goes at once.
            self.remove(oldest);
        }
    }

    /// Forgets a connection that is gone and has told everything.
    fn forget_if_gone(&mut self, handle: ConnectionHandle) {
        if self
            .table
            .get_mut(handle)
            .is_some_and(|found| found.is_gone())
        {
            self.remove(handle);
        }
    }

    /// Forgets a connection, but not what happened on it.
    fn remove(&mut self, handle: ConnectionHandle) {
        if let Some(connection) = self.table.get_mut(handle) {
            self.stats.counters += connection.counters();
        }
        self.table.remove(handle);
    }
}

impl Machine for Endpoint {
    fn handle_datagram(&mut self, now: Instant, meta: Meta, datagram: &mut [u8]) {
        Self::handle_datagram(self, now, meta, datagram);
    }

    fn handle_timeout(&mut self, now: Instant) {
        Self::handle_timeout(self, now);
    }

    fn poll_transmit(
        &mut self,
        now: Instant,
        max_segments: usize,
        buffer: &mut Vec<u8>,
    ) -> Option<Transmit> {
        Self::poll_transmit(self, now, max_segments, buffer)
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        Self::poll_timeout(self)
    }

    fn may_wait(&self) -> bool {
        !self.ending
    }

    fn take_stray(&mut self) -> Option<u8> {
        self.stray.take()
    }
}
