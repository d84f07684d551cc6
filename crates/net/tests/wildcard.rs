//! Servers bound to all addresses of a machine that has several, over real sockets.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests of the crate that may"
)]

mod common;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use common::Scripted;
use crypto::Secret;
use net::{BindOptions, Clock, Driver, OsRandom};
use sim::Rng;
use sim::null::NullSessions;
use transport::{
    Accept, AddressGate, CloseReason, Config, ConnectionHandle, Ecn, Endpoint, Event, Meta, Mode,
    StreamId,
};

const PORT: u16 = 7;
const PATIENCE: Duration = Duration::from_secs(20);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn config() -> Config {
    let mut config = Config::default();
    config.ports.insert(PORT);
    config
}

/// Says everything that it hears back, on the stream on which it came.
struct Server {
    driver: Driver,
    endpoint: Endpoint,
    migrated: usize,
}

impl Server {
    fn new(bound: &str) -> Self {
        let address = SocketAddr::new(ip(bound), 0);
        Self {
            driver: Driver::bind(address, &BindOptions::default()).unwrap(),
            endpoint: Self::endpoint(),
            migrated: 0,
        }
    }

    /// As it is after each start.
    fn endpoint() -> Endpoint {
        let accept = Accept {
            sessions: Box::new(NullSessions::server(Rng::new(1))),
            gate: Box::new(AddressGate::new(Secret::from([3; 32]))),
            secret: Secret::from([7; 32]),
        };
        Endpoint::server(config(), accept, Box::new(OsRandom))
    }

    fn turn(&mut self) {
        let little = Some(Duration::from_millis(1));
        self.driver.turn(&mut self.endpoint, little).unwrap();
        while let Some((handle, event)) = self.endpoint.poll_event() {
            match event {
                Event::Migrated => self.migrated += 1,
                Event::Readable { stream } => {
                    let connection = self.endpoint.connection(handle).unwrap();
                    while let Ok(Some(message)) = connection.receive(stream) {
                        connection.send(stream, &message).unwrap();
                    }
                }
                _ => {}
            }
        }
        self.driver.flush(&mut self.endpoint);
    }
}

/// A client as if behind a NAT: it hears only what comes from the very address that it asks.
struct Asker {
    clock: Clock,
    server: SocketAddr,
    socket: UdpSocket,
    endpoint: Endpoint,
    heard: Vec<Vec<u8>>,
    closed: Option<CloseReason>,
}

impl Asker {
    fn new(asked: &str, server: &Server) -> Self {
        let server = SocketAddr::new(ip(asked), server.driver.local_addr().port());
        Self {
            clock: Clock::start(),
            server,
            socket: Self::socket(server),
            endpoint: Endpoint::client(config(), Box::new(OsRandom)),
            heard: Vec::new(),
            closed: None,
        }
    }

    fn socket(server: SocketAddr) -> UdpSocket {
        let own = if server.is_ipv6() { "::1" } else { "127.0.0.1" };
        let socket = UdpSocket::bind((ip(own), 0)).unwrap();
        socket.connect(server).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket
    }

    /// Goes on from another port.
    fn rebind(&mut self) {
        self.socket = Self::socket(self.server);
    }

    fn turn(&mut self) {
        let mut buffer = [0; 2048];
        while let Ok(len) = self.socket.recv(&mut buffer) {
            let meta = Meta {
                remote: self.server,
                local: None,
                ecn: None,
            };
            let now = self.clock.now();
            self.endpoint.handle_datagram(now, meta, &mut buffer[..len]);
        }
        let now = self.clock.now();
        self.endpoint.handle_timeout(now);
        while let Some((handle, event)) = self.endpoint.poll_event() {
            match event {
                Event::Closed(reason) => self.closed = Some(reason),
                Event::Readable { stream } => {
                    let connection = self.endpoint.connection(handle).unwrap();
                    while let Ok(Some(message)) = connection.receive(stream) {
                        self.heard.push(message);
                    }
                }
                _ => {}
            }
        }
        let mut out = Vec::new();
        while let Some(transmit) = self.endpoint.poll_transmit(now, 1, &mut out) {
            assert_eq!(transmit.remote, self.server);
            assert_eq!(transmit.local, None, "a client roams");
            self.socket.send(&out).unwrap();
            out.clear();
        }
    }

