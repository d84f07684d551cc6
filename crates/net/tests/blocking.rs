//! Blocking handles over real sockets, with sessions that need no certificate.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests of the crate that may"
)]

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use net::blocking::{Connection, Node, Stream};
use net::proxy::{Impairment, Proxy};
use net::{BindOptions, Driver};
use sim::Rng;
use sim::null::NullSessions;
use transport::{
    Accept, Admission, Attempt, Config, Gate, Instant, Load, Mode, OpenGate, Sessions, Verdict,
};

use rogue::{PATIENCE, Rogue};

mod rogue;

const PORT: u16 = 7;

fn sessions() -> Box<dyn Sessions> {
    Box::new(NullSessions::client(Rng::new(1)))
}

fn server_at(address: SocketAddr) -> Node {
    gated_server(address, Box::new(OpenGate))
}

fn gated_server(address: SocketAddr, gate: Box<dyn Gate>) -> Node {
    let (config, accept) = serving(gate);
    Node::server(address, config, accept).unwrap()
}

fn serving(gate: Box<dyn Gate>) -> (Config, Accept) {
    let mut config = Config::default();
    config.ports.insert(PORT);
    config.message_bytes_max = 2 << 20;
    let accept = Accept {
        sessions: Box::new(NullSessions::server(Rng::new(2)).with_identity(b"server".to_vec())),
        gate,
        secret: crypto::Secret::from([7; 32]),
    };
    (config, accept)
}

fn server() -> Node {
    server_at((Ipv4Addr::LOCALHOST, 0).into())
}

fn client() -> Node {
    let mut config = Config::default();
    config.message_bytes_max = 2 << 20;
    Node::client(config).unwrap()
}

/// A client's and a server's end of one connection, and the nodes that keep them alive.
fn pair() -> (Node, Node, Connection, Connection) {
    let (server, client) = (server(), client());
    let near = client.connect(server.local_addr(), sessions()).unwrap();
    let far = server.accept().unwrap();
    (server, client, near, far)
}

fn streams(near: &Connection, far: &Connection, mode: Mode) -> (Stream, Stream) {
    let stream = near.open(PORT, mode).unwrap();
    // A stream exists for the peer once something is on it.
    match mode {
        Mode::Bytes => (&stream).write_all(b"first").unwrap(),
        _ => stream.send(b"first").unwrap(),
    }
    let (port, other) = far.accept_stream().unwrap();
    assert_eq!(port, PORT);
    (stream, other)
}

#[test]
fn h32_whoever_asks_after_a_violation_is_answered_though_the_peer_has_fallen_silent() {
    let server = server();
    let (mut rogue, far) = Rogue::at(&server);
    let (accepted, all) = mpsc::channel();
    let accepting = thread::spawn(move || {
        let accept = || far.accept_stream_within(Some(PATIENCE));
        // As a server does: the next one as soon as one is there.
        let end = loop {
            match accept() {
                Ok((_, stream)) => accepted.send(stream).unwrap(),
                Err(error) => break error.kind(),
            }
        };
        assert_eq!(end, io::ErrorKind::ConnectionAborted);
        far.close(0, "").unwrap_err().kind()
    });
    rogue.say(|connection| {
        for part in [&b"\x04good"[..], b"\x14cut off"] {
            let stream = connection.open(PORT, Mode::Messages).unwrap();
            connection.write_part(stream, part).unwrap();
            connection.finish(stream).unwrap();
        }
    });
    // It does not hear the CLOSE.
    let end = accepting.join().unwrap();
    assert_eq!(end, io::ErrorKind::ConnectionAborted);
    for stream in all {
        stream.set_read_timeout(Some(PATIENCE));
        let error = stream.receive().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
    }
}

