//! A world with one server and some clients, each with a store and workers of its own.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "it fails where it is wrong"
)]

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use chat::Username;
use chat::message::MessageId;
use client::{
    Channel, Client, Completion, Config, Delivery, Done, Event, Failure, Job, Message, Outcome,
    Registration, Work,
};
use crypto::fixtures::{SeededRandom, rsa3072_decryption, rsa3072_signing};
use crypto::{Fingerprint, RsaBits, Secret, SecretBytes};
use e2e::Identity;
use sim::null::NullSessions;
use sim::{Link, NodeId, Rng, Watch, WatchedSessions, World};
use store::device::{MemoryStore, Op};
use store::{Store, StoreError};
use transport::{Instant, Machine, Meta, Transmit};

use crate::real::Real;
use crate::relay::{Disk, Mischief, Relay};

/// 2026-11-20T12:00:00Z.
pub const START_MS: u64 = 1_795_176_000_000;

pub fn name(typed: &str) -> Username {
    Username::parse(typed).unwrap()
}

/// One user's installation: what survives its process, and what does not.
pub struct User {
    pub client: Client,
    pub store: MemoryStore,
    /// What the next transactions that write fail with, if at all.
    pub faults: VecDeque<Option<StoreError>>,
    /// How many transactions that pin somebody meet a full disk.
    pub pins_refused: usize,
    pub events: Vec<Event>,
    /// Outcomes on their way back from the workers.
    done: Vec<(Instant, Completion)>,
    random: SeededRandom,
    /// How long workers take.
    pub work_time: Duration,
    /// Texts that the workers' transactions must not show.
    pub canary: Option<String>,
    pub dead: bool,
    /// How far the clock on the wall is ahead.
    pub later_ms: u64,
    /// Workers fail at every job.
    pub panics: bool,
    strangers_keys: bool,
}

impl User {
    /// Does what the client asks for.
    fn drain(&mut self, now: Instant) {
        if self.dead {
            return;
        }
        loop {
            self.client
                .set_wall_time(START_MS + self.later_ms + now.as_nanos() / 1_000_000);
            let mut idle = true;
            while let Some(request) = self.client.poll_request() {
                idle = false;
                let outcome = match request.work {
                    Work::Store(ops) => {
                        if let Some(canary) = &self.canary {
                            assert!(!format!("{ops:?}").contains(canary.as_str()));
                        }
                        Outcome::Stored(self.commit(&ops))
                    }
                    Work::Job(Job::GenerateIdentity { name, .. }) if !self.strangers_keys => {
                        Outcome::Done(Done::Identity(Ok(Box::new(identity(&name)))))
                    }
                    Work::Job(_) if self.panics => Outcome::Panicked,
                    Work::Job(job) => Outcome::Done(job.run(&mut self.random)),
                };
                let completion = Completion {
                    id: request.id,
                    outcome,
                };
                self.done.push((now + self.work_time, completion));
            }
            while let Some(at) = self.done.iter().position(|(at, _)| *at <= now) {
                idle = false;
                let (_, completion) = self.done.remove(at);
                self.client.handle_completion(now, completion);
            }
            while let Some(event) = self.client.poll_event() {
                idle = false;
                self.events.push(event);
            }
            if idle {
                return;
            }
        }
    }

    fn commit(&mut self, ops: &[Op]) -> Result<Vec<store::device::Outcome>, StoreError> {
        let loads = |op: &Op| {
            let op = format!("{op:?}");
            ["Load", "List", "Find"]
                .iter()
                .any(|load| op.starts_with(load))
        };
        if !ops.iter().all(loads)
            && let Some(Some(fault)) = self.faults.pop_front()
        {
            return Err(fault);
        }
        let pins = ops.iter().any(|op| matches!(op, Op::PinContact(_)));
        if pins && self.pins_refused > 0 {
            self.pins_refused -= 1;
            return Err(FULL);
        }
        self.store.commit(ops)
    }

    /// Requests whose outcomes are on their way back.
    pub fn under_way(&self) -> usize {
        self.done.len()
    }

