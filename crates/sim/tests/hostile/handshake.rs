//! Handshakes that are dripped, packed, replayed and forged.

use core::time::Duration;

use common::{PORT, Pair, config};
use internet::{Header, PartialPacket, encode_challenge};
use sim::Link;
use transport::{AddressGate, CloseReason, Epoch, Event, Gate, OpenGate, code};

use crate::common;
use crate::raw::{Heard, Raw, crypto_frame, stream_frame};

fn gate() -> Box<dyn Gate> {
    Box::new(AddressGate::new(crypto::Secret::from([3; 32])))
}

/// A message of three bytes on a new stream.
fn message() -> Vec<u8> {
    stream_frame(0, 0, &[0, PORT as u8, 1, 3, b'a', b'b', b'c'])
}

#[test]
fn h15_a_peer_cannot_ask_for_tiny_packets() {
    let mut raw = Raw::with_parameters(config(), Box::new(OpenGate), 30_000, 1199);
    raw.say_hello();
    raw.finish_handshake();
    let close = Heard::Close {
        code: code::PARAMETERS,
    };
    assert!(raw.heard.contains(&close), "{:?}", raw.heard);
    assert!(!raw.events.contains(&Event::Connected));
}

#[test]
fn h22_nothing_is_delivered_before_the_handshake_ends() {
    let mut raw = Raw::new(config(), Box::new(OpenGate));
    raw.say_hello();
    let early = raw.packet(Epoch::Data, &message());
    raw.deliver(early);
    raw.wait(Duration::from_secs(1));
    assert_eq!(raw.events, []);
    // Once it has, what came too early counts.
    raw.finish_handshake();
    assert_eq!(raw.events.first(), Some(&Event::Connected));
    let opened = |event: &Event| matches!(event, Event::Opened { port: PORT, .. });
    assert!(raw.events.iter().any(opened));
}

#[test]
fn h22_little_is_kept_of_what_comes_too_early() {
    let mut raw = Raw::new(config(), Box::new(OpenGate));
    raw.say_hello();
    let long = [message(), vec![0; 2000]].concat();
    let early = raw.packet(Epoch::Data, &long);
    raw.deliver(early);
    for index in 1..20 {
        let early = raw.packet(
            Epoch::Data,
            &stream_frame(index * 2, 0, &[0, PORT as u8, 0]),
        );
        raw.deliver(early);
    }
    raw.finish_handshake();
    let opened = |event: &Event| match event {
        Event::Opened { stream, .. } => Some(stream.as_u64()),
        _ => None,
    };
    let opened: Vec<u64> = raw.events.iter().filter_map(opened).collect();
    assert_eq!(opened, [2, 4, 6, 8], "not the long one, and no fifth");
}

#[test]
fn h22_data_and_completion_in_handshake_packets_close() {
    let applications_close = vec![0x1d, 0, 3, b'b', b'y', b'e'];
    for frames in [message(), vec![0x1e], applications_close] {
        for epoch in [Epoch::Initial, Epoch::Handshake] {
            let mut raw = Raw::new(config(), Box::new(OpenGate));
            raw.say_hello();
            let datagram = raw.packet(epoch, &frames);
            raw.deliver(datagram);
            let close = Heard::Close {
                code: code::PROTOCOL_VIOLATION,
            };
            assert!(raw.heard.contains(&close), "{:?}", raw.heard);
            assert!(!raw.events.contains(&Event::Connected));
            assert_eq!(raw.server.stats().connections, 0);
        }
    }
}

#[test]
fn h39_a_dripped_handshake_ends_at_its_deadline() {
    let mut raw = Raw::new(config(), Box::new(OpenGate));
    let hello = raw.hello_bytes();
    // A byte of the first message comes every quarter of a second.
    for (index, byte) in (0..).zip(hello).take(40) {
        let datagram = raw.packet(Epoch::Initial, &crypto_frame(index, &[byte]));
        raw.deliver(datagram);
        assert_eq!(raw.server.stats().half_open, 1);
        raw.wait(Duration::from_millis(250));
    }
    assert_eq!(raw.server.stats().connections, 0);
    assert_eq!(raw.events, [Event::Closed(CloseReason::HandshakeTimeout)]);
}

