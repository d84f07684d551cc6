//! What strangers send to a real server, from addresses all over 127.0.0.0/8.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]
#![allow(
    clippy::disallowed_types,
    reason = "who attacks has sockets of their own"
)]

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use chat::puzzle::CHALLENGE_LEN;
use codec::Writer;
use internet::VERSION;
use sim::Rng;

/// Bytes of a Challenge before its body: first byte, version, two ids with their lengths.
const CHALLENGE_HEADER_LEN: usize = 23;

/// Datagrams that are sent before others get their turn.
const BURST: usize = 32;

/// An address of this machine, another one for each `index`.
pub fn address(index: usize) -> Ipv4Addr {
    let [_, _, high, low] = (index as u32).to_be_bytes();
    Ipv4Addr::new(127, 66 + high / 250, 1 + high % 250, 1 + low % 250)
}

/// A first packet of a client that does not exist: a clear header as it should be, noise behind it.
pub fn first_packet(rng: &mut Rng, ids: [u64; 2], token: &[u8]) -> Vec<u8> {
    let mut packet = Vec::with_capacity(1_200);
    let mut writer = Writer::new(&mut packet);
    writer.u8(0xc0).bytes(&VERSION.to_be_bytes());
    for id in ids {
        writer.u8(8).bytes(&id.to_be_bytes());
    }
    writer.prefixed(token);
    let rest = 1_200 - packet.len() - 2;
    packet.extend_from_slice(&(rest as u16).to_be_bytes());
    let header = packet.len();
    packet.resize(1_200, 0);
    crypto::Random::fill(rng, &mut packet[header..header + 32]);
    packet
}

/// Sockets at many addresses.
pub struct Crowd {
    sockets: Vec<UdpSocket>,
    server: SocketAddr,
    rng: Rng,
    /// Datagrams sent.
    pub sent: usize,
}

impl Crowd {
    pub fn new(count: usize, port: u16) -> Self {
        let bind = |index| {
            let socket = UdpSocket::bind((address(index), 0)).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        };
        Self {
            sockets: (0..count).map(bind).collect(),
            server: (Ipv4Addr::LOCALHOST, port).into(),
            rng: Rng::new(40),
            sent: 0,
        }
    }

    /// Sends a burst of what `make` gives, from any of the addresses, and lets the server breathe.
    pub fn burst(&mut self, mut make: impl FnMut(&mut Rng) -> Vec<u8>) {
        for _ in 0..BURST {
            let datagram = make(&mut self.rng);
            let index = self.rng.below(self.sockets.len() as u64) as usize;
            // A full buffer is as good as a loss.
            self.sent += usize::from(self.sockets[index].send_to(&datagram, self.server).is_ok());
        }
        std::thread::sleep(Duration::from_millis(1));
    }

    pub fn first_packets(&mut self) {
        self.burst(|rng| {
            let ids = [rng.next_u64(), rng.next_u64()];
            first_packet(rng, ids, b"")
        });
    }

    /// So many of them, as fast as they go.
    pub fn first_packets_unpaced(&mut self, count: usize) {
        let mut packet = first_packet(&mut self.rng, [0; 2], b"");
        for index in 0..count {
            // The destination id, behind first byte, version and its length.
            packet[6..14].copy_from_slice(&self.rng.next_u64().to_be_bytes());
            let socket = &self.sockets[index % self.sockets.len()];
            self.sent += usize::from(socket.send_to(&packet, self.server).is_ok());
        }
    }

    /// Asks for challenges from every address and answers each with work that was not done.
    pub fn wrong_solutions(&mut self, each: usize) -> usize {
        let mut answered = 0;
        for socket in &self.sockets {
            let ids = [self.rng.next_u64(), self.rng.next_u64()];
            let first = first_packet(&mut self.rng, ids, b"");
            if socket.send_to(&first, self.server).is_err() {
                continue;
            }
            let Some(challenge) = receive(socket, Duration::from_millis(500)) else {
                continue;
            };
            let body = &challenge[CHALLENGE_HEADER_LEN..CHALLENGE_HEADER_LEN + CHALLENGE_LEN];
            for _ in 0..each {
                let mut token = body.to_vec();
                // The hello's hash, and four solutions that are none.
                token.resize(CHALLENGE_LEN + 64, 0);
                crypto::Random::fill(&mut self.rng, &mut token[CHALLENGE_LEN..]);
                let wrong = first_packet(&mut self.rng, ids, &token);
                let _ = socket.send_to(&wrong, self.server);
                // A right one would be answered otherwise than by another challenge.
                answered += usize::from(receive(socket, Duration::from_millis(500)).is_some());
            }
        }
        answered
    }

    /// Forgets what came back.
    pub fn clear(&self) {
        let mut buffer = [0; 2_048];
        for socket in &self.sockets {
            while socket.recv(&mut buffer).is_ok() {}
        }
    }
}

fn receive(socket: &UdpSocket, patience: Duration) -> Option<Vec<u8>> {
    let mut buffer = vec![0; 2_048];
    let begin = Instant::now();
    while begin.elapsed() < patience {
        if let Ok(len) = socket.recv(&mut buffer) {
            buffer.truncate(len);
            return Some(buffer);
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    None
}
