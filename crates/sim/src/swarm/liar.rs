//! An authenticated peer that is no endpoint: it has the keys of its connection and says what it
//! likes. What it says is in `lies.rs`.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::ops::RangeInclusive;
use core::time::Duration;

use codec::{Reader, VarInt, Writer};
use internet::{
    ConnectionId, Header, PacketBuilder, PartialPacket, initial_keys, open_unmasked, unmask,
};
use transport::{Epoch, Instant, Keys, Session, Sessions};

use crate::Rng;
use crate::null::NullSessions;

/// Where it lives; each connection has a port of its own.
const HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 8, 8, 8));
const FIRST_PORT: u16 = 20_000;

/// Its connection id.
const OWN_ID: [u8; 8] = [0x11; 8];

/// Whoever has not heard it for so long may have forgotten it: while it connects, and later.
const FORGOTTEN: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(20)];

/// Whether a liar lives at this address.
pub(super) fn is_liar(address: SocketAddr) -> bool {
    address.ip() == HOST
}

/// One connection of a liar.
pub(super) struct Liar {
    pub(super) address: SocketAddr,
    /// Of its connections, in order.
    pub(super) number: u16,
    /// The server's restarts before it: one that has forgotten owes nothing.
    pub(super) epoch: u64,
    server_id: ConnectionId,
    is_answered: bool,
    token: Vec<u8>,
    session: Box<dyn Session>,
    keys: [Option<Keys>; 3],
    /// The generation of data keys, and the one behind it.
    phase: bool,
    next: Option<Keys>,
    /// And those before an update of its own, under which the server speaks until it has heard of that.
    previous: Option<Keys>,
    numbers: [u64; 3],
    largest: [Option<u64>; 3],
    /// Numbers of the Data packets that have come, ascending.
    arrived: Vec<u64>,
    crypto_read: [u64; 3],
    hello: Vec<u8>,
    /// Datagrams to send.
    outgoing: Vec<Vec<u8>>,
    spoke_at: Instant,
    /// The code with which the server closed.
    pub(super) dismissed: Option<u64>,
    /// Answers to its challenges in one packet, the most that there were.
    pub(super) answers: usize,
    /// Streams it has opened.
    pub(super) streams: u64,
    /// Bytes of flow control that it has used up.
    pub(super) spent: u64,
    /// What it did that must not go unpunished: what, with which code, since when.
    pub(super) crime: Option<(&'static str, u64, Instant)>,
    /// What the server's application has to get, by stream, and when it was said.
    pub(super) expected: Vec<(u64, Vec<u8>, Instant)>,
}

impl Liar {
    /// Begins a connection.
    pub(super) fn new(seed: u64, number: u16, now: Instant, epoch: u64) -> Option<Self> {
        let mut sessions = NullSessions::client(Rng::stream(seed, "liar", number.into()));
        let mut session = sessions.session(parameters()).ok()?;
        let original = ConnectionId::new(u64::from(number).to_be_bytes());
        let (local, remote) = initial_keys(original);
        let keys = Keys {
            local: Box::new(local),
            remote: Box::new(remote),
        };
        let mut hello = Vec::new();
        session.write(&mut hello);
        let mut liar = Self {
            address: SocketAddr::new(HOST, FIRST_PORT.wrapping_add(number)),
            number,
            epoch,
            server_id: original,
            is_answered: false,
            token: Vec::new(),
            session,
            keys: [Some(keys), None, None],
            phase: false,
            next: None,
            previous: None,
            numbers: [0; 3],
            largest: [None; 3],
            arrived: Vec::new(),
            crypto_read: [0; 3],
            hello,
            outgoing: Vec::new(),
            spoke_at: now,
            dismissed: None,
            answers: 0,
            streams: 0,
            spent: 0,
            crime: None,
            expected: Vec::new(),
        };
        liar.say_hello();
        Some(liar)
    }

