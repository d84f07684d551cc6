//! What connections and endpoints count is what happened.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use core::time::Duration;

use common::{PORT, Pair};
use sim::Link;
use transport::{Counters, Endpoint, Instant, Mode, Stats};

const MS: Duration = Duration::from_millis(1);

fn stats(pair: &mut Pair) -> (Stats, Stats) {
    let (ours, theirs) = (pair.handle, pair.server_handle());
    let client = pair.on_client(|endpoint, _| endpoint.connection(ours).unwrap().stats());
    let server = pair.on_server(|endpoint, _| endpoint.connection(theirs).unwrap().stats());
    (client, server)
}

fn counters(endpoint: &mut Endpoint, _: Instant) -> Counters {
    endpoint.stats().counters
}

/// Datagrams that no connection had.
fn strays(endpoint: &mut Endpoint, _: Instant) -> u64 {
    let stats = endpoint.stats();
    stats.drops.total() - stats.counters.packets_dropped
}

#[test]
fn a_perfect_network_is_described_as_it_is() {
    // Ten milliseconds each way.
    let mut pair = Pair::connected(1);
    let stream = pair.open(PORT, Mode::Messages);
    pair.send(stream, &[7; 1_000_000]);
    assert!(pair.run(10, |logs| !logs[1].messages.is_empty()));
    let (client, server) = stats(&mut pair);
    assert_eq!(client.rtt_min, Some(20 * MS));
    assert!(
        client.srtt >= 20 * MS && client.srtt < 50 * MS,
        "{client:?}"
    );
    assert!(client.rttvar < 25 * MS, "{client:?}");
    assert_eq!(client.handshake, Some(20 * MS));
    assert_eq!(server.handshake, Some(20 * MS));
    assert!(client.cwnd >= client.bytes_in_flight);
    assert!(client.pacing_bytes_per_s > 0);
    assert_eq!((client.streams_open, server.streams_open), (1, 1));
    let (sent, received) = (client.counters, server.counters);
    assert_eq!(sent.packets_lost, 0);
    assert_eq!((sent.bytes_lost, sent.stream_bytes_resent), (0, 0));
    // The message and its length.
    assert!((1_000_001..1_000_010).contains(&sent.stream_bytes_sent));
    assert_eq!(received.stream_bytes_sent, 0);
    assert_eq!(sent.probe_timeouts, 0);
}

#[test]
fn what_is_sent_is_received_or_lost() {
    let mut pair = Pair::new(2);
    let client = pair.client;
    pair.world.change_links(client, |link| {
        *link = Link::with_delay(20 * MS);
        link.loss = 0.05;
    });
    pair.until_connected();
    let stream = pair.open(PORT, Mode::Messages);
    pair.send(stream, &[7; 1_000_000]);
    assert!(pair.run(60, |logs| !logs[1].messages.is_empty()));
    let world = pair.world.stats();
    let strays = pair.on_client(strays) + pair.on_server(strays);
    let (client, server) = (pair.on_client(counters), pair.on_server(counters));
    assert_eq!(client.datagrams_sent + server.datagrams_sent, world.sent);
    assert_eq!(client.bytes_sent + server.bytes_sent, world.sent_bytes);
    let received = client.datagrams_received + server.datagrams_received;
    assert_eq!(received + strays, world.delivered);
    assert!(client.packets_lost > 10, "{client:?}");
    assert!(client.bytes_lost > client.packets_lost * 100, "{client:?}");
    assert!(client.stream_bytes_resent > 10_000, "{client:?}");
    let new = client.stream_bytes_sent - client.stream_bytes_resent;
    assert!((1_000_001..1_000_010).contains(&new), "{client:?}");
}

#[test]
fn an_endpoint_remembers_what_happened_on_connections_that_are_gone() {
    let mut pair = Pair::connected(3);
    let handle = pair.handle;
    let (_, before) = stats(&mut pair);
    pair.on_client(|endpoint, now| endpoint.connection(handle).unwrap().close(now, 0, "done"));
    assert!(pair.run(10, |logs| logs.iter().all(|log| !log.closed.is_empty())));
    pair.run(10, |_| false);
    let world = pair.world.stats();
    assert_eq!(
        pair.on_server(|endpoint, _| endpoint.stats().connections),
        0
    );
    let (client, server) = (pair.on_client(counters), pair.on_server(counters));
    assert!(server.packets_received > before.counters.packets_received);
    assert_eq!(client.datagrams_sent + server.datagrams_sent, world.sent);
    assert_eq!(client.bytes_sent + server.bytes_sent, world.sent_bytes);
}

#[test]
fn updates_of_keys_and_probes_are_counted() {
    let mut pair = Pair::connected(4);
    let stream = pair.open(PORT, Mode::Messages);
    for count in 1..=30 {
        pair.send(stream, b"a word each half minute");
        assert!(pair.run(30, |logs| logs[1].messages.len() == count));
        pair.run(30, |_| false);
    }
    let (client, server) = stats(&mut pair);
    assert!(client.counters.key_updates >= 1, "{client:?}");
    assert_eq!(client.counters.key_updates, server.counters.key_updates);
    assert_eq!(client.counters.probe_timeouts, 0);
    pair.world.change_links(pair.client, |link| link.loss = 1.0);
    pair.send(stream, b"into the void");
    pair.run(10, |_| false);
    let (client, _) = stats(&mut pair);
    assert!(client.counters.probe_timeouts >= 3, "{client:?}");
}
