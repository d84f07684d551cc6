//! A server with its store, and clients that say exactly what a test wants, in a simulated world.

mod client;
mod people;
mod script;

use std::sync::Arc;
use std::time::Duration;

use chat::login::{KsfId, ServerSecrets};
use crypto::fixtures::{SeededRandom, rsa3072_signing};
use crypto::{Random, Secret, SigningKey};
use server::{AdmissionPolicy, Completion, Config, Event, Request, Server, ServerKeys, StoreBatch};
use sim::null::NullSessions;
use sim::{NodeId, Rng, World};
use store::faulty::Faulty;
use store::relay::{MemoryStore, Quota};
use transport::{CloseReason, Instant, Machine, Meta, Transmit};

pub(crate) use client::Client;
pub(crate) use people::{Person, account, alice, bob};
pub(crate) use script::{
    ack, delivered, logged_in, next_delivery, open_password, proof, read_more, register, send,
    session, start_login, start_registration, work,
};

/// What time it is when a test begins.
pub(crate) const NOW_MS: u64 = 1_795_000_000_000;

pub(crate) type TestStore = Faulty<MemoryStore>;

pub(crate) enum Node {
    Server(Box<Server>),
    Client(Box<Client>),
}

/// A world, its server, and what the server has said and asked.
pub(crate) struct Fixture {
    pub(crate) world: World<Node>,
    pub(crate) server: NodeId,
    pub(crate) store: TestStore,
    pub(crate) events: Vec<Event>,
    /// Batches stay here instead of being committed.
    pub(crate) hold: bool,
    pub(crate) held: Vec<StoreBatch>,
    /// How many batches the server has given out.
    pub(crate) batches: usize,
    /// What is added to the time that people see.
    pub(crate) later_ms: u64,
    clients: u16,
}

/// The server's identity.
pub(crate) fn identity() -> SigningKey {
    rsa3072_signing(3)
}

pub(crate) fn secrets() -> ServerSecrets {
    ServerSecrets::generate(&mut SeededRandom::new(77)).with_ksf(KsfId::DangerCheap)
}

/// Limits as they are, without the price of admission.
pub(crate) fn config() -> Config {
    let mut config = Config::default();
    config.admission = AdmissionPolicy::Open;
    config
}

impl Fixture {
    pub(crate) fn with(config: Config, store: TestStore) -> Self {
        let mut seed = 1;
        let mut random = move || {
            seed += 1;
            Box::new(SeededRandom::new(seed)) as Box<dyn Random>
        };
        let keys = ServerKeys {
            identity: Arc::new(identity()),
            passwords: secrets(),
            endpoint: Secret::from([9; 32]),
        };
        let sessions = Box::new(NullSessions::server(Rng::new(5)));
        let mut server = Server::new(config, keys, sessions, &mut random);
        server.set_wall_time(NOW_MS);
        let mut world = World::new(1);
        let node = Node::Server(Box::new(server));
        let server = world.add("10.0.0.1:1".parse().unwrap(), node);
        let mut fixture = Self {
            world,
            server,
            store,
            events: Vec::new(),
            hold: false,
            held: Vec::new(),
            batches: 0,
            later_ms: 0,
            clients: 0,
        };
        fixture.idle(Duration::from_millis(1));
        fixture
    }

    /// A client that has connected.
    pub(crate) fn client(&mut self) -> NodeId {
        let id = self.newcomer();
        self.until(|fixture| {
            let client = fixture.peek(id);
            client.is_connected || client.closed.is_some()
        });
        id
    }

    /// A client that is about to connect.
    pub(crate) fn newcomer(&mut self) -> NodeId {
        self.clients += 1;
        let seed = u64::from(self.clients) + 100;
        let [high, low] = self.clients.to_be_bytes();
        let address = format!("10.1.{low}.{high}:9").parse().unwrap();
        let mut client = Client::new(seed);
        client.connect(self.world.now(), self.world.address(self.server).unwrap());
        self.world.add(address, Node::Client(Box::new(client)))
    }

