//! Servers that are asked at more than one address of their own (docs/PROTOCOL.md §4.10).

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use codec::Writer;
use common::config;
use transport::{AddressGate, CloseReason, Epoch, Event, OpenGate};

use crate::common;
use crate::raw::{Heard, Raw};

const A: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(10, 7, 0, 1));
const B: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(10, 7, 0, 2));

/// A client that has asked at `A`.
fn connected() -> Raw {
    let mut raw = Raw::new(config(), Box::new(OpenGate));
    raw.asked = Some(A);
    let mut raw = raw.connected();
    raw.wait(Duration::from_millis(100));
    forget(&mut raw);
    raw
}

fn forget(raw: &mut Raw) {
    raw.events.clear();
    raw.heard.clear();
    raw.sent.clear();
    raw.left.clear();
}

/// Datagrams and bytes that left from an address.
fn left_from(raw: &Raw, local: IpAddr) -> (usize, usize) {
    let sent = raw.sent.iter().zip(&raw.left);
    let there = sent.filter(|(_, left)| **left == Some(local));
    there.fold((0, 0), |(count, bytes), ((_, datagram), _)| {
        (count + 1, bytes + datagram.len())
    })
}

fn migrations(raw: &mut Raw) -> u64 {
    let handle = raw.handle();
    let connection = raw.server.connection(handle).unwrap();
    connection.stats().counters.migrations
}

/// Says it to this address.
fn say_at(raw: &mut Raw, asked: IpAddr, frames: &[u8]) -> usize {
    let datagram = raw.packet(Epoch::Data, frames);
    let len = datagram.len();
    deliver_at(raw, asked, datagram);
    len
}

fn deliver_at(raw: &mut Raw, asked: IpAddr, datagram: Vec<u8>) {
    let before = raw.asked.replace(asked);
    raw.deliver(datagram);
    raw.asked = before;
}

fn path_frame(kind: u8, data: [u8; 8]) -> Vec<u8> {
    let mut out = Vec::new();
    Writer::new(&mut out).u8(kind).bytes(&data);
    out
}

/// The challenges that were heard since this was last asked.
fn challenges(raw: &mut Raw) -> Vec<[u8; 8]> {
    let heard = core::mem::take(&mut raw.heard);
    let challenges = heard.into_iter().filter_map(|heard| match heard {
        Heard::PathChallenge(data) => Some(data),
        _ => None,
    });
    challenges.collect()
}

#[test]
fn everything_leaves_from_the_address_that_was_asked() {
    let gate = AddressGate::new(crypto::Secret::from([3; 32]));
    let mut raw = Raw::new(config(), Box::new(gate));
    raw.asked = Some(B);
    raw.say_hello();
    assert_eq!(raw.server.stats().challenges, 1);
    let mut raw = raw.connected();
    raw.say(&[1]);
    raw.wait(Duration::from_millis(100));
    let (handle, now) = (raw.handle(), raw.now);
    raw.server.connection(handle).unwrap().close(now, 0, "");
    raw.collect();
    raw.say(&[0x1d, 0, 0]);
    raw.wait(Duration::from_secs(1));
    assert!(raw.events.contains(&Event::Closed(CloseReason::Local)));
    // It is gone: what follows draws a reset.
    raw.wait(Duration::from_secs(60));
    raw.say(&[1; 100]);
    assert_eq!(raw.server.stats().resets, 1);
    assert!(raw.left.iter().all(|left| *left == Some(B)));
}

#[test]
fn a_version_is_answered_from_the_address_that_was_asked() {
    let mut raw = Raw::new(config(), Box::new(OpenGate));
    let mut datagram = raw.hello();
    datagram[1..5].copy_from_slice(&[0xfa; 4]);
    deliver_at(&mut raw, B, datagram);
    assert_eq!(raw.left, [Some(B)]);
}

