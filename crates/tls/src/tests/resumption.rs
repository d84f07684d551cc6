use rustls::{HandshakeKind, NamedGroup};
use transport::{Epoch, Session};

use super::pair::{
    DAY_S, End, NOW_S, Pair, certificate, client_sessions, identity, issued_by, refusal,
    server_sessions,
};
use crate::{ClientSessions, ServerSessions, Trust, WallClock};

fn connect(client: &ClientSessions, server: &ServerSessions) -> Pair {
    let mut pair = Pair::new(client, server);
    pair.run().unwrap();
    assert!(pair.is_complete());
    pair
}

fn kind(pair: &Pair) -> HandshakeKind {
    let kind = pair.client.session.connection().handshake_kind().unwrap();
    assert_eq!(
        pair.server.session.connection().handshake_kind(),
        Some(kind)
    );
    kind
}

#[test]
fn a_second_connection_resumes_with_fresh_keys_and_the_same_identity() {
    let client = client_sessions(Trust::Pinned(identity()));
    let server = server_sessions();
    let first = connect(&client, &server);
    let second = connect(&client, &server);
    assert_eq!(
        [kind(&first), kind(&second)],
        [HandshakeKind::Full, HandshakeKind::Resumed]
    );
    let identity = first.client.session.peer_identity();
    assert!(identity.is_some());
    assert_eq!(second.client.session.peer_identity(), identity);
    let exported = [&first, &second].map(|pair| {
        let mut out = [0; 32];
        pair.client
            .session
            .export(b"EXPORTER-undertone-login", b"", &mut out)
            .unwrap();
        out
    });
    assert_ne!(exported[0], exported[1]);
}

#[test]
fn h53_a_ticket_is_used_once() {
    let client = client_sessions(Trust::Pinned(identity()));
    let server = server_sessions();
    connect(&client, &server);
    // Begun beside each other: one of them has the ticket.
    let mut pairs = [Pair::new(&client, &server), Pair::new(&client, &server)];
    for pair in &mut pairs {
        pair.run().unwrap();
    }
    let kinds = pairs.each_ref().map(kind);
    assert_eq!(kinds, [HandshakeKind::Resumed, HandshakeKind::Full]);
}

/// A server does not know a ticket again. Whoever sends another's once more gets an answer under fresh
/// keys, for which it takes the ticket's secret and a share of its own.
#[test]
fn h53_a_hello_with_a_ticket_that_is_sent_again_establishes_nothing() {
    let client = client_sessions(Trust::Pinned(identity()));
    let server = server_sessions();
    connect(&client, &server);
    let mut pair = Pair::new(&client, &server);
    let hello = pair.client.flight();
    pair.server.read(&hello).unwrap();
    let answer = pair.server.flight();
    pair.client.read(&answer).unwrap();
    let finished = pair.client.flight();
    pair.server.read(&finished).unwrap();
    assert!(pair.is_complete());
    assert_eq!(kind(&pair), HandshakeKind::Resumed);

    for _ in 0..2 {
        let mut replayed = End::new(server.start(b"of the server".to_vec()).unwrap());
        replayed.read(&hello).unwrap();
        let fresh = replayed.flight();
        let kind = replayed.session.connection().handshake_kind();
        assert_eq!(kind, Some(HandshakeKind::Resumed), "the ticket is good");
        assert_ne!(fresh, answer);
        assert!(replayed.read(&finished).is_err());
        assert!(replayed.session.is_handshaking());
        let mut out = [0; 32];
        let exported = (replayed.session).export(b"EXPORTER-undertone-login", b"", &mut out);
        assert!(exported.is_err(), "no login is bound to it");
        // Nor does the honest client take the fresh answer for its own.
        let mut late = End::new(client.start(b"of the client".to_vec()).unwrap());
        late.flight();
        assert!(late.read(&fresh).is_err() || late.session.is_handshaking());
    }
}

#[test]
fn a_resumed_handshake_is_hybrid_too() {
    let client = client_sessions(Trust::Pinned(identity()));
    let server = server_sessions();
    connect(&client, &server);
    let second = connect(&client, &server);
    let group = second
        .client
        .session
        .connection()
        .negotiated_key_exchange_group()
        .unwrap();
    assert_eq!(group.name(), NamedGroup::X25519MLKEM768);
}

#[test]
fn the_identity_of_a_resumed_session_waits_for_the_servers_proof() {
    let client = client_sessions(Trust::Pinned(identity()));
    let server = server_sessions();
    connect(&client, &server);
    let mut pair = Pair::new(&client, &server);
    let hello = pair.client.flight();
    pair.server.read(&hello).unwrap();
    let answer = pair.server.flight();
    // All but the Finished: with it gone, nobody has shown that the ticket's secret is known.
    let [(Epoch::Initial, hello), (Epoch::Handshake, rest)] = &answer[..] else {
        panic!("two flights")
    };
    let extensions_len = 4 + usize::from(rest[2]) * 256 + usize::from(rest[3]);
    pair.client.session.read(Epoch::Initial, hello).unwrap();
    let extensions = &rest[..extensions_len];
    pair.client
        .session
        .read(Epoch::Handshake, extensions)
        .unwrap();
    let certificates = pair.client.session.connection().peer_certificates();
    assert!(certificates.is_some(), "remembered with the ticket");
    assert_eq!(pair.client.session.peer_identity(), None);
}

#[test]
fn a_server_that_forgot_its_tickets_makes_a_full_handshake() {
    let client = client_sessions(Trust::Pinned(identity()));
    connect(&client, &server_sessions());
    let second = connect(&client, &server_sessions());
    assert_eq!(kind(&second), HandshakeKind::Full);
}

#[test]
fn tickets_stay_with_the_trust_under_which_they_were_issued() {
    let server = server_sessions();
    connect(&client_sessions(Trust::FirstUse), &server);
    let pinned = connect(&client_sessions(Trust::Pinned(identity())), &server);
    assert_eq!(kind(&pinned), HandshakeKind::Full);
    let other = client_sessions(Trust::Pinned(issued_by(1).identity()));
    refusal(&other, &server);
    assert!(other.refused_key().is_some());
}

#[test]
fn a_renewed_certificate_is_presented_without_a_restart() {
    let (client_clock, server_clock) = (WallClock::new(NOW_S), WallClock::new(NOW_S));
    let server = ServerSessions::new(certificate(), &server_clock).unwrap();
    let connects = || {
        let client = ClientSessions::new(Trust::Pinned(identity()), &client_clock).unwrap();
        Pair::new(&client, &server).run()
    };
    connects().unwrap();
    assert!(!server.needs_renewal());
    server_clock.set(NOW_S + 6 * DAY_S);
    client_clock.set(NOW_S + 7 * DAY_S + 1);
    assert!(server.needs_renewal());
    assert!(connects().unwrap_err().reason.contains("expired"));
    let pkcs8 = crypto::fixtures::rsa3072_pkcs8(0);
    let renewed =
        crate::NodeCertificate::issue(pkcs8, server_clock.now(), crate::Lifetime::Online).unwrap();
    server.clone().renew(renewed);
    assert!(!server.needs_renewal());
    connects().unwrap();
}
