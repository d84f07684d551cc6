use std::sync::Arc;

use rustls::quic::{ClientConnection, Connection, Version};
use rustls::{CipherSuite, NamedGroup};
use transport::{Epoch, Session};

use super::pair::{End, NOW_S, Pair, certificate, client_sessions, identity, server_sessions};
use crate::session::{PeerIdentity, TlsSession};
use crate::{Trust, WallClock};

fn exported(session: &dyn Session, label: &[u8], context: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    session.export(label, context, &mut out).unwrap();
    out
}

#[test]
fn a_handshake_completes_in_pieces_of_any_size() {
    for piece in [1, 7, 1000, usize::MAX] {
        let client = client_sessions(Trust::Pinned(identity()));
        let mut pair = Pair::new(&client, &server_sessions());
        pair.run_in_pieces(piece).unwrap();
        assert!(pair.is_complete(), "{piece}");
    }
}

#[test]
fn parameters_reach_the_other_end() {
    let pair = Pair::connected();
    assert_eq!(
        pair.client.session.peer_parameters(),
        Some(&b"of the server"[..])
    );
    assert_eq!(
        pair.server.session.peer_parameters(),
        Some(&b"of the client"[..])
    );
}

#[test]
fn the_client_knows_the_servers_identity_and_the_server_knows_none() {
    let mut pair = Pair::new(&client_sessions(Trust::FirstUse), &server_sessions());
    assert_eq!(pair.client.session.peer_identity(), None);
    pair.run().unwrap();
    let spki = pair.client.session.peer_identity().unwrap();
    assert_eq!(
        crypto::Fingerprint::of_spki(&spki),
        certificate().identity()
    );
    assert_eq!(pair.server.session.peer_identity(), None);
}

#[test]
fn the_hybrid_group_is_negotiated_without_a_retry() {
    let pair = Pair::connected();
    for end in [&pair.client, &pair.server] {
        let connection = end.session.connection();
        let group = connection.negotiated_key_exchange_group().unwrap();
        assert_eq!(group.name(), NamedGroup::X25519MLKEM768);
        assert_eq!(
            connection.handshake_kind(),
            Some(rustls::HandshakeKind::Full)
        );
        assert_eq!(
            connection.protocol_version(),
            Some(rustls::ProtocolVersion::TLSv1_3)
        );
        assert_eq!(connection.alpn_protocol(), Some(&b"undertone/1"[..]));
        let suite = connection.negotiated_cipher_suite().unwrap().suite();
        let offered = crate::provider::provider().cipher_suites[0].suite();
        assert_eq!(suite, offered);
        assert_ne!(suite, CipherSuite::TLS13_AES_128_GCM_SHA256);
    }
}

#[test]
fn exported_keys_bind_the_channel() {
    let (one, two) = (Pair::connected(), Pair::connected());
    let label = b"EXPORTER-undertone-login";
    let of_client = exported(&one.client.session, label, b"");
    assert_eq!(of_client, exported(&one.server.session, label, b""));
    assert_ne!(of_client, exported(&two.client.session, label, b""));
    assert_ne!(
        of_client,
        exported(&one.client.session, b"EXPORTER-other", b"")
    );
    assert_ne!(of_client, exported(&one.client.session, label, b"context"));
    assert!(one.client.session.export(label, b"", &mut []).is_err());
}

#[test]
fn nothing_is_exported_before_the_end() {
    let client = client_sessions(Trust::Pinned(identity()));
    let mut pair = Pair::new(&client, &server_sessions());
    let hello = pair.client.flight();
    pair.server.read(&hello).unwrap();
    pair.server.flight();
    assert!(
        pair.server.data.is_some(),
        "a server may send before the end"
    );
    for end in [&pair.client, &pair.server] {
        assert!(
            end.session
                .export(b"EXPORTER-undertone-login", b"", &mut [0; 32])
                .is_err()
        );
    }
}

#[test]
fn the_first_flight_fits_two_packets_and_sends_no_name() {
    let client = client_sessions(Trust::Pinned(identity()));
    let mut end = End::new(client.start(vec![0; 64]).unwrap());
    let [(Epoch::Initial, hello)] = &end.flight()[..] else {
        panic!("one flight")
    };
    assert!(hello.len() < 2 * 1100, "{}", hello.len());
    let name = b"undertone.invalid";
    assert!(!hello.windows(name.len()).any(|window| window == name));
}

#[test]
fn another_application_protocol_is_refused() {
    let server = server_sessions();
    for protocols in [vec![b"h3".to_vec()], Vec::new()] {
        let sessions = client_sessions(Trust::Pinned(identity()));
        let mut config = sessions.config().clone();
        config.alpn_protocols = protocols;
        let name = "localhost".try_into().unwrap();
        let client =
            ClientConnection::new(Arc::new(config), Version::V1, name, Vec::new()).unwrap();
        let client = TlsSession::new(Connection::Client(client), PeerIdentity::Root);
        let server = server.start(Vec::new()).unwrap();
        let mut pair = Pair {
            client: End::new(client),
            server: End::new(server),
        };
        let refusal = pair.run().unwrap_err();
        // RFC 7301 §3.2: no_application_protocol.
        assert_eq!(refusal.alert, Some(120));
        assert!(
            refusal.reason.contains("application protocol"),
            "{}",
            refusal.reason
        );
        assert!(!pair.is_complete());
    }
}

#[test]
fn a_failure_is_final() {
    let mut pair = Pair::new(&client_sessions(Trust::FirstUse), &server_sessions());
    let refusal = pair
        .server
        .session
        .read(Epoch::Initial, b"\x02\x00\x00\x00")
        .unwrap_err();
    assert!(refusal.alert.is_some());
    let hello = pair.client.flight();
    assert_eq!(pair.server.read(&hello), Err(refusal));
    assert!(pair.server.flight().is_empty());
}

#[test]
fn nothing_that_prints_shows_a_key() {
    let certificate = certificate();
    let printed = format!("{certificate:?}");
    assert!(printed.contains(&certificate.identity().to_string()));
    assert!(!printed.contains("key"), "{printed}");
    let clock = WallClock::new(NOW_S);
    assert!(format!("{clock:?}").contains(&NOW_S.to_string()));
}
