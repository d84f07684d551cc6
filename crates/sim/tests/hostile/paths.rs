//! Packets from addresses where nobody is, and peers that abuse what validates paths (docs/PROTOCOL.md
//! §4.10).

use core::net::SocketAddr;
use core::time::Duration;

use codec::Writer;
use common::{PORT, Pair, config};
use transport::{Epoch, Mode, OpenGate};

use crate::common;
use crate::raw::{Heard, Raw, stream_frame};

fn connected() -> Raw {
    let mut raw = Raw::new(config(), Box::new(OpenGate)).connected();
    raw.wait(Duration::from_millis(100));
    raw.events.clear();
    raw.heard.clear();
    raw.sent.clear();
    raw
}

fn elsewhere(last: u8) -> SocketAddr {
    common::address(66 + last)
}

fn path_frame(kind: u8, data: [u8; 8]) -> Vec<u8> {
    let mut out = Vec::new();
    Writer::new(&mut out).u8(kind).bytes(&data);
    out
}

/// Datagrams and bytes that went to an address.
fn sent_to(raw: &Raw, address: SocketAddr) -> (usize, usize) {
    let there = raw.sent.iter().filter(|(to, _)| *to == address);
    there.fold((0, 0), |(count, bytes), (_, datagram)| {
        (count + 1, bytes + datagram.len())
    })
}

fn migrations(raw: &mut Raw) -> u64 {
    let handle = raw.handle();
    let connection = raw.server.connection(handle).unwrap();
    connection.stats().counters.migrations
}

#[test]
fn h28_a_packet_from_elsewhere_moves_nothing() {
    for len in [0, 1, 10, 100, 1000] {
        let mut raw = connected();
        let mut received = 0;
        for index in 0..50u64 {
            let data = [&[0, PORT as u8, 0][..], &vec![7; len]].concat();
            let frame = stream_frame(index * 2, 0, &data);
            let datagram = raw.packet(Epoch::Data, &frame);
            received += datagram.len();
            raw.deliver_from(elsewhere(0), datagram);
            let (_, bytes) = sent_to(&raw, elsewhere(0));
            assert!(bytes <= 3 * received, "{bytes} for {received}");
        }
        raw.wait(Duration::from_secs(10));
        let (count, bytes) = sent_to(&raw, elsewhere(0));
        assert!((1..=6).contains(&count), "challenges alone: {count}");
        assert!(bytes <= 3 * received, "{bytes} for {received}");
        let handle = raw.handle();
        let connection = raw.server.connection(handle).unwrap();
        assert_eq!(connection.remote(), raw.address);
        assert_eq!(migrations(&mut raw), 0);
        assert!(
            sent_to(&raw, raw.address).0 > 0,
            "the peer is answered where it is"
        );
    }
}

#[test]
fn h28_a_datagram_sent_again_from_elsewhere_draws_nothing_at_all() {
    let mut raw = connected();
    let datagram = raw.packet(Epoch::Data, &[1]);
    raw.deliver(datagram.clone());
    for _ in 0..100 {
        raw.deliver_from(elsewhere(0), datagram.clone());
    }
    raw.wait(Duration::from_secs(5));
    assert_eq!(sent_to(&raw, elsewhere(0)), (0, 0));
}

#[test]
fn h28_a_probe_is_answered_where_it_came_from_and_moves_nothing() {
    let mut raw = connected();
    let datagram = raw.packet(Epoch::Data, &path_frame(0x1a, [5; 8]));
    let received = datagram.len();
    raw.deliver_from(elsewhere(0), datagram);
    let (count, bytes) = sent_to(&raw, elsewhere(0));
    assert!(
        count == 1 && bytes <= 3 * received,
        "{bytes} for {received}"
    );
    raw.wait(Duration::from_secs(10));
    assert_eq!(sent_to(&raw, elsewhere(0)).0, 1, "it is not challenged");
    assert_eq!(migrations(&mut raw), 0);
}

#[test]
fn h28_who_is_still_there_ends_the_validation_of_another_address() {
    let mut raw = connected();
    let copied = raw.packet(Epoch::Data, &[1]);
    raw.deliver_from(elsewhere(0), copied);
    assert_eq!(sent_to(&raw, elsewhere(0)).0, 1);
    let asked = |heard: &Heard| matches!(heard, Heard::PathChallenge(_));
    assert!(
        raw.heard.iter().any(asked),
        "the old address is asked as well"
    );
    raw.say(&[1]);
    raw.wait(Duration::from_secs(10));
    assert_eq!(sent_to(&raw, elsewhere(0)).0, 1, "no further challenge");
}

