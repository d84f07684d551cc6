//! Where a client sends, whatever comes from elsewhere.

use core::net::SocketAddr;
use core::time::Duration;

use internet::{Header, PartialPacket};
use transport::{AddressGate, Endpoint, Event, Gate, Instant, Meta, Mode, OpenGate, Side};

use crate::common::{PORT, address, client, config, server, sessions};

/// Carries what `from` has to send over, as if it came from `claimed`. Every datagram goes to `to`.
fn carry(
    now: Instant,
    from: &mut Endpoint,
    claimed: SocketAddr,
    to: (&mut Endpoint, SocketAddr),
) -> usize {
    let (receiver, expected) = to;
    let (mut count, mut out) = (0, Vec::new());
    while let Some(transmit) = from.poll_transmit(now, 1, &mut out) {
        assert_eq!(transmit.remote, expected, "somebody else is sent something");
        let meta = Meta {
            remote: claimed,
            local: None,
            ecn: None,
        };
        receiver.handle_datagram(now, meta, &mut out);
        out.clear();
        count += 1;
    }
    count
}

/// A server answers from wherever it likes, from the first packet on or once there is a connection;
/// its word is authentic, its address never is taken for where to send.
#[test]
fn h38_a_client_sends_to_the_address_that_it_was_given_and_to_no_other() {
    let gated = || -> Box<dyn Gate> { Box::new(AddressGate::new(crypto::Secret::from([3; 32]))) };
    let open = || -> Box<dyn Gate> { Box::new(OpenGate) };
    for (gate, moves_after) in [(gated(), 0), (open(), 0), (gated(), 40), (open(), 40)] {
        let mut server = server(38, config(), gate);
        let mut client = client(38, config());
        let mut now = Instant::from_nanos(1_000_000_000);
        let mut sessions = sessions(38, Side::Client);
        let handle = client.connect(now, address(1), &mut sessions).unwrap();
        let (mut connected, mut sent) = (false, 0);
        for round in 0..200 {
            let elsewhere = if round < moves_after {
                address(1)
            } else {
                address(round as u8 | 2)
            };
            sent += carry(now, &mut client, address(9), (&mut server, address(1)));
            carry(now, &mut server, elsewhere, (&mut client, address(9)));
            while let Some((_, event)) = client.poll_event() {
                connected |= event == Event::Connected;
            }
            while server.poll_event().is_some() {}
            if connected
                && round % 8 == 0
                && let Some(connection) = client.connection(handle)
                && let Ok(stream) = connection.open(PORT, Mode::Messages)
            {
                connection.send(stream, b"to whom?").unwrap();
            }
            now += Duration::from_millis(20);
            client.handle_timeout(now);
            server.handle_timeout(now);
        }
        assert!(sent > 3, "the client said nothing");
        assert!(connected || moves_after == 0, "there was no connection");
    }
}

/// Somebody says that he is at `Victim`'s address, sees the server's answer pass and pours datagrams into
/// the handshake from an address of his own.
#[test]
fn h40_what_comes_from_elsewhere_lets_no_more_go_to_an_address_without_proof() {
    const VICTIM: u8 = 9;
    let mut server = server(40, config(), Box::new(OpenGate));
    let mut client = client(40, config());
    let mut now = Instant::from_nanos(1_000_000_000);
    client
        .connect(now, address(1), &mut sessions(40, Side::Client))
        .unwrap();
    let meta = |from| Meta {
        remote: address(from),
        local: None,
        ecn: None,
    };
    let (mut said, mut out) = (0, Vec::new());
    while let Some(transmit) = client.poll_transmit(now, 1, &mut out) {
        said += transmit.len;
        server.handle_datagram(now, meta(VICTIM), &mut out);
        out.clear();
    }
    let (mut sent, mut id) = (0, None);
    for _ in 0..100 {
        out.clear();
        while let Some(transmit) = server.poll_transmit(now, 1, &mut out) {
            assert_eq!(transmit.remote, address(VICTIM));
            sent += transmit.len;
            if let Ok(packet) = PartialPacket::parse(&out)
                && let Header::Initial { scid, .. } = packet.header
            {
                id = Some(scid);
            }
            out.clear();
        }
        let mut noise = vec![0; 1_200];
        noise[0] = 0x40;
        noise[1..9].copy_from_slice(id.unwrap().as_bytes());
        server.handle_datagram(now, meta(66), &mut noise);
        now += Duration::from_millis(100);
        server.handle_timeout(now);
    }
    assert!(sent > said, "the handshake was not gone on with");
    assert!(sent <= 3 * said, "{sent} bytes for {said}");
}
