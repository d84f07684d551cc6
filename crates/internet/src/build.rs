//! From a payload to a sealed packet, in the caller's buffer.

use codec::{VarInt, Writer};

use crate::header::{
    DATA, FIXED, KEY_PHASE, LONG, SAMPLE_OFFSET, TYPE_HANDSHAKE, TYPE_INITIAL, VERSION,
};
use crate::open::{Direction, apply_mask};
use crate::packet_number::{PACKET_NUMBER_MAX, packet_number_len};
use crate::{ConnectionId, Protection, SAMPLE_LEN, TAG_LEN, TOKEN_BYTES_MAX};

/// A Data packet carries at least so many bytes of its number (docs/PROTOCOL.md §2.9).
const DATA_NUMBER_LEN_MIN: usize = 2;

/// First byte, version, two ids behind their length bytes.
const LONG_PREFIX: usize = 1 + 4 + 2 * (1 + ConnectionId::LEN);

/// The `length` field of a long header.
const LENGTH_LEN: usize = 2;

/// What a Data packet costs beyond its payload, at most, in bytes.
pub const DATA_OVERHEAD_MAX: usize = 1 + ConnectionId::LEN + 4 + TAG_LEN;

/// What a Handshake packet costs beyond its payload, at most, in bytes.
pub const HANDSHAKE_OVERHEAD_MAX: usize = LONG_PREFIX + LENGTH_LEN + 4 + TAG_LEN;

/// What an Initial packet with a token of `token_len` bytes costs beyond its payload, at most, in
/// bytes.
pub const fn initial_overhead_max(token_len: usize) -> usize {
    HANDSHAKE_OVERHEAD_MAX + VarInt::size(token_len as u64) + token_len
}

/// A packet that is being written at the end of a buffer.
///
/// The constructors append the header. The caller appends the payload to the same buffer, asks
/// [`room`](Self::room) how much still fits, and ends with [`finish`](Self::finish) or
/// [`abandon`](Self::abandon). One buffer may hold many packets and many datagrams. Nothing is
/// allocated but by the buffer itself.
#[derive(Debug)]
#[must_use = "a packet that is not finished stays in the buffer unsealed"]
pub struct PacketBuilder {
    /// Where the packet begins in the buffer.
    start: usize,
    /// Where the two bytes of the length field stand; Data packets have none.
    length: Option<usize>,
    /// Where the packet number begins.
    number: usize,
    number_len: usize,
    packet_number: u64,
}

impl PacketBuilder {
    /// Begins an Initial packet. `token` has at most [`TOKEN_BYTES_MAX`] bytes; the rest of a
    /// longer one is cut off, so the caller refuses those.
    pub fn initial(
        out: &mut Vec<u8>,
        dcid: ConnectionId,
        scid: ConnectionId,
        token: &[u8],
        packet_number: u64,
        largest_acked: Option<u64>,
    ) -> Self {
        debug_assert!(token.len() <= TOKEN_BYTES_MAX);
        let token = token.get(..TOKEN_BYTES_MAX).unwrap_or(token);
        let start = out.len();
        long_prefix(out, TYPE_INITIAL, dcid, scid);
        Writer::new(out).prefixed(token);
        Self::with_length(out, start, packet_number, largest_acked)
    }

    /// Begins a Handshake packet.
    pub fn handshake(
        out: &mut Vec<u8>,
        dcid: ConnectionId,
        scid: ConnectionId,
        packet_number: u64,
        largest_acked: Option<u64>,
    ) -> Self {
        let start = out.len();
        long_prefix(out, TYPE_HANDSHAKE, dcid, scid);
        Self::with_length(out, start, packet_number, largest_acked)
    }

    /// Begins a Data packet, which has to be the last of its datagram.
    pub fn data(
        out: &mut Vec<u8>,
        dcid: ConnectionId,
        key_phase: bool,
        packet_number: u64,
        largest_acked: Option<u64>,
    ) -> Self {
        let start = out.len();
        let phase = if key_phase { KEY_PHASE } else { 0 };
        Writer::new(out).u8(DATA | phase).bytes(dcid.as_bytes());
        Self::with_number(out, start, None, packet_number, largest_acked)
    }

    fn with_length(
        out: &mut Vec<u8>,
        start: usize,
        packet_number: u64,
        largest_acked: Option<u64>,
    ) -> Self {
        let length = out.len();
        Writer::new(out).u16(0);
        Self::with_number(out, start, Some(length), packet_number, largest_acked)
    }

