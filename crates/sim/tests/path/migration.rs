//! Connections whose client moves (docs/PROTOCOL.md §4.10).

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use internet::ConnectionId;
use sim::{Link, Rng};
use transport::{MigrateError, Mode, Stats, StreamId};

use crate::common::{PORT, Pair, address};

/// Two ends that send each other numbered messages.
struct Talk {
    pair: Pair,
    stream: StreamId,
    said: u32,
    /// Where the client is.
    place: u16,
}

fn message(number: u32, len: usize) -> Vec<u8> {
    let mut bytes = vec![number as u8; len.max(4)];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    bytes
}

fn link(delay_ms: u64, rate: Option<u64>) -> Link {
    let mut link = Link::with_delay(Duration::from_millis(delay_ms));
    link.rate = rate;
    link.queue_bytes = 200_000;
    link
}

impl Talk {
    fn new(seed: u64, link: &Link) -> Self {
        let mut pair = Pair::new(seed);
        pair.world.set_default_link(link.clone());
        let (client, server) = (pair.client, pair.server);
        pair.world.set_link(client, server, link.clone());
        pair.world.set_link(server, client, link.clone());
        pair.until_connected();
        let stream = pair.open(PORT, Mode::Messages);
        pair.logs[1].echo = true;
        // Until both have ids to spare.
        pair.run(1, |_| false);
        Self {
            pair,
            stream,
            said: 0,
            place: 0,
        }
    }

    /// The client says so many messages of this length; the server says each of them again.
    fn say(&mut self, count: u32, len: usize) {
        for _ in 0..count {
            let message = message(self.said, len);
            self.said += 1;
            let entry = (self.pair.handle, self.stream, message);
            self.pair.logs[0].outbox.push_back(entry);
        }
        // Wakes the client, so that it looks into its outbox.
        self.pair.on_client(|_, _| ());
    }

    fn wait(&mut self, duration: Duration) {
        let end = self.pair.world.now() + duration;
        let nodes = [self.pair.client, self.pair.server];
        let logs = &mut self.pair.logs;
        self.pair
            .world
            .run(
                end,
                |node, endpoint, now| {
                    let index = nodes.iter().position(|&id| id == node).unwrap();
                    crate::common::drain(endpoint, now, &mut logs[index]);
                },
                |_| false,
            )
            .unwrap();
    }

    /// The client's address changes, and nobody tells it.
    fn rebind(&mut self, host: bool) {
        self.place += 1;
        let [high, low] = self.place.to_be_bytes();
        let to = if host {
            SocketAddr::from(([10, 2, high, low], 5000))
        } else {
            let here = self.pair.world.address(self.pair.client).unwrap();
            SocketAddr::new(here.ip(), 6000 + self.place)
        };
        self.pair.world.move_node(self.pair.client, to);
    }

    /// The client moves and knows it.
    fn migrate(&mut self) {
        self.rebind(true);
        let handle = self.pair.handle;
        self.pair
            .on_client(|endpoint, now| endpoint.connection(handle).unwrap().migrate(now))
            .unwrap();
    }

    /// Everything arrives within so many seconds, once and in order, on the connection that there was.
    fn finish(&mut self, secs: u64) {
        let said = self.said as usize;
        let done = self.pair.run(secs, |logs| {
            (logs.iter()).all(|log| log.messages.len() >= said || !log.closed.is_empty())
        });
        for log in &self.pair.logs {
            assert_eq!(log.closed, []);
            let mut numbers = (log.messages.iter())
                .map(|(_, message)| u32::from_be_bytes(*message.first_chunk().unwrap()));
            assert!((0..log.messages.len() as u32).all(|number| numbers.next() == Some(number)));
        }
        let heard = [0, 1].map(|side| self.pair.logs[side].messages.len());
        assert!(done, "{heard:?} of {said}");
        assert_eq!(self.pair.logs[1].connected.len(), 1);
    }

