//! How long small messages take on links that lose, in virtual time.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests; --nocapture shows the figures"
)]

mod common;

use core::time::Duration;

use common::{PORT, Pair, drain};
use sim::Link;
use transport::{Counters, Mode, StreamId};

const MS: Duration = Duration::from_millis(1);

/// A message every 20 ms, as a game or a call sends them.
const INTERVAL: Duration = Duration::from_millis(20);

/// Sends `count` messages of 64 bytes, one every `interval`; gives back how long each took.
fn latencies(pair: &mut Pair, stream: StreamId, interval: Duration, count: usize) -> Vec<Duration> {
    let heard = pair.logs[1].messages.len();
    let mut sent = Vec::new();
    for index in 0..count {
        let mut message = [0; 64];
        message[..8].copy_from_slice(&(index as u64).to_be_bytes());
        sent.push(pair.world.now());
        pair.send(stream, &message);
        let deadline = pair.world.now() + interval;
        pass(pair, deadline);
    }
    let deadline = pair.world.now() + Duration::from_secs(5);
    pass(pair, deadline);
    let log = &pair.logs[1];
    assert_eq!(log.messages.len() - heard, count);
    let arrived = log.times.iter().zip(&log.messages).skip(heard);
    arrived
        .zip(sent)
        .enumerate()
        .map(|(index, ((&at, (_, message)), sent))| {
            assert_eq!(message[..8], (index as u64).to_be_bytes());
            at.since(sent)
        })
        .collect()
}

/// Lets time pass.
fn pass(pair: &mut Pair, deadline: transport::Instant) {
    let nodes = [pair.client, pair.server];
    let logs = &mut pair.logs;
    pair.world
        .run(
            deadline,
            |node, endpoint, now| {
                let index = nodes.iter().position(|&id| id == node).unwrap();
                drain(endpoint, now, &mut logs[index]);
            },
            |_| false,
        )
        .unwrap();
}

fn pair(seed: u64, link: &Link) -> (Pair, StreamId) {
    let mut pair = Pair::new(seed);
    let client = pair.client;
    pair.world
        .change_links(client, |there| *there = link.clone());
    pair.until_connected();
    let stream = pair.open(PORT, Mode::Messages);
    (pair, stream)
}

/// Repeats of messages that go in any order bring each of them once.
#[test]
fn repeats_keep_unordered_messages_whole() {
    for seed in 0..10 {
        let (mut pair, _) = pair(seed, &lossy(50 * MS, 0.05));
        let stream = pair.open(PORT, Mode::Unordered);
        for index in 0..500u64 {
            pair.send(stream, &index.to_be_bytes().repeat(8));
            pass_for(&mut pair, INTERVAL);
        }
        pass_for(&mut pair, 5000 * MS);
        let mut heard: Vec<Vec<u8>> = (pair.logs[1].messages.iter())
            .map(|(_, message)| message.clone())
            .collect();
        heard.sort();
        let said: Vec<Vec<u8>> = (0..500u64)
            .map(|index| index.to_be_bytes().repeat(8))
            .collect();
        assert!(
            heard == said,
            "seed {seed}: {} of {}",
            heard.len(),
            said.len()
        );
        assert!(counters(&mut pair).stream_bytes_resent > 10_000);
    }
}

fn counters(pair: &mut Pair) -> Counters {
    let handle = pair.handle;
    pair.on_client(|endpoint, _| endpoint.connection(handle).unwrap().stats().counters)
}

