//! Bytes in place of, or over, an honest flight: the end that reads them does not complete.
use std::sync::LazyLock;

use crypto::fixtures::rsa3072_pkcs8;
use tls::{ClientSessions, Lifetime, NodeCertificate, ServerSessions, Trust, WallClock};
use transport::{Epoch, Session, Sessions};

const NOW_S: u64 = 1_795_219_200;

static ENDS: LazyLock<(ClientSessions, ServerSessions)> = LazyLock::new(|| {
    let clock = WallClock::new(NOW_S);
    let certificate = NodeCertificate::issue(rsa3072_pkcs8(0), NOW_S, Lifetime::Online).unwrap();
    let trust = Trust::Pinned(certificate.identity());
    let server = ServerSessions::new(certificate, &clock).unwrap();
    (ClientSessions::new(trust, &clock).unwrap(), server)
});

fn flight(session: &mut dyn Session) -> Vec<u8> {
    let mut bytes = Vec::new();
    while session.write(&mut bytes).is_some() {}
    bytes
}

/// Checks one input: whether the rest lies over the honest first flight or in its place, where it
/// does and the server's flight is split (2), then the bytes.
pub fn check(input: &[u8]) {
    let Some((&[over, high, low], data)) = input.split_first_chunk() else {
        return;
    };
    let (over, at) = (over & 1 == 1, u16::from_be_bytes([high, low]));
    let (mut clients, mut servers) = ENDS.clone();
    let (mut client, mut server) = (
        clients.session(Vec::new()).unwrap(),
        servers.session(Vec::new()).unwrap(),
    );
    let honest = flight(&mut *client);
    let mut hello = honest.clone();
    if over {
        hello
            .iter_mut()
            .skip(at.into())
            .zip(data)
            .for_each(|(byte, change)| *byte ^= change);
    } else {
        hello = data.to_vec();
    }
    let _ = server.read(Epoch::Initial, &hello);
    let answer = flight(&mut *server);
    let split = usize::from(at).min(answer.len());
    let _ = client.read(Epoch::Initial, &answer[..split]);
    let _ = client.read(Epoch::Handshake, &answer[split..]);
    let _ = client.read(Epoch::Handshake, data);
    assert!(client.is_handshaking() || hello == honest);
    let _ = server.read(Epoch::Handshake, data);
    assert!(server.is_handshaking());
}