    fn server_stats(&mut self) -> Stats {
        let handle = self.pair.server_handle();
        self.pair
            .on_server(|endpoint, _| endpoint.connection(handle).unwrap().stats())
    }

    fn client_stats(&mut self) -> Stats {
        let handle = self.pair.handle;
        self.pair
            .on_client(|endpoint, _| endpoint.connection(handle).unwrap().stats())
    }
}

/// RFC 9000 §9.4: what was on its way over the other path says nothing of this one.
#[test]
fn what_a_client_had_on_its_way_when_it_moved_counts_as_sent_again_and_not_as_lost() {
    let mut talk = Talk::new(6, &link(20, None));
    talk.say(3000, 2000);
    for _ in 0..4 {
        talk.wait(Duration::from_millis(110));
        talk.migrate();
    }
    assert!(talk.pair.logs[1].messages.len() < 3000, "still under way");
    talk.finish(30);
    let counters = talk.client_stats().counters;
    assert_eq!(counters.migrations, 4);
    assert_eq!((counters.packets_lost, counters.bytes_lost), (0, 0));
    assert!(counters.stream_bytes_resent > 10_000, "{counters:?}");
}

#[test]
fn a_rebinding_in_mid_transfer_loses_nothing_in_either_direction() {
    for (seed, host) in [(1, false), (2, true)] {
        let mut talk = Talk::new(seed, &link(20, Some(2_000_000)));
        talk.say(3000, 2000);
        talk.wait(Duration::from_millis(1500));
        let before = talk.server_stats();
        assert!(talk.pair.logs[0].messages.len() < 3000, "still under way");
        talk.rebind(host);
        // The client's next packet shows the new address. It is short, so a first challenge takes a round
        // trip, and another one a full one, which finds out whether the path takes it.
        talk.wait(Duration::from_millis(150));
        let after = talk.server_stats();
        assert_eq!(after.counters.migrations, 1, "{after:?}");
        if host {
            assert!(after.cwnd < before.cwnd / 2, "{after:?} after {before:?}");
        } else {
            assert!(after.cwnd >= before.cwnd / 2, "{after:?} after {before:?}");
            assert_eq!(after.datagram_bytes, before.datagram_bytes);
        }
        talk.finish(30);
        assert_eq!(talk.pair.logs[1].migrated, 1);
    }
}

/// Several minutes, on links that lose, overtake and double, under load in both directions.
#[test]
fn whoever_moves_every_second_under_load_loses_nothing() {
    for seed in 0..2 {
        let mut bad = link(15, None);
        (bad.loss, bad.duplication) = (0.03, 0.02);
        (bad.reordering, bad.reordering_delay) = (0.1, Duration::from_millis(30));
        let mut talk = Talk::new(seed, &bad);
        let mut draw = Rng::stream(seed, "moves", 0);
        let seconds = 180;
        for _ in 0..seconds {
            for _ in 0..20 {
                talk.say(2, 1200);
                talk.wait(Duration::from_millis(50));
            }
            match draw.below(3) {
                0 => talk.rebind(false),
                1 => talk.rebind(true),
                _ => talk.migrate(),
            }
        }
        talk.finish(30);
        let migrations = talk.server_stats().counters.migrations;
        assert!(migrations > seconds * 9 / 10, "{migrations} of {seconds}");
    }
}

