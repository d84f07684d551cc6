//! The peer: an endpoint as long as the handshake lasts, then whoever has its keys.

use std::sync::{Arc, Mutex};

use codec::Writer;
use internet::{
    ConnectionId, Header, PacketBuilder, PartialPacket, Protection, SAMPLE_LEN, Unauthentic, open,
};
use sim::Rng;
use sim::null::NullSessions;
use transport::fuzzing::{Told, told};
use transport::{
    Accept, Endpoint, Epoch, Instant, KeyChange, Keys, Meta, OpenGate, Session, SessionError,
    Sessions, Side,
};

use super::{ANSWERS_MAX, End, address, config};

/// A key that several may hold.
#[derive(Clone)]
struct Key(Arc<dyn Protection>);

impl Protection for Key {
    fn seal(&self, packet_number: u64, packet: &mut [u8], header_len: usize) {
        self.0.seal(packet_number, packet, header_len);
    }

    fn open(
        &self,
        packet_number: u64,
        packet: &mut [u8],
        header_len: usize,
    ) -> Result<usize, Unauthentic> {
        self.0.open(packet_number, packet, header_len)
    }

    fn header_mask(&self, sample: &[u8; SAMPLE_LEN]) -> [u8; 5] {
        self.0.header_mask(sample)
    }

    fn confidentiality_limit(&self) -> u64 {
        self.0.confidentiality_limit()
    }

    fn integrity_limit(&self) -> u64 {
        self.0.integrity_limit()
    }
}

/// By epoch, the peer's key and the end's.
type Held = Arc<Mutex<[Option<[Key; 2]>; 3]>>;

/// Sessions that leave a copy of their keys.
struct Leaky(NullSessions, Held);

struct LeakySession(Box<dyn Session>, Held);

impl Sessions for Leaky {
    fn session(&mut self, parameters: Vec<u8>) -> Result<Box<dyn Session>, SessionError> {
        let session = self.0.session(parameters)?;
        Ok(Box::new(LeakySession(session, Arc::clone(&self.1))))
    }
}

impl Session for LeakySession {
    fn read(&mut self, epoch: Epoch, data: &[u8]) -> Result<(), SessionError> {
        self.0.read(epoch, data)
    }

    fn write(&mut self, out: &mut Vec<u8>) -> Option<KeyChange> {
        let change = self.0.write(out)?;
        let Keys { local, remote } = change.keys;
        let keys = [Key(local.into()), Key(remote.into())];
        self.1.lock().unwrap()[change.epoch as usize] = Some(keys.clone());
        let [local, remote] = keys.map(Box::new);
        Some(KeyChange {
            epoch: change.epoch,
            keys: Keys { local, remote },
        })
    }

    fn is_handshaking(&self) -> bool {
        self.0.is_handshaking()
    }

    fn peer_parameters(&self) -> Option<&[u8]> {
        self.0.peer_parameters()
    }

    fn peer_identity(&self) -> Option<Vec<u8>> {
        self.0.peer_identity()
    }

    fn export(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), SessionError> {
        self.0.export(label, context, out)
    }

    fn next_keys(&mut self) -> Option<Keys> {
        self.0.next_keys()
    }

    fn shed(&mut self) {
        self.0.shed();
    }
}

/// Who has the keys of one side.
pub(super) struct Peer {
    held: Held,
    /// The end's id, and the peer's.
    ids: [ConnectionId; 2],
    numbers: [u64; 3],
    /// Numbers of the end's Data packets, newest last.
    heard: Vec<u64>,
    /// The code with which the end has closed the connection.
    pub(super) told: Option<u64>,
}

impl Peer {
    /// A datagram with one packet, `skipped` numbers after the last one.
    pub(super) fn packet(&mut self, epoch: Epoch, skipped: u64, payload: &[u8]) -> Option<Vec<u8>> {
        let held = self.held.lock().unwrap();
        let [key, _] = held[epoch as usize].as_ref()?;
        let number = &mut self.numbers[epoch as usize];
        *number += 1 + skipped;
        let ([to, from], mut out) = (self.ids, Vec::new());
        let builder = match epoch {
            Epoch::Initial => PacketBuilder::initial(&mut out, to, from, &[], *number, None),
            Epoch::Handshake => PacketBuilder::handshake(&mut out, to, from, *number, None),
            Epoch::Data => PacketBuilder::data(&mut out, to, false, *number, None),
        };
        out.extend_from_slice(payload);
        builder.finish(&mut out, key);
        Some(out)
    }

