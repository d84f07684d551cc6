//! Modes of delivery on links that lose, delay and reorder.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use core::time::Duration;

use common::{PORT, Pair};
use sim::Link;
use transport::{Mode, StreamError, StreamId};

const MESSAGES: usize = 300;
/// Slow enough for the smallest congestion window.
const BETWEEN: Duration = Duration::from_millis(60);

fn lossy(loss: f64) -> Link {
    let mut link = Link::with_delay(Duration::from_millis(40));
    link.loss = loss;
    link.reordering = 0.05;
    link.reordering_delay = Duration::from_millis(20);
    link.duplication = 0.05;
    link
}

fn pair(seed: u64, link: Link) -> Pair {
    let mut pair = Pair::connected(seed);
    let (client, server) = (pair.client, pair.server);
    pair.world.set_link(client, server, link.clone());
    pair.world.set_link(server, client, link);
    pair
}

/// A message that tells its number, its length and when it was said.
fn text(index: usize, len: usize, pair: &Pair) -> Vec<u8> {
    let said = pair.world.now().since(transport::Instant::ZERO);
    let mut text = vec![index as u8; len.max(24)];
    text[..8].copy_from_slice(&(index as u64).to_be_bytes());
    text[8..24].copy_from_slice(&said.as_nanos().to_be_bytes());
    text
}

fn number(message: &[u8]) -> usize {
    u64::from_be_bytes(message[..8].try_into().unwrap()) as usize
}

/// Says messages in turn, each of `len` bytes, worth nothing after `patience`.
fn talk(pair: &mut Pair, stream: StreamId, len: usize, patience: Option<Duration>) -> Vec<Vec<u8>> {
    let handle = pair.handle;
    let mut said = Vec::new();
    for index in 0..MESSAGES {
        let message = text(index, len, pair);
        pair.on_client(|endpoint, now| {
            let connection = endpoint.connection(handle).unwrap();
            match patience {
                Some(patience) => connection.send_until(stream, &message, now + patience),
                None => connection.send(stream, &message),
            }
        })
        .unwrap();
        said.push(message);
        wait(pair, BETWEEN);
    }
    said
}

/// Lets time pass.
fn wait(pair: &mut Pair, time: Duration) {
    let until = pair.world.now() + time;
    pair.world.run(until, |_, _, _| {}, |_| false).unwrap();
    let closed = pair.logs.iter().flat_map(|log| &log.closed).next();
    assert_eq!(closed, None);
    for (index, node) in [pair.client, pair.server].into_iter().enumerate() {
        let log = &mut pair.logs[index];
        pair.world
            .with(node, |endpoint, now| common::drain(endpoint, now, log))
            .unwrap();
    }
}

fn received(pair: &Pair) -> Vec<Vec<u8>> {
    let messages = pair.logs[1].messages.iter();
    messages.map(|(_, message)| message.clone()).collect()
}

fn finish(pair: &mut Pair, stream: StreamId) {
    let handle = pair.handle;
    pair.on_client(|endpoint, _| endpoint.connection(handle).unwrap().finish(stream))
        .unwrap();
    assert!(pair.run(60, |logs| !logs[1].ended.is_empty()
        && !logs[0].finished.is_empty()));
}

/// How many of the messages took so long at least, from when they were said.
fn slow(pair: &Pair, at_least: Duration) -> usize {
    let log = &pair.logs[1];
    let times = log.messages.iter().zip(&log.times);
    times
        .filter(|((_, message), at)| {
            let said = u128::from_be_bytes(message[8..24].try_into().unwrap());
            at.since(transport::Instant::ZERO).as_nanos() - said >= at_least.as_nanos()
        })
        .count()
}

#[test]
fn unordered_messages_all_arrive_and_wait_for_nothing_but_themselves() {
    let mut delayed = Vec::new();
    for mode in [Mode::Messages, Mode::Unordered] {
        let mut pair = pair(1, lossy(0.1));
        let stream = pair.open(PORT, mode);
        let mut said = talk(&mut pair, stream, 700, None);
        finish(&mut pair, stream);
        let mut heard = received(&pair);
        let in_order = heard == said;
        assert_eq!(in_order, mode == Mode::Messages);
        heard.sort();
        said.sort();
        assert_eq!(heard, said);
        delayed.push(slow(&pair, Duration::from_millis(80)));
    }
    // One in ten is lost; those behind it need not wait for it.
    assert!(delayed[0] * 2 > delayed[1] * 3, "{delayed:?}");
}

