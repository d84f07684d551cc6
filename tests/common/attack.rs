//! What strangers send to a real server, from addresses all over 127.0.0.0/8.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]
#![allow(
    clippy::disallowed_types,
    reason = "who attacks has sockets of their own"
)]

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use chat::puzzle::{CHALLENGE_KIND, CHALLENGE_LEN, TOKEN_LEN};
use codec::Writer;
use internet::VERSION;
use sim::Rng;

/// Bytes of a Challenge before its body: first byte, version, two ids with their lengths.
const CHALLENGE_HEADER_LEN: usize = 23;

/// Bytes behind it.
const CHALLENGE_TAG_LEN: usize = 16;

/// Datagrams that are sent before others get their turn.
const BURST: usize = 32;

/// How often a stranger asks for its challenge, and how long it waits for it each time.
const ASK_ATTEMPTS_MAX: usize = 100;
const ASK_PATIENCE: Duration = Duration::from_millis(50);

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

/// A socket with an address and ids of its own, and what it was asked last.
struct Stranger {
    socket: UdpSocket,
    ids: [u64; 2],
    challenge: Option<[u8; CHALLENGE_LEN]>,
}

impl Stranger {
    /// An answer to what was asked, of work that was not done.
    fn wrong_solution(&self, rng: &mut Rng) -> Option<Vec<u8>> {
        // The challenge, the hello's hash, and four solutions that are none.
        let mut token = [0; TOKEN_LEN];
        let (challenge, rest) = token.split_at_mut(CHALLENGE_LEN);
        challenge.copy_from_slice(&self.challenge?);
        crypto::Random::fill(rng, rest);
        Some(first_packet(rng, self.ids, &token))
    }

    /// Reads what came back, and keeps the last challenge that is for its ids. How many there were.
    fn challenges(&mut self) -> usize {
        let scid = self.ids[1].to_be_bytes();
        let mut buffer = [0; 2_048];
        let mut count = 0;
        while let Ok(len) = self.socket.recv(&mut buffer) {
            let Some(body) = challenge(&buffer[..len]) else {
                continue;
            };
            count += 1;
            // The destination id, behind first byte, version and its length.
            if buffer[6..14] == scid {
                self.challenge = Some(body);
            }
        }
        count
    }
}

/// The body, if this is a Challenge of a chat server.
fn challenge(datagram: &[u8]) -> Option<[u8; CHALLENGE_LEN]> {
    let (body, tag) = datagram
        .get(CHALLENGE_HEADER_LEN..)?
        .split_first_chunk::<CHALLENGE_LEN>()?;
    let is_one = tag.len() == CHALLENGE_TAG_LEN && body[0] == CHALLENGE_KIND;
    is_one.then_some(*body)
}

/// Strangers at many addresses, each in a network of its own: a limit for each source is none for all of them.
pub struct Crowd {
    strangers: Vec<Stranger>,
    server: SocketAddr,
    rng: Rng,
    /// Datagrams sent.
    pub sent: usize,
}

impl Crowd {
    pub fn new(count: usize, port: u16) -> Self {
        let mut rng = Rng::new(40);
        let stranger = |index| {
            let socket = UdpSocket::bind((address(index << 8), 0)).unwrap();
            socket.set_nonblocking(true).unwrap();
            Stranger {
                socket,
                ids: [rng.next_u64(), rng.next_u64()],
                challenge: None,
            }
        };
        Self {
            strangers: (0..count).map(stranger).collect(),
            server: (Ipv4Addr::LOCALHOST, port).into(),
            rng,
            sent: 0,
        }
    }

    /// Sends a burst of what `make` gives, from any of the addresses, and lets the server breathe.
    pub fn burst(&mut self, mut make: impl FnMut(&mut Rng) -> Vec<u8>) {
        for _ in 0..BURST {
            let datagram = make(&mut self.rng);
            let index = self.rng.below(self.strangers.len() as u64) as usize;
            self.send(index, &datagram);
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
            self.send(index % self.strangers.len(), &packet);
        }
    }

    /// Asks for a challenge from every address. Whether all of them got one in time.
    pub fn ask(&mut self) -> bool {
        for _ in 0..ASK_ATTEMPTS_MAX {
            for index in 0..self.strangers.len() {
                let Stranger { ids, challenge, .. } = self.strangers[index];
                if challenge.is_none() {
                    let packet = first_packet(&mut self.rng, ids, b"");
                    self.send(index, &packet);
                }
            }
            std::thread::sleep(ASK_PATIENCE);
            self.challenges();
            if self.strangers.iter().all(|one| one.challenge.is_some()) {
                return true;
            }
        }
        false
    }

    /// So many answers to challenges, of work that was not done, and no wait for what comes back.
    pub fn wrong_solutions_unpaced(&mut self, count: usize) {
        for _ in 0..count {
            let index = self.rng.below(self.strangers.len() as u64) as usize;
            // Whoever has not been asked has nothing to answer.
            if let Some(packet) = self.strangers[index].wrong_solution(&mut self.rng) {
                self.send(index, &packet);
            }
        }
    }

    /// The same in a burst, after which the server may breathe.
    pub fn wrong_solutions(&mut self) {
        self.wrong_solutions_unpaced(BURST);
        std::thread::sleep(Duration::from_millis(1));
    }

    /// Reads what came back. How many challenges there were; who got one answers that from now on.
    pub fn challenges(&mut self) -> usize {
        self.strangers.iter_mut().map(Stranger::challenges).sum()
    }

    fn send(&mut self, index: usize, datagram: &[u8]) {
        let socket = &self.strangers[index].socket;
        // A full buffer is as good as a loss.
        self.sent += usize::from(socket.send_to(datagram, self.server).is_ok());
    }
}
