//! What connections cost in memory: what a counting allocator counts while a server's endpoint and
//! a client's talk in virtual time, under TLS and under a session without secrets.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
#![allow(clippy::print_stdout, reason = "figures")]

mod pair;

use core::time::Duration;
use std::sync::{Mutex, PoisonError};

use crypto::Fingerprint;
use crypto::fixtures::rsa3072_pkcs8;
use pair::{PORT, Pair};
use sim::Rng;
use sim::null::NullSessions;
use tls::{ClientSessions, Lifetime, NodeCertificate, ServerSessions, Trust, WallClock};
use transport::{Config, Mode, Sessions};

/// 2026-11-21T00:00:00Z.
const NOW_S: u64 = 1_795_219_200;

/// What an idle connection may take in a server, in bytes: so much below 4 KiB that it is still within that
/// with what an allocator adds.
const IDLE_BYTES_MAX: i64 = 3640;

/// The allocator counts for the whole process: one test at a time.
static TURN: Mutex<()> = Mutex::new(());

type Both = (Box<dyn Sessions>, Box<dyn Sessions>);

/// The server's sessions and the client's. `pinned` is whom the client takes for the server, where
/// that is not the server.
fn tls(pinned: Option<Fingerprint>) -> Both {
    let clock = WallClock::new(NOW_S);
    let certificate = NodeCertificate::issue(rsa3072_pkcs8(0), NOW_S, Lifetime::Online).unwrap();
    let trust = Trust::Pinned(pinned.unwrap_or(certificate.identity()));
    let server = ServerSessions::new(certificate, &clock).unwrap();
    let client = ClientSessions::new(trust, &clock).unwrap();
    (Box::new(server), Box::new(client))
}

fn null() -> Both {
    let server = NullSessions::server(Rng::new(1));
    let client = NullSessions::client(Rng::new(2));
    (Box::new(server), Box::new(client))
}

fn config() -> Config {
    let mut config = Config::default();
    config.ports.insert(PORT);
    config
}

/// A pair with `count` connections, and what the server held before them.
fn crowd((server, mut client): Both, count: usize) -> (Pair, i64) {
    let mut pair = Pair::new(server, &config());
    let before = pair.server.held;
    for _ in 0..count {
        pair.connect(&mut *client);
        pair.settle();
    }
    assert_eq!(pair.server.connected.len(), count);
    (pair, before)
}

/// The least that the server holds in the next 16 s: keep-alives wake every connection for a second
/// of each fifteen.
fn at_rest(pair: &mut Pair) -> i64 {
    let held = (0..64).map(|_| {
        pair.run_for(Duration::from_millis(250));
        pair.server.held
    });
    held.min().unwrap()
}

/// `count` connections do nothing for `time`.
fn idle(what: &str, sessions: Both, count: usize, time: Duration) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut pair, before) = crowd(sessions, count);
    pair.run_for(Duration::from_secs(2));
    let first = at_rest(&mut pair);
    let each = (first - before) / count as i64;
    pair.run_for(time);
    let last = at_rest(&mut pair);
    let drift = (last - first) as f64 / first as f64 * 100.0;
    println!("{count} idle connections, {what}: {each} bytes each, {drift:+.3} % after {time:?}");
    assert!(each <= IDLE_BYTES_MAX, "{what}: {each} bytes a connection");
    assert!(drift.abs() <= 1.0, "{what}: {first}, then {last}");
    assert_eq!(pair.server.endpoint.stats().connections, count);
    assert_eq!(pair.client.closed + pair.server.closed, 0);
}

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn h67_an_idle_connection_is_small_and_stays_so_for_an_hour() {
    idle("TLS", tls(None), 300, HOUR);
    idle("no secrets", null(), 300, HOUR);
}

#[test]
#[ignore = "minutes, in a release build"]
fn h67_ten_thousand_idle_connections() {
    idle("TLS", tls(None), 10_000, HOUR);
}

#[test]
#[ignore = "minutes, in a release build"]
fn h67_a_hundred_thousand_idle_connections() {
    idle("TLS", tls(None), 100_000, Duration::from_secs(600));
}

