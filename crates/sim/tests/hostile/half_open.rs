//! More handshakes under way than a server holds (docs/PROTOCOL.md §3.1): the oldest makes room.

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use common::{Log, PORT, address, client, config, connect, drain, server};
use internet::DropReason;
use sim::{Link, NodeId, World};
use transport::{
    Admission, Attempt, CloseReason, ConnectionHandle, Endpoint, EndpointStats, Gate, Instant,
    Load, Mode, Verdict,
};

use crate::common;

/// Half-open connections that the server holds.
const MOST: usize = 4;

/// Lets everybody in, and keeps what it is told.
struct Recording(Arc<Mutex<Vec<Load>>>);

impl Gate for Recording {
    fn judge(&mut self, _: Instant, _: &Attempt<'_>, _: &mut Vec<u8>) -> Verdict {
        Verdict::Admit(Admission::default())
    }

    fn observe(&mut self, _: Instant, load: Load) {
        self.0.lock().unwrap().push(load);
    }
}

/// A server, and clients that come one after the other.
struct Hall {
    world: World<Endpoint>,
    server: NodeId,
    logs: BTreeMap<NodeId, Log>,
    loads: Arc<Mutex<Vec<Load>>>,
}

impl Hall {
    fn new() -> Self {
        let mut world = World::new(39);
        let mut few = config();
        few.half_open_max = MOST;
        let loads = Arc::<Mutex<Vec<Load>>>::default();
        let gate = Box::new(Recording(Arc::clone(&loads)));
        let server = world.add(address(2), server(39, few, gate));
        Self {
            world,
            server,
            logs: BTreeMap::new(),
            loads,
        }
    }

    /// Somebody begins to connect. Where `hears` is false the server's answers do not arrive.
    fn comes(&mut self, hears: bool) -> NodeId {
        let place = 10 + self.logs.len() as u8;
        let seed = u64::from(place);
        let node = self.world.add(address(place), client(seed, config()));
        self.hear(node, hears);
        connect(&mut self.world, node, address(2), seed);
        // Soon enough for all to come before the first says anything again.
        self.pass(20);
        node
    }

    fn hear(&mut self, node: NodeId, hears: bool) {
        let mut link = Link::default();
        link.up = hears;
        self.world.set_link(self.server, node, link);
    }

    fn pass(&mut self, millis: u64) {
        let end = self.world.now() + Duration::from_millis(millis);
        let logs = &mut self.logs;
        let events = |node: NodeId, endpoint: &mut Endpoint, now| {
            drain(endpoint, now, logs.entry(node).or_default());
        };
        self.world.run(end, events, |_| false).unwrap();
    }

    fn stats(&self) -> EndpointStats {
        self.world.machine(self.server).unwrap().stats()
    }

    /// Whose handshakes are under way, or were completed.
    fn held(&mut self) -> Vec<SocketAddr> {
        let remotes = |server: &mut Endpoint, _| {
            let handles: Vec<ConnectionHandle> = server.connections().collect();
            let remotes = handles.into_iter();
            let remotes = remotes.map(|handle| server.connection(handle).unwrap().remote());
            remotes.collect::<Vec<_>>()
        };
        let mut held = self.world.with(self.server, remotes).unwrap();
        held.sort_unstable();
        held
    }

    fn is_connected(&self, node: NodeId) -> bool {
        let log = &self.logs[&node];
        log.closed.is_empty() && log.connected.len() == 1
    }
}

fn places(range: core::ops::RangeInclusive<u8>) -> Vec<SocketAddr> {
    range.map(address).collect()
}

#[test]
fn h40_the_oldest_half_open_connection_makes_room_and_an_honest_later_one_completes() {
    let mut hall = Hall::new();
    // The server's own log makes it one more.
    hall.pass(1);
    let silent: Vec<NodeId> = (1..=6)
        .map(|come| {
            let node = hall.comes(false);
            let stats = hall.stats();
            assert_eq!(stats.half_open, come.min(MOST));
            assert_eq!(stats.connections, come.min(MOST));
            node
        })
        .collect();
    let first = 10 + 1;
    assert_eq!(hall.held(), places(first + 2..=first + 5), "the youngest");
    let received = hall.stats().counters.datagrams_received;
    assert_eq!(received, 2 * 6, "two each, also of those that are gone");
    // The gate, which sets the price, hears of the handshakes that have ended.
    let loads = hall.loads.lock().unwrap().clone();
    assert_eq!(loads.len(), 2);
    for load in loads {
        assert_eq!(load.half_open, MOST - 1);
        let since = load.handshake.as_millis();
        assert!((79..=81).contains(&since), "{since} ms: four came since");
    }
    let honest = hall.comes(true);
    hall.pass(40);
    assert!(hall.is_connected(honest));
    assert_eq!(hall.stats().half_open, MOST - 1);
    assert_eq!(hall.held(), places(first + 3..=first + 6));
    // Nobody at the server was told of any but that one.
    let server = hall.server;
    assert_eq!(hall.logs[&server].connected.len(), 1);
    assert_eq!(hall.logs[&server].closed, []);
    // Who made room has lost time, and nothing else.
    for node in &silent {
        hall.hear(*node, true);
    }
    hall.pass(5_000);
    assert!(silent.iter().all(|node| hall.is_connected(*node)));
    assert_eq!(hall.stats().half_open, 0);
    assert_eq!(hall.stats().connections, 7);
}

/// The peer has heard all that the server has to say, and takes the handshake for complete.
#[test]
fn a_peer_that_made_room_late_in_its_handshake_is_told_that_it_is_not_known() {
    let mut hall = Hall::new();
    hall.pass(1);
    let late = hall.world.add(address(99), client(99, config()));
    connect(&mut hall.world, late, address(2), 99);
    // Its first flight is on its way; nothing that it says later arrives.
    let mut link = Link::default();
    link.up = false;
    hall.world.set_link(late, hall.server, link);
    hall.pass(50);
    assert!(hall.is_connected(late));
    assert_eq!(hall.stats().half_open, 1);
    for _ in 0..MOST {
        hall.comes(false);
    }
    assert!(!hall.held().contains(&address(99)));
    let server = hall.server;
    hall.world.set_link(late, server, Link::default());
    // Handshake packets of somebody unknown draw no answer; what he says after that does.
    hall.pass(1_000);
    assert!(hall.is_connected(late));
    assert_eq!(hall.stats().resets, 0);
    let handle = hall.logs[&late].connected[0];
    let says = |client: &mut Endpoint, _| {
        let connection = client.connection(handle).unwrap();
        let stream = connection.open(PORT, Mode::Messages).unwrap();
        connection.send(stream, b"hello").unwrap();
    };
    hall.world.with(late, says);
    hall.pass(5_000);
    let ends: Vec<&CloseReason> = hall.logs[&late].closed.iter().map(|(_, why)| why).collect();
    assert_eq!(ends, [&CloseReason::StatelessReset]);
    let stats = hall.stats();
    assert_eq!(stats.resets, 1);
    assert!(stats.drops.of(DropReason::UnknownConnection) >= 1);
}
