//! The machine: an endpoint, and what follows from its events.
//!
//! This file only wires. `traffic` has what happens on connections, `login` and `register` the
//! login port, `session` the session port, `mailbox` deliveries, `devices` which are waited for, `settle` what the
//! store says, `leave` the ways out.

#[cfg(feature = "danger-checking")]
mod check;
mod devices;
mod leave;
mod login;
mod mailbox;
mod register;
mod session;
mod settle;
mod traffic;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use chat::login::{ServerSecrets, Throttle};
use crypto::{Random, SigningKey};
use transport::{
    Accept, ConnectionHandle, DUE_MAX, Endpoint, Instant, Machine, Meta, Sessions, Transmit,
};

use crate::directory::Directory;
use crate::event::{Event, Events, Fatal};
use crate::gate::gate;
use crate::job::{Done, Job};
use crate::ledger::{Ledger, StoreBatch, StoreDone};
use crate::limits::BATCH_READS_MAX;
use crate::peer::Peer;
use crate::presence::Presence;
use crate::{Config, ServerKeys};

pub use leave::code;

/// Work to be done elsewhere.
pub enum Request {
    /// A transaction, on the one thread that owns the store, in the order given out.
    Store(StoreBatch),
    /// A computation, on any thread.
    Job(Job),
}

/// The outcome of a [`Request`].
pub enum Completion {
    /// What [`StoreBatch::commit`] returned.
    Stored(StoreDone),
    /// What [`Job::run`] returned.
    Done(Done),
    /// A worker is lost, and with it a request: for a person.
    Lost(String),
}

/// A chat server: a sans-IO machine with an [`Endpoint`] inside.
///
/// After every mutation drain transmits, then [`Server::poll_event`] and [`Server::poll_request`],
/// then transmits again, then arm the timer. Requests are polled once per turn of the loop: what
/// all connections want of the store since the last turn is then one transaction, and it is
/// acknowledged when that is durable.
pub struct Server {
    config: Config,
    passwords: ServerSecrets,
    identity: Arc<SigningKey>,
    random: Box<dyn Random>,
    throttle: Throttle,
    endpoint: Endpoint,
    peers: BTreeMap<ConnectionHandle, Peer>,
    /// How many of them are not logged in.
    strangers: usize,
    presence: Presence,
    directory: Directory,
    ledger: Ledger,
    /// Peers that there is something to do for, in turn.
    ready: VecDeque<ConnectionHandle>,
    /// Accounts whose mailboxes are full, and whose devices are being looked at for that.
    crowded: BTreeSet<String>,
    /// Peers that are not read until the ledger has room.
    parked: Vec<ConnectionHandle>,
    /// Peers whose mailboxes are to be read, in turn.
    readers: VecDeque<ConnectionHandle>,
    /// When to look at which peer.
    timers: BTreeSet<(Instant, ConnectionHandle)>,
    /// Accounts that are on their way into the store.
    inserting: usize,
    /// Invitations that a registration under way is about to use up.
    invitations: BTreeSet<String>,
    events: Events,
    /// Messages of which it was said that they are stored, if anybody asks.
    #[cfg(feature = "danger-checking")]
    promised: Option<Vec<chat::message::MessageId>>,
    wall_ms: u64,
    state: State,
}

/// Where the server stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    /// Nothing new is taken; what was taken is committed and answered. Then, or at this time, all
    /// connections end.
    Draining(Instant),
    /// All connections end, by then at the latest.
    Leaving(Instant),
    Stopped,
    /// The store or a worker failed.
    Failed,
}

impl Server {
    /// A server that begins by reading its accounts. `sessions` makes the channels; `random` is
    /// called for each source of randomness that the server needs.
    pub fn new(
        config: Config,
        keys: ServerKeys,
        sessions: Box<dyn Sessions>,
        random: &mut dyn FnMut() -> Box<dyn Random>,
    ) -> Self {
        let accept = Accept {
            sessions,
            gate: gate(config.admission, random()),
            secret: keys.endpoint,
        };
        let endpoint = Endpoint::server(config.transport.clone(), accept, random());
        let mut own = random();
        let throttle = Throttle::new(&mut own);
        let mut ledger = Ledger::default();
        let directory = Directory::new(Arc::clone(&keys.identity), &mut ledger);
        Self {
            config,
            passwords: keys.passwords,
            identity: keys.identity,
            random: own,
            throttle,
            endpoint,
            peers: BTreeMap::new(),
            strangers: 0,
            presence: Presence::default(),
            directory,
            ledger,
            ready: VecDeque::new(),
            crowded: BTreeSet::new(),
            parked: Vec::new(),
            readers: VecDeque::new(),
            timers: BTreeSet::new(),
            inserting: 0,
            invitations: BTreeSet::new(),
            events: Events::default(),
            #[cfg(feature = "danger-checking")]
            promised: None,
            wall_ms: 0,
            state: State::Running,
        }
    }