#[test]
fn unordered_messages_of_any_length_arrive_whole() {
    for seed in 0..5 {
        let mut pair = pair(seed, lossy(0.1));
        let stream = pair.open(PORT, Mode::Unordered);
        let lengths = [30, 900_000, 0, 5_000, 70_000, 1 << 20, 24];
        let mut said = Vec::new();
        for (index, len) in lengths.into_iter().enumerate() {
            let message = text(index, len, &pair);
            pair.logs[0]
                .outbox
                .push_back((pair.handle, stream, message.clone()));
            said.push(message);
        }
        let whole = |logs: &[common::Log]| logs[1].messages.len() == 7;
        assert!(pair.run(120, whole));
        let mut heard = received(&pair);
        heard.sort();
        said.sort();
        assert!(heard == said, "seed {seed}");
    }
}

#[test]
fn datagrams_arrive_at_once_or_never() {
    let mut pair = pair(2, lossy(0.2));
    let (stream, handle) = (pair.open(PORT, Mode::Datagrams), pair.handle);
    let max = pair.on_client(|endpoint, _| {
        let connection = endpoint.connection(handle).unwrap();
        let max = connection.datagram_bytes_max(stream);
        let long = connection.send(stream, &vec![0; max + 1]);
        assert_eq!(long, Err(StreamError::DoesNotFit(max)));
        max
    });
    assert!(max > 1000);
    let said = talk(&mut pair, stream, 500, None);
    finish(&mut pair, stream);
    let heard = received(&pair);
    assert!(heard.iter().all(|message| said.contains(message)));
    let numbers: std::collections::BTreeSet<_> = heard.iter().map(|m| number(m)).collect();
    assert_eq!(numbers.len(), heard.len(), "none twice");
    // Four in five, give or take what chance and pacing do.
    let share = heard.len() as f64 / said.len() as f64;
    assert!((0.6..0.95).contains(&share), "{share}");
}

#[test]
fn messages_with_a_deadline_are_dropped_when_they_are_late() {
    for mode in [Mode::Messages, Mode::Unordered] {
        let mut pair = pair(3, lossy(0.2));
        let (stream, handle) = (pair.open(PORT, mode), pair.handle);
        // Longer than a round trip, so that many can be sent twice, but not for ever. Each takes
        // several packets.
        let said = talk(&mut pair, stream, 2000, Some(Duration::from_millis(150)));
        // And one that has no deadline comes through behind them.
        let last = text(MESSAGES, 2000, &pair);
        pair.send(stream, &last);
        finish(&mut pair, stream);
        let heard = received(&pair);
        assert!(heard.contains(&last));
        assert!(
            heard
                .iter()
                .all(|message| said.contains(message) || *message == last)
        );
        let stats = pair.on_client(|endpoint, _| endpoint.connection(handle).map(|c| c.stats()));
        let dropped = stats.unwrap().counters.messages_dropped as usize;
        assert!((1..MESSAGES).contains(&dropped), "{mode:?}: {dropped}");
        assert!(
            heard.len() + dropped > MESSAGES,
            "what was not dropped came"
        );
        assert!(heard.len() > MESSAGES / 3, "{mode:?}: {}", heard.len());
    }
}

#[test]
fn a_message_of_priority_overtakes_what_waits() {
    let mut link = Link::with_delay(Duration::from_millis(10));
    link.rate = Some(200_000);
    link.queue_bytes = 10_000;
    let mut pair = pair(4, link);
    let handle = pair.handle;
    let (bulk, talk) = (
        pair.open(PORT, Mode::Bytes),
        pair.open(PORT, Mode::Messages),
    );
    pair.on_client(|endpoint, _| {
        let connection = endpoint.connection(handle).unwrap();
        connection.set_priority(talk, 1).unwrap();
        assert_eq!(connection.write(bulk, &[7; 1_000_000]), Ok(1_000_000));
    });
    wait(&mut pair, Duration::from_secs(1));
    pair.send(talk, b"quick");
    // The bulk takes five seconds; the message what stands in the link's queue, and a little.
    wait(&mut pair, Duration::from_millis(200));
    assert_eq!(received(&pair), [b"quick".to_vec()]);
}

#[test]
fn a_datagram_behind_a_keep_alive_is_asked_after_at_once() {
    let mut pair = pair(11, Link::with_delay(Duration::from_millis(10)));
    let (stream, handle) = (pair.open(PORT, Mode::Datagrams), pair.handle);
    pair.send(stream, b"first");
    // The last that is said for long is a keep-alive.
    assert!(!pair.run(20, |_| false));
    let (client, server) = (pair.client, pair.server);
    let mut dead = Link::with_delay(Duration::from_millis(10));
    dead.up = false;
    pair.world.set_link(client, server, dead);
    pair.send(stream, b"lost");
    let sent = pair.world.stats().sent;
    let soon = pair.world.now() + Duration::from_millis(500);
    pair.world.run(soon, |_, _, _| {}, |_| false).unwrap();
    let probes = pair.on_client(|endpoint, _| {
        let connection = endpoint.connection(handle).unwrap();
        connection.stats().counters.probe_timeouts
    });
    assert!(
        probes >= 2,
        "{probes} probes, {} datagrams",
        pair.world.stats().sent - sent
    );
}