/// The 99th percentile of 500 messages, and of all that were sent with any of the seeds.
fn p99(link: &Link) -> (Duration, Duration) {
    let (mut each, mut all) = (Vec::new(), Vec::new());
    for seed in 0..40 {
        let (mut pair, stream) = pair(seed, link);
        let mut took = latencies(&mut pair, stream, INTERVAL, 500);
        let counters = counters(&mut pair);
        took.sort_unstable();
        each.push(took[495]);
        println!(
            "seed {seed}: p50 {:?} p99 {:?} max {:?}; {} bytes of streams, {} again; {} packets, {} lost",
            took[250],
            took[495],
            took[499],
            counters.stream_bytes_sent,
            counters.stream_bytes_resent,
            counters.packets_sent,
            counters.packets_lost,
        );
        all.extend(took);
    }
    each.sort_unstable();
    all.sort_unstable();
    println!("{:?} {:?}", each[each.len() / 2], all[all.len() * 99 / 100]);
    (each[each.len() / 2], all[all.len() * 99 / 100])
}

fn lossy(delay: Duration, loss: f64) -> Link {
    let mut link = Link::with_delay(delay);
    link.loss = loss;
    link
}

#[test]
fn a_lost_message_arrives_with_the_next_packet() {
    let (median, all) = p99(&lossy(25 * MS, 0.01));
    assert!(median <= 46 * MS && all <= 48 * MS, "{median:?} {all:?}");
}

#[test]
fn where_much_is_lost_two_packets_in_a_row_may_be() {
    let (median, all) = p99(&lossy(50 * MS, 0.05));
    assert!(median <= 75 * MS && all <= 75 * MS, "{median:?} {all:?}");
}

/// What is repeated stays within its share, lower layers counted as docs/PROTOCOL.md §4.5 does.
#[test]
fn repeats_are_a_third_of_what_is_sent_at_most() {
    for interval in [MS / 4, MS, 5 * MS, INTERVAL] {
        let (mut pair, stream) = pair(1, &lossy(25 * MS, 0.0));
        let before = counters(&mut pair);
        latencies(&mut pair, stream, interval, 1000);
        let after = counters(&mut pair);
        let packets = after.packets_sent - before.packets_sent;
        let bytes = after.bytes_sent - before.bytes_sent + 66 * packets;
        let again = after.stream_bytes_resent;
        println!("{interval:?}: {again} of {bytes} in {packets} packets");
        // What could be saved up before comes on top.
        assert!(again <= bytes / 3 + 4096);
    }
}

#[test]
fn bulk_is_not_repeated() {
    let (mut pair, stream) = pair(1, &lossy(25 * MS, 0.0));
    for _ in 0..10 {
        pair.send(stream, &[7; 100_000]);
    }
    assert!(pair.run(10, |logs| logs[1].messages.len() == 10));
    assert!(
        counters(&mut pair).stream_bytes_resent <= 512,
        "no more than its end"
    );
}

/// Nothing follows that would show the loss.
#[test]
fn the_last_packet_is_asked_about_within_two_round_trips() {
    let (mut pair, stream) = pair(1, &lossy(50 * MS, 0.0));
    for _ in 0..10 {
        pair.send(stream, b"hello");
        pass_for(&mut pair, 300 * MS);
    }
    let client = pair.client;
    for len in [64, 600, 5000] {
        pair.logs[1].messages.clear();
        pair.world.change_links(client, |link| link.up = false);
        let begin = pair.world.now();
        pair.send(stream, &vec![7; len]);
        pair.world.change_links(client, |link| link.up = true);
        assert!(pair.run(1, |logs| !logs[1].messages.is_empty()));
        let took = pair.world.now().since(begin);
        println!("{len} bytes: {took:?}");
        // A probe shows what else is missing, which takes another round trip.
        let further = if len > 2000 { 100 * MS } else { MS };
        assert!(took > 100 * MS && took <= 250 * MS + further, "{took:?}");
    }
}

#[test]
fn an_answer_carries_the_acknowledgement() {
    let (mut pair, stream) = pair(1, &lossy(25 * MS, 0.0));
    pair.logs[1].echo = true;
    pair.send(stream, b"hello");
    pass_for(&mut pair, 1000 * MS);
    let before = pair.world.stats().sent;
    for count in 2..102 {
        pair.send(stream, &[7; 64]);
        assert!(pair.run(1, |logs| logs[0].messages.len() == count));
    }
    pass_for(&mut pair, 1000 * MS);
    let sent = pair.world.stats().sent - before;
    // A request and an answer each, and an acknowledgement of the last answer.
    assert_eq!(sent, 201);
}

