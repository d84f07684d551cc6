//! A client that is no endpoint: it has the keys of its connection and says what it likes.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use codec::{Reader, VarInt, Writer};
use internet::{ConnectionId, Header, PacketBuilder, PartialPacket, initial_keys, open};
use sim::Rng;
use sim::null::NullSessions;
use transport::{
    Config, ConnectionHandle, Endpoint, Epoch, Event, Gate, Instant, Keys, Meta, Session, Sessions,
};

use crate::common;

/// What the server said, as far as tests care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Acknowledgement,
    Close { code: u64 },
    HandshakeDone,
    Ping,
    NewId { number: u64, id: [u8; 8] },
    RetireId { number: u64 },
    PathChallenge([u8; 8]),
    PathResponse([u8; 8]),
    Other(u8),
}

pub(crate) struct Raw {
    pub(crate) server: Endpoint,
    pub(crate) now: Instant,
    pub(crate) address: SocketAddr,
    /// The server's address that is asked, where its driver tells.
    pub(crate) asked: Option<IpAddr>,
    pub(crate) events: Vec<Event>,
    pub(crate) heard: Vec<Heard>,
    /// Datagrams that the server sent, and where to.
    pub(crate) sent: Vec<(SocketAddr, Vec<u8>)>,
    /// Which of the server's addresses each of them left from.
    pub(crate) left: Vec<Option<IpAddr>>,
    pub(crate) original: ConnectionId,
    pub(crate) server_id: ConnectionId,
    pub(crate) own_id: ConnectionId,
    pub(crate) token: Vec<u8>,
    session: Box<dyn Session>,
    keys: [Option<Keys>; 3],
    numbers: [u64; 3],
    largest: [Option<u64>; 3],
    /// Numbers of the Data packets that were read.
    pub(crate) arrived: Vec<u64>,
    crypto_read: [u64; 3],
    /// Handshake bytes to send.
    outgoing: Vec<(Epoch, Vec<u8>)>,
}

/// The parameters of a default client with id `02..02`, idle timeout and longest datagram as given.
fn parameters(idle_ms: u64, datagram: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out);
    writer.u8(2).prefixed(&[2; 8]);
    let values = [idle_ms, 4 << 20, 1 << 20, 1024, datagram, 25, 1 << 20];
    for (id, value) in (5u8..).zip(values) {
        writer.u8(id).u8(VarInt::size(value) as u8).varint(value);
    }
    out
}

impl Raw {
    pub(crate) fn new(config: Config, gate: Box<dyn Gate>) -> Self {
        Self::with_parameters(config, gate, 30_000, 65_535)
    }

    pub(crate) fn with_parameters(
        config: Config,
        gate: Box<dyn Gate>,
        idle_ms: u64,
        datagram: u64,
    ) -> Self {
        let mut sessions = NullSessions::client(Rng::stream(5, "raw", 0));
        let mut session = sessions.session(parameters(idle_ms, datagram)).unwrap();
        let original = ConnectionId::new([0x5e; 8]);
        let (local, remote) = initial_keys(original);
        let keys = Keys {
            local: Box::new(local),
            remote: Box::new(remote),
        };
        let mut hello = Vec::new();
        assert!(session.write(&mut hello).is_none());
        Self {
            server: common::server(5, config, gate),
            now: Instant::from_nanos(10_000_000_000_000),
            address: common::address(1),
            asked: None,
            events: Vec::new(),
            heard: Vec::new(),
            sent: Vec::new(),
            left: Vec::new(),
            original,
            server_id: original,
            own_id: ConnectionId::new([2; 8]),
            token: Vec::new(),
            session,
            keys: [Some(keys), None, None],
            numbers: [0; 3],
            largest: [None; 3],
            arrived: Vec::new(),
            crypto_read: [0; 3],
            outgoing: vec![(Epoch::Initial, hello)],
        }
    }

    /// A client that has talked its way through the handshake.
    pub(crate) fn connected(mut self) -> Self {
        self.say_hello();
        self.finish_handshake();
        assert!(self.events.contains(&Event::Connected));
        assert!(self.heard.contains(&Heard::HandshakeDone));
        self
    }

