//! From a packet of a datagram to its authenticated payload, in place.

use std::ops::Range;

use crate::header::{
    DATA_RESERVED, KEY_PHASE, LONG, LONG_RESERVED, NUMBER_LEN_MASK, SAMPLE_OFFSET,
};
use crate::packet_number::decode_packet_number;
use crate::{DropReason, PartialPacket, Protection, SAMPLE_LEN, Unauthentic};

/// Why a packet did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Too short for a packet number and a sample, or a type that has neither. Says nothing about
    /// the peer.
    #[error("packet too short")]
    TooShort,
    /// Not sealed under these keys. Counts against [`Protection::integrity_limit`].
    #[error("packet does not authenticate")]
    Unauthentic,
    /// Authentic, but reserved bits are set: the peer breaks the protocol (RFC 9000 §17.2).
    #[error("reserved bits are set")]
    ReservedBits,
}

impl OpenError {
    /// The same as a reason to count.
    pub const fn reason(self) -> DropReason {
        match self {
            Self::TooShort => DropReason::TooShort,
            Self::Unauthentic => DropReason::Unauthentic,
            Self::ReservedBits => DropReason::ReservedBits,
        }
    }
}

impl From<Unauthentic> for OpenError {
    fn from(Unauthentic: Unauthentic) -> Self {
        Self::Unauthentic
    }
}

/// A packet whose header is readable, but not authenticated: good for choosing keys and for
/// dropping replays, for nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmasked {
    /// The packet number, which is also the nonce.
    pub packet_number: u64,
    /// Which generation of 1-RTT keys sealed it; `false` for long headers.
    pub key_phase: bool,
    header_len: usize,
    len: usize,
    reserved: bool,
}

/// An authenticated packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Its number.
    pub packet_number: u64,
    /// Which generation of 1-RTT keys sealed it; `false` for long headers.
    pub key_phase: bool,
    /// Where its payload stands, counted from the packet's first byte.
    pub payload: Range<usize>,
}

/// Removes the header mask of `packet`, which begins at the first byte of `bytes`, and reads its
/// number against the `largest_received` one of its epoch (RFC 9001 §5.4.1).
///
/// `bytes` may be longer than the packet. Whatever comes of it, its last 16 bytes stay as they are,
/// so a stateless reset is still recognisable.
///
/// # Errors
/// [`OpenError::TooShort`]; nothing was changed then.
pub fn unmask(
    packet: &PartialPacket,
    protection: &dyn Protection,
    largest_received: Option<u64>,
    bytes: &mut [u8],
) -> Result<Unmasked, OpenError> {
    let bytes = bytes.get_mut(..packet.len).ok_or(OpenError::TooShort)?;
    let offset = packet.number_offset;
    let sample: [u8; SAMPLE_LEN] = bytes
        .get(offset + SAMPLE_OFFSET..)
        .and_then(|bytes| bytes.first_chunk())
        .copied()
        .ok_or(OpenError::TooShort)?;
    let (head, rest) = bytes.split_at_mut(offset);
    let (Some(first), Some(number)) = (head.first_mut(), rest.first_chunk_mut()) else {
        return Err(OpenError::TooShort);
    };
    let mask = protection.header_mask(&sample);
    apply_mask(first, number, mask, Direction::Remove);
    let number_len = usize::from(*first & NUMBER_LEN_MASK) + 1;
    let truncated = u64::from(u32::from_be_bytes(*number) >> (8 * (4 - number_len)));
    let (reserved, key_phase) = if *first & LONG == 0 {
        (*first & DATA_RESERVED, *first & KEY_PHASE != 0)
    } else {
        (*first & LONG_RESERVED, false)
    };
    Ok(Unmasked {
        packet_number: decode_packet_number(largest_received, truncated, number_len),
        key_phase,
        header_len: offset + number_len,
        len: packet.len,
        reserved: reserved != 0,
    })
}

/// Opens in place what [`unmask`] made readable. `bytes` are the same bytes, unchanged since.
///
/// # Errors
/// [`OpenError::Unauthentic`], the bytes are then unspecified; [`OpenError::ReservedBits`].
pub fn open_unmasked(
    unmasked: &Unmasked,
    protection: &dyn Protection,
    bytes: &mut [u8],
) -> Result<Opened, OpenError> {
    let bytes = bytes.get_mut(..unmasked.len).ok_or(OpenError::TooShort)?;
    let header_len = unmasked.header_len;
    let len = protection.open(unmasked.packet_number, bytes, header_len)?;
    // RFC 9000 §17.2: only after both protections are gone, or an error would be an oracle.
    if unmasked.reserved {
        return Err(OpenError::ReservedBits);
    }
    Ok(Opened {
        packet_number: unmasked.packet_number,
        key_phase: unmasked.key_phase,
        payload: header_len..header_len + len,
    })
}

/// [`unmask`] and [`open_unmasked`] in one, for epochs with one generation of keys. The caller
/// still asks its replay window whether the number is new.
///
/// # Errors
/// See [`OpenError`].
pub fn open(
    packet: &PartialPacket,
    protection: &dyn Protection,
    largest_received: Option<u64>,
    bytes: &mut [u8],
) -> Result<Opened, OpenError> {
    let unmasked = unmask(packet, protection, largest_received, bytes)?;
    open_unmasked(&unmasked, protection, bytes)
}

/// Which way a mask is applied: the length of the packet number, which says how many bytes are
/// masked, is itself under it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Add,
    Remove,
}

/// Masks or unmasks the first byte and as many bytes of the packet number as there are.
pub(crate) fn apply_mask(
    first: &mut u8,
    number: &mut [u8; 4],
    mask: [u8; 5],
    direction: Direction,
) {
    let [first_mask, number_mask @ ..] = mask;
    let bits = if *first & LONG == 0 { 0x1f } else { 0x0f };
    let masked = *first ^ (first_mask & bits);
    let clear = match direction {
        Direction::Add => *first,
        Direction::Remove => masked,
    };
    *first = masked;
    let len = usize::from(clear & NUMBER_LEN_MASK) + 1;
    for (byte, mask) in number.iter_mut().zip(number_mask).take(len) {
        *byte ^= mask;
    }
}
