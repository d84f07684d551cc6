//! Two endpoints in memory: no socket, no clock, no thread.
//!
//! A machine takes time and datagrams as arguments and gives datagrams and events back. Here time is
//! a number that we count up, and the network is a function call.
#![allow(clippy::print_stdout, reason = "a program")]

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use crypto::{RsaBits, Secret, SigningKey};
use net::{OsRandom, unix_time_s};
use tls::{ClientSessions, Lifetime, NodeCertificate, ServerSessions, Trust, WallClock};
use transport::{Accept, Config, Endpoint, Event, Instant, Meta, Mode, OpenGate};

const PORT: u16 = 7;
const ONE_WAY: Duration = Duration::from_millis(20);

fn main() -> Result<(), Box<dyn Error>> {
    let (here, there): (SocketAddr, SocketAddr) = ("10.0.0.1:1".parse()?, "10.0.0.2:2".parse()?);
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
    let mut server = Endpoint::server(config, accept, Box::new(OsRandom));
    let mut client = Endpoint::client(Config::default(), Box::new(OsRandom));
    let trust = Trust::Pinned(identity.verifying_key().fingerprint());
    let mut sessions = ClientSessions::new(trust, &wall)?;

    let mut now = Instant::ZERO;
    client.connect(now, there, &mut sessions)?;
    loop {
        carry(now, &mut client, here, &mut server);
        now += ONE_WAY;
        while let Some((handle, event)) = server.poll_event() {
            let connection = server.connection(handle);
            if let (Event::Readable { stream }, Some(connection)) = (event, connection) {
                while let Ok(Some(message)) = connection.receive(stream) {
                    let text = String::from_utf8_lossy(&message);
                    println!("{:?}: {text}", now.since(Instant::ZERO));
                    connection.close(now, 0, "heard you");
                }
            }
        }
        carry(now, &mut server, there, &mut client);
        now += ONE_WAY;
        while let Some((handle, event)) = client.poll_event() {
            match (event, client.connection(handle)) {
                (Event::Connected, Some(connection)) => {
                    let stream = connection.open(PORT, Mode::Messages)?;
                    connection.send(stream, b"a message needs no clock to arrive")?;
                }
                (Event::Closed(reason), _) => {
                    println!("{:?}: {reason}", now.since(Instant::ZERO));
                    return Ok(());
                }
                _ => {}
            }
        }
    }
}

/// The network: everything that `from` has to say arrives at `to`.
fn carry(now: Instant, from: &mut Endpoint, address: SocketAddr, to: &mut Endpoint) {
    from.handle_timeout(now);
    let meta = Meta {
        remote: address,
        local: None,
        ecn: None,
    };
    let mut buffer = Vec::new();
    while let Some(transmit) = from.poll_transmit(now, 1, &mut buffer) {
        if let Some(datagram) = buffer.get_mut(..transmit.len) {
            to.handle_datagram(now + ONE_WAY, meta, datagram);
        }
        buffer.clear();
    }
}