#[test]
fn nodes_take_sockets_that_were_bound_as_one_likes() {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut shared = BindOptions::default();
    shared.reuse_port = true;
    let first = Driver::bind(any, &shared).unwrap();
    let address = first.local_addr();
    let refused = Driver::bind(address, &BindOptions::default()).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
    drop(Driver::bind(address, &shared).unwrap());
    let (config, accept) = serving(Box::new(OpenGate));
    let server = Node::server_over(first, config, accept).unwrap();
    assert_eq!(server.local_addr(), address);

    let mut small = BindOptions::client();
    small.buffer_bytes = 64 << 10;
    let driver = Driver::bind(any, &small).unwrap();
    let from = driver.local_addr();
    let client = Node::client_over(driver, Config::default()).unwrap();
    assert_eq!(client.local_addr(), from);
    let near = client.connect(address, sessions()).unwrap();
    let far = server.accept().unwrap();
    let (stream, other) = streams(&near, &far, Mode::Messages);
    assert_eq!(other.receive().unwrap().as_deref(), Some(&b"first"[..]));
    drop(stream);
}

#[test]
fn what_is_late_is_not_sent() {
    let (_server, _client, near, far) = pair();
    for mode in [Mode::Messages, Mode::Unordered, Mode::Datagrams] {
        let (stream, other) = streams(&near, &far, mode);
        assert_eq!(other.receive().unwrap().as_deref(), Some(&b"first"[..]));
        stream.send_within(b"late", Duration::ZERO).unwrap();
        let hour = Duration::from_secs(3600);
        stream.send_within(b"in time", hour).unwrap();
        assert_eq!(other.receive().unwrap().as_deref(), Some(&b"in time"[..]));
        stream.close().unwrap();
        assert_eq!(other.receive().unwrap(), None);
    }
}

#[test]
fn h20_streams_opened_and_reset_leave_nothing_to_accept() {
    let (_server, _client, near, far) = pair();
    for _ in 0..Config::default().streams_max + 100 {
        let stream = near.open(PORT, Mode::Bytes).unwrap();
        (&stream).write_all(b"never mind").unwrap();
        stream.reset(1).unwrap();
    }
    let last = near.open(PORT, Mode::Bytes).unwrap();
    (&last).write_all(b"last").unwrap();
    // The server has it all by then, and what was sent before.
    last.close().unwrap();
    let mut heard = String::new();
    let (_, stream) = far.accept_stream().unwrap();
    (&stream).read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "last");
}

/// More than a peer takes in that does not read.
static UNREAD: [u8; 512 << 10] = [1; 512 << 10];

fn assert_reset(result: io::Result<()>) {
    let error = result.map_err(|error| error.kind());
    assert_eq!(error, Err(io::ErrorKind::ConnectionReset));
}

#[test]
fn who_closes_a_stream_that_the_peer_reads_no_more_is_told() {
    let (_server, _client, near, far) = pair();
    let (stream, other) = streams(&near, &far, Mode::Bytes);
    stream.set_write_timeout(Some(PATIENCE));
    drop(other);
    // Until it is known here.
    while (&stream).write(b"anybody?").is_ok() {}
    assert_reset(stream.close());
    // Or not yet.
    let (stream, other) = streams(&near, &far, Mode::Bytes);
    stream.set_write_timeout(Some(PATIENCE));
    (&stream).write_all(&UNREAD).unwrap();
    stream.finish().unwrap();
    drop(other);
    assert_reset(stream.close());
}

#[test]
fn who_closes_a_stream_that_was_reset_is_told() {
    let (_server, _client, near, far) = pair();
    for finishes in [false, true] {
        let (stream, other) = streams(&near, &far, Mode::Bytes);
        stream.set_write_timeout(Some(PATIENCE));
        (&stream).write_all(&UNREAD).unwrap();
        if finishes {
            stream.finish().unwrap();
        }
        stream.reset(3).unwrap();
        assert_reset(stream.close());
        assert_reset((&other).read_to_end(&mut Vec::new()).map(drop));
    }
}

