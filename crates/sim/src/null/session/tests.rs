use internet::TAG_LEN;

use super::*;

/// One end, with the keys that it was given.
struct End {
    session: Box<dyn Session>,
    epoch: Epoch,
    keys: Vec<KeyChange>,
}

impl End {
    fn new(mut sessions: NullSessions, parameters: &[u8]) -> Self {
        Self {
            session: sessions.session(parameters.to_vec()).unwrap(),
            epoch: Epoch::Initial,
            keys: Vec::new(),
        }
    }

    /// Everything due, with its epoch.
    fn write(&mut self) -> Vec<(Epoch, Vec<u8>)> {
        let mut flights = Vec::new();
        loop {
            let mut bytes = Vec::new();
            let change = self.session.write(&mut bytes);
            let nothing = bytes.is_empty() && change.is_none();
            if !bytes.is_empty() {
                flights.push((self.epoch, bytes));
            }
            if let Some(change) = change {
                self.epoch = change.epoch;
                self.keys.push(change);
            }
            if nothing {
                return flights;
            }
        }
    }
}

fn pair() -> (End, End) {
    let client = NullSessions::client(Rng::new(1));
    let server = NullSessions::server(Rng::new(2)).with_identity(b"spki".to_vec());
    (
        End::new(client, b"of client"),
        End::new(server, b"of server"),
    )
}

/// Carries flights to and fro, each byte by byte.
fn shake_hands(client: &mut End, server: &mut End) -> Result<(), SessionError> {
    for _ in 0..3 {
        for (epoch, bytes) in client.write() {
            for byte in bytes {
                server.session.read(epoch, &[byte])?;
            }
        }
        for (epoch, bytes) in server.write() {
            for byte in bytes {
                client.session.read(epoch, &[byte])?;
            }
        }
    }
    Ok(())
}

fn opens(sender: &Keys, receiver: &Keys) -> bool {
    let mut packet = vec![1; 40 + TAG_LEN];
    sender.local.seal(3, &mut packet, 10);
    receiver.remote.open(3, &mut packet, 10) == Ok(30)
}

#[test]
fn both_ends_agree() {
    let (mut client, mut server) = pair();
    shake_hands(&mut client, &mut server).unwrap();
    assert!(!client.session.is_handshaking() && !server.session.is_handshaking());
    assert_eq!(client.session.peer_parameters(), Some(&b"of server"[..]));
    assert_eq!(server.session.peer_parameters(), Some(&b"of client"[..]));
    assert_eq!(client.session.peer_identity(), Some(b"spki".to_vec()));
    let epochs = |end: &End| end.keys.iter().map(|keys| keys.epoch).collect::<Vec<_>>();
    assert_eq!(epochs(&client), [Epoch::Handshake, Epoch::Data]);
    assert_eq!(epochs(&server), [Epoch::Handshake, Epoch::Data]);
    for (ours, theirs) in client.keys.iter().zip(&server.keys) {
        assert!(opens(&ours.keys, &theirs.keys) && opens(&theirs.keys, &ours.keys));
    }
    assert!(!opens(&client.keys[0].keys, &server.keys[1].keys));
    let exported = |end: &End, label: &[u8]| {
        let mut out = [0; 32];
        end.session.export(label, b"context", &mut out).unwrap();
        out
    };
    assert_eq!(exported(&client, b"label"), exported(&server, b"label"));
    assert_ne!(exported(&client, b"label"), exported(&client, b"other"));
}

#[test]
fn the_first_message_needs_two_packets() {
    let (mut client, _) = pair();
    let flights = client.write();
    let hello = &flights[0].1;
    assert_eq!(hello.len(), 1340);
    assert_eq!(hello[..4], [1, 0, 0x05, 0x38]);
}

#[test]
fn key_updates_are_new_and_agree() {
    let (mut client, mut server) = pair();
    shake_hands(&mut client, &mut server).unwrap();
    let (first, first_there) = (
        client.session.next_keys().unwrap(),
        server.session.next_keys().unwrap(),
    );
    let second_there = server.session.next_keys().unwrap();
    assert!(opens(&first, &first_there));
    assert!(!opens(&first, &second_there));
    assert!(!opens(&first, &server.keys[1].keys));
}

#[test]
fn tampering_with_the_handshake_shows() {
    // One of the client's parameters, and the zeros behind them.
    for position in [40, 1000] {
        let (mut client, mut server) = pair();
        let mut hello = client.write().remove(0).1;
        hello[position] ^= 1;
        server.session.read(Epoch::Initial, &hello).unwrap();
        let outcome = shake_hands(&mut client, &mut server);
        assert!(outcome.is_err() && client.session.is_handshaking());
    }
}

#[test]
fn what_is_out_of_order_is_refused() {
    let (mut client, _) = pair();
    assert!(
        client
            .session
            .read(Epoch::Initial, &message(FINISHED, &[0; 32]))
            .is_err()
    );
    let (_, mut server) = pair();
    assert!(
        server
            .session
            .read(Epoch::Initial, &message(CLIENT_HELLO, b"short"))
            .is_err()
    );
    let (_, mut server) = pair();
    assert!(
        server
            .session
            .read(Epoch::Initial, &[1, 0xff, 0, 0])
            .is_err()
    );
    assert!(server.session.export(b"", b"", &mut [0; 4]).is_err());
    assert!(server.session.next_keys().is_none());
}
