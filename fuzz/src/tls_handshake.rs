//! Bytes in one flight of a handshake: the end that reads them does not complete, nor the other one if
//! it still had to hear of it. Whoever sits between sees what follows the ServerHello only once it is
//! the server of one of both, and then it says what it likes there, too.
use std::sync::LazyLock;

use crypto::Fingerprint;
use crypto::fixtures::rsa3072_pkcs8;
use tls::{ClientSessions, Lifetime, NodeCertificate, ServerSessions, Trust, WallClock};
use transport::{Epoch, Session, Sessions};

use super::change::changed;

const NOW_S: u64 = 1_795_219_200;

static SERVER: LazyLock<(Fingerprint, ServerSessions)> = LazyLock::new(|| {
    let certificate = NodeCertificate::issue(rsa3072_pkcs8(0), NOW_S, Lifetime::Online).unwrap();
    let identity = certificate.identity();
    let sessions = ServerSessions::new(certificate, &WallClock::new(NOW_S)).unwrap();
    (identity, sessions)
});

static CLIENT: LazyLock<ClientSessions> = LazyLock::new(client_sessions);

fn client_sessions() -> ClientSessions {
    ClientSessions::new(Trust::Pinned(SERVER.0), &WallClock::new(NOW_S)).unwrap()
}

/// One end, and the epoch of what it writes.
struct End {
    session: Box<dyn Session>,
    epoch: Epoch,
    failed: bool,
}

/// What an end has to say, by epoch.
type Flight = [Vec<u8>; 3];

impl End {
    fn new(sessions: &mut dyn Sessions) -> Self {
        Self {
            session: sessions.session(Vec::new()).unwrap(),
            epoch: Epoch::Initial,
            failed: false,
        }
    }

    fn flight(&mut self) -> Flight {
        let mut flight = Flight::default();
        loop {
            let mut bytes = Vec::new();
            let change = self.session.write(&mut bytes);
            flight[self.epoch as usize].extend_from_slice(&bytes);
            match change {
                Some(change) => self.epoch = change.epoch,
                None if bytes.is_empty() => return flight,
                None => {}
            }
        }
    }

    /// Reads a flight, each epoch in two pieces if it is longer than `piece`.
    fn read(&mut self, flight: &Flight, piece: usize) {
        let epochs = [Epoch::Initial, Epoch::Handshake, Epoch::Data];
        for (epoch, bytes) in epochs.into_iter().zip(flight) {
            let (first, rest) = bytes.split_at(piece.min(bytes.len()));
            for bytes in [first, rest] {
                let read = self.session.read(epoch, bytes);
                assert!(!self.failed || bytes.is_empty() || read.is_err());
                self.failed |= read.is_err();
            }
        }
    }

    fn is_done(&self) -> bool {
        !self.failed && !self.session.is_handshaking()
    }

    fn exported(&self) -> [u8; 32] {
        let mut out = [0; 32];
        self.session.export(b"label", b"", &mut out).unwrap();
        out
    }
}

/// A client that was there before, so that it has a ticket.
fn returning() -> ClientSessions {
    let mut clients = client_sessions();
    let (mut client, mut server) = (End::new(&mut clients), End::new(&mut SERVER.1.clone()));
    server.read(&client.flight(), usize::MAX);
    client.read(&server.flight(), usize::MAX);
    server.read(&client.flight(), usize::MAX);
    client.read(&server.flight(), usize::MAX);
    assert!(client.is_done() && server.is_done());
    clients
}

/// Whether this is a part of a handshake message, and not all of one (RFC 8446 §4).
fn is_begun_message(bytes: &[u8]) -> bool {
    match bytes {
        [] => false,
        [_, high, middle, low, body @ ..] => {
            body.len() < u32::from_be_bytes([0, *high, *middle, *low]) as usize
        }
        _ => true,
    }
}

/// Checks one input: a byte of how, the place (2), then bytes. Of the first byte, 3 is how they come
/// into the flight (`change`), 12 which it is: the client's hello, the server's, what follows that,
/// the client's end. 16: flights come in two pieces. 32: the client was there before.
pub fn check(input: &[u8]) {
    let Some((&[how, high, low], data)) = input.split_first_chunk() else {
        return;
    };
    let at = u16::from_be_bytes([high, low]);
    let mut sessions = match how & 32 {
        0 => CLIENT.clone(),
        _ => returning(),
    };
    let piece = match how & 16 {
        0 => usize::MAX,
        _ => at.into(),
    };
    let (mut client, mut server) = (End::new(&mut sessions), End::new(&mut SERVER.1.clone()));
    let (mut is_honest, mut is_begun) = (true, false);
    let mut on_the_way = |mut flight: Flight, which: u8, epoch: Epoch| {
        if how >> 2 & 3 == which {
            let bytes = &mut flight[epoch as usize];
            let sent = changed(bytes, how, at, data);
            is_honest = sent == *bytes;
            is_begun = sent.strip_prefix(&bytes[..]).is_some_and(is_begun_message);
            *bytes = sent;
        }
        flight
    };
    let hello = on_the_way(client.flight(), 0, Epoch::Initial);
    server.read(&hello, piece);
    let answer = on_the_way(server.flight(), 1, Epoch::Initial);
    let answer = on_the_way(answer, 2, Epoch::Handshake);
    client.read(&answer, piece);
    let end = on_the_way(client.flight(), 3, Epoch::Handshake);
    server.read(&end, piece);
    if is_begun {
        // Nobody but the other end can send it, and more of it may be on its way: only where it comes together with
        // what ends the handshake does it show that something is wrong.
        return;
    }
    let only_server_sees = how >> 2 & 3 == 3;
    assert_eq!(client.is_done(), is_honest || only_server_sees);
    assert_eq!(server.is_done(), is_honest);
    if is_honest {
        assert_eq!(client.exported(), server.exported());
    }
    let identity = client.session.peer_identity();
    let identity = identity.map(|spki| Fingerprint::of_spki(&spki));
    assert!(identity == client.is_done().then_some(SERVER.0));
}