    pub(crate) fn peek(&self, id: NodeId) -> &Client {
        match self.world.machine(id) {
            Some(Node::Client(client)) => client,
            _ => panic!("not a client"),
        }
    }

    pub(crate) fn client_mut<T>(
        &mut self,
        id: NodeId,
        act: impl FnOnce(&mut Client, Instant) -> T,
    ) -> T {
        let done = self.world.with(id, |node, now| match node {
            Node::Client(client) => act(client, now),
            Node::Server(_) => panic!("not a client"),
        });
        done.unwrap()
    }

    pub(crate) fn with_server<T>(&mut self, act: impl FnOnce(&mut Server, Instant) -> T) -> T {
        let done = self.world.with(self.server, |node, now| match node {
            Node::Server(server) => act(server, now),
            Node::Client(_) => panic!("not the server"),
        });
        done.unwrap()
    }

    pub(crate) fn strangers(&self) -> usize {
        match self.world.machine(self.server) {
            Some(Node::Server(server)) => server.strangers(),
            _ => panic!("not the server"),
        }
    }

    pub(crate) fn connections(&self) -> usize {
        match self.world.machine(self.server) {
            Some(Node::Server(server)) => server.stats().connections,
            _ => panic!("not the server"),
        }
    }

    /// Lets time pass until `done`; a minute is too long.
    pub(crate) fn until(&mut self, mut done: impl FnMut(&Self) -> bool) {
        let deadline = self.world.now() + Duration::from_secs(60);
        while !done(self) {
            assert!(self.world.now() < deadline, "it does not happen");
            assert!(self.step(), "nothing happens any more");
        }
    }

    /// Lets time pass.
    pub(crate) fn idle(&mut self, time: Duration) {
        let deadline = self.world.now() + time;
        while self.world.now() < deadline {
            let Self {
                world,
                store,
                events,
                hold,
                held,
                batches,
                later_ms,
                ..
            } = self;
            let mut desk = Desk {
                store,
                events,
                hold: *hold,
                held,
                batches,
                later_ms: *later_ms,
            };
            let app = |_, node: &mut Node, now| desk.turn(node, now);
            world.run(deadline, app, |_| false).unwrap();
        }
    }

    fn step(&mut self) -> bool {
        let mut desk = Desk {
            store: &mut self.store,
            events: &mut self.events,
            hold: self.hold,
            held: &mut self.held,
            batches: &mut self.batches,
            later_ms: self.later_ms,
        };
        let app = |_, node: &mut Node, now| desk.turn(node, now);
        self.world.step(app).unwrap()
    }

    /// Commits what was held.
    pub(crate) fn release(&mut self) {
        self.hold = false;
        while !self.held.is_empty() {
            self.release_one();
        }
    }

    /// Commits the batch that is held; the next one is held again.
    pub(crate) fn release_one(&mut self) {
        let done = self.held.remove(0).commit(&mut self.store);
        self.with_server(|server, now| {
            server.handle_completion(now, Completion::Stored(done));
        });
    }

    /// The next message on the client's login stream.
    pub(crate) fn login_answer(&mut self, id: NodeId) -> chat::message::LoginServerMessage {
        self.until(|fixture| !fixture.peek(id).login.inbox.is_empty());
        let bytes = self.client_mut(id, |client, _| client.login.inbox.pop_front().unwrap());
        chat::message::LoginServerMessage::decode(&bytes).unwrap()
    }

    /// The next message on the client's session stream.
    pub(crate) fn answer(&mut self, id: NodeId) -> chat::message::SessionServerMessage {
        self.until(|fixture| !fixture.peek(id).session.inbox.is_empty());
        let bytes = self.client_mut(id, |client, _| client.session.inbox.pop_front().unwrap());
        chat::message::SessionServerMessage::decode(&bytes).unwrap()
    }

