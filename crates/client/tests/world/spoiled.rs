//! Somebody who sees first packets, and answers before the server does (RFC 9000 §21.2).

use core::time::Duration;
use std::collections::BTreeSet;

use client::{Delivery, Event, Failure};
use crypto::fixtures::rsa3072_signing;
use internet::{ConnectionId, Header, PacketBuilder, PartialPacket, initial_keys};
use sim::{Captured, NodeId};

use crate::house::House;

/// CRYPTO from the beginning: four bytes, of a message that is longer than any.
const SPOILT: &[u8] = &[0x06, 0, 4, 2, 0xff, 0xff, 0xff];

/// A server's Initial in answer to a client's, made of what everybody can see, and whose id the client goes by.
fn forged(seen: &Captured) -> Option<(ConnectionId, Vec<u8>)> {
    let Header::Initial { dcid, scid, .. } = PartialPacket::parse(&seen.bytes).ok()?.header else {
        return None;
    };
    let (_, server) = initial_keys(dcid);
    let mut bytes = Vec::new();
    let builder = PacketBuilder::initial(&mut bytes, scid, dcid, &[], 0, None);
    bytes.extend_from_slice(SPOILT);
    builder.pad_to(&mut bytes, 1_200);
    builder.finish(&mut bytes, &server);
    Some((scid, bytes))
}

/// Lets time pass in which each of a client's first packets is answered by somebody who is nearer than
/// the server, until he has met `most` handshakes. Gives how many he met.
fn spoil(house: &mut House, client: NodeId, secs: u64, most: usize) -> usize {
    let address = house.world.address(client).unwrap();
    let end = house.world.now() + Duration::from_secs(secs);
    let mut met = BTreeSet::new();
    while house.world.now() < end && met.len() < most {
        let before = house.world.now();
        house.world.start_capture();
        house.until(0, |_| false);
        if house.world.now() == before {
            // Nobody does anything any more.
            break;
        }
        let seen = house.world.take_capture();
        for seen in seen.iter().filter(|seen| seen.from == address) {
            if let Some((id, bytes)) = forged(seen) {
                met.insert(*id.as_bytes());
                house.world.inject(Duration::ZERO, seen.to, address, bytes);
            }
        }
    }
    met.len()
}

fn troubles(house: &House, of: NodeId) -> Vec<String> {
    let events = house.user(of).events.iter();
    let troubles = events.filter_map(|event| match event {
        Event::Trouble { reason } => Some(reason.clone()),
        _ => None,
    });
    troubles.collect()
}

#[test]
fn h30_spoilt_handshakes_put_a_reconnection_off_and_never_end_it() {
    let (mut house, alice, bob) = House::with_alice_and_bob(90);
    house.send(alice, "Bob", "before");
    assert!(house.until(5, |house| house.user(bob).texts() == ["before"]));
    house.restart_relay();
    let queued = house.send(alice, "Bob", "queued");
    // The first attempts are half a second to four seconds apart, the others up to half a minute.
    let met = spoil(&mut house, alice, 300, usize::MAX);
    assert!((10..60).contains(&met), "{met} handshakes");
    assert_eq!(house.user(alice).failure(), None);
    assert_eq!(house.user(alice).states(queued), [Delivery::Queued]);
    let lost = |event: &Event| matches!(event, Event::Disconnected { .. });
    assert_eq!(house.user(alice).count(lost), 1, "told once");
    let [trouble] = &troubles(&house, alice)[..] else {
        panic!("{:?}", house.user(alice).events);
    };
    assert!(trouble.contains("the server is not trusted"), "{trouble}");
    // He leaves.
    let done = |house: &House| {
        house
            .user(alice)
            .states(queued)
            .contains(&Delivery::Delivered)
    };
    assert!(house.until(60, done), "{:?}", house.user(alice).events);
    house.pass(10);
    assert_eq!(house.user(bob).texts(), ["before", "queued"]);
}

#[test]
fn two_spoilt_handshakes_are_not_worth_a_word() {
    let (mut house, alice, _) = House::with_alice_and_bob(91);
    house.change_relay(|relay, now| relay.stop(now));
    assert_eq!(spoil(&mut house, alice, 10, 2), 2);
    let back = |house: &House| {
        let logged_in = |event: &Event| matches!(event, Event::LoggedIn { .. });
        house.user(alice).count(logged_in) == 2
    };
    assert!(house.until(5, back), "{:?}", house.user(alice).events);
    assert_eq!(troubles(&house, alice), [""; 0]);
}

#[test]
fn whoever_was_never_logged_in_hears_at_once_that_the_server_is_not_trusted() {
    let mut house = House::new(92);
    let alice = house.register("Alice");
    assert_eq!(spoil(&mut house, alice, 5, 9), 1);
    let failure = house.user(alice).failure();
    assert!(matches!(failure, Some(Failure::Untrusted { .. })));
}

#[test]
fn a_key_that_is_refused_in_the_handshake_of_a_reconnection_is_a_hard_stop() {
    let (mut house, alice, _) = House::with_alice_and_bob(93);
    let [expected, presented] =
        [0, 2].map(|key| rsa3072_signing(key).verifying_key().fingerprint());
    *house.refused_key.lock().unwrap() = Some((expected, presented));
    house.change_relay(|relay, now| relay.stop(now));
    assert_eq!(spoil(&mut house, alice, 60, 9), 1);
    let changed = Failure::ServerKeyChanged {
        expected,
        presented,
    };
    assert_eq!(house.user(alice).failure(), Some(changed));
}