    pub fn messages(&self) -> Vec<Message> {
        let messages = self.events.iter().filter_map(|event| match event {
            Event::Message(message) => Some(message.clone()),
            _ => None,
        });
        messages.collect()
    }

    pub fn texts(&self) -> Vec<String> {
        let messages = self.messages().into_iter();
        messages.map(|message| message.text).collect()
    }

    pub fn states(&self, of: MessageId) -> Vec<Delivery> {
        let states = self.events.iter().filter_map(|event| match event {
            Event::Status { id, state, .. } if *id == of => Some(*state),
            _ => None,
        });
        states.collect()
    }

    pub fn reason(&self, of: MessageId) -> Option<String> {
        self.events.iter().rev().find_map(|event| match event {
            Event::Status { id, reason, .. } if *id == of => reason.clone(),
            _ => None,
        })
    }

    pub fn placeholders(&self) -> usize {
        let unreadable = |event: &&Event| matches!(event, Event::Unreadable { .. });
        self.events.iter().filter(unreadable).count()
    }

    pub fn failure(&self) -> Option<Failure> {
        self.events.iter().find_map(|event| match event {
            Event::Failed(failure) => Some(failure.clone()),
            _ => None,
        })
    }

    pub fn is_logged_in(&self) -> bool {
        self.count(|event| matches!(event, Event::LoggedIn { .. })) > 0
    }

    pub fn count(&self, which: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|event| which(event)).count()
    }
}

/// Keys that take no time to make.
pub fn identity(name: &str) -> Identity {
    let (signing, decryption) = match name {
        "alice" => (0, 1),
        "bob" => (2, 3),
        _ => return Identity::generate(name, RsaBits::B3072, &mut SeededRandom::new(7)).unwrap(),
    };
    let (signing, decryption) = (rsa3072_signing(signing), rsa3072_decryption(decryption));
    Identity::from_keys(name, signing, decryption, Vec::new(), Secret::from([8; 32])).unwrap()
}

pub enum Node {
    User(Box<User>),
    Relay(Box<Relay>),
    Real(Box<Real>),
}

impl Node {
    fn drain(&mut self, now: Instant) {
        match self {
            Self::User(user) => user.drain(now),
            Self::Relay(relay) => {
                relay.wall_ms = START_MS + now.as_nanos() / 1_000_000;
                relay.drain(now);
            }
            Self::Real(real) => real.drain(now, START_MS + now.as_nanos() / 1_000_000),
        }
    }
}

impl Machine for Node {
    fn handle_datagram(&mut self, now: Instant, meta: Meta, datagram: &mut [u8]) {
        match self {
            Self::User(user) if user.dead => {}
            Self::User(user) => user.client.handle_datagram(now, meta, datagram),
            Self::Relay(relay) => relay.handle_datagram(now, meta, datagram),
            Self::Real(real) => real.server.handle_datagram(now, meta, datagram),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        match self {
            Self::User(user) if user.dead => {}
            Self::User(user) => user.client.handle_timeout(now),
            Self::Relay(relay) => relay.handle_timeout(now),
            Self::Real(real) => real.server.handle_timeout(now),
        }
    }

    fn poll_transmit(
        &mut self,
        now: Instant,
        max_segments: usize,
        buffer: &mut Vec<u8>,
    ) -> Option<Transmit> {
        match self {
            Self::User(user) if user.dead => None,
            Self::User(user) => user.client.poll_transmit(now, max_segments, buffer),
            Self::Relay(relay) => relay.poll_transmit(now, max_segments, buffer),
            Self::Real(real) => real.server.poll_transmit(now, max_segments, buffer),
        }
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        match self {
            Self::User(user) if user.dead => None,
            Self::User(user) => {
                let work = user.done.iter().map(|(at, _)| *at).min();
                user.client.poll_timeout().into_iter().chain(work).min()
            }
            Self::Relay(relay) => relay.poll_timeout(),
            Self::Real(real) => real.timeout(),
        }
    }
}

pub struct House {
    pub world: World<Node>,
    /// Sees what clients say before it is sealed.
    pub sealing: Watch,
    pub relay: NodeId,
    seed: u64,
    clients: u64,
    /// From now on registrations make keys that nobody has seen.
    pub strangers_keys: bool,
    /// What clients are told of a handshake that failed: the expected key and the presented one.
    pub refused_key: Arc<Mutex<Option<(Fingerprint, Fingerprint)>>>,
    nodes: Vec<NodeId>,
}

/// The server's address.
pub fn server() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 5000))
}

