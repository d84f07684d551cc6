//! What applications say over real channels is readable nowhere on the way.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod harness;

use core::cell::RefCell;
use core::time::Duration;

use crypto::fixtures::{rsa3072_pkcs8, rsa3072_signing};
use crypto::{Fingerprint, Secret};
use harness::{PORT, SERVER, after, bytes, client, client_address, config, drain};
use sim::{Link, Watch, WatchedSessions, World};
use tls::{ClientSessions, Lifetime, NodeCertificate, ServerSessions, Trust, WallClock};
use transport::{Accept, ConnectionHandle, Endpoint, Event, Mode, OpenGate, Sessions, StreamId};

const SECRET: &[u8] = b"nobody on the way may read this";

const MODES: [Mode; 4] = [
    Mode::Bytes,
    Mode::Messages,
    Mode::Unordered,
    Mode::Datagrams,
];

/// A server's sessions, and a client's that trusts it.
fn sessions(watch: &Watch) -> (Box<dyn Sessions>, Box<dyn Sessions>) {
    let clock = WallClock::new(1_800_000_000);
    let certificate = NodeCertificate::issue(rsa3072_pkcs8(0), 1_800_000_000, Lifetime::Online);
    let server = ServerSessions::new(certificate.unwrap(), &clock).unwrap();
    let spki = rsa3072_signing(0).verifying_key().spki_der().to_vec();
    let trust = Trust::Pinned(Fingerprint::of_spki(&spki));
    let client = ClientSessions::new(trust, &clock).unwrap();
    let watched = |inner| Box::new(WatchedSessions::new(inner, watch));
    (watched(Box::new(server)), watched(Box::new(client)))
}

/// Says the secret, and fills a few packets with what is said more than once.
fn say(endpoint: &mut Endpoint, handle: ConnectionHandle, stream: StreamId, mode: Mode) {
    let connection = endpoint.connection(handle).unwrap();
    let long = [SECRET, &bytes(1, 3_000), SECRET].concat();
    match mode {
        Mode::Bytes => _ = connection.write(stream, &long).unwrap(),
        Mode::Datagrams => connection.send(stream, SECRET).unwrap(),
        _ => connection.send(stream, &long).unwrap(),
    }
}

/// What has come on a stream.
fn hear(endpoint: &mut Endpoint, handle: ConnectionHandle, stream: StreamId) -> Vec<u8> {
    let connection = endpoint.connection(handle).unwrap();
    let mut heard = Vec::new();
    while let Ok(Some(message)) = connection.receive(stream) {
        heard.extend(message);
    }
    let mut buffer = [0; 4_096];
    while let Ok(read @ 1..) = connection.read(stream, &mut buffer) {
        heard.extend_from_slice(buffer.get(..read).unwrap());
    }
    heard
}

/// Every mode, both ways, over links that lose and double, and through updates of keys.
#[test]
fn nothing_said_over_tls_is_readable_on_the_way_in_any_mode() {
    let watch = Watch::default();
    let (servers, mut clients) = sessions(&watch);
    let mut config = config();
    config.key_update_packets = 20;
    let mut world: World<Endpoint> = World::new(1);
    let mut link = Link::with_delay(Duration::from_millis(20));
    (link.loss, link.duplication, link.reordering) = (0.05, 0.2, 0.1);
    link.reordering_delay = Duration::from_millis(5);
    world.set_default_link(link);
    world.add_canary(SECRET);
    let accept = Accept {
        sessions: servers,
        gate: Box::new(OpenGate),
        secret: Secret::from([7; 32]),
    };
    let random = Box::new(sim::Rng::stream(1, "server", 0));
    let server = world.add(SERVER, Endpoint::server(config.clone(), accept, random));
    let node = world.add(client_address(0), client(1, 0, config));
    let connect =
        |endpoint: &mut Endpoint, now| endpoint.connect(now, SERVER, &mut *clients).unwrap();
    let handle = world.with(node, connect).unwrap();
    let (opened, heard) = (RefCell::new(Vec::new()), RefCell::new([0; 2]));
    let app = |at: sim::NodeId, endpoint: &mut Endpoint, _| {
        drain(endpoint, |endpoint, from, event| match event {
            Event::Connected if at == node => {
                for mode in MODES {
                    let connection = endpoint.connection(handle).unwrap();
                    let stream = connection.open(PORT, mode).unwrap();
                    opened.borrow_mut().push((stream, mode));
                }
            }
            Event::Readable { stream } => {
                let bytes = hear(endpoint, from, stream);
                let times = bytes.windows(SECRET.len()).filter(|w| *w == SECRET).count();
                heard.borrow_mut()[usize::from(at == server)] += times;
            }
            Event::Closed(reason) => panic!("{reason}"),
            _ => {}
        });
    };
    world
        .run(after(5), app, |_| !opened.borrow().is_empty())
        .unwrap();
    for second in 0..30 {
        for (stream, mode) in opened.borrow().clone() {
            world.with(node, |endpoint, _| say(endpoint, handle, stream, mode));
            let answer = |endpoint: &mut Endpoint, _| {
                let there = endpoint.connections().next()?;
                // The stream is known here once anything has come on it.
                (second > 5).then(|| say(endpoint, there, stream, mode))
            };
            world.with(server, answer);
        }
        world.run(after(6 + second), app, |_| false).unwrap();
    }
    world.run(after(60), app, |_| false).unwrap();
    let [back, there] = heard.into_inner();
    assert!(there > 150 && back > 120, "{there} there and {back} back");
    assert_eq!(watch.wrong(), None, "a key and number twice");
    let updates = |endpoint: &mut Endpoint, _| {
        let connection = endpoint.connection(handle).unwrap();
        connection.stats().counters.key_updates
    };
    assert!(world.with(node, updates).unwrap() > 3);
}