    /// Sends the first handshake message.
    pub(crate) fn say_hello(&mut self) {
        let datagram = self.hello();
        self.deliver(datagram);
    }

    /// The first handshake message.
    pub(crate) fn hello_bytes(&self) -> Vec<u8> {
        self.outgoing.first().unwrap().1.clone()
    }

    /// The datagram with it.
    pub(crate) fn hello(&mut self) -> Vec<u8> {
        let bytes = self.hello_bytes();
        self.packet(Epoch::Initial, &crypto_frame(0, &bytes))
    }

    /// Sends what follows from the server's flight.
    pub(crate) fn finish_handshake(&mut self) {
        for (epoch, bytes) in core::mem::take(&mut self.outgoing) {
            if epoch == Epoch::Handshake {
                let datagram = self.packet(epoch, &crypto_frame(0, &bytes));
                self.deliver(datagram);
            }
        }
    }

    /// A datagram with one packet of these frames, made with our keys.
    pub(crate) fn packet(&mut self, epoch: Epoch, frames: &[u8]) -> Vec<u8> {
        let keys = self.keys[epoch as usize].as_ref().unwrap();
        let number = self.numbers[epoch as usize];
        self.numbers[epoch as usize] += 1;
        let (to, from) = (self.server_id, self.own_id);
        let mut out = Vec::new();
        let builder = match epoch {
            Epoch::Initial => PacketBuilder::initial(&mut out, to, from, &self.token, number, None),
            Epoch::Handshake => PacketBuilder::handshake(&mut out, to, from, number, None),
            Epoch::Data => PacketBuilder::data(&mut out, to, false, number, None),
        };
        out.extend_from_slice(frames);
        if epoch == Epoch::Initial {
            builder.pad_to(&mut out, 1200);
        }
        builder.finish(&mut out, &*keys.local);
        out
    }

    /// Sends frames under the keys of the handshake's end.
    pub(crate) fn say(&mut self, frames: &[u8]) {
        let datagram = self.packet(Epoch::Data, frames);
        self.deliver(datagram);
    }

    pub(crate) fn deliver(&mut self, datagram: Vec<u8>) {
        let from = self.address;
        self.deliver_from(from, datagram);
    }

    pub(crate) fn deliver_from(&mut self, remote: SocketAddr, mut datagram: Vec<u8>) {
        let meta = Meta {
            remote,
            local: self.asked,
            ecn: None,
        };
        self.server.handle_datagram(self.now, meta, &mut datagram);
        self.collect();
    }

    /// Hands in a datagram and takes nothing out.
    pub(crate) fn take_in(&mut self, mut datagram: Vec<u8>) {
        let meta = Meta {
            remote: self.address,
            local: self.asked,
            ecn: None,
        };
        self.server.handle_datagram(self.now, meta, &mut datagram);
    }

    /// Lets so much time pass, with every timer on its way.
    pub(crate) fn wait(&mut self, duration: Duration) {
        let end = self.now + duration;
        let mut steps = 0;
        while let Some(due) = self.server.poll_timeout().filter(|&due| due <= end) {
            steps += 1;
            assert!(steps < 100_000, "time stands still");
            self.now = due.max(self.now);
            self.server.handle_timeout(self.now);
            self.collect();
        }
        self.now = end;
    }

    /// Takes out and reads everything that the server has to say, then its events.
    pub(crate) fn collect(&mut self) {
        loop {
            let mut out = Vec::new();
            let Some(transmit) = self.server.poll_transmit(self.now, 1, &mut out) else {
                break;
            };
            self.sent.push((transmit.remote, out.clone()));
            self.left.push(transmit.local);
            if transmit.remote == self.address {
                self.listen(&mut out);
            }
        }
        while let Some((_, event)) = self.server.poll_event() {
            self.events.push(event);
        }
    }

    pub(crate) fn handle(&self) -> ConnectionHandle {
        self.server.connections().next().unwrap()
    }

