//! Two endpoints, null sessions, and an application that writes down what it hears.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use sim::null::NullSessions;
use sim::{NodeId, Rng, World};
use transport::{
    Accept, CloseReason, Completion, Config, ConnectionHandle, Endpoint, Event, Gate, Instant,
    Mode, Request, Side, StreamError, StreamId,
};

/// The port that servers of these tests listen on.
pub const PORT: u16 = 7;

pub fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 5000))
}

pub fn config() -> Config {
    let mut config = Config::default();
    config.ports.insert(PORT);
    config
}

pub fn client(seed: u64, config: Config) -> Endpoint {
    Endpoint::client(config, Box::new(Rng::stream(seed, "client", 0)))
}

pub fn server(seed: u64, config: Config, gate: Box<dyn Gate>) -> Endpoint {
    accepting(seed, config, gate, sessions(seed, Side::Server))
}

pub fn accepting(
    seed: u64,
    config: Config,
    gate: Box<dyn Gate>,
    sessions: NullSessions,
) -> Endpoint {
    let accept = Accept {
        sessions: Box::new(sessions),
        gate,
        secret: crypto::Secret::from([9; 32]),
    };
    Endpoint::server(config, accept, Box::new(Rng::stream(seed, "server", 0)))
}

pub fn sessions(seed: u64, side: Side) -> NullSessions {
    match side {
        Side::Client => NullSessions::client(Rng::stream(seed, "sessions", 0)),
        Side::Server => NullSessions::server(Rng::stream(seed, "sessions", 1)),
    }
}

pub fn connect(
    world: &mut World<Endpoint>,
    node: NodeId,
    to: SocketAddr,
    seed: u64,
) -> ConnectionHandle {
    connect_by(world, node, to, sessions(seed, Side::Client))
}

pub fn connect_by(
    world: &mut World<Endpoint>,
    node: NodeId,
    to: SocketAddr,
    mut sessions: NullSessions,
) -> ConnectionHandle {
    world
        .with(node, |endpoint, now| {
            endpoint.connect(now, to, &mut sessions)
        })
        .unwrap()
        .unwrap()
}

/// Answers a challenge for a first message with this hash.
pub type Solver = fn(Vec<u8>, [u8; 32]) -> Completion;

/// What one node heard, and what it still wants to say.
#[derive(Default)]
pub struct Log {
    pub connected: Vec<ConnectionHandle>,
    pub closed: Vec<(ConnectionHandle, CloseReason)>,
    pub opened: Vec<(StreamId, u16)>,
    pub messages: Vec<(StreamId, Vec<u8>)>,
    pub bytes: BTreeMap<StreamId, Vec<u8>>,
    pub ended: Vec<StreamId>,
    pub finished: Vec<StreamId>,
    pub resets: Vec<(StreamId, u64)>,
    pub stops: Vec<(StreamId, u64)>,
    pub times: Vec<Instant>,
    pub migrated: usize,
    pub migrations_failed: usize,
    pub streams_available: usize,
    /// Messages to send as soon as their stream takes them.
    pub outbox: VecDeque<(ConnectionHandle, StreamId, Vec<u8>)>,
    /// Send every message back on its stream.
    pub echo: bool,
    /// Answers to challenges.
    pub solve: Option<Solver>,
}

/// A world of two: node 0 connects, node 1 accepts.
pub struct Pair {
    pub world: World<Endpoint>,
    pub client: NodeId,
    pub server: NodeId,
    pub logs: Vec<Log>,
    pub handle: ConnectionHandle,
}

impl Pair {
    pub fn new(seed: u64) -> Self {
        Self::with(seed, config(), config(), Box::new(transport::OpenGate))
    }

    pub fn with(seed: u64, ours: Config, theirs: Config, gate: Box<dyn Gate>) -> Self {
        let sessions = [Side::Client, Side::Server].map(|side| sessions(seed, side));
        Self::with_sessions(seed, [ours, theirs], gate, sessions)
    }

    /// The client's and the server's.
    pub fn with_sessions(
        seed: u64,
        [ours, theirs]: [Config; 2],
        gate: Box<dyn Gate>,
        [connecting, accepted]: [NullSessions; 2],
    ) -> Self {
        let mut world = World::new(seed);
        let client = world.add(address(1), client(seed, ours));
        let server = world.add(address(2), accepting(seed, theirs, gate, accepted));
        let handle = connect_by(&mut world, client, address(2), connecting);
        Self {
            world,
            client,
            server,
            logs: vec![Log::default(), Log::default()],
            handle,
        }
    }

