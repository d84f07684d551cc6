//! Sends back what comes, on any number of streams of any number of connections.
//!
//! `cargo run --example echo_server` prints the client's command line.
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a program")]

use std::error::Error;
use std::time::Duration;
use std::{env, io, thread};

use crypto::{RsaBits, Secret, SigningKey};
use net::blocking::{Connection, Node};
use net::{OsRandom, unix_time_s};
use tls::{Lifetime, NodeCertificate, ServerSessions, WallClock};
use transport::{Accept, AddressGate, Config};

/// The port that clients open their streams to; 7 is the echo service's.
const PORT: u16 = 7;

fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).unwrap_or("127.0.0.1:4007".to_owned());
    // A server that is to be recognised keeps its identity on disk.
    let identity = SigningKey::generate(RsaBits::B3072, &mut OsRandom)?;
    let fingerprint = identity.verifying_key().fingerprint();
    let pkcs8 = identity.to_pkcs8();
    let issue = || NodeCertificate::issue(pkcs8.expose(), unix_time_s(), Lifetime::Online);
    let clock = WallClock::new(unix_time_s());
    let sessions = ServerSessions::new(issue()?, &clock)?;
    let accept = Accept {
        sessions: Box::new(sessions.clone()),
        gate: Box::new(AddressGate::new(Secret::generate(&mut OsRandom))),
        secret: Secret::generate(&mut OsRandom),
    };
    let mut config = Config::default();
    config.ports.insert(PORT);
    let node = Node::server(address.parse()?, config, accept)?;
    let local = node.local_addr();
    println!("cargo run --example echo_client -- {local} {fingerprint}");
    loop {
        // Handshakes go by this clock, and the certificate is good for a week: neither waits for somebody to come.
        let accepted = node.accept_within(Some(Duration::from_secs(60)));
        clock.set(unix_time_s());
        if sessions.needs_renewal() {
            sessions.renew(issue()?);
        }
        let connection = match accepted {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => continue,
            accepted => accepted?,
        };
        println!("{} is here", connection.remote_addr());
        thread::spawn(move || {
            let end = serve(&connection).err();
            println!("{} has left: {end:?}", connection.remote_addr());
        });
    }
}

/// Until the connection is over.
fn serve(connection: &Connection) -> io::Result<()> {
    loop {
        let (_, stream) = connection.accept_stream()?;
        thread::spawn(move || io::copy(&mut &stream, &mut &stream).map(|_| stream.close()));
    }
}