/// RFC 9000 §9: a path is a pair of addresses, so another of ours is challenged as another of the peer's.
#[test]
fn a_peer_that_comes_to_another_address_is_answered_from_there_once_it_has_proven_to_hear_that() {
    let mut raw = connected();
    // An id for another path.
    let mut id = Vec::new();
    let (number, retired) = (1, 0);
    let mut writer = Writer::new(&mut id);
    writer.u8(0x18).varint(number).varint(retired);
    writer.bytes(&[9; 8]).bytes(&[9; 16]);
    raw.say(&id);
    forget(&mut raw);
    let received = say_at(&mut raw, B, &[1; 600]);
    let (count, bytes) = left_from(&raw, B);
    assert_eq!(count, 1, "a challenge");
    assert!(bytes <= 3 * received, "{bytes} for {received}");
    assert!(left_from(&raw, A).0 > 0, "the path in use goes on");
    let full = *challenges(&mut raw).last().unwrap();
    let (to, datagram) = &raw.sent[raw.left.iter().position(|l| *l == Some(B)).unwrap()];
    assert_eq!((*to, datagram.len()), (raw.address, 1200));
    assert_eq!(datagram[1..9], [9; 8], "another id for another address");
    assert_eq!(migrations(&mut raw), 0);
    say_at(&mut raw, B, &path_frame(0x1b, full));
    assert_eq!(migrations(&mut raw), 1);
    forget(&mut raw);
    say_at(&mut raw, B, &[1]);
    raw.wait(Duration::from_millis(100));
    assert!(left_from(&raw, B).0 > 0);
    assert_eq!(left_from(&raw, A).0, 0);
}

#[test]
fn h28_what_does_not_authenticate_chooses_no_address_of_ours() {
    let mut raw = connected();
    let datagram = raw.packet(Epoch::Data, &[1]);
    let mut forged = datagram.clone();
    *forged.last_mut().unwrap() ^= 1;
    deliver_at(&mut raw, B, forged);
    raw.deliver(datagram.clone());
    for _ in 0..100 {
        deliver_at(&mut raw, B, datagram.clone());
    }
    raw.wait(Duration::from_secs(5));
    assert_eq!(left_from(&raw, B), (0, 0));
    assert!(left_from(&raw, A).0 > 0);
}

/// Whoever carries a packet to another address of ours, and nobody answers there, changes nothing.
#[test]
fn h28_a_packet_that_was_carried_to_another_address_moves_nothing() {
    let mut raw = connected();
    let received = say_at(&mut raw, B, &[1]);
    raw.wait(Duration::from_secs(10));
    let (count, bytes) = left_from(&raw, B);
    assert!((1..=6).contains(&count), "challenges alone: {count}");
    assert!(bytes <= 3 * received, "{bytes} for {received}");
    assert_eq!(migrations(&mut raw), 0);
    assert!(left_from(&raw, A).0 > 0, "the peer is answered as before");
}

#[test]
fn h28_who_still_asks_here_ends_the_validation_of_another_address() {
    let mut raw = connected();
    say_at(&mut raw, B, &[1]);
    assert_eq!(left_from(&raw, B).0, 1);
    raw.say(&[1]);
    raw.wait(Duration::from_secs(10));
    assert_eq!(left_from(&raw, B).0, 1, "no further challenge");
    assert_eq!(migrations(&mut raw), 0);
}

#[test]
fn a_probe_is_answered_from_where_it_arrived_and_moves_nothing() {
    let mut raw = connected();
    let received = say_at(&mut raw, B, &path_frame(0x1a, [5; 8]));
    let (count, bytes) = left_from(&raw, B);
    assert!(count == 1 && bytes <= 3 * received);
    assert_eq!(raw.heard, [Heard::PathResponse([5; 8])]);
    raw.wait(Duration::from_secs(10));
    assert_eq!(left_from(&raw, B).0, 1, "it is not challenged");
    assert_eq!(migrations(&mut raw), 0);
}

/// A client that moves is found by the address that it asks from its new one.
#[test]
fn another_address_of_the_peer_is_validated_from_the_address_that_it_asks() {
    let mut raw = connected();
    raw.address = SocketAddr::from(([10, 9, 9, 9], 9));
    raw.asked = Some(B);
    raw.say(&[1; 600]);
    let full = challenges(&mut raw);
    assert_eq!((full.len(), left_from(&raw, B).0), (1, 1));
    raw.say(&path_frame(0x1b, full[0]));
    assert_eq!(migrations(&mut raw), 1);
    forget(&mut raw);
    raw.say(&[1]);
    raw.wait(Duration::from_millis(100));
    assert!(!raw.left.is_empty());
    assert!(raw.left.iter().all(|left| *left == Some(B)));
}

#[test]
fn a_driver_that_does_not_know_where_a_packet_arrived_changes_nothing() {
    let mut raw = connected();
    raw.asked = None;
    raw.say(&[1]);
    raw.wait(Duration::from_millis(100));
    assert!(!raw.left.is_empty());
    assert!(raw.left.iter().all(|left| *left == Some(A)));
    assert!(challenges(&mut raw).is_empty());
}
