//! Any datagrams from strangers: no connection comes of them, and no answer is longer than what
//! caused it.

use core::net::SocketAddr;
use core::time::Duration;

use crypto::Secret;
use sim::Rng;
use sim::null::NullSessions;
use transport::{Accept, AddressGate, Config, Endpoint, Instant, Meta};

/// Shorter datagrams draw no Challenge (docs/PROTOCOL.md §2.1).
const FIRST_DATAGRAM: usize = 1200;

fn server() -> Endpoint {
    let accept = Accept {
        sessions: Box::new(NullSessions::server(Rng::new(1))),
        gate: Box::new(AddressGate::new(Secret::from([7; 32]))),
        secret: Secret::from([9; 32]),
    };
    Endpoint::server(Config::default(), accept, Box::new(Rng::new(2)))
}

/// Checks one input: datagrams, each behind two bytes. The first byte's high bits say whether it is
/// padded to a first datagram's length, and whether the last answer comes back behind it; the
/// other bits are the length.
pub fn check(mut tape: &[u8]) {
    let mut server = server();
    let mut now = Instant::ZERO;
    let mut answer = Vec::new();
    while let Some((&[head, low], rest)) = tape.split_first_chunk() {
        let len = usize::from(u16::from_be_bytes([head & 0x0f, low]));
        let (bytes, rest) = rest.split_at(len.min(rest.len()));
        tape = rest;
        let mut datagram = bytes.to_vec();
        if head & 0x80 != 0 {
            datagram.resize(datagram.len().max(FIRST_DATAGRAM), 0);
        }
        if head & 0x40 != 0 {
            datagram.extend_from_slice(&answer);
        }
        let sent = datagram.len();
        let port = u16::from(head & 0x10);
        let remote = SocketAddr::from(([10, 0, 0, 1], 5000 + port));
        let meta = Meta {
            remote,
            local: None,
            ecn: None,
        };
        server.handle_datagram(now, meta, &mut datagram);
        answer.clear();
        if let Some(transmit) = server.poll_transmit(now, 10, &mut answer) {
            assert_eq!((transmit.remote, transmit.len), (remote, answer.len()));
        }
        assert!(answer.len() <= sent, "{} bytes for {sent}", answer.len());
        assert_eq!(server.poll_transmit(now, 10, &mut Vec::new()), None);
        assert_eq!(server.stats().connections, 0);
        assert_eq!(server.poll_event(), None);
        assert_eq!(server.poll_timeout(), None);
        now += Duration::from_millis(u64::from(head));
    }
}