    fn listen(&mut self, datagram: &mut [u8]) {
        let mut rest = datagram;
        while !rest.is_empty() {
            let Ok(packet) = PartialPacket::parse(rest) else {
                return;
            };
            let (bytes, behind) = rest.split_at_mut(packet.len());
            rest = behind;
            let epoch = match packet.header {
                Header::Initial { scid, .. } => {
                    self.server_id = scid;
                    Epoch::Initial
                }
                Header::Handshake { .. } => Epoch::Handshake,
                Header::Data { .. } => Epoch::Data,
                Header::Challenge { body, .. } => {
                    self.token = bytes[body].to_vec();
                    return;
                }
                _ => return,
            };
            let index = epoch as usize;
            let Some(keys) = &self.keys[index] else {
                continue;
            };
            let Ok(opened) = open(&packet, &*keys.remote, self.largest[index], bytes) else {
                continue;
            };
            self.largest[index] = self.largest[index].max(Some(opened.packet_number));
            if epoch == Epoch::Data {
                self.arrived.push(opened.packet_number);
            }
            let payload = bytes[opened.payload].to_vec();
            self.read_frames(epoch, &payload);
        }
    }

    fn read_frames(&mut self, epoch: Epoch, payload: &[u8]) {
        let mut reader = Reader::new(payload);
        while let Ok(kind) = reader.u8() {
            match kind {
                0 => {}
                1 => self.heard.push(Heard::Ping),
                2 => {
                    let mut fields = [0; 4];
                    for field in &mut fields {
                        *field = reader.varint().unwrap();
                    }
                    for _ in 0..fields[2] * 2 {
                        reader.varint().unwrap();
                    }
                    self.heard.push(Heard::Acknowledgement);
                }
                6 => {
                    let offset = reader.varint().unwrap();
                    let data = reader.prefixed(usize::MAX).unwrap();
                    self.read_crypto(epoch, offset, data);
                }
                0x1c | 0x1d => {
                    let code = reader.varint().unwrap();
                    reader.prefixed(256).unwrap();
                    self.heard.push(Heard::Close { code });
                }
                0x18 => {
                    let number = reader.varint().unwrap();
                    reader.varint().unwrap();
                    let id = reader.array().unwrap();
                    reader.array::<16>().unwrap();
                    self.heard.push(Heard::NewId { number, id });
                }
                0x19 => {
                    let number = reader.varint().unwrap();
                    self.heard.push(Heard::RetireId { number });
                }
                0x1a => {
                    let data = reader.array().unwrap();
                    self.heard.push(Heard::PathChallenge(data));
                }
                0x1b => {
                    let data = reader.array().unwrap();
                    self.heard.push(Heard::PathResponse(data));
                }
                0x1e => self.heard.push(Heard::HandshakeDone),
                // What else there is in the packet is not read.
                other => return self.heard.push(Heard::Other(other)),
            }
        }
    }

    fn read_crypto(&mut self, epoch: Epoch, offset: u64, data: &[u8]) {
        let read = &mut self.crypto_read[epoch as usize];
        if offset != *read {
            return;
        }
        *read += data.len() as u64;
        self.session.read(epoch, data).unwrap();
        let mut write_epoch = epoch;
        loop {
            let mut out = Vec::new();
            let change = self.session.write(&mut out);
            if out.is_empty() && change.is_none() {
                return;
            }
            if !out.is_empty() {
                self.outgoing.push((write_epoch, out));
            }
            if let Some(change) = change {
                self.keys[change.epoch as usize] = Some(change.keys);
                write_epoch = change.epoch;
            }
        }
    }
}

pub(crate) fn crypto_frame(offset: u64, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Writer::new(&mut out).u8(6).varint(offset).prefixed(data);
    out
}

/// A stream frame with a length.
pub(crate) fn stream_frame(id: u64, offset: u64, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out);
    writer.u8(if offset == 0 { 0x0a } else { 0x0e }).varint(id);
    if offset > 0 {
        writer.varint(offset);
    }
    writer.prefixed(data);
    out
}