#[test]
fn h28_an_answer_that_is_guessed_moves_nothing() {
    let mut raw = connected();
    let moved = raw.packet(Epoch::Data, &[1]);
    raw.deliver_from(elsewhere(0), moved);
    for guess in 0..1000u64 {
        let frame = path_frame(0x1b, guess.to_be_bytes());
        let datagram = raw.packet(Epoch::Data, &frame);
        raw.deliver_from(elsewhere(0), datagram);
    }
    assert_eq!(migrations(&mut raw), 0);
    // The right one does.
    let old = core::mem::replace(&mut raw.address, elsewhere(0));
    raw.heard.clear();
    raw.wait(Duration::from_secs(1));
    let challenge = raw.heard.iter().find_map(|heard| match heard {
        Heard::PathChallenge(data) => Some(*data),
        _ => None,
    });
    raw.say(&path_frame(0x1b, challenge.unwrap()));
    assert_eq!(migrations(&mut raw), 1);
    raw.sent.clear();
    raw.say(&[1]);
    raw.wait(Duration::from_millis(100));
    assert!(sent_to(&raw, elsewhere(0)).0 > 0);
    assert_eq!(sent_to(&raw, old).0, 0);
}

/// The challenges that went to the client since this was last asked, and the lengths of their datagrams.
fn challenges(raw: &mut Raw) -> (Vec<[u8; 8]>, Vec<usize>) {
    let lengths = raw.sent.iter().filter(|(to, _)| *to == raw.address);
    let lengths = lengths.map(|(_, datagram)| datagram.len()).collect();
    let data = raw.heard.iter().filter_map(|heard| match heard {
        Heard::PathChallenge(data) => Some(*data),
        _ => None,
    });
    let data = data.collect();
    raw.sent.clear();
    raw.heard.clear();
    (data, lengths)
}

/// RFC 9000 §8.2.1: who says little may be challenged with little, which shows that he is there, and not
/// that the path takes what every path has to.
#[test]
fn an_answer_to_a_short_challenge_moves_nothing_before_one_to_a_full_one() {
    let mut raw = connected();
    raw.address = elsewhere(0);
    raw.say(&[1]);
    let (short, lengths) = challenges(&mut raw);
    assert_eq!(short.len(), 1);
    assert!(lengths[0] < 150, "{lengths:?}");
    raw.say(&path_frame(0x1b, short[0]));
    assert_eq!(migrations(&mut raw), 0);
    let (full, lengths) = challenges(&mut raw);
    assert_eq!((full.len(), lengths[0]), (1, 1200));
    assert_ne!(full, short);
    // That the address is proven is no news.
    raw.say(&path_frame(0x1b, short[0]));
    assert_eq!(migrations(&mut raw), 0);
    raw.say(&path_frame(0x1b, full[0]));
    assert_eq!(migrations(&mut raw), 1);
}

/// As soon as an address has earned a full challenge it gets it, and the answer to that is enough.
#[test]
fn a_full_challenge_follows_a_short_one_without_an_answer_when_it_may() {
    let mut raw = connected();
    raw.address = elsewhere(0);
    raw.say(&[1]);
    let (short, _) = challenges(&mut raw);
    raw.say(&[1; 600]);
    let (full, lengths) = challenges(&mut raw);
    assert_eq!((short.len(), full.len()), (1, 1));
    assert!(lengths.contains(&1200), "{lengths:?}");
    raw.say(&path_frame(0x1b, full[0]));
    assert_eq!(migrations(&mut raw), 1);
}