#[test]
fn an_answer_leaves_no_timer_behind_for_the_acknowledgement() {
    let (mut pair, stream) = pair(1, &lossy(Duration::from_micros(20), 0.0));
    pair.send(stream, b"hello");
    pass_for(&mut pair, 100 * MS);
    let theirs = pair.server_handle();
    for count in 2..12 {
        pair.send(stream, &[7; 64]);
        assert!(pair.run(1, |logs| logs[1].messages.len() == count));
        pair.on_server(|endpoint, _| {
            let connection = endpoint.connection(theirs).unwrap();
            connection.send(stream, &[8; 64]).unwrap();
        });
        let left = pair.on_server(|endpoint, now| endpoint.poll_timeout().map(|at| at.since(now)));
        assert!(left.is_some_and(|left| left >= MS), "{left:?}");
        pass_for(&mut pair, Duration::from_micros(100));
    }
}

#[test]
fn a_message_to_which_nobody_answers_is_acknowledged_without_delay() {
    let (mut pair, stream) = pair(1, &lossy(100 * MS, 0.0));
    pair.send(stream, b"hello");
    pass_for(&mut pair, 1000 * MS);
    pair.send(stream, &[7; 2000]);
    let handle = pair.handle;
    let begin = pair.world.now();
    while pair.on_client(|endpoint, _| endpoint.connection(handle).unwrap().stats().bytes_in_flight)
        > 0
    {
        pass_for(&mut pair, MS);
    }
    let took = pair.world.now().since(begin);
    assert!(took <= 204 * MS, "{took:?}");
}

#[test]
fn bulk_costs_few_acknowledgements() {
    let mut link = lossy(10 * MS, 0.0);
    link.rate = Some(12_500_000);
    link.queue_bytes = 625_000;
    for (loss, reordering, each) in [(0.0, 0.0, 16), (0.02, 0.0, 3), (0.0, 0.3, 8)] {
        (link.loss, link.reordering, link.reordering_delay) = (loss, reordering, 8 * MS);
        let (mut pair, stream) = pair(1, &link);
        for _ in 0..10 {
            pair.send(stream, &[7; 1_000_000]);
            assert!(pair.run(60, |logs| !logs[1].messages.is_empty()));
            pair.logs[1].messages.clear();
        }
        let counters = counters(&mut pair);
        let (data, acks) = (counters.packets_sent, counters.packets_received);
        println!("loss {loss}, reordering {reordering}: {data} packets, {acks} back, {counters:?}");
        assert!(acks < data / each, "{acks} for {data}");
        // Only the first flight is taken for lost, until it shows how late packets come here.
        assert!(
            counters.packets_late < data / 50,
            "what was late was given time"
        );
    }
}

#[test]
fn jitter_that_reorders_is_not_taken_for_loss() {
    for loss in [0.0, 0.02] {
        let mut link = lossy(100 * MS, loss);
        (link.reordering, link.reordering_delay) = (1.0, 20 * MS);
        link.rate = Some(2_500_000);
        link.queue_bytes = 500_000;
        let (mut pair, stream) = pair(1, &link);
        for _ in 0..20 {
            pair.send(stream, &[7; 500_000]);
            assert!(pair.run(60, |logs| !logs[1].messages.is_empty()));
            pair.logs[1].messages.clear();
        }
        let (counters, took) = (counters(&mut pair), pair.world.now());
        println!("loss {loss}: {took:?} {counters:?}");
        assert!(counters.packets_late < 50, "{counters:?}");
    }
}

fn pass_for(pair: &mut Pair, time: Duration) {
    let deadline = pair.world.now() + time;
    pass(pair, deadline);
}
