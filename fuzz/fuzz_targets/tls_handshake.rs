//! Bytes in place of, or over, an honest flight: the end that reads them does not complete.
#![no_main]

use std::sync::LazyLock;

use crypto::fixtures::rsa3072_pkcs8;
use libfuzzer_sys::fuzz_target;
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

fuzz_target!(|input: (u16, bool, &[u8])| {
    let (at, over, data) = input;
    let (mut clients, mut servers) = ENDS.clone();
    let (mut client, mut server) =
        (clients.session(Vec::new()).unwrap(), servers.session(Vec::new()).unwrap());
    let honest = flight(&mut *client);
    let mut hello = honest.clone();
    if over {
        hello.iter_mut().skip(at.into()).zip(data).for_each(|(byte, change)| *byte ^= change);
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
});