    fn until(&mut self, server: &mut Server, done: impl Fn(&mut Self) -> bool) {
        let start = self.clock.now();
        while !done(self) {
            self.turn();
            server.turn();
            let waited = self.clock.now().since(start);
            assert!(
                waited < PATIENCE,
                "no answer from {} reaches it",
                self.server
            );
        }
    }

    fn connect(&mut self, server: &mut Server) -> (ConnectionHandle, StreamId) {
        let mut sessions = NullSessions::client(Rng::new(2));
        let now = self.clock.now();
        let handle = (self.endpoint)
            .connect(now, self.server, &mut sessions)
            .unwrap();
        self.until(server, |asker| {
            let connection = asker.endpoint.connection(handle);
            connection.is_some_and(|connection| connection.can_migrate())
        });
        let connection = self.endpoint.connection(handle).unwrap();
        (handle, connection.open(PORT, Mode::Messages).unwrap())
    }

    /// Says so much, more than one datagram takes, and hears it again.
    fn talk(&mut self, server: &mut Server, (handle, stream): (ConnectionHandle, StreamId)) {
        let message = vec![self.heard.len() as u8; 20_000];
        let connection = self.endpoint.connection(handle).unwrap();
        connection.send(stream, &message).unwrap();
        let count = self.heard.len() + 1;
        self.until(server, |asker| asker.heard.len() >= count);
        assert_eq!(self.heard.last(), Some(&message));
    }
}

#[test]
fn a_server_on_all_addresses_answers_from_the_one_that_was_asked() {
    let asked = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];
    let mut pairs: Vec<_> = asked.map(|asked| ("0.0.0.0", asked)).into();
    pairs.extend(asked.map(|asked| ("::", asked)));
    pairs.push(("::", "::1"));
    for (bound, asked) in pairs {
        let mut server = Server::new(bound);
        let mut asker = Asker::new(asked, &server);
        let talk = asker.connect(&mut server);
        assert!(server.endpoint.stats().challenges > 0, "the gate asks");
        asker.talk(&mut server, talk);
        // A NAT gives it another port.
        asker.rebind();
        asker.talk(&mut server, talk);
        asker.until(&mut server, |asker| {
            let connection = asker.endpoint.connection(talk.0).unwrap();
            connection.stats().bytes_in_flight == 0
        });
        // It moves and knows.
        asker.rebind();
        let now = asker.clock.now();
        let connection = asker.endpoint.connection(talk.0).unwrap();
        connection.migrate(now).unwrap();
        asker.until(&mut server, |asker| {
            !asker.endpoint.connection(talk.0).unwrap().is_migrating()
        });
        asker.talk(&mut server, talk);
        assert_eq!(server.migrated, 2);
        assert_eq!(server.driver.stats().source_refused, 0);
    }
}

#[test]
fn a_connection_that_is_gone_is_reset_from_the_address_that_was_asked() {
    for bound in ["0.0.0.0", "::"] {
        let mut server = Server::new(bound);
        let mut asker = Asker::new("127.0.0.2", &server);
        let (handle, stream) = asker.connect(&mut server);
        server.endpoint = Server::endpoint();
        let connection = asker.endpoint.connection(handle).unwrap();
        connection.send(stream, &[0; 100]).unwrap();
        asker.until(&mut server, |asker| asker.closed.is_some());
        assert_eq!(asker.closed, Some(CloseReason::StatelessReset));
    }
}

