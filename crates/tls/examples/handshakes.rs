//! What handshakes cost: both ends in one thread, no sockets, in CPU time of this machine.
//!
//! `cargo run --release -p tls --example handshakes [full|resumed] [count]`
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement"
)]

use core::net::SocketAddr;
use std::time::Instant as Clock;

use crypto::Random;
use crypto::fixtures::rsa3072_pkcs8;
use tls::{ClientSessions, Lifetime, NodeCertificate, ServerSessions, Trust, WallClock};
use transport::{Accept, Config, Endpoint, Event, Instant, Meta, OpenGate};

/// 2026-11-21T00:00:00Z.
const NOW_S: u64 = 1_795_219_200;

/// Reproducible bytes (splitmix64).
struct Stream(u64);

impl Random for Stream {
    fn fill(&mut self, out: &mut [u8]) {
        for byte in out {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            *byte = (mixed ^ mixed >> 27) as u8;
        }
    }
}

/// Carries what `from` has to send over to `to`. Returns how many datagrams.
fn carry(from: (&mut Endpoint, SocketAddr), to: &mut Endpoint, buffer: &mut Vec<u8>) -> usize {
    let now = Instant::from_nanos(1_000_000_000);
    let mut sent = 0;
    loop {
        buffer.clear();
        let Some(transmit) = from.0.poll_transmit(now, 10, buffer) else {
            return sent;
        };
        let meta = Meta {
            remote: from.1,
            local: None,
            ecn: None,
        };
        let segment = transmit.segment_len.unwrap_or(transmit.len);
        for datagram in buffer[..transmit.len].chunks_mut(segment) {
            sent += 1;
            to.handle_datagram(now, meta, datagram);
        }
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let resumed = arguments.next().is_some_and(|kind| kind == "resumed");
    let count: u32 = arguments
        .next()
        .map_or(2000, |count| count.parse().unwrap());
    let clock = WallClock::new(NOW_S);
    let certificate = NodeCertificate::issue(rsa3072_pkcs8(0), NOW_S, Lifetime::Online).unwrap();
    let trust = Trust::Pinned(certificate.identity());
    let accept = Accept {
        sessions: Box::new(ServerSessions::new(certificate, &clock).unwrap()),
        gate: Box::new(OpenGate),
        secret: crypto::Secret::from([7; 32]),
    };
    let mut server = Endpoint::server(Config::default(), accept, Box::new(Stream(1)));
    let mut client = Endpoint::client(Config::default(), Box::new(Stream(2)));
    let (here, there) = (
        SocketAddr::from(([127, 0, 0, 1], 1)),
        SocketAddr::from(([127, 0, 0, 1], 2)),
    );
    let mut sessions = ClientSessions::new(trust.clone(), &clock).unwrap();
    let mut buffer = Vec::with_capacity(1 << 16);
    let now = Instant::from_nanos(1_000_000_000);
    let mut connect = |sessions: &mut ClientSessions| {
        let mut datagrams = 0;
        let handle = client.connect(now, there, sessions).unwrap();
        loop {
            let sent = carry((&mut client, here), &mut server, &mut buffer)
                + carry((&mut server, there), &mut client, &mut buffer);
            datagrams += sent;
            if sent == 0 {
                break;
            }
        }
        let mut connected = 0;
        for end in [&mut client, &mut server] {
            while let Some((_, event)) = end.poll_event() {
                connected += u32::from(event == Event::Connected);
            }
        }
        assert_eq!(connected, 2);
        client.connection(handle).unwrap().close(now, 0, "");
        carry((&mut client, here), &mut server, &mut buffer);
        datagrams
    };
    connect(&mut sessions);
    let begun = Clock::now();
    let mut datagrams = 0;
    for _ in 0..count {
        if !resumed {
            sessions = ClientSessions::new(trust.clone(), &clock).unwrap();
        }
        datagrams += connect(&mut sessions);
    }
    let each = begun.elapsed() / count;
    println!(
        "{each:?} a handshake, {} datagrams",
        datagrams / count as usize
    );
}
