//! What a server says and knows without any state: resets, challenges, ids.

mod common;

use std::collections::BTreeSet;

use common::{CLIENT, Counting, SERVER, ids, reset_token};
use internet::{
    CHALLENGE_OVERHEAD, ConnectionId, ConnectionIds, Header, PartialPacket, RESET_LEN_MAX,
    RESET_LEN_MIN, Route, VERSION, encode_challenge, encode_stateless_reset, encode_version,
    open_challenge, resettable, versions,
};
use proptest::prelude::*;

#[test]
fn h30_answers_get_shorter_until_there_is_silence() {
    for trigger in 0..2000 {
        let mut datagram = Vec::new();
        let len = encode_stateless_reset(&mut datagram, &reset_token(), trigger, &mut Counting(0));
        assert_eq!(len.unwrap_or(0), datagram.len());
        match len {
            Some(len) => assert!(len < trigger && (RESET_LEN_MIN..=RESET_LEN_MAX).contains(&len)),
            None => assert!(trigger <= RESET_LEN_MIN),
        }
    }
    // Two ends, neither of which knows the other, answer each other.
    let mut answers = 0;
    let mut len = 1400;
    let mut datagram = Vec::new();
    while let Some(shorter) =
        encode_stateless_reset(&mut datagram, &reset_token(), len, &mut Counting(0))
    {
        assert!(shorter < len);
        len = shorter;
        answers += 1;
    }
    assert!(answers <= RESET_LEN_MAX - RESET_LEN_MIN + 1);
}

#[test]
fn a_reset_looks_like_data_and_is_recognised_by_its_token() {
    let mut random = Counting(5);
    for trigger in [22, 30, 43, 1200] {
        let mut datagram = b"before".to_vec();
        encode_stateless_reset(&mut datagram, &reset_token(), trigger, &mut random).unwrap();
        let datagram = &datagram[6..];
        let packet = PartialPacket::parse(datagram).unwrap();
        assert!(matches!(packet.header, Header::Data { .. }));
        assert!(reset_token().matches(datagram));
        assert!(!reset_token().matches(&datagram[datagram.len() - 20..]));
    }
}

#[test]
fn h37_a_token_is_of_one_id_and_one_secret() {
    let (one, two) = (CLIENT, SERVER);
    let mut datagram = Vec::new();
    encode_stateless_reset(
        &mut datagram,
        &ids().reset_token(one),
        100,
        &mut Counting(0),
    )
    .unwrap();
    assert!(ids().reset_token(one).matches(&datagram));
    assert!(!ids().reset_token(two).matches(&datagram));
    let other = ConnectionIds::new(&crypto::Secret::from([8; 32]));
    assert!(!other.reset_token(one).matches(&datagram));
    // A long header is never a reset, whatever it ends in.
    datagram[0] |= 0x80;
    assert!(!ids().reset_token(one).matches(&datagram));
}

#[test]
fn only_a_short_header_that_is_long_enough_draws_a_reset() {
    let mut datagram = vec![0x41];
    datagram.extend_from_slice(SERVER.as_bytes());
    datagram.resize(RESET_LEN_MIN, 0);
    assert_eq!(resettable(&datagram), None);
    datagram.push(0);
    assert_eq!(resettable(&datagram), Some(SERVER));
    for first in [0x01, 0x61, 0xc1, 0x81] {
        datagram[0] = first;
        assert_eq!(resettable(&datagram), None);
    }
}

#[test]
fn a_challenge_answers_one_initial_only() {
    let mut datagram = Vec::new();
    encode_challenge(&mut datagram, CLIENT, SERVER, b"work");
    assert_eq!(datagram.len(), CHALLENGE_OVERHEAD + 4);
    let packet = PartialPacket::parse(&datagram).unwrap();
    assert_eq!(packet.dcid(), Some(CLIENT));
    assert_eq!(open_challenge(&packet, SERVER, &datagram), Ok(&b"work"[..]));
    assert!(open_challenge(&packet, CLIENT, &datagram).is_err());
    // Somebody who changes the id in the clear does not know the one under the tag.
    let mut forged = datagram.clone();
    forged[15..23].copy_from_slice(CLIENT.as_bytes());
    let packet = PartialPacket::parse(&forged).unwrap();
    assert!(open_challenge(&packet, CLIENT, &forged).is_err());
    assert!(open_challenge(&packet, SERVER, &forged).is_err());
    // The tag holds, but the id in the clear is another.
    let front = forged.len() - 16;
    let tag = crypto::packet::challenge_tag(SERVER.as_bytes(), &forged[..front]);
    forged[front..].copy_from_slice(&tag);
    assert!(open_challenge(&packet, SERVER, &forged).is_err());
    // Not a Challenge at all.
    let mut version = Vec::new();
    encode_version(&mut version, CLIENT.as_bytes(), SERVER.as_bytes());
    let packet = PartialPacket::parse(&version).unwrap();
    assert!(open_challenge(&packet, SERVER, &version).is_err());
}

#[test]
fn a_version_packet_mirrors_ids_of_any_length() {
    for (dcid, scid) in [
        (&[1; 8][..], &[2; 8][..]),
        (&[], &[3; 20]),
        (&[4; 255], &[5; 255]),
    ] {
        let mut datagram = Vec::new();
        encode_version(&mut datagram, dcid, scid);
        assert_eq!(datagram.len(), 11 + dcid.len() + scid.len());
        assert!(datagram.len() < 1200);
        let list = &datagram[datagram.len() - 4..];
        assert_eq!(versions(list).collect::<Vec<_>>(), [VERSION]);
        let ours = dcid.len() == 8 && scid.len() == 8;
        assert_eq!(PartialPacket::parse(&datagram).is_ok(), ours);
    }
}

#[test]
fn ids_of_one_route_have_nothing_in_common() {
    let mut random = Counting(0);
    let route = Route { node: 1, worker: 2 };
    let ids: Vec<_> = (0..1000).map(|_| ids().issue(route, &mut random)).collect();
    let tails: BTreeSet<_> = ids.iter().map(|id| &id.as_bytes()[6..]).collect();
    assert!(tails.len() > 950, "{} different tails", tails.len());
    let clear = ids.iter().filter(|id| id.as_bytes()[6..] == [1, 2]).count();
    assert!(clear < 5);
}

proptest! {
    #[test]
    fn an_id_leads_back_to_its_route(node: u8, worker: u8, seed: u64, secret: [u8; 32]) {
        let ids = ConnectionIds::new(&crypto::Secret::from(secret));
        let route = Route { node, worker };
        let id = ids.issue(route, &mut Counting(seed));
        prop_assert_eq!(ids.route(id), route);
        // After a restart with the same secret as well.
        let again = ConnectionIds::new(&crypto::Secret::from(secret));
        prop_assert_eq!(again.route(id), route);
        let (token, same) = (ids.reset_token(id), again.reset_token(id));
        prop_assert_eq!(token.as_bytes(), same.as_bytes());
    }

    /// Any id that somebody invents has a route and a token, and no panic.
    #[test]
    fn invented_ids_do_no_harm(id: [u8; 8]) {
        let id = ConnectionId::new(id);
        let route = ids().route(id);
        prop_assert!(route == ids().route(id));
    }
}