/// Bytes flow from the client to the server for a while.
fn bulk(pair: &mut Pair, stream: transport::StreamId, rounds: usize) {
    let handle = pair.client.connected[0];
    let data = vec![7; 256 << 10];
    let mut out = vec![0; 256 << 10];
    for _ in 0..rounds {
        pair.client.call(|endpoint| {
            let connection = endpoint.connection(handle).unwrap();
            let _ = connection.write(stream, &data);
        });
        pair.run_for(Duration::from_millis(2));
        for (handle, stream) in core::mem::take(&mut pair.server.readable) {
            pair.server.call(|endpoint| {
                let connection = endpoint.connection(handle).unwrap();
                while connection.read(stream, &mut out).is_ok_and(|len| len > 0) {}
            });
        }
    }
}

#[test]
fn packets_of_a_steady_flow_allocate_nothing() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut pair, _) = crowd(tls(None), 1);
    let handle = pair.client.connected[0];
    let stream = pair.client.call(|endpoint| {
        let connection = endpoint.connection(handle).unwrap();
        connection.open(PORT, Mode::Bytes).unwrap()
    });
    bulk(&mut pair, stream, 300);
    let before = (
        pair.client.allocations,
        pair.server.allocations,
        pair.datagrams,
    );
    bulk(&mut pair, stream, 300);
    let client = pair.client.allocations - before.0;
    let server = pair.server.allocations - before.1;
    let datagrams = pair.datagrams - before.2;
    println!("{datagrams} datagrams: {client} allocations of the sender, {server} of the receiver");
    assert!(datagrams > 5_000, "{datagrams}");
    assert!(
        (client + server) * 100 <= datagrams,
        "{client} and {server} allocations for {datagrams} datagrams"
    );
}

#[test]
fn handshakes_that_fail_leave_nothing() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (server, mut stranger) = tls(Some(Fingerprint::of_spki(b"somebody else's key")));
    let (_, mut friend) = null();
    let mut pair = Pair::new(server, &config());
    let mut round = |pair: &mut Pair| {
        for _ in 0..100 {
            // One that does not trust the server, and one that speaks no TLS.
            pair.connect(&mut *stranger);
            pair.connect(&mut *friend);
            pair.settle();
            // And one that is not heard of again.
            pair.deaf = true;
            pair.connect(&mut *stranger);
            pair.settle();
            pair.deaf = false;
        }
        pair.run_for(Duration::from_secs(60));
        assert_eq!(pair.server.endpoint.stats().connections, 0);
        assert_eq!(pair.server.endpoint.stats().half_open, 0);
        pair.server.held
    };
    // Tables keep the room that they once needed.
    let first = round(&mut pair);
    let second = round(&mut pair);
    assert!(second <= first, "{first} bytes, then {second}");
}

/// `count` connections are made, some at a time, and closed in turn by either end.
fn come_and_go(pair: &mut Pair, client: &mut dyn Sessions, count: usize) {
    const AT_A_TIME: usize = 20;
    for round in 0..count / AT_A_TIME {
        for _ in 0..AT_A_TIME {
            pair.connect(client);
        }
        pair.settle();
        assert_eq!(pair.server.endpoint.stats().connections, AT_A_TIME);
        let now = pair.now;
        let end = if round % 2 == 0 {
            &mut pair.client
        } else {
            &mut pair.server
        };
        for handle in core::mem::take(&mut end.connected) {
            end.call(|endpoint| {
                if let Some(connection) = endpoint.connection(handle) {
                    connection.close(now, 0, "");
                }
            });
        }
        pair.run_for(Duration::from_secs(1));
        pair.client.connected.clear();
        pair.server.connected.clear();
        assert_eq!(pair.server.endpoint.stats().connections, 0);
    }
}

/// A million of them by `UNDERTONE_CONNECTIONS`, in a release build.
#[test]
fn h68_connections_that_come_and_go_leave_nothing() {
    let count =
        std::env::var("UNDERTONE_CONNECTIONS").map_or(3_000, |count| count.parse().unwrap());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for (what, (server, mut client), count) in [
        ("no secrets", null(), count),
        ("TLS", tls(None), count / 10),
    ] {
        let mut pair = Pair::new(server, &config());
        // Tables and queues have then grown to what they keep.
        come_and_go(&mut pair, &mut *client, 200);
        let first = (pair.server.held, pair.client.held);
        come_and_go(&mut pair, &mut *client, count);
        let last = (pair.server.held, pair.client.held);
        println!("{count} connections, {what}: {first:?} bytes held before them, {last:?} after");
        assert!(last.0 <= first.0, "{what}: {first:?}, then {last:?}");
    }
}