    /// Whether it can say what it likes.
    pub(super) fn is_connected(&self) -> bool {
        self.keys[2].is_some() && self.largest[2].is_some()
    }

    /// Whether the server may have forgotten it.
    pub(super) fn is_forgotten(&self, now: Instant) -> bool {
        now.since(self.spoke_at) > FORGOTTEN[usize::from(self.is_connected())]
    }

    /// What is to be sent.
    pub(super) fn take_outgoing(&mut self, now: Instant) -> Vec<Vec<u8>> {
        if !self.outgoing.is_empty() {
            self.spoke_at = now;
        }
        core::mem::take(&mut self.outgoing)
    }

    fn say_hello(&mut self) {
        // It needs two packets.
        let half = self.hello.len() / 2;
        let (first, second) = self.hello.split_at(half);
        let frames = [crypto_frame(0, first), crypto_frame(half as u64, second)];
        for frame in frames {
            self.say_in(Epoch::Initial, &frame);
        }
    }

    /// Says frames under the keys of the handshake's end.
    pub(super) fn say(&mut self, frames: &[u8]) {
        self.say_in(Epoch::Data, frames);
    }

    fn say_in(&mut self, epoch: Epoch, frames: &[u8]) {
        let Some(keys) = &self.keys[epoch as usize] else {
            return;
        };
        let number = self.numbers[epoch as usize];
        self.numbers[epoch as usize] += 1;
        let (to, from) = (self.server_id, ConnectionId::new(OWN_ID));
        let mut out = Vec::new();
        let builder = match epoch {
            Epoch::Initial => PacketBuilder::initial(&mut out, to, from, &self.token, number, None),
            Epoch::Handshake => PacketBuilder::handshake(&mut out, to, from, number, None),
            Epoch::Data => PacketBuilder::data(&mut out, to, self.phase, number, None),
        };
        out.extend_from_slice(frames);
        if epoch == Epoch::Initial {
            builder.pad_to(&mut out, 1200);
        }
        builder.finish(&mut out, &*keys.local);
        self.outgoing.push(out);
    }

    /// Goes on under the next keys, whether or not anybody has acknowledged anything under the present
    /// ones. It has to have spoken under them: a receiver tries one generation, and whoever leaves one out is
    /// heard no more.
    pub(super) fn update_keys(&mut self) {
        self.say(&[1]);
        if let Some(next) = self.next.take().or_else(|| self.session.next_keys()) {
            self.previous = self.keys[2].replace(next);
            self.phase = !self.phase;
            self.say(&[1]);
        }
    }

    /// Leaves a packet number out.
    pub(super) fn leave_out(&mut self) {
        self.numbers[2] += 1;
    }

    /// The numbers that have come, as ranges, the newest last.
    pub(super) fn ranges(&self) -> Vec<RangeInclusive<u64>> {
        let mut ranges: Vec<RangeInclusive<u64>> = Vec::new();
        for &number in &self.arrived {
            match ranges.last_mut() {
                Some(last) if *last.end() + 1 == number => *last = *last.start()..=number,
                _ => ranges.push(number..=number),
            }
        }
        ranges
    }

    /// A datagram from the server.
    pub(super) fn hear(&mut self, mut datagram: Vec<u8>) {
        let mut rest = &mut *datagram;
        while !rest.is_empty() {
            let Ok(packet) = PartialPacket::parse(rest) else {
                return;
            };
            let (bytes, behind) = rest.split_at_mut(packet.len());
            rest = behind;
            let epoch = match packet.header {
                // A late copy of its first packet begins another connection.
                Header::Initial { scid, .. } if self.is_answered && scid != self.server_id => {
                    return;
                }
                Header::Initial { scid, .. } => {
                    (self.server_id, self.is_answered) = (scid, true);
                    Epoch::Initial
                }
                Header::Handshake { .. } => Epoch::Handshake,
                Header::Data { .. } => Epoch::Data,
                Header::Challenge { .. } if !self.token.is_empty() => return,
                Header::Challenge { body, .. } => {
                    self.token = bytes.get(body).unwrap_or_default().to_vec();
                    return self.say_hello();
                }
                _ => return,
            };
            if let Some(payload) = self.open(epoch, &packet, bytes) {
                self.read_frames(epoch, &payload);
            }
        }
    }

