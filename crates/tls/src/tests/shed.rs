//! What is left of a handshake when its state is gone.

use transport::{Epoch, Session};

use super::pair::{End, Pair, client_sessions, identity, server_sessions};
use crate::Trust;

const LABEL: &[u8] = b"EXPORTER-undertone-login";

fn exported(end: &End) -> [u8; 32] {
    let mut out = [0; 32];
    end.session.export(LABEL, b"", &mut out).unwrap();
    out
}

#[test]
fn what_a_channel_is_asked_for_stays_the_same() {
    let mut pair = Pair::connected();
    let (key, peer) = (exported(&pair.client), pair.client.session.peer_identity());
    assert!(peer.is_some());
    pair.client.session.shed();
    pair.server.session.shed();
    assert_eq!(exported(&pair.client), key);
    assert_eq!(exported(&pair.server), key);
    assert_eq!(pair.client.session.peer_identity(), peer);
    assert_eq!(pair.server.session.peer_identity(), None);
    assert!(pair.is_complete());
    // Key updates go on.
    let sealed = pair.client.session.next_keys().unwrap().local;
    let opening = pair.server.session.next_keys().unwrap().remote;
    let mut packet = [0; 32];
    sealed.seal(1, &mut packet, 4);
    assert_eq!(opening.open(1, &mut packet, 4), Ok(12));
}

#[test]
fn a_handshake_under_way_sheds_nothing() {
    let client = client_sessions(Trust::Pinned(identity()));
    let mut pair = Pair::new(&client, &server_sessions());
    pair.client.session.shed();
    pair.server.session.shed();
    pair.run().unwrap();
    assert!(pair.is_complete());
}

#[test]
fn tickets_that_come_late_are_ignored_and_what_a_client_says_is_refused() {
    let client = client_sessions(Trust::Pinned(identity()));
    let mut pair = Pair::new(&client, &server_sessions());
    let hello = pair.client.flight();
    pair.server.read(&hello).unwrap();
    let answer = pair.server.flight();
    pair.client.read(&answer).unwrap();
    let finished = pair.client.flight();
    pair.server.read(&finished).unwrap();
    let tickets = pair.server.flight();
    assert!(matches!(&tickets[..], [(Epoch::Data, _), ..]));
    pair.client.session.shed();
    pair.server.session.shed();
    assert_eq!(pair.client.read(&tickets), Ok(()));
    let refused = pair.server.read(&tickets).unwrap_err();
    assert_eq!(refused.alert, Some(10));
}