    /// Lets time pass until `done` or for `secs`; drains events into the logs.
    pub fn run(&mut self, secs: u64, mut done: impl FnMut(&[Log]) -> bool) -> bool {
        let deadline = self.world.now() + Duration::from_secs(secs);
        let nodes = [self.client, self.server];
        while !done(&self.logs) {
            if self.world.now() > deadline {
                return false;
            }
            let logs = &mut self.logs;
            let more = self
                .world
                .step(|node, endpoint, now| {
                    let index = nodes.iter().position(|&id| id == node).unwrap();
                    drain(endpoint, now, &mut logs[index]);
                })
                .unwrap();
            if !more {
                return done(&self.logs);
            }
        }
        true
    }

    pub fn connected(seed: u64) -> Self {
        let mut pair = Self::new(seed);
        pair.until_connected();
        pair
    }

    pub fn until_connected(&mut self) {
        assert!(
            self.run(30, |logs| logs.iter().all(|log| !log.connected.is_empty())),
            "no connection: {:?}",
            self.logs[0].closed
        );
    }

    pub fn server_handle(&self) -> ConnectionHandle {
        self.logs[1].connected[0]
    }

    pub fn open(&mut self, port: u16, mode: Mode) -> StreamId {
        let handle = self.handle;
        self.on_client(|endpoint, _| endpoint.connection(handle).unwrap().open(port, mode))
            .unwrap()
    }

    pub fn on_client<T>(&mut self, act: impl FnOnce(&mut Endpoint, Instant) -> T) -> T {
        self.world.with(self.client, act).unwrap()
    }

    pub fn on_server<T>(&mut self, act: impl FnOnce(&mut Endpoint, Instant) -> T) -> T {
        self.world.with(self.server, act).unwrap()
    }

    pub fn send(&mut self, stream: StreamId, message: &[u8]) {
        let handle = self.handle;
        self.on_client(|endpoint, _| {
            let connection = endpoint.connection(handle).unwrap();
            connection.send(stream, message).unwrap();
        });
    }
}

/// Takes everything out of an endpoint that it has to tell.
pub fn drain(endpoint: &mut Endpoint, now: Instant, log: &mut Log) {
    while let Some((handle, request)) = endpoint.poll_request() {
        if let (Request::Solve { challenge, hello }, Some(solve)) = (request, log.solve) {
            endpoint.handle_completion(now, handle, solve(challenge, hello));
        }
    }
    while let Some((handle, event)) = endpoint.poll_event() {
        match event {
            Event::Connected => log.connected.push(handle),
            Event::Closed(reason) => log.closed.push((handle, reason)),
            Event::Opened { stream, port } => log.opened.push((stream, port)),
            Event::Finished { stream } => log.finished.push(stream),
            Event::Reset { stream, code } => log.resets.push((stream, code)),
            Event::Stopped { stream, code } => log.stops.push((stream, code)),
            Event::StreamsAvailable => log.streams_available += 1,
            Event::Migrated => log.migrated += 1,
            Event::MigrationFailed => log.migrations_failed += 1,
            Event::Readable { stream } => read(endpoint, now, handle, stream, log),
            _ => {}
        }
    }
    while let Some((handle, stream, message)) = log.outbox.pop_front() {
        let Some(connection) = endpoint.connection(handle) else {
            break;
        };
        if connection.send(stream, &message) == Err(StreamError::Blocked) {
            log.outbox.push_front((handle, stream, message));
            break;
        }
    }
}

fn read(
    endpoint: &mut Endpoint,
    now: Instant,
    handle: ConnectionHandle,
    stream: StreamId,
    log: &mut Log,
) {
    let Some(connection) = endpoint.connection(handle) else {
        return;
    };
    loop {
        match connection.receive(stream) {
            Ok(Some(message)) => {
                if log.echo {
                    log.outbox.push_back((handle, stream, message.clone()));
                }
                log.times.push(now);
                log.messages.push((stream, message));
            }
            Ok(None) => return log.ended.push(stream),
            Err(StreamError::WrongMode) => break,
            Err(_) => return,
        }
    }
    let mut buffer = [0; 4096];
    loop {
        match connection.read(stream, &mut buffer) {
            Ok(0) => return log.ended.push(stream),
            Ok(read) => {
                let bytes = log.bytes.entry(stream).or_default();
                bytes.extend_from_slice(&buffer[..read]);
            }
            Err(_) => return,
        }
    }
}