    fn open(&mut self, epoch: Epoch, packet: &PartialPacket, bytes: &mut [u8]) -> Option<Vec<u8>> {
        let largest = self.largest[epoch as usize];
        let keys = self.keys[epoch as usize].as_ref()?;
        let unmasked = unmask(packet, &*keys.remote, largest, bytes).ok()?;
        let opened = if epoch == Epoch::Data && unmasked.key_phase != self.phase {
            // The server has updated its keys; so does whoever follows.
            let next = self.next.take().or_else(|| self.session.next_keys())?;
            let opened = open_unmasked(&unmasked, &*next.remote, bytes);
            if opened.is_ok() {
                self.keys[2] = Some(next);
                self.phase = unmasked.key_phase;
                opened.ok()?
            } else {
                self.next = Some(next);
                let previous = self.previous.as_ref()?;
                open_unmasked(&unmasked, &*previous.remote, bytes).ok()?
            }
        } else {
            open_unmasked(&unmasked, &*keys.remote, bytes).ok()?
        };
        let number = opened.packet_number;
        self.largest[epoch as usize] = largest.max(Some(number));
        if epoch == Epoch::Data {
            self.arrived.push(number);
        }
        Some(bytes.get(opened.payload)?.to_vec())
    }

    fn read_frames(&mut self, epoch: Epoch, payload: &[u8]) {
        let mut reader = Reader::new(payload);
        let mut answers = 0;
        while let Ok(kind) = reader.u8() {
            let read = match kind {
                0 | 1 => Some(()),
                2 => read_ack(&mut reader),
                6 => self.read_crypto(epoch, &mut reader),
                0x1b => {
                    answers += 1;
                    self.answers = self.answers.max(answers);
                    reader.array::<8>().ok().map(drop)
                }
                0x1c => {
                    self.dismissed = reader.varint().ok();
                    None
                }
                // What else there is in the packet does not matter.
                _ => None,
            };
            if read.is_none() {
                return;
            }
        }
    }

    fn read_crypto(&mut self, epoch: Epoch, reader: &mut Reader<'_>) -> Option<()> {
        let offset = reader.varint().ok()?;
        let data = reader.prefixed(usize::MAX).ok()?;
        let read = &mut self.crypto_read[epoch as usize];
        if offset != *read {
            return Some(());
        }
        *read += data.len() as u64;
        self.session.read(epoch, data).ok()?;
        let mut write_epoch = epoch;
        loop {
            let mut out = Vec::new();
            let change = self.session.write(&mut out);
            if !out.is_empty() {
                self.say_in(write_epoch, &crypto_frame(0, &out));
            }
            match change {
                Some(change) => {
                    self.keys[change.epoch as usize] = Some(change.keys);
                    write_epoch = change.epoch;
                }
                None if out.is_empty() => return Some(()),
                None => {}
            }
        }
    }
}

/// The parameters of a client that lets the server say much.
fn parameters() -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out);
    writer.u8(2).prefixed(&OWN_ID);
    let values = [30_000, 4 << 20, 1 << 20, 1024, 1_500, 25, 1 << 20];
    for (id, value) in (5u8..).zip(values) {
        writer.u8(id).u8(VarInt::size(value) as u8).varint(value);
    }
    out
}

fn read_ack(reader: &mut Reader<'_>) -> Option<()> {
    let mut fields = [0; 4];
    for field in &mut fields {
        *field = reader.varint().ok()?;
    }
    for _ in 0..fields[2] * 2 {
        reader.varint().ok()?;
    }
    Some(())
}

fn crypto_frame(offset: u64, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Writer::new(&mut out).u8(6).varint(offset).prefixed(data);
    out
}
