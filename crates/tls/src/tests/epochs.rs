//! Bytes count only under the keys whose turn it is (RFC 9001 §4.1.3).

use transport::{Epoch, Session};

use super::pair::{Flight, Pair, client_sessions, identity, server_sessions};
use crate::Trust;

fn fresh() -> Pair {
    Pair::new(
        &client_sessions(Trust::Pinned(identity())),
        &server_sessions(),
    )
}

/// The alert unexpected_message (RFC 8446 §6).
const UNEXPECTED: Option<u8> = Some(10);

#[test]
fn a_first_flight_under_other_than_initial_keys_is_refused() {
    for epoch in [Epoch::Handshake, Epoch::Data] {
        let mut pair = fresh();
        let hello = pair.client.flight();
        let refusal = pair.server.session.read(epoch, &hello[0].1).unwrap_err();
        assert_eq!(refusal.alert, UNEXPECTED);
    }
}

#[test]
fn the_servers_proof_under_initial_keys_is_refused() {
    let mut pair = fresh();
    let hello = pair.client.flight();
    pair.server.read(&hello).unwrap();
    let answer = pair.server.flight();
    assert_eq!(
        answer.iter().map(|(epoch, _)| *epoch).collect::<Vec<_>>(),
        [Epoch::Initial, Epoch::Handshake]
    );
    let downgraded: Flight = answer
        .into_iter()
        .map(|(_, b)| (Epoch::Initial, b))
        .collect();
    assert_eq!(pair.client.read(&downgraded).unwrap_err().alert, UNEXPECTED);
}

#[test]
fn bytes_behind_the_servers_hello_in_its_epoch_are_refused() {
    // The whole of the next message, and a part of it.
    for len in [usize::MAX, 3] {
        let mut pair = fresh();
        let hello = pair.client.flight();
        pair.server.read(&hello).unwrap();
        let answer = pair.server.flight();
        let (hello, proof) = (&answer[0].1, &answer[1].1);
        let joined = [hello, &proof[..len.min(proof.len())]].concat();
        assert!(pair.client.session.read(Epoch::Initial, &joined).is_err());
        assert!(pair.client.session.is_handshaking());
    }
}

#[test]
fn the_clients_proof_under_data_keys_is_refused() {
    let mut pair = fresh();
    let hello = pair.client.flight();
    pair.server.read(&hello).unwrap();
    let answer = pair.server.flight();
    pair.client.read(&answer).unwrap();
    let finished = pair.client.flight();
    let [(Epoch::Handshake, finished)] = &finished[..] else {
        panic!("one flight")
    };
    let refusal = pair.server.session.read(Epoch::Data, finished).unwrap_err();
    assert_eq!(refusal.alert, UNEXPECTED);
    assert!(pair.server.session.is_handshaking());
}

#[test]
fn a_tls_key_update_message_is_refused() {
    let mut pair = fresh();
    pair.run().unwrap();
    // RFC 9001 §6: unexpected_message; packets carry key updates of their own.
    let key_update = [24, 0, 0, 1, 0];
    for end in [&mut pair.client, &mut pair.server] {
        assert_eq!(
            end.session
                .read(Epoch::Data, &key_update)
                .unwrap_err()
                .alert,
            UNEXPECTED
        );
    }
}

#[test]
fn no_bytes_are_no_violation() {
    let mut pair = fresh();
    pair.run().unwrap();
    for epoch in [Epoch::Initial, Epoch::Handshake, Epoch::Data] {
        pair.client.session.read(epoch, b"").unwrap();
    }
}