#[test]
fn another_version_is_answered_from_the_address_that_was_asked() {
    let mut server = Server::new("0.0.0.0");
    let asker = Asker::new("127.0.0.2", &server);
    let mut datagram = vec![0; 1200];
    datagram[0] = 0xc0;
    datagram[1..5].copy_from_slice(&[0xfa; 4]);
    asker.socket.send(&datagram).unwrap();
    let start = asker.clock.now();
    let mut answer = [0; 1200];
    while asker.socket.recv(&mut answer).is_err() {
        server.turn();
        let waited = asker.clock.now().since(start);
        assert!(waited < PATIENCE, "no answer reaches it");
    }
    assert_eq!(answer[1..5], [0; 4], "a Version packet");
}

/// What arrives where, and what goes out with this source.
fn heard_from(source: &str, bound: &str, to: &str) -> (Driver, Vec<SocketAddr>) {
    let options = BindOptions::default();
    let mut receiver = Driver::bind(SocketAddr::new(ip(to), 0), &options).unwrap();
    let mut sender = Driver::bind(SocketAddr::new(ip(bound), 0), &options).unwrap();
    let segments = sender.offload().send_segments;
    let (mut from, mut heard) = (Scripted::default(), Scripted::default());
    for mark in [Ecn::Ect0, Ecn::Ect1] {
        from.say(receiver.local_addr(), vec![7; 300], Some(100));
        from.say_from(Some(ip(source)));
        from.say.back_mut().unwrap().0.ecn = Some(mark);
    }
    sender.flush(&mut from);
    while heard.heard.len() < 6 {
        let turn = receiver.turn(&mut heard, Some(PATIENCE)).unwrap();
        assert!(turn.received, "nothing came");
    }
    assert_eq!(sender.offload().send_segments, segments, "offload is off");
    assert_eq!(heard.marks[..3], [Some(Ecn::Ect0); 3], "marks are lost");
    assert_eq!(heard.marks[3..], [Some(Ecn::Ect1); 3], "marks are lost");
    assert!(heard.at.iter().all(|at| *at == Some(ip(to))));
    let stats = sender.stats();
    assert_eq!((stats.sent, stats.send_errors), (6, 0));
    (sender, heard.heard.iter().map(|(from, _)| *from).collect())
}

/// Addresses of documentation (RFC 5737, RFC 3849), and one from which nobody may send.
const GONE: [(&str, &str, &str); 4] = [
    ("203.0.113.9", "0.0.0.0", "127.0.0.1"),
    ("203.0.113.9", "::", "127.0.0.1"),
    ("255.255.255.255", "0.0.0.0", "127.0.0.1"),
    ("2001:db8::9", "::", "::1"),
];

#[test]
fn an_address_that_has_gone_stops_nothing_and_costs_no_offload() {
    for (source, bound, to) in GONE {
        let (sender, from) = heard_from(source, bound, to);
        let port = sender.local_addr().port();
        assert!(
            from.iter()
                .all(|from| *from == SocketAddr::new(ip(to), port))
        );
        assert_eq!(sender.stats().source_refused, 1, "it is tried once");
    }
}

#[test]
fn a_socket_that_is_bound_to_an_address_keeps_it() {
    for (source, _, to) in GONE {
        let (sender, from) = heard_from(source, to, to);
        assert!(from.iter().all(|from| *from == sender.local_addr()));
        assert_eq!(sender.stats().source_refused, 0);
    }
    let (sender, from) = heard_from("127.0.0.2", "127.0.0.1", "127.0.0.1");
    assert!(from.iter().all(|from| *from == sender.local_addr()));
}

#[test]
fn a_source_that_is_ours_is_used() {
    for bound in ["0.0.0.0", "::"] {
        let (sender, from) = heard_from("127.0.0.2", bound, "127.0.0.1");
        let source = SocketAddr::new(ip("127.0.0.2"), sender.local_addr().port());
        assert!(from.iter().all(|from| *from == source));
        assert_eq!(sender.stats().source_refused, 0);
    }
}
