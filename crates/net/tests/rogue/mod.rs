use std::net::Ipv4Addr;
use std::time::Duration;

use net::blocking::{Connection, Node};
use net::{BindOptions, Driver, OsRandom};
use sim::Rng;
use sim::null::NullSessions;
use transport::{Config, ConnectionHandle, Endpoint, Event};

/// How long is waited for what has to come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A client that says what it likes, and hears when it likes.
pub(crate) struct Rogue {
    driver: Driver,
    endpoint: Endpoint,
    handle: ConnectionHandle,
}

impl Rogue {
    /// Connected, and the server's end of it.
    pub(crate) fn at(server: &Node) -> (Self, Connection) {
        let any = (Ipv4Addr::LOCALHOST, 0).into();
        let driver = Driver::bind(any, &BindOptions::default()).unwrap();
        let mut endpoint = Endpoint::client(Config::default(), Box::new(OsRandom));
        let mut sessions = NullSessions::client(Rng::new(1));
        let (now, remote) = (driver.now(), server.local_addr());
        let handle = endpoint.connect(now, remote, &mut sessions).unwrap();
        let mut rogue = Self {
            driver,
            endpoint,
            handle,
        };
        while !rogue.turn().contains(&Event::Connected) {}
        rogue.say(|_| ());
        (rogue, server.accept_within(Some(PATIENCE)).unwrap())
    }

    pub(crate) fn connection(&mut self) -> &mut transport::Connection {
        self.endpoint.connection(self.handle).unwrap()
    }

    /// Says what there is to say, hears what has come, and gives what has happened.
    pub(crate) fn turn(&mut self) -> Vec<Event> {
        let wait = Some(Duration::from_millis(100));
        self.driver.turn(&mut self.endpoint, wait).unwrap();
        std::iter::from_fn(|| self.endpoint.poll_event())
            .map(|(_, event)| event)
            .collect()
    }

    /// Says something, and hears nothing.
    pub(crate) fn say(&mut self, what: impl FnOnce(&mut transport::Connection)) {
        what(self.connection());
        self.driver.flush(&mut self.endpoint);
    }
}
