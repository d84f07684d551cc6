//! An endpoint in a loop of one's own: mio, one socket, one clock, no thread.
//!
//! For programs that already have an event loop. Those that have none use `net::Driver`, which is
//! this loop, or `net::blocking`. Here one process is its own client and server, each with a socket.
#![allow(clippy::print_stdout, reason = "a program")]

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crypto::{RsaBits, Secret, SigningKey};
use net::mio::{Events, Interest, Poll, Token};
use net::{BindOptions, Clock, OsRandom, Progress, Socket, unix_time_s};
use tls::{ClientSessions, Lifetime, NodeCertificate, ServerSessions, Trust, WallClock};
use transport::{Accept, Config, Endpoint, Event, Mode, OpenGate};

const PORT: u16 = 7;

/// What a loop does before it looks at something else.
const BUDGET: usize = 256;

/// An endpoint and its socket.
struct Party {
    endpoint: Endpoint,
    socket: Socket,
    /// The socket may have more; events come only when that changes.
    readable: bool,
}

impl Party {
    fn new(endpoint: Endpoint, poll: &Poll, token: Token) -> Result<Self, Box<dyn Error>> {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut socket = Socket::bind(any, &BindOptions::default())?;
        let both = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut socket, token, both)?;
        Ok(Self {
            endpoint,
            socket,
            readable: true,
        })
    }

    /// Datagrams in, timers, datagrams out.
    fn work(&mut self, clock: &Clock) -> Result<(), Box<dyn Error>> {
        if self.readable {
            let progress = self.socket.receive(clock, &mut self.endpoint, BUDGET)?;
            self.readable = progress == Progress::More;
        }
        let now = clock.now();
        if self.endpoint.poll_timeout().is_some_and(|due| due <= now) {
            self.endpoint.handle_timeout(now);
        }
        self.flush(clock);
        Ok(())
    }

    /// What the kernel does not take now goes when it says that it is writable.
    fn flush(&mut self, clock: &Clock) {
        while self.socket.flush(clock, &mut self.endpoint, BUDGET) == Progress::More {}
    }

    fn wait(&mut self, clock: &Clock) -> Option<Duration> {
        if self.readable {
            return Some(Duration::ZERO);
        }
        let due = self.endpoint.poll_timeout()?;
        Some(due.since(clock.now()))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let identity = SigningKey::generate(RsaBits::B3072, &mut OsRandom)?;
    let wall = WallClock::new(unix_time_s());
    let pkcs8 = identity.to_pkcs8();
    let certificate = NodeCertificate::issue(pkcs8.expose(), wall.now(), Lifetime::Online)?;
    let accept = Accept {
        sessions: Box::new(ServerSessions::new(certificate, &wall)?),
        gate: Box::new(OpenGate),
        secret: Secret::generate(&mut OsRandom),
    };
    let mut config = Config::default();
    config.ports.insert(PORT);
    let server = Endpoint::server(config, accept, Box::new(OsRandom));
    let client = Endpoint::client(Config::default(), Box::new(OsRandom));

    let (clock, mut poll, mut events) = (Clock::start(), Poll::new()?, Events::with_capacity(16));
    let mut server = Party::new(server, &poll, Token(0))?;
    let mut client = Party::new(client, &poll, Token(1))?;
    let trust = Trust::Pinned(identity.verifying_key().fingerprint());
    let mut sessions = ClientSessions::new(trust, &wall)?;
    let address = server.socket.local_addr();
    client
        .endpoint
        .connect(clock.now(), address, &mut sessions)?;

    loop {
        for party in [&mut server, &mut client] {
            party.work(&clock)?;
        }
        if answer(&mut server)? || greet(&mut client, &clock)? {
            return Ok(());
        }
        for party in [&mut server, &mut client] {
            party.flush(&clock);
        }
        let wait = [server.wait(&clock), client.wait(&clock)];
        poll.poll(&mut events, wait.into_iter().flatten().min())?;
        for event in &events {
            let party = if event.token() == Token(0) {
                &mut server
            } else {
                &mut client
            };
            party.readable |= event.is_readable();
        }
    }
}

/// The server's application: the answer to a message is the message, louder.
fn answer(server: &mut Party) -> Result<bool, Box<dyn Error>> {
    while let Some((handle, event)) = server.endpoint.poll_event() {
        let (Event::Readable { stream }, Some(connection)) =
            (event, server.endpoint.connection(handle))
        else {
            continue;
        };
        while let Ok(Some(message)) = connection.receive(stream) {
            connection.send(stream, &message.to_ascii_uppercase())?;
        }
    }
    Ok(false)
}

/// The client's: say something once connected, print what comes back, and be done.
fn greet(client: &mut Party, clock: &Clock) -> Result<bool, Box<dyn Error>> {
    while let Some((handle, event)) = client.endpoint.poll_event() {
        let Some(connection) = client.endpoint.connection(handle) else {
            continue;
        };
        match event {
            Event::Connected => {
                let stream = connection.open(PORT, Mode::Messages)?;
                connection.send(stream, b"hello out there")?;
            }
            Event::Readable { stream } => {
                let Ok(Some(message)) = connection.receive(stream) else {
                    continue;
                };
                println!("{}", String::from_utf8_lossy(&message));
                connection.close(clock.now(), 0, "done");
            }
            Event::Closed(_) => return Ok(true),
            _ => {}
        }
    }
    Ok(false)
}
