#![allow(unreachable_pub, dead_code, reason = "shared by test programs")]

use core::net::SocketAddr;
use core::time::Duration;

use sim::null::NullSessions;
use sim::{NodeId, Rng, World};
use transport::{
    Accept, Config, ConnectionHandle, Endpoint, Event, Gate, Instant, OpenGate, StreamError,
    StreamId,
};

/// The port that servers listen on.
pub const PORT: u16 = 7;

/// Where the server is.
pub const SERVER: SocketAddr = SocketAddr::V4(core::net::SocketAddrV4::new(
    core::net::Ipv4Addr::new(10, 0, 0, 1),
    5000,
));

/// Where client `index` is.
pub fn client_address(index: u64) -> SocketAddr {
    let [.., a, b, c] = (index + 1).to_be_bytes();
    SocketAddr::from(([10, 1 + a, b, c], 40_000))
}

pub fn config() -> Config {
    let mut config = Config::default();
    config.ports.insert(PORT);
    config.message_bytes_max = 16 << 20;
    config
}

pub fn server(seed: u64, config: Config, gate: Box<dyn Gate>) -> Endpoint {
    let rng = |concern| Rng::stream(seed, concern, 0);
    let accept = Accept {
        sessions: Box::new(NullSessions::server(rng("server sessions"))),
        gate,
        secret: crypto::Secret::from([7; 32]),
    };
    Endpoint::server(config, accept, Box::new(rng("server")))
}

pub fn client(seed: u64, index: u64, config: Config) -> Endpoint {
    Endpoint::client(config, Box::new(Rng::stream(seed, "client", index)))
}

/// A world with an open server and one client, not yet connected.
pub fn pair(seed: u64, config: &Config) -> (World<Endpoint>, NodeId, NodeId) {
    let mut world = World::new(seed);
    let server = server(seed, config.clone(), Box::new(OpenGate));
    let server = world.add(SERVER, server);
    let client = world.add(client_address(0), client(seed, 0, config.clone()));
    (world, server, client)
}

/// Begins to connect `node` to the server.
pub fn connect(world: &mut World<Endpoint>, seed: u64, node: NodeId) -> ConnectionHandle {
    let index = node.index() as u64;
    let mut sessions = NullSessions::client(Rng::stream(seed, "client sessions", index));
    world
        .with(node, |endpoint, now| {
            endpoint.connect(now, SERVER, &mut sessions)
        })
        .unwrap()
        .unwrap()
}

/// Hands every event to `on`.
pub fn drain(endpoint: &mut Endpoint, mut on: impl FnMut(&mut Endpoint, ConnectionHandle, Event)) {
    while let Some((handle, event)) = endpoint.poll_event() {
        on(endpoint, handle, event);
    }
}

/// Every message that is there.
pub fn messages(
    endpoint: &mut Endpoint,
    handle: ConnectionHandle,
    stream: StreamId,
) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while let Some(connection) = endpoint.connection(handle) {
        match connection.receive(stream) {
            Ok(Some(message)) => messages.push(message),
            Ok(None) | Err(StreamError::Blocked | StreamError::Ended(_)) => break,
            Err(error) => panic!("{error}"),
        }
    }
    messages
}

/// Pseudo-random bytes.
pub fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    crypto::Random::fill(&mut Rng::stream(seed, "workload", 0), &mut bytes);
    bytes
}

pub fn after(secs: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(secs)
}

/// How many seeds to run: `few`, or as many as UNDERTONE_SIM_SEEDS says.
pub fn seeds(few: u64) -> core::ops::Range<u64> {
    let asked = std::env::var("UNDERTONE_SIM_SEEDS").ok();
    0..asked.and_then(|seeds| seeds.parse().ok()).unwrap_or(few)
}