    pub(crate) fn say(
        &mut self,
        id: NodeId,
        message: impl Into<chat::message::LoginClientMessage>,
    ) {
        let bytes = message.into().encode();
        self.client_mut(id, |client, _| client.say(&bytes));
    }

    /// Lets time pass until the connection is closed, and tells with which code.
    pub(crate) fn closed(&mut self, id: NodeId) -> Option<u64> {
        self.until(|fixture| fixture.peek(id).closed.is_some());
        match self.peek(id).closed {
            Some(CloseReason::Peer { code, .. }) => Some(code),
            _ => None,
        }
    }

    /// The code of the failure that comes next.
    pub(crate) fn failure(&mut self, id: NodeId) -> chat::message::FailureCode {
        match self.login_answer(id) {
            chat::message::LoginServerMessage::Failure(failure) => failure.code,
            other => panic!("no failure: {other:?}"),
        }
    }

    /// A server that knows these people.
    pub(crate) fn knowing(people: &[Person]) -> Self {
        Self::knowing_with(people, config())
    }

    /// The same, with mailboxes that hold so many messages.
    pub(crate) fn with_quota(people: &[Person], messages: u64) -> Self {
        let mut config = config();
        config.quota = Quota {
            messages,
            bytes: 1 << 20,
        };
        Self::knowing_with(people, config)
    }

    fn knowing_with(people: &[Person], config: Config) -> Self {
        let mut store = TestStore::new(MemoryStore::default());
        for person in people {
            account(&mut store, person);
        }
        Self::with(config, store)
    }

    /// The same store under a new process.
    pub(crate) fn restarted(self) -> Self {
        Self::with(config(), TestStore::new(self.store.into_inner()))
    }

    pub(crate) fn tell(
        &mut self,
        id: NodeId,
        message: impl Into<chat::message::SessionClientMessage>,
    ) {
        let bytes = message.into().encode();
        self.client_mut(id, |client, _| client.tell(&bytes));
    }
}

/// What a server's driver does besides datagrams.
struct Desk<'a> {
    store: &'a mut TestStore,
    events: &'a mut Vec<Event>,
    hold: bool,
    held: &'a mut Vec<StoreBatch>,
    batches: &'a mut usize,
    later_ms: u64,
}

impl Desk<'_> {
    fn turn(&mut self, node: &mut Node, now: Instant) {
        let Node::Server(server) = node else {
            return;
        };
        server.set_wall_time(NOW_MS + self.later_ms + now.as_nanos() / 1_000_000);
        while let Some(request) = server.poll_request() {
            let completion = match request {
                Request::Store(batch) => {
                    *self.batches += 1;
                    if self.hold {
                        self.held.push(batch);
                        continue;
                    }
                    Completion::Stored(batch.commit(self.store))
                }
                Request::Job(job) => Completion::Done(job.run()),
            };
            server.handle_completion(now, completion);
        }
        while let Some(event) = server.poll_event() {
            self.events.push(event);
        }
    }
}

impl Machine for Node {
    fn handle_datagram(&mut self, now: Instant, meta: Meta, datagram: &mut [u8]) {
        match self {
            Self::Server(server) => server.handle_datagram(now, meta, datagram),
            Self::Client(client) => client.handle_datagram(now, meta, datagram),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        match self {
            Self::Server(server) => server.handle_timeout(now),
            Self::Client(client) => client.handle_timeout(now),
        }
    }

    fn poll_transmit(
        &mut self,
        now: Instant,
        max_segments: usize,
        buffer: &mut Vec<u8>,
    ) -> Option<Transmit> {
        match self {
            Self::Server(server) => server.poll_transmit(now, max_segments, buffer),
            Self::Client(client) => client.endpoint.poll_transmit(now, max_segments, buffer),
        }
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        match self {
            Self::Server(server) => server.poll_timeout(),
            Self::Client(client) => client.endpoint.poll_timeout(),
        }
    }
}