/// As much as the link carries, in both directions: at each move much is on its way, and the queue of the path before
/// is still being sent.
#[test]
fn whoever_moves_every_second_on_a_link_that_is_full_loses_nothing() {
    let rate = 500_000;
    for seed in 0..2 {
        let mut talk = Talk::new(seed, &link(20, Some(rate)));
        let mut draw = Rng::stream(seed, "moves under load", 0);
        let (seconds, len) = (30, 4_000);
        talk.say(seconds * rate as u32 / len, len as usize);
        let begun = talk.pair.world.stats().sent_bytes;
        for _ in 0..seconds {
            talk.wait(Duration::from_secs(1));
            match draw.below(3) {
                0 => talk.rebind(false),
                1 => talk.rebind(true),
                _ => talk.migrate(),
            }
        }
        let stats = talk.pair.world.stats();
        let carried = stats.sent_bytes - begun;
        let most = 2 * u64::from(seconds) * rate;
        assert!(carried > most * 6 / 10, "{carried} of {most}: not full");
        assert!(stats.queued > stats.sent / 2, "{stats:?}");
        assert!(!talk.pair.logs[0].outbox.is_empty(), "still under way");
        talk.finish(60);
        let migrations = talk.server_stats().counters.migrations;
        assert_eq!(migrations, u64::from(seconds));
    }
}

#[test]
fn what_is_said_to_a_client_that_was_rebound_while_idle_arrives_when_it_is_heard_of() {
    let mut talk = Talk::new(3, &link(20, None));
    talk.say(1, 100);
    talk.finish(5);
    talk.wait(Duration::from_secs(8));
    talk.rebind(true);
    let (handle, stream) = (talk.pair.server_handle(), talk.stream);
    talk.pair.on_server(|endpoint, _| {
        let connection = endpoint.connection(handle).unwrap();
        connection.send(stream, &message(1, 100)).unwrap();
    });
    // Nobody is there any more; the client's next keep-alive shows where it is.
    talk.wait(Duration::from_secs(5));
    assert_eq!(talk.pair.logs[0].messages.len(), 1);
    let came = talk.pair.run(12, |logs| logs[0].messages.len() == 2);
    assert!(came);
    assert_eq!(talk.pair.logs[0].closed, []);
}

#[test]
fn a_client_that_moves_is_heard_and_answered_within_a_round_trip_and_a_half() {
    let mut talk = Talk::new(4, &link(50, None));
    talk.migrate();
    talk.say(1, 100);
    let start = talk.pair.world.now();
    assert!(talk.pair.run(5, |logs| !logs[0].messages.is_empty()));
    let took = talk.pair.world.now().since(start);
    assert!(took <= Duration::from_millis(320), "{took:?}");
    assert!(talk.pair.run(5, |logs| logs[0].migrated == 1));
    assert_eq!(talk.pair.logs[1].migrated, 1);
    assert_eq!(talk.client_stats().counters.migrations, 1);
}

/// RFC 9000 §9.5: nobody who sees two paths can tell that they are one connection's.
#[test]
fn no_id_is_seen_on_two_paths() {
    let mut talk = Talk::new(5, &link(10, None));
    let mut seen: Vec<ConnectionId> = Vec::new();
    for _ in 0..10 {
        talk.say(20, 500);
        talk.wait(Duration::from_secs(1));
        talk.pair.world.start_capture();
        talk.migrate();
        talk.say(20, 500);
        talk.wait(Duration::from_millis(500));
        let captured = talk.pair.world.take_capture();
        let place = talk.pair.world.address(talk.pair.client).unwrap();
        let mut here: Vec<ConnectionId> = (captured.iter())
            .filter(|datagram| datagram.from == place || datagram.to == place)
            .filter_map(|datagram| datagram.bytes.get(1..)?.first_chunk().copied())
            .map(ConnectionId::new)
            .collect();
        here.sort_unstable();
        here.dedup();
        assert_eq!(here.len(), 2, "one each way");
        assert!(here.iter().all(|id| !seen.contains(id)));
        seen.extend(here);
    }
    talk.finish(5);
}

#[test]
fn a_move_that_nobody_answers_leads_back() {
    let mut talk = Talk::new(6, &link(20, Some(1_000_000)));
    talk.say(1000, 2000);
    talk.wait(Duration::from_millis(1500));
    let before = talk.client_stats();
    let old = talk.pair.world.address(talk.pair.client).unwrap();
    talk.migrate();
    let client = talk.pair.client;
    talk.pair.world.change_links(client, |link| link.up = false);
    assert!(talk.pair.run(10, |logs| logs[0].migrations_failed == 1));
    let after = talk.client_stats();
    assert_eq!(after.counters.migrations_failed, 1);
    assert_eq!(after.srtt, before.srtt);
    // Back to where it was before.
    talk.pair.world.change_links(client, |link| link.up = true);
    talk.pair.world.move_node(client, old);
    talk.finish(30);
    assert_eq!(talk.pair.logs[1].migrated, 0);
}