    fn with_number(
        out: &mut Vec<u8>,
        start: usize,
        length: Option<usize>,
        packet_number: u64,
        largest_acked: Option<u64>,
    ) -> Self {
        // A Data packet, which has no length field, may be overtaken by many others.
        let least = if length.is_none() {
            DATA_NUMBER_LEN_MIN
        } else {
            1
        };
        let number_len = packet_number_len(packet_number, largest_acked).max(least);
        let number = out.len();
        let [.., b4, b3, b2, b1] = packet_number.to_be_bytes();
        match number_len {
            1 => out.extend_from_slice(&[b1]),
            2 => out.extend_from_slice(&[b2, b1]),
            3 => out.extend_from_slice(&[b3, b2, b1]),
            _ => out.extend_from_slice(&[b4, b3, b2, b1]),
        }
        if let Some(first) = out.get_mut(start) {
            *first |= number_len as u8 - 1;
        }
        Self {
            start,
            length,
            number,
            number_len,
            packet_number,
        }
    }

    /// Its packet number.
    pub const fn packet_number(&self) -> u64 {
        self.packet_number
    }

    /// Where the packet begins in the buffer.
    pub const fn start(&self) -> usize {
        self.start
    }

    /// Where its payload begins in the buffer.
    pub const fn payload_start(&self) -> usize {
        self.number + self.number_len
    }

    /// How many bytes of payload fit still, if the finished packet is to end at or before index
    /// `end` of the buffer.
    pub fn room(&self, out: &[u8], end: usize) -> usize {
        // A length field counts to 65,535; no datagram is as long.
        let end = match self.length {
            Some(_) => end.min(self.number + usize::from(u16::MAX)),
            None => end,
        };
        end.saturating_sub(out.len()).saturating_sub(TAG_LEN)
    }

    /// Appends zero bytes (PADDING frames, docs/PROTOCOL.md §4) until the finished packet will end
    /// at index `end` of the buffer, or leaves it if it is as long already.
    pub fn pad_to(&self, out: &mut Vec<u8>, end: usize) {
        let room = self.room(out, end);
        out.resize(out.len() + room, 0);
    }

    /// Seals the packet: appends the tag, writes the length, encrypts in place and masks the
    /// header. Returns the packet's length in bytes.
    ///
    /// A payload too short to be sampled is padded with zero bytes: packet number and payload are
    /// at least 4 bytes (RFC 9001 §5.4.2). `out` has to be the buffer that the packet was begun in,
    /// with nothing but its payload appended. A packet whose number is above [`PACKET_NUMBER_MAX`] is taken
    /// out of the buffer instead, and 0 is returned: there are no more numbers.
    pub fn finish(self, out: &mut Vec<u8>, protection: &dyn Protection) -> usize {
        self.finish_masked_by(out, protection, protection)
    }

    /// As [`finish`](Self::finish), with the header mask of other keys: a key update leaves the
    /// mask as it was (RFC 9001 §6).
    pub fn finish_masked_by(
        self,
        out: &mut Vec<u8>,
        protection: &dyn Protection,
        mask: &dyn Protection,
    ) -> usize {
        if self.packet_number > PACKET_NUMBER_MAX {
            self.abandon(out);
            return 0;
        }
        let payload_end = out.len().max(self.number + SAMPLE_OFFSET);
        out.resize(payload_end + TAG_LEN, 0);
        if let Some(field) = self.length
            && let Some(bytes) = out.get_mut(field..field + LENGTH_LEN)
        {
            let length = payload_end + TAG_LEN - self.number;
            debug_assert!(length <= usize::from(u16::MAX));
            bytes.copy_from_slice(&(length as u16).to_be_bytes());
        }
        let header_len = self.payload_start() - self.start;
        let Some(packet) = out.get_mut(self.start..) else {
            return 0;
        };
        protection.seal(self.packet_number, packet, header_len);
        self.mask(packet, mask);
        packet.len()
    }

    fn mask(&self, packet: &mut [u8], protection: &dyn Protection) {
        let (head, rest) = packet.split_at_mut(self.number - self.start);
        let sample: Option<&[u8; SAMPLE_LEN]> =
            rest.get(SAMPLE_OFFSET..).and_then(<[u8]>::first_chunk);
        let Some(&sample) = sample else { return };
        if let (Some(first), Some(number)) = (head.first_mut(), rest.first_chunk_mut()) {
            let mask = protection.header_mask(&sample);
            apply_mask(first, number, mask, Direction::Add);
        }
    }

    /// Takes the packet back out of the buffer, with its payload.
    pub fn abandon(self, out: &mut Vec<u8>) {
        out.truncate(self.start);
    }
}

fn long_prefix(out: &mut Vec<u8>, kind: u8, dcid: ConnectionId, scid: ConnectionId) {
    Writer::new(out)
        .u8(LONG | FIXED | kind)
        .u32(VERSION)
        .u8(ConnectionId::LEN as u8)
        .bytes(dcid.as_bytes())
        .u8(ConnectionId::LEN as u8)
        .bytes(scid.as_bytes());
}