/// RFC 9000 §9.3: where the newest packet came from decides, and not whose answer comes first.
#[test]
fn h28_a_slow_answer_does_not_move_to_where_the_peer_is_no_more() {
    let full = |raw: &mut Raw, last: u8| {
        raw.address = elsewhere(last);
        challenges(raw);
        // Long enough to be challenged in full at once.
        raw.say(&[1; 600]);
        let (data, lengths) = challenges(raw);
        assert!(lengths.contains(&1200), "{lengths:?}");
        *data.last().unwrap()
    };
    let remote = |raw: &mut Raw| {
        let handle = raw.handle();
        raw.server.connection(handle).unwrap().remote()
    };
    for back in [false, true] {
        let mut raw = connected();
        let first = full(&mut raw, 0);
        let second = full(&mut raw, 1);
        raw.address = elsewhere(0);
        raw.say(&path_frame(0x1b, first));
        assert_eq!(migrations(&mut raw), 0);
        if back {
            // The path is known to be valid: the next packet is enough.
            raw.say(&[1]);
            assert_eq!(remote(&mut raw), elsewhere(0));
        }
        raw.address = elsewhere(1);
        raw.say(&path_frame(0x1b, second));
        raw.wait(Duration::from_millis(10));
        assert_eq!(remote(&mut raw), elsewhere(u8::from(!back)));
        assert_eq!(migrations(&mut raw), 1);
    }
}

#[test]
fn h28_many_addresses_at_once_are_not_remembered() {
    let mut raw = connected();
    for last in 0..100 {
        let datagram = raw.packet(Epoch::Data, &[1]);
        raw.deliver_from(elsewhere(last), datagram);
    }
    raw.sent.clear();
    raw.wait(Duration::from_secs(10));
    let told: Vec<_> = (0..100)
        .filter(|&n| sent_to(&raw, elsewhere(n)).0 > 0)
        .collect();
    assert_eq!(told, [96, 97, 98, 99]);
}

#[test]
fn h21_challenges_without_end_draw_few_answers_each() {
    let mut raw = connected();
    let mut frames = Vec::new();
    for index in 0..120u64 {
        frames.extend(path_frame(0x1a, index.to_be_bytes()));
    }
    for _ in 0..100 {
        raw.say(&frames);
    }
    let answers = |raw: &Raw| {
        let is_answer = |heard: &&Heard| matches!(heard, Heard::PathResponse(_));
        raw.heard.iter().filter(is_answer).count()
    };
    assert_eq!(answers(&raw), 400);
    raw.wait(Duration::from_secs(1));
    assert_eq!(answers(&raw), 400);
    assert_eq!(raw.server.stats().connections, 1);
}

/// Somebody on the path repeats every packet of the client from an address of his own, faster than it
/// travels itself, while the client moves as well.
#[test]
fn h28_whoever_races_a_migration_gets_little_and_stops_nothing() {
    for seed in 0..5 {
        let mut pair = Pair::connected(seed);
        let stream = pair.open(PORT, Mode::Messages);
        pair.logs[1].echo = true;
        let handle = pair.handle;
        let mut said = 0u32;
        let server = pair.world.address(pair.server).unwrap();
        for round in 0..400u32 {
            for _ in 0..2 {
                let bytes = [&said.to_be_bytes()[..], &[0; 700]].concat();
                pair.logs[0].outbox.push_back((handle, stream, bytes));
                said += 1;
            }
            pair.world.start_capture();
            if round % 100 == 50 {
                let place = SocketAddr::from(([10, 3, 0, round as u8], 5000));
                pair.world.move_node(pair.client, place);
                pair.on_client(|endpoint, now| endpoint.connection(handle).unwrap().migrate(now))
                    .unwrap();
            }
            pair.run(0, |_| false);
            for captured in pair.world.take_capture() {
                // One in three gets through before him.
                if captured.to == server && captured.bytes.len() % 3 > 0 {
                    let spoofed = SocketAddr::from(([10, 9, 9, 9], 9));
                    let early = Duration::from_millis(1);
                    pair.world.replay(early, spoofed, server, captured);
                }
            }
            let end = pair.world.now() + Duration::from_millis(20);
            while pair.world.now() < end {
                pair.run(0, |_| false);
                pair.world
                    .run(
                        pair.world.now() + Duration::from_millis(1),
                        |_, _, _| {},
                        |_| false,
                    )
                    .unwrap();
            }
        }
        let done = pair.run(60, |logs| {
            logs.iter().all(|log| log.messages.len() >= said as usize)
        });
        assert!(
            done,
            "{}, {} of {said}",
            pair.logs[0].messages.len(),
            pair.logs[1].messages.len()
        );
        assert!(pair.logs.iter().all(|log| log.closed.is_empty()));
        let connection = pair.server_handle();
        let remote =
            pair.on_server(|endpoint, _| endpoint.connection(connection).unwrap().remote());
        assert_eq!(Some(remote), pair.world.address(pair.client));
    }
}