#[test]
fn h41_a_replayed_first_packet_with_its_token_holds_nothing() {
    let mut raw = Raw::new(config(), gate());
    raw.say_hello();
    assert!(!raw.token.is_empty(), "a challenge");
    let captured = raw.hello();
    raw.deliver(captured.clone());
    raw.finish_handshake();
    assert!(raw.events.contains(&Event::Connected));
    raw.sent.clear();
    for _ in 0..100 {
        raw.deliver(captured.clone());
        raw.wait(Duration::from_millis(500));
    }
    assert_eq!(raw.server.stats().half_open, 0);
    let received = captured.len() * 100;
    let sent: usize = raw.sent.iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(sent < received / 4, "{sent} bytes for {received}");
}

/// Somebody on the path makes up a challenge, and nobody solves it.
#[test]
fn a_forged_challenge_does_not_stop_a_handshake_that_goes_on() {
    let mut pair = Pair::with(20, config(), config(), gate());
    let slow = Link::with_delay(Duration::from_millis(300));
    pair.world.set_default_link(slow.clone());
    let (client, server) = (pair.client, pair.server);
    pair.world.set_link(client, server, slow.clone());
    pair.world.set_link(server, client, slow);
    pair.world.start_capture();
    // The token goes out after a round trip; the forgery comes before what it brings.
    let before = pair.world.now() + Duration::from_millis(700);
    pair.world.run(before, |_, _, _| {}, |_| false).unwrap();
    let captured = pair.world.take_capture();
    let first = captured
        .iter()
        .find_map(|datagram| match PartialPacket::parse(&datagram.bytes) {
            Ok(PartialPacket {
                header: Header::Initial { dcid, scid, .. },
                ..
            }) if datagram.from == common::address(1) => Some((dcid, scid)),
            _ => None,
        });
    let (dcid, scid) = first.unwrap();
    let mut forged = Vec::new();
    encode_challenge(&mut forged, scid, dcid, b"\x01nobody solves this");
    let (from, to) = (common::address(2), common::address(1));
    pair.world.inject(Duration::ZERO, from, to, forged);
    pair.until_connected();
}

#[test]
fn a_clients_first_packets_always_have_full_length() {
    let mut seen = 0;
    for seed in 0..30 {
        let mut pair = Pair::with(seed, config(), config(), gate());
        let mut link = Link::dreadful();
        link.loss = 0.4;
        let (client, server) = (pair.client, pair.server);
        pair.world.set_link(client, server, link.clone());
        pair.world.set_link(server, client, link);
        pair.world.start_capture();
        let handle = pair.handle;
        pair.run(1 + seed % 3, |_| false);
        pair.on_client(|endpoint, now| {
            if let Some(connection) = endpoint.connection(handle) {
                connection.close(now, 0, "");
            }
        });
        pair.run(3, |_| false);
        for datagram in pair.world.take_capture() {
            let is_initial = datagram.bytes[0] & 0xf0 == 0xc0;
            if is_initial && datagram.from == common::address(1) {
                assert_eq!(datagram.bytes.len(), 1200, "seed {seed}");
                seen += 1;
            }
        }
    }
    assert!(seen > 100);
}

/// A server that has begun a connection keeps nothing of what else the datagram held.
#[test]
fn h42_malformed_packets_behind_a_first_one_are_dropped() {
    let good = Raw::new(config(), Box::new(OpenGate)).hello();
    let tails: [&[u8]; 5] = [
        &[0xff; 40],               // no such type
        &[0xe0, 0, 0, 0, 1, 8, 1], // cut off within an id
        &[0xc0; 3],                // cut off within the version
        &good[..good.len() / 2],   // a length that reaches beyond the end
        &[0; 1],                   // no packet at all
    ];
    for tail in tails {
        let mut raw = Raw::new(config(), Box::new(OpenGate));
        let mut datagram = raw.hello();
        datagram.extend_from_slice(tail);
        for _ in 0..20 {
            raw.deliver(datagram.clone());
        }
        let stats = raw.server.stats();
        assert_eq!((stats.connections, stats.half_open), (1, 1));
        assert!(!raw.events.contains(&Event::Connected));
        raw.finish_handshake();
        assert_eq!(raw.events.first(), Some(&Event::Connected), "{tail:?}");
        raw.wait(Duration::from_secs(60));
        assert_eq!(raw.server.stats().connections, 0, "{tail:?}");
    }
}