#[test]
fn the_ids_of_attempts_that_failed_are_replaced() {
    let mut talk = Talk::new(10, &link(20, None));
    let client = talk.pair.client;
    let old = talk.pair.world.address(client).unwrap();
    talk.pair.world.start_capture();
    for attempt in 1..=5 {
        talk.migrate();
        talk.pair.world.change_links(client, |link| link.up = false);
        assert!(
            talk.pair
                .run(10, |logs| logs[0].migrations_failed == attempt)
        );
        talk.pair.world.change_links(client, |link| link.up = true);
        talk.pair.world.move_node(client, old);
        talk.say(1, 100);
        talk.finish(5);
        talk.wait(Duration::from_secs(1));
    }
    talk.migrate();
    talk.say(1, 100);
    talk.finish(5);
    let mut places: BTreeMap<[u8; 8], BTreeSet<SocketAddr>> = BTreeMap::new();
    for datagram in talk.pair.world.take_capture() {
        let id = datagram.bytes.get(1..).and_then(|rest| rest.first_chunk());
        if datagram.to == address(2) {
            places
                .entry(*id.unwrap())
                .or_default()
                .insert(datagram.from);
        }
    }
    assert_eq!(places.len(), 7, "one for each place");
    // When an attempt has failed the old one is used again, wherever the client is by then.
    let elsewhere = places.values().filter(|seen| seen.len() > 1).count();
    assert_eq!(elsewhere, 1, "{places:?}");
}

/// The network is gone for longer than an attempt takes; the client tries again and again.
#[test]
fn attempts_that_fail_use_up_nothing() {
    let mut talk = Talk::new(7, &link(20, None));
    let client = talk.pair.client;
    for round in 1..=4 {
        talk.pair.world.change_links(client, |link| link.up = false);
        for _ in 0..5 {
            talk.migrate();
            talk.wait(Duration::from_secs(1));
        }
        talk.pair.world.change_links(client, |link| link.up = true);
        talk.migrate();
        talk.say(10, 1000);
        talk.finish(10);
        assert!(talk.pair.run(5, |logs| logs[0].migrated == round));
    }
}

#[test]
fn a_path_that_takes_less_than_the_one_before_is_found_out_anew() {
    let mut wide = link(10, None);
    wide.mtu = 9000;
    let mut talk = Talk::new(8, &wide);
    talk.say(2000, 5000);
    talk.wait(Duration::from_secs(1));
    assert!(talk.client_stats().datagram_bytes > 1452);
    talk.migrate();
    let client = talk.pair.client;
    talk.pair.world.change_links(client, |link| link.mtu = 1300);
    assert_eq!(talk.client_stats().datagram_bytes, 1200);
    talk.say(2000, 5000);
    talk.finish(30);
    assert!(talk.client_stats().datagram_bytes <= 1300);
    assert!(talk.server_stats().datagram_bytes <= 1300);
}

#[test]
fn only_a_client_with_a_confirmed_connection_moves() {
    let mut pair = Pair::new(9);
    let handle = pair.handle;
    let early = pair.on_client(|endpoint, now| endpoint.connection(handle).unwrap().migrate(now));
    assert_eq!(early, Err(MigrateError::NotConfirmed));
    pair.until_connected();
    let handle = pair.server_handle();
    let server = pair.on_server(|endpoint, now| endpoint.connection(handle).unwrap().migrate(now));
    assert_eq!(server, Err(MigrateError::NotClient));
    assert_ne!(pair.world.address(pair.client), Some(address(2)));
}
