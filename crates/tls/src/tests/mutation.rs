//! Whatever is changed in a first flight, nobody completes.

use transport::{Epoch, Session};

use super::pair::{End, Pair, client_sessions, identity, server_sessions};
use crate::Trust;

#[test]
fn h45_no_changed_byte_of_the_servers_flight_goes_unnoticed() {
    let (clients, servers) = (
        client_sessions(Trust::Pinned(identity())),
        server_sessions(),
    );
    let mut at = 0;
    loop {
        let mut client = End::new(clients.start(b"of the client".to_vec()).unwrap());
        let mut server = End::new(servers.start(b"of the server".to_vec()).unwrap());
        server.read(&client.flight()).unwrap();
        let mut answer = server.flight();
        let total: usize = answer.iter().map(|(_, bytes)| bytes.len()).sum();
        if at >= total {
            assert!(
                total > 2500,
                "hello, parameters, two certificates, proof: {total}"
            );
            break;
        }
        let byte = answer
            .iter_mut()
            .flat_map(|(_, bytes)| bytes)
            .nth(at)
            .unwrap();
        *byte ^= 1 << (at % 8);
        let read = client.read(&answer);
        assert!(client.session.is_handshaking(), "byte {at}: {read:?}");
        assert!(client.data.is_none());
        assert!(client.flight().is_empty() || read.is_ok());
        at += 1;
    }
}

#[test]
fn h45_no_changed_byte_of_the_clients_flight_goes_unnoticed() {
    let (clients, servers) = (
        client_sessions(Trust::Pinned(identity())),
        server_sessions(),
    );
    let mut at = 0;
    loop {
        let mut pair = Pair::new(&clients, &servers);
        let mut hello = pair.client.flight();
        let Some(byte) = hello[0].1.get_mut(at) else {
            assert!(at > 1300, "with the hybrid share: {at}");
            break;
        };
        *byte ^= 1 << (at % 8);
        let ran = pair.server.read(&hello).and_then(|()| pair.run());
        assert!(pair.client.session.is_handshaking(), "byte {at}: {ran:?}");
        assert!(pair.server.session.is_handshaking(), "byte {at}: {ran:?}");
        at += 1;
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_refused_or_waited_on(
        pieces in proptest::collection::vec(proptest::collection::vec(0u8..32, 0..200), 1..6),
    ) {
        let mut client = client_sessions(Trust::FirstUse).start(Vec::new()).unwrap();
        let mut server = server_sessions().start(Vec::new()).unwrap();
        for session in [&mut client, &mut server] {
            let mut failed = false;
            for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
                let read = session.read(Epoch::Initial, piece);
                assert!(read.is_err() || !failed, "a failure is final");
                failed = read.is_err();
            }
            assert!(session.is_handshaking());
        }
    }
}