#[test]
fn who_comes_late_to_a_stream_that_was_broken_off_is_told() {
    let (_server, _client, near, _far) = pair();
    for mode in [Mode::Bytes, Mode::Messages] {
        let stream = near.open(PORT + 1, mode).unwrap();
        let write = || match mode {
            Mode::Bytes => (&stream).write_all(b"hello?"),
            _ => stream.send(b"hello?"),
        };
        let _ = write();
        // Until nothing is left of it but the handle.
        while stream.set_priority(0).is_ok() {
            thread::sleep(Duration::from_millis(1));
        }
        assert_reset(write());
        assert_reset(match mode {
            Mode::Bytes => (&stream).read(&mut [0; 16]).map(drop),
            _ => stream.receive().map(drop),
        });
        assert_reset(stream.close());
    }
}

#[test]
fn a_stream_that_was_reset_keeps_no_connection_open() {
    let (_server, _client, near, far) = pair();
    let (stream, _other) = streams(&near, &far, Mode::Bytes);
    (&stream).write_all(&UNREAD).unwrap();
    stream.finish().unwrap();
    stream.reset(3).unwrap();
    drop((stream, near));
    assert_reset(far.accept_stream_within(Some(PATIENCE)).map(drop));
}

#[test]
fn who_waits_to_write_is_told_of_a_reset() {
    let (_server, _client, near, far) = pair();
    let (stream, _other) = streams(&near, &far, Mode::Bytes);
    stream.set_write_timeout(Some(PATIENCE));
    let stream = Arc::new(stream);
    let writer = {
        let stream = Arc::clone(&stream);
        thread::spawn(move || {
            loop {
                (&*stream).write_all(&UNREAD)?;
            }
        })
    };
    // It waits for room by then, or is told as soon as it writes on.
    thread::sleep(Duration::from_millis(100));
    stream.reset(3).unwrap();
    assert_reset(writer.join().unwrap());
}

/// Sends back whatever comes on any stream of any connection.
fn echo(node: Node) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let connection = node.accept().unwrap();
        while let Ok((_, stream)) = connection.accept_stream() {
            io::copy(&mut &stream, &mut &stream).unwrap();
            // The client may be gone as soon as it has read the end.
            let _ = stream.close();
        }
    })
}

fn megabyte() -> Vec<u8> {
    let mut rng = Rng::new(3);
    let mut bytes = vec![0; 1 << 20];
    crypto::Random::fill(&mut rng, &mut bytes);
    bytes
}

/// Writes everything, and reads everything meanwhile.
fn round_trip(connection: &Connection, bytes: &[u8]) -> Vec<u8> {
    let stream = Arc::new(connection.open(PORT, Mode::Bytes).unwrap());
    let reader = {
        let stream = Arc::clone(&stream);
        thread::spawn(move || {
            let mut back = Vec::new();
            (&*stream).read_to_end(&mut back).unwrap();
            back
        })
    };
    (&*stream).write_all(bytes).unwrap();
    stream.finish().unwrap();
    reader.join().unwrap()
}

#[test]
fn a_megabyte_comes_back() {
    let server = server();
    let address = server.local_addr();
    let thread = echo(server);
    let client = client();
    let connection = client.connect(address, sessions()).unwrap();
    assert_eq!(
        connection.peer_identity().unwrap(),
        Some(b"server".to_vec())
    );
    let bytes = megabyte();
    assert!(round_trip(&connection, &bytes) == bytes);
    connection.close(0, "done").unwrap();
    thread.join().unwrap();
}