impl House {
    pub fn new(seed: u64) -> Self {
        Self::with(seed, Mischief::default())
    }

    pub fn with(seed: u64, mischief: Mischief) -> Self {
        let relay = Relay::new(seed, Disk::default(), mischief);
        Self::around(seed, Node::Relay(Box::new(relay)))
    }

    /// A house with the server that people run.
    pub fn with_real_server(seed: u64) -> Self {
        Self::around(seed, Node::Real(Box::new(Real::new(seed))))
    }

    fn around(seed: u64, relay: Node) -> Self {
        let mut world = World::new(seed);
        let relay = world.add(server(), relay);
        Self {
            world,
            sealing: Watch::default(),
            relay,
            seed,
            clients: 0,
            strangers_keys: false,
            refused_key: Arc::default(),
            nodes: vec![relay],
        }
    }

    fn change_server(&mut self, change: impl FnOnce(&mut Real, Instant)) {
        self.world.with(self.relay, |node, now| match node {
            Node::Real(real) => change(real, now),
            _ => panic!("not that server"),
        });
    }

    /// Ends the real server's process without a word; another begins with its disk.
    pub fn kill_server(&mut self) {
        self.change_server(|real, _| real.restart());
    }

    /// Lets the real server stop in its own time.
    pub fn stop_server(&mut self) {
        self.change_server(|real, now| real.server.shutdown(now));
    }

    pub fn config(user: &str, password: &str) -> Config {
        Config::new(server(), name(user), SecretBytes::new(password.into()))
    }

    /// A new installation that makes the account and logs in.
    pub fn register(&mut self, user: &str) -> NodeId {
        let mut config = Self::config(user, user);
        config.registration = Some(Registration {
            invite: None,
            bits: RsaBits::B3072,
        });
        self.begin(config, MemoryStore::default())
    }

    /// A new installation that logs in.
    pub fn login(&mut self, user: &str, password: &str) -> NodeId {
        self.begin(Self::config(user, password), MemoryStore::default())
    }

    pub fn begin(&mut self, config: Config, store: MemoryStore) -> NodeId {
        self.clients += 1;
        let index = self.clients;
        let sessions = NullSessions::client(Rng::stream(self.seed, "sessions", 10 + index));
        let random = Rng::stream(self.seed, "client", index);
        let endpoint_random = Rng::stream(self.seed, "endpoint", index);
        let sessions = WatchedSessions::new(Box::new(sessions), &self.sealing);
        let mut channel = Channel::new(Box::new(sessions));
        let refused = Arc::clone(&self.refused_key);
        channel.refused_key = Box::new(move || *refused.lock().unwrap());
        let client = Client::new(config, channel, Box::new(random), Box::new(endpoint_random));
        let user = User {
            client: client.unwrap(),
            store,
            faults: VecDeque::new(),
            pins_refused: 0,
            events: Vec::new(),
            done: Vec::new(),
            random: SeededRandom::new(self.seed + index),
            work_time: Duration::from_millis(3),
            canary: None,
            dead: false,
            later_ms: 0,
            panics: false,
            strangers_keys: self.strangers_keys,
        };
        let address = SocketAddr::from(([10, 0, 1, index as u8], 4000));
        let node = self.world.add(address, Node::User(Box::new(user)));
        self.nodes.push(node);
        self.act(node, |client, now| {
            client.set_wall_time(START_MS + now.as_nanos() / 1_000_000);
            client.start(now);
        });
        node
    }

    /// Ends a client's process; what its disk holds is left.
    pub fn kill(&mut self, node: NodeId) -> MemoryStore {
        let taken = self.world.with(node, |node, _| {
            let Node::User(user) = node else { panic!() };
            user.dead = true;
            std::mem::take(&mut user.store)
        });
        taken.unwrap()
    }

