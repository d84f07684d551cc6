//! Connections over real sockets whose client's port changes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests of the crate that may"
)]

use std::net::Ipv4Addr;
use std::time::Duration;

use crypto::Secret;
use net::proxy::{Impairment, Proxy};
use net::{BindOptions, Driver, OsRandom};
use sim::Rng;
use sim::null::NullSessions;
use transport::{
    Accept, Config, ConnectionHandle, Endpoint, Event, Instant, Mode, OpenGate, StreamId,
};

const PORT: u16 = 7;

/// What a side has heard.
struct Side {
    driver: Driver,
    endpoint: Endpoint,
    handle: Option<ConnectionHandle>,
    connections: usize,
    stream: Option<StreamId>,
    heard: Vec<Vec<u8>>,
    migrated: usize,
}

impl Side {
    fn new(endpoint: Endpoint) -> Self {
        let any = (Ipv4Addr::LOCALHOST, 0).into();
        Self {
            driver: Driver::bind(any, &BindOptions::default()).unwrap(),
            endpoint,
            handle: None,
            connections: 0,
            stream: None,
            heard: Vec::new(),
            migrated: 0,
        }
    }

    fn turn(&mut self) {
        let little = Some(Duration::from_millis(1));
        self.driver.turn(&mut self.endpoint, little).unwrap();
        while let Some((handle, event)) = self.endpoint.poll_event() {
            match event {
                Event::Connected => {
                    self.connections += 1;
                    self.handle = Some(handle);
                }
                Event::Opened { stream, .. } => self.stream = Some(stream),
                Event::Migrated => self.migrated += 1,
                Event::Closed(reason) => panic!("{reason}"),
                Event::Readable { stream } => {
                    let connection = self.endpoint.connection(handle).unwrap();
                    while let Ok(Some(message)) = connection.receive(stream) {
                        self.heard.push(message);
                    }
                }
                _ => {}
            }
        }
        self.driver.flush(&mut self.endpoint);
    }

    fn say(&mut self, message: &str) {
        let connection = self.endpoint.connection(self.handle.unwrap()).unwrap();
        let stream = self.stream.unwrap();
        connection.send(stream, message.as_bytes()).unwrap();
    }

    fn migrate(&mut self) {
        let any = (Ipv4Addr::LOCALHOST, 0).into();
        self.driver.rebind(any, &BindOptions::default()).unwrap();
        let now = self.driver.now();
        let connection = self.endpoint.connection(self.handle.unwrap()).unwrap();
        connection.migrate(now).unwrap();
    }
}

/// A client, a server, and a NAT between them.
struct Pair {
    client: Side,
    server: Side,
    proxy: Proxy,
}

impl Pair {
    fn connected() -> Self {
        let mut config = Config::default();
        config.ports.insert(PORT);
        let accept = Accept {
            sessions: Box::new(NullSessions::server(Rng::new(1))),
            gate: Box::new(OpenGate),
            secret: Secret::from([7; 32]),
        };
        let server = Endpoint::server(config.clone(), accept, Box::new(OsRandom));
        let server = Side::new(server);
        let proxy = Proxy::start(server.driver.local_addr(), Impairment::default()).unwrap();
        let mut client = Side::new(Endpoint::client(config, Box::new(OsRandom)));
        let mut sessions = NullSessions::client(Rng::new(2));
        let now = client.driver.now();
        let to = proxy.local_addr();
        let handle = client.endpoint.connect(now, to, &mut sessions).unwrap();
        client.handle = Some(handle);
        let mut pair = Self {
            client,
            server,
            proxy,
        };
        pair.until(|pair| pair.client.connections + pair.server.connections == 2);
        let connection = pair.client.endpoint.connection(handle).unwrap();
        pair.client.stream = Some(connection.open(PORT, Mode::Messages).unwrap());
        pair
    }

    fn until(&mut self, done: impl Fn(&Self) -> bool) {
        let start: Instant = self.client.driver.now();
        while !done(self) {
            self.client.turn();
            self.server.turn();
            let waited = self.client.driver.now().since(start);
            assert!(waited < Duration::from_secs(30), "nothing comes of it");
        }
    }

    /// Each side says this, and all arrives.
    fn talk(&mut self, words: &str) {
        self.client.say(words);
        let heard = self.server.heard.len();
        self.until(|pair| pair.server.heard.len() > heard);
        self.server.say(words);
        let heard = self.client.heard.len();
        self.until(|pair| pair.client.heard.len() > heard);
    }

    fn finish(mut self, words: &[&str], migrated: usize) {
        self.until(|pair| {
            let heard = [&pair.client.heard, &pair.server.heard];
            heard.iter().all(|heard| heard.len() >= words.len())
        });
        assert_eq!(
            self.client.heard,
            words.iter().map(|w| w.as_bytes()).collect::<Vec<_>>()
        );
        assert_eq!(self.server.heard, self.client.heard);
        assert_eq!(self.server.connections, 1);
        assert_eq!(self.server.migrated, migrated);
    }
}

#[test]
fn a_nat_that_changes_the_port_is_followed() {
    let mut pair = Pair::connected();
    pair.talk("before");
    for words in ["during", "after"] {
        pair.proxy.rebind();
        pair.talk(words);
    }
    pair.until(|pair| pair.server.migrated == 2);
    pair.finish(&["before", "during", "after"], 2);
}

#[test]
fn a_client_that_goes_on_from_another_socket_is_followed() {
    let mut pair = Pair::connected();
    pair.talk("before");
    pair.client.say("during");
    pair.client.migrate();
    pair.until(|pair| pair.client.migrated == 1 && pair.server.heard.len() == 2);
    pair.server.say("during");
    pair.talk("after");
    pair.finish(&["before", "during", "after"], 1);
}

#[test]
fn silence_tells_of_a_network_that_is_gone() {
    let mut pair = Pair::connected();
    pair.talk("before");
    pair.proxy.cut_off();
    pair.client.say("during");
    let silence = |pair: &mut Pair| {
        let now = pair.client.driver.now();
        let handle = pair.client.handle.unwrap();
        let connection = pair.client.endpoint.connection(handle).unwrap();
        connection.unanswered(now)
    };
    while silence(&mut pair) < Duration::from_millis(300) {
        pair.client.turn();
        pair.server.turn();
    }
    assert_eq!(pair.server.heard.len(), 1);
    pair.client.migrate();
    pair.until(|pair| pair.server.heard.len() == 2);
    pair.server.say("during");
    pair.talk("after");
    pair.finish(&["before", "during", "after"], 1);
}
