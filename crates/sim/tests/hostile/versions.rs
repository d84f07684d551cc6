//! Versions that an end does not speak (docs/PROTOCOL.md §2.6).

use core::net::SocketAddr;

use common::{address, client, config, server, sessions};
use internet::{ConnectionId, DropReason, Header, PartialPacket, VERSION};
use transport::{CloseReason, ConnectionHandle, Endpoint, Event, Instant, Meta, OpenGate, Side};

use crate::common;

const NOW: Instant = Instant::from_nanos(1_000_000_000);

/// A version that nobody speaks.
const STRANGE: [u8; 4] = [0xfa, 0xce, 0xb0, 0x0c];

/// The beginning of a long header (RFC 8999 §5.1).
fn long(version: [u8; 4], to: &[u8], from: &[u8]) -> Vec<u8> {
    let [to_len, from_len] = [to, from].map(|id| [id.len() as u8]);
    [&[0xc0], &version[..], &to_len, to, &from_len, from].concat()
}

/// A Version packet, made by hand.
fn version(to: &[u8], from: &[u8], list: &[[u8; 4]]) -> Vec<u8> {
    [long([0; 4], to, from), list.concat()].concat()
}

fn give(endpoint: &mut Endpoint, remote: SocketAddr, bytes: &[u8]) {
    let meta = Meta {
        remote,
        local: None,
        ecn: None,
    };
    endpoint.handle_datagram(NOW, meta, &mut bytes.to_vec());
}

fn take(endpoint: &mut Endpoint) -> Vec<Vec<u8>> {
    let mut taken = Vec::new();
    loop {
        let mut out = Vec::new();
        if endpoint.poll_transmit(NOW, 1, &mut out).is_none() {
            return taken;
        }
        taken.push(out);
    }
}

fn events(endpoint: &mut Endpoint) -> Vec<Event> {
    core::iter::from_fn(|| endpoint.poll_event().map(|(_, event)| event)).collect()
}

#[test]
fn h04_a_long_packet_of_another_version_is_told_ours_and_a_short_one_nothing() {
    let mut server = server(4, config(), Box::new(OpenGate));
    let kinds: [(&[u8], &[u8]); 3] = [(&[1; 8], &[2; 8]), (&[3; 255], &[]), (&[], &[4; 20])];
    for (index, (to, from)) in (1..).zip(kinds) {
        let mut packet = long(STRANGE, to, from);
        packet.resize(1_199, 0);
        give(&mut server, address(1), &packet);
        assert_eq!(take(&mut server), [[0; 0]; 0], "too short for an answer");
        packet.push(0);
        give(&mut server, address(1), &packet);
        let answer = version(from, to, &[VERSION.to_be_bytes()]);
        assert!(answer.len() < packet.len());
        assert_eq!(take(&mut server), [answer]);
        assert_eq!(
            server.stats().drops.of(DropReason::UnknownVersion),
            2 * index
        );
    }
    assert_eq!(server.stats().connections, 0);
    // Whoever accepts nobody answers nobody.
    let mut client = client(4, config());
    give(
        &mut client,
        address(2),
        &[&long(STRANGE, &[1; 8], &[2; 8])[..], &[0; 1200]].concat(),
    );
    assert_eq!(take(&mut client), [[0; 0]; 0]);
}

/// A client that has begun to connect: its connection, its first flight, and the ids in it: the server's
/// that it made up, and its own.
fn connecting() -> (Endpoint, ConnectionHandle, Vec<Vec<u8>>, [ConnectionId; 2]) {
    let mut client = client(4, config());
    let handle = client.connect(NOW, address(2), &mut sessions(4, Side::Client));
    let flight = take(&mut client);
    let header = PartialPacket::parse(&flight[0]).unwrap().header;
    let Header::Initial { dcid, scid, .. } = header else {
        panic!("{header:?}");
    };
    (client, handle.unwrap(), flight, [dcid, scid])
}

#[test]
fn h04_a_server_of_other_versions_ends_the_attempt_and_nobody_else_does() {
    let (mut client, handle, _, [theirs, ours]) = connecting();
    let (theirs, ours) = (theirs.as_bytes(), ours.as_bytes());
    let genuine = version(ours, theirs, &[STRANGE, [0, 0, 0, 9]]);
    let ignored = [
        ("another address", address(3), genuine.clone()),
        (
            "not to our id",
            address(2),
            version(&[7; 8], theirs, &[STRANGE]),
        ),
        (
            "not from the id we made up",
            address(2),
            version(ours, &[7; 8], &[STRANGE]),
        ),
        (
            "ids the other way round",
            address(2),
            version(theirs, ours, &[STRANGE]),
        ),
        (
            "a short id",
            address(2),
            version(ours, &theirs[..7], &[STRANGE]),
        ),
        ("no version", address(2), version(ours, theirs, &[])),
        (
            "a version of ours",
            address(2),
            version(ours, theirs, &[STRANGE, VERSION.to_be_bytes()]),
        ),
    ];
    for (dropped, (why, from, packet)) in (1..).zip(ignored) {
        give(&mut client, from, &packet);
        assert_eq!(events(&mut client), [], "{why}");
        assert_eq!(client.stats().drops.total(), dropped, "{why}");
    }
    assert!(client.connection(handle).is_some());
    give(&mut client, address(2), &genuine);
    assert_eq!(
        events(&mut client),
        [Event::Closed(CloseReason::VersionMismatch)]
    );
    assert!(client.connection(handle).is_none());
    assert_eq!(take(&mut client), [[0; 0]; 0], "nobody is told");
    assert_eq!(client.poll_timeout(), None);
}

#[test]
fn h04_a_version_packet_after_a_packet_of_the_server_is_ignored() {
    let (mut client, handle, flight, [theirs, ours]) = connecting();
    let mut server = server(4, config(), Box::new(OpenGate));
    for datagram in flight {
        give(&mut server, address(1), &datagram);
    }
    let answer = take(&mut server);
    // Its Initial is in the first one, and what ends the handshake is not.
    give(
        &mut client,
        address(2),
        &answer[0][..PartialPacket::parse(&answer[0]).unwrap().len()],
    );
    assert_eq!(events(&mut client), []);
    let late = version(ours.as_bytes(), theirs.as_bytes(), &[STRANGE]);
    give(&mut client, address(2), &late);
    assert_eq!(events(&mut client), []);
    for datagram in answer {
        give(&mut client, address(2), &datagram);
    }
    assert_eq!(events(&mut client).first(), Some(&Event::Connected));
    assert!(client.connection(handle).is_some_and(|it| it.is_open()));
}