    /// Tells what time it is for people, in milliseconds since 1970-01-01 UTC. Once before anything
    /// else and then every turn.
    pub fn set_wall_time(&mut self, ms: u64) {
        self.wall_ms = ms;
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop()
    }

    /// The next request. Store requests come one at a time.
    pub fn poll_request(&mut self) -> Option<Request> {
        if matches!(self.state, State::Failed | State::Stopped) {
            return None;
        }
        if let Some(job) = self.directory.poll_job(self.wall_ms) {
            return Some(Request::Job(job));
        }
        if !self.ledger.is_in_flight() {
            self.read_mailboxes(BATCH_READS_MAX);
        }
        let batch = self.ledger.take()?;
        self.ready.extend(self.parked.drain(..));
        Some(Request::Store(batch))
    }

    /// Takes in the outcome of a request.
    pub fn handle_completion(&mut self, now: Instant, completion: Completion) {
        if matches!(self.state, State::Failed | State::Stopped) {
            return;
        }
        match completion {
            Completion::Stored(done) => self.stored(now, done),
            Completion::Done(Done(manifest)) => self.signed(now, manifest),
            Completion::Lost(reason) => self.fail(now, Fatal::Worker(reason)),
        }
        self.pump(now);
    }

    /// Stops: takes nothing new, finishes what was taken, says goodbye. [`Event::Stopped`] follows
    /// within some seconds, as long as the store answers.
    pub fn shutdown(&mut self, now: Instant) {
        self.drain(now);
        self.pump(now);
    }

    /// Connections that are not logged in.
    pub fn strangers(&self) -> usize {
        self.strangers
    }

    /// The endpoint's counters.
    pub fn stats(&self) -> transport::EndpointStats {
        self.endpoint.stats()
    }

    /// Puts a peer into the queue of those that there is something to do for.
    fn wake(&mut self, handle: ConnectionHandle) {
        if let Some(peer) = self.peers.get_mut(&handle)
            && !core::mem::replace(&mut peer.queued, true)
        {
            self.ready.push_back(handle);
        }
    }

    /// Does all there is to do. Tells whether there was anything.
    fn pump(&mut self, now: Instant) -> bool {
        let mut changed = false;
        loop {
            while let Some((handle, event)) = self.endpoint.poll_event() {
                self.happened(now, handle, event);
                changed = true;
            }
            let Some(handle) = self.ready.pop_front() else {
                break;
            };
            self.serve(now, handle);
            changed = true;
        }
        self.advance_shutdown(now);
        changed
    }

    /// Looks at the peers whose time has come: at a share of them, and at others in the next call, which is
    /// due at once.
    fn expire(&mut self, now: Instant) {
        for _ in 0..DUE_MAX {
            let Some(&(at, handle)) = self.timers.first() else {
                break;
            };
            if at > now {
                break;
            }
            self.timers.pop_first();
            self.peer_timeout(now, handle);
        }
    }
}

impl Machine for Server {
    fn handle_datagram(&mut self, now: Instant, meta: Meta, datagram: &mut [u8]) {
        self.endpoint.handle_datagram(now, meta, datagram);
        self.pump(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        self.expire(now);
        self.pump(now);
    }

    fn poll_transmit(
        &mut self,
        now: Instant,
        max_segments: usize,
        buffer: &mut Vec<u8>,
    ) -> Option<Transmit> {
        loop {
            let transmit = self.endpoint.poll_transmit(now, max_segments, buffer);
            // Sending can be what ends a connection: it is forgotten now, not when somebody speaks.
            if transmit.is_some() || !self.pump(now) {
                return transmit;
            }
        }
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        if !self.ready.is_empty() {
            // Parked peers have room again.
            return Some(Instant::ZERO);
        }
        let timer = self.timers.first().map(|(at, _)| *at);
        let shutdown = match self.state {
            State::Draining(at) | State::Leaving(at) => Some(at),
            _ => None,
        };
        let own = timer.into_iter().chain(shutdown).min();
        self.endpoint.poll_timeout().into_iter().chain(own).min()
    }
}