    /// An ACK frame for the newest run of what was heard.
    pub(super) fn acknowledgement(&self) -> Option<Vec<u8>> {
        let newest = *self.heard.last()?;
        let older = self.heard.iter().rev().zip(0..);
        let run = older.take_while(|&(&heard, back)| heard + back == newest);
        let mut frame = Vec::new();
        let mut writer = Writer::new(&mut frame);
        writer.u8(2).varint(newest).varint(0).varint(0);
        writer.varint(run.count() as u64 - 1);
        Some(frame)
    }

    /// Reads what the end has sent.
    pub(super) fn listen(&mut self, sent: &mut Vec<Vec<u8>>) {
        let held = self.held.lock().unwrap();
        let Some([_, key]) = &held[Epoch::Data as usize] else {
            return sent.clear();
        };
        for mut datagram in sent.drain(..) {
            let Ok(packet) = PartialPacket::parse(&datagram) else {
                panic!("what an end sends are packets");
            };
            if !matches!(packet.header, Header::Data { .. }) {
                continue;
            }
            let newest = self.heard.last().copied();
            let Ok(opened) = open(&packet, key, newest, &mut datagram) else {
                continue;
            };
            assert!(Some(opened.packet_number) > newest, "a number twice");
            self.heard.push(opened.packet_number);
            for frame in told(&datagram[opened.payload]) {
                if let Told::Close(code) = frame {
                    self.told = Some(code);
                }
            }
        }
    }
}

/// The end of `side` and its peer, once they are connected or `halfway` there.
pub(super) fn handshake(side: Side, halfway: bool) -> (End, Peer) {
    let client = NullSessions::client(Rng::new(4)).with_hello_len(100);
    let server = NullSessions::server(Rng::new(5));
    let held = Held::default();
    let now = Instant::ZERO;
    let leaky = |sessions| Leaky(sessions, Arc::clone(&held));
    let (mut end, mut other);
    match side {
        Side::Client => {
            end = End::new(side, NullSessions::client(Rng::new(4)));
            let accept = Accept {
                sessions: Box::new(leaky(server)),
                gate: Box::new(OpenGate),
                secret: crypto::Secret::from([8; 32]),
            };
            other = Endpoint::server(config(), accept, Box::new(Rng::new(6)));
            let mut client = client;
            let to = address(Side::Server);
            end.endpoint.connect(now, to, &mut client).unwrap();
            end.settle();
        }
        Side::Server => {
            end = End::new(side, server);
            other = Endpoint::client(config(), Box::new(Rng::new(6)));
            let to = address(Side::Server);
            other.connect(now, to, &mut leaky(client)).unwrap();
        }
    }
    let remote = address(side);
    let mut ids = None;
    for round in 0.. {
        let mut silent = true;
        for mut datagram in core::mem::take(&mut end.sent) {
            let meta = Meta {
                remote,
                local: None,
                ecn: None,
            };
            other.handle_datagram(now, meta, &mut datagram);
        }
        for _ in 0..ANSWERS_MAX {
            let mut datagram = Vec::new();
            if other.poll_transmit(now, 1, &mut datagram).is_none() {
                break;
            }
            let packet = PartialPacket::parse(&datagram).expect("a packet");
            if let Header::Initial { dcid, scid, .. } | Header::Handshake { dcid, scid } =
                packet.header
            {
                ids = Some([dcid, scid]);
            }
            match (halfway, side) {
                // The client's end of the handshake is what is missing.
                (true, Side::Server) if round > 0 => continue,
                // The server's hello comes, and nothing of what is behind it.
                (true, Side::Client) if round > 0 => continue,
                (true, Side::Client) => datagram.truncate(packet.len()),
                _ => {}
            }
            silent = false;
            end.deliver(datagram);
        }
        while other.poll_event().is_some() {}
        if silent && end.sent.is_empty() {
            break;
        }
    }
    let peer = Peer {
        held,
        ids: ids.expect("a long header"),
        numbers: [1_000; 3],
        heard: Vec::new(),
        told: None,
    };
    (end, peer)
}
