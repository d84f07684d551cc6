use std::io::{ErrorKind, Write};
use std::net::Ipv4Addr;
use std::thread;

use sim::Rng;
use sim::null::NullSessions;
use transport::{Accept, Config, Mode, OpenGate};

use super::*;
use crate::blocking::command::Remote;
use crate::blocking::{Connection, Node};
use crate::{BindOptions, OsRandom};

const PORT: u16 = 7;

/// How long is waited for what has to come.
const PATIENCE: Duration = Duration::from_secs(20);

/// More than a peer takes in that does not read.
const UNREAD: usize = 512 << 10;

/// A server whose peers get `step` for each part of what they are to be sent.
fn server(driver: Driver, step: Duration) -> (Remote, thread::JoinHandle<()>) {
    let mut config = Config::default();
    config.ports.insert(PORT);
    let accept = Accept {
        sessions: Box::new(NullSessions::server(Rng::new(2))),
        gate: Box::new(OpenGate),
        secret: crypto::Secret::from([7; 32]),
    };
    let endpoint = Endpoint::server(config, accept, Box::new(OsRandom));
    let (remote, commands) = Remote::new(driver.waker(), driver.clock());
    let mut service = Service::new(driver, endpoint, commands, None);
    service.farewell_step = step;
    let thread = thread::Builder::new().spawn(move || service.run());
    (remote, thread.unwrap())
}

#[test]
fn h32_a_peer_that_never_reads_keeps_no_connection_that_nobody_holds() {
    let any = (Ipv4Addr::LOCALHOST, 0).into();
    let driver = Driver::bind(any, &BindOptions::default()).unwrap();
    let address = driver.local_addr();
    let (remote, thread) = server(driver, Duration::from_millis(100));
    let client = Node::client(Config::default()).unwrap();
    let sessions = Box::new(NullSessions::client(Rng::new(1)));
    let near = client.connect(address, sessions).unwrap();
    let timeout = Some(PATIENCE);
    let peer = remote.ask(|reply| Command::Accept { timeout, reply });
    let far = Connection::new(remote.clone(), peer.unwrap());

    let unread = near.open(PORT, Mode::Bytes).unwrap();
    (&unread).write_all(b"all, please").unwrap();
    let (_, stream) = far.accept_stream_within(timeout).unwrap();
    (&stream).write_all(&vec![1; UNREAD]).unwrap();
    drop((stream, far));
    let end = near.accept_stream_within(timeout).map(drop).unwrap_err();
    assert_eq!(end.kind(), ErrorKind::ConnectionReset);

    remote.tell(Command::Shutdown).unwrap();
    thread.join().unwrap();
}