#[test]
fn a_megabyte_comes_through_a_dreadful_network() {
    let server = server();
    let proxy = Proxy::start(server.local_addr(), Impairment::dreadful(1)).unwrap();
    let client = client();
    let receiver = thread::spawn(move || {
        let connection = server.accept().unwrap();
        let (_, stream) = connection.accept_stream().unwrap();
        let message = stream.receive().unwrap();
        stream.send(b"got it").unwrap();
        // Whoever reads last closes.
        let _ = stream.receive();
        message
    });
    let connection = client.connect(proxy.local_addr(), sessions()).unwrap();
    let stream = connection.open(PORT, Mode::Messages).unwrap();
    let bytes = megabyte();
    stream.send(&bytes).unwrap();
    assert_eq!(stream.receive().unwrap().as_deref(), Some(&b"got it"[..]));
    drop((stream, connection));
    assert!(receiver.join().unwrap().unwrap() == bytes);
    let (_, lost) = proxy.counts();
    assert!(lost > 100, "the network was not that dreadful: {lost}");
}

#[test]
fn messages_keep_their_boundaries() {
    let (_server, _client, near, far) = pair();
    let (ours, theirs) = streams(&near, &far, Mode::Messages);
    assert_eq!(theirs.receive().unwrap().unwrap(), b"first");
    for len in [0, 1, 100_000] {
        ours.send(&vec![5; len]).unwrap();
    }
    ours.finish().unwrap();
    for len in [0, 1, 100_000] {
        assert_eq!(theirs.receive().unwrap().unwrap(), vec![5; len]);
    }
    assert_eq!(theirs.receive().unwrap(), None);
    let error = (&theirs).write(b"bytes").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn messages_in_any_order_and_datagrams_are_sent_and_received_alike() {
    let (_server, _client, near, far) = pair();
    for mode in [Mode::Unordered, Mode::Datagrams] {
        let (ours, theirs) = streams(&near, &far, mode);
        ours.set_priority(1).unwrap();
        assert_eq!(theirs.receive().unwrap().unwrap(), b"first");
        let long = ours.send(&[7; 100_000]).map_err(|error| error.kind());
        if mode == Mode::Datagrams {
            assert_eq!(long, Err(io::ErrorKind::FileTooLarge));
        } else {
            assert_eq!(theirs.receive().unwrap().unwrap(), [7; 100_000]);
        }
        ours.finish().unwrap();
        assert_eq!(theirs.receive().unwrap(), None);
    }
}

#[test]
fn waiting_ends_when_its_time_is_up_and_may_be_repeated() {
    let (server, _client, near, far) = pair();
    let little = Some(Duration::from_millis(20));
    let kind = |error: io::Error| error.kind();
    let error = server.accept_within(little).err().map(kind);
    assert_eq!(error, Some(io::ErrorKind::TimedOut));
    let error = near.accept_stream_within(little).err().map(kind);
    assert_eq!(error, Some(io::ErrorKind::TimedOut));
    let (ours, mut theirs) = streams(&near, &far, Mode::Bytes);
    theirs.set_read_timeout(little);
    let mut buffer = [0; 16];
    assert_eq!(theirs.read(&mut buffer).unwrap(), 5);
    let error = theirs.read(&mut buffer).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    theirs.set_read_timeout(None);
    (&ours).write_all(b"late").unwrap();
    assert_eq!(theirs.read(&mut buffer).unwrap(), 4);
}

#[test]
fn nobody_listens_on_a_closed_port() {
    let (_server, _client, near, _far) = pair();
    let mut stream = near.open(PORT + 1, Mode::Bytes).unwrap();
    // The answer may be here before the call is over.
    let _ = stream.write_all(b"hello?");
    let error = stream.read(&mut [0; 16]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn a_server_that_is_not_there_is_refused_in_time() {
    let nowhere = server().local_addr();
    let mut config = Config::default();
    config.handshake_timeout = Duration::from_millis(600);
    let client = Node::client(config).unwrap();
    let error = client.connect(nowhere, sessions()).err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused, "{error}");
}

#[test]
fn a_closed_connection_tells_both_ends_why() {
    let (_server, _client, near, far) = pair();
    let waiting = thread::spawn(move || far.accept_stream().err().unwrap());
    near.close(42, "enough").unwrap();
    let error = waiting.join().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert!(error.to_string().contains("enough"), "{error}");
    let error = near.open(PORT, Mode::Bytes).err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::NotConnected);
}

#[test]
fn what_was_finished_arrives_though_every_handle_is_dropped() {
    let (server, client, near, far) = pair();
    let (ours, mut theirs) = streams(&near, &far, Mode::Bytes);
    let bytes = megabyte();
    let reader = thread::spawn(move || {
        let mut all = Vec::new();
        let result = theirs.read_to_end(&mut all);
        (all, result.is_ok())
    });
    (&ours).write_all(&bytes).unwrap();
    drop((ours, near));
    let (all, ended) = reader.join().unwrap();
    assert!(ended && all[5..] == bytes[..]);
    drop((client, server, far));
}

#[test]
fn handles_outlive_their_node_and_say_so() {
    let (_server, client, near, far) = pair();
    let (ours, theirs) = streams(&near, &far, Mode::Messages);
    assert_eq!(theirs.receive().unwrap().unwrap(), b"first");
    drop(client);
    let error = ours.send(b"too late").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotConnected);
    // The node said goodbye.
    let error = theirs.receive().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn many_threads_share_a_node() {
    let (_server, _client, near, far) = pair();
    let receiver = thread::spawn(move || {
        let mut seen: Vec<Vec<u8>> = (0..20)
            .map(|_| {
                let (_, stream) = far.accept_stream().unwrap();
                stream.receive().unwrap().unwrap()
            })
            .collect();
        seen.sort();
        seen
    });
    let senders: Vec<_> = (0..20u8)
        .map(|index| {
            let near = near.clone();
            thread::spawn(move || {
                let stream = near.open(PORT, Mode::Messages).unwrap();
                stream.send(&[index; 1000]).unwrap();
                stream
            })
        })
        .collect();
    let _streams: Vec<Stream> = senders.into_iter().map(|s| s.join().unwrap()).collect();
    let expected: Vec<Vec<u8>> = (0..20u8).map(|index| vec![index; 1000]).collect();
    assert_eq!(receiver.join().unwrap(), expected);
}

/// Lets in who repeats the hash of its first message behind the riddle.
struct Riddle;

const RIDDLE: &[u8] = b"\x09what is your hello?";

impl Gate for Riddle {
    fn judge(&mut self, _: Instant, attempt: &Attempt<'_>, challenge: &mut Vec<u8>) -> Verdict {
        let answer = attempt.token.strip_prefix(RIDDLE);
        match answer.and_then(|answer| <[u8; 32]>::try_from(answer).ok()) {
            Some(hello) => Verdict::Admit(Admission {
                hello: Some(hello),
                challenge: Some(crypto::sha256(RIDDLE)),
            }),
            None => {
                challenge.extend_from_slice(RIDDLE);
                Verdict::Challenge
            }
        }
    }

    fn observe(&mut self, _: Instant, _: Load) {}
}

#[test]
fn a_server_that_wants_proof_is_reached_by_who_can_solve() {
    let server = gated_server((Ipv4Addr::LOCALHOST, 0).into(), Box::new(Riddle));
    let address = server.local_addr();
    let node = Node::client_solving(Config::default(), |challenge, hello| {
        Ok([challenge, hello].concat())
    });
    let node = node.unwrap();
    let near = node.connect(address, sessions()).unwrap();
    assert!(near.peer_identity().unwrap().is_some());

    let refused = |node: Node| match node.connect(address, sessions()) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    };
    let stubborn = Node::client_solving(Config::default(), |_, _| Err("too hard".to_owned()));
    assert!(refused(stubborn.unwrap()).contains("too hard"));
    let dead = Node::client_solving(Config::default(), |_, _| panic!("on purpose"));
    assert!(refused(dead.unwrap()).contains("panicked"));
    assert!(refused(client()).contains("proof of work"));
}