    pub fn act<T>(&mut self, node: NodeId, act: impl FnOnce(&mut Client, Instant) -> T) -> T {
        let acted = self.world.with(node, |node, now| match node {
            Node::User(user) => act(&mut user.client, now),
            _ => panic!("not a client"),
        });
        acted.unwrap()
    }

    pub fn send(&mut self, node: NodeId, to: &str, text: &str) -> MessageId {
        self.act(node, |client, now| {
            client.send(now, &name(to), text.to_owned())
        })
        .unwrap()
    }

    pub fn user(&self, node: NodeId) -> &User {
        match self.world.machine(node) {
            Some(Node::User(user)) => user,
            _ => panic!("not a client"),
        }
    }

    pub fn change_user(&mut self, node: NodeId, change: impl FnOnce(&mut User)) {
        self.world.with(node, |node, _| match node {
            Node::User(user) => change(user),
            _ => panic!("not a client"),
        });
    }

    pub fn relay(&self) -> &Relay {
        match self.world.machine(self.relay) {
            Some(Node::Relay(relay)) => relay,
            _ => panic!("not the server"),
        }
    }

    pub fn change_relay(&mut self, change: impl FnOnce(&mut Relay, Instant)) {
        self.world.with(self.relay, |node, now| match node {
            Node::Relay(relay) => change(relay, now),
            _ => panic!("not that server"),
        });
    }

    /// The server's process ends without a word and begins anew with what its disk holds.
    pub fn restart_relay(&mut self) {
        let seed = self.seed + 1000 + self.clients;
        self.change_relay(|relay, _| {
            *relay = Relay::new(seed, relay.disk.clone(), relay.mischief.clone());
        });
    }

    /// The server goes on from another address, and nothing is at the old one.
    pub fn move_relay(&mut self) -> SocketAddr {
        let elsewhere = SocketAddr::from(([10, 0, 0, 2], 5000));
        self.world.move_node(self.relay, elsewhere);
        elsewhere
    }

    /// Cuts every link, or mends it.
    pub fn cut(&mut self, cut: bool) {
        let nodes: Vec<_> = self.nodes.clone();
        for node in nodes {
            self.world.change_links(node, |link| link.up = !cut);
        }
        let mut link = Link::default();
        link.up = !cut;
        self.world.set_default_link(link);
    }

    /// Lets time pass until `done`, at most `secs`.
    pub fn until(&mut self, secs: u64, mut done: impl FnMut(&Self) -> bool) -> bool {
        let deadline = self.world.now() + Duration::from_secs(secs);
        loop {
            if done(self) {
                return true;
            }
            if self.world.now() > deadline {
                return false;
            }
            let stepped = self.world.step(|_, node, now| node.drain(now));
            assert_eq!(self.sealing.wrong(), None);
            if !stepped.unwrap() {
                return done(self);
            }
        }
    }

    /// Lets time pass.
    pub fn pass(&mut self, secs: u64) {
        let end = self.world.now() + Duration::from_secs(secs);
        self.until(secs, |house| house.world.now() >= end);
    }

    /// A house with Alice and Bob logged in.
    pub fn with_alice_and_bob(seed: u64) -> (Self, NodeId, NodeId) {
        let mut house = Self::new(seed);
        let alice = house.register("Alice");
        let bob = house.register("Bob");
        let both =
            |house: &Self| house.user(alice).is_logged_in() && house.user(bob).is_logged_in();
        assert!(house.until(20, both), "{:?}", house.user(alice).events);
        (house, alice, bob)
    }

    /// The same, and each has heard from the other and pinned its keys.
    pub fn with_two_who_have_met(seed: u64) -> (Self, NodeId, NodeId) {
        let (mut house, alice, bob) = Self::with_alice_and_bob(seed);
        house.send(alice, "Bob", "one");
        house.send(bob, "Alice", "one");
        let met = |house: &Self| [alice, bob].map(|of| house.user(of).messages().len()) == [1, 1];
        assert!(house.until(5, met));
        (house, alice, bob)
    }
}

pub const FULL: StoreError = StoreError::Full;
