//! Headers as they stand in a datagram, before any key is needed (docs/PROTOCOL.md §2).

use std::ops::Range;

use codec::{DecodeError, Reader};

use crate::{ConnectionId, DropReason, TAG_LEN};

/// The version of the protocol that this crate speaks: "ut", 0, 1.
pub const VERSION: u32 = 0x7574_0001;

/// The version field of a Version packet.
pub(crate) const VERSION_NEGOTIATION: u32 = 0;

/// The longest token of an Initial packet, in bytes.
pub const TOKEN_BYTES_MAX: usize = 512;

pub(crate) const LONG: u8 = 0x80;
pub(crate) const FIXED: u8 = 0x40;
/// Of a short header's first byte: the bits that no mask covers, and what they are.
pub(crate) const DATA_MASK: u8 = 0xe0;
pub(crate) const DATA: u8 = FIXED;
pub(crate) const TYPE_MASK: u8 = 0x30;
pub(crate) const TYPE_INITIAL: u8 = 0x00;
pub(crate) const TYPE_HANDSHAKE: u8 = 0x20;
pub(crate) const TYPE_CHALLENGE: u8 = 0x30;
pub(crate) const LONG_RESERVED: u8 = 0x0c;
pub(crate) const DATA_RESERVED: u8 = 0x18;
pub(crate) const KEY_PHASE: u8 = 0x04;
pub(crate) const NUMBER_LEN_MASK: u8 = 0x03;

/// First byte of a Challenge: nothing in it is free.
pub(crate) const CHALLENGE_FIRST: u8 = LONG | FIXED | TYPE_CHALLENGE;
/// First byte of a Version packet: nothing in it is free.
pub(crate) const VERSION_FIRST: u8 = LONG | FIXED;

/// Bytes behind a packet number's first that the header mask's sample leaves out
/// (RFC 9001 §5.4.2).
pub(crate) const SAMPLE_OFFSET: usize = 4;

/// The part of a header that is readable without keys. Ranges count from the packet's first byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Header {
    /// First flight, under keys that follow from the client's first destination id.
    Initial {
        /// The receiver's id, or the client's choice in its first packets.
        dcid: ConnectionId,
        /// The id under which the sender receives.
        scid: ConnectionId,
        /// Where the token stands; at most [`TOKEN_BYTES_MAX`] bytes, empty for none.
        token: Range<usize>,
    },
    /// The rest of the handshake.
    Handshake {
        /// The receiver's id.
        dcid: ConnectionId,
        /// The id under which the sender receives.
        scid: ConnectionId,
    },
    /// A server's stateless answer to an Initial.
    Challenge {
        /// The client's id.
        dcid: ConnectionId,
        /// The id that the client had sent its Initial to.
        scid: ConnectionId,
        /// Where the body stands, without the tag.
        body: Range<usize>,
    },
    /// A server's stateless answer to a version that it does not speak.
    Version {
        /// The client's id.
        dcid: ConnectionId,
        /// The id that the client had sent its packet to.
        scid: ConnectionId,
        /// Where the list of versions stands: four bytes each, at least one.
        versions: Range<usize>,
    },
    /// Everything after the handshake. A stateless reset looks the same.
    Data {
        /// The receiver's id.
        dcid: ConnectionId,
    },
    /// A long header of another version, with nothing else known about it (RFC 8999 §5.1).
    Unknown {
        /// That version.
        version: u32,
        /// Where its destination id stands, 0 to 255 bytes.
        dcid: Range<usize>,
        /// Where its source id stands, 0 to 255 bytes.
        scid: Range<usize>,
    },
}

/// The first packet of a datagram, not yet unmasked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartialPacket {
    /// What is readable of its header.
    pub header: Header,
    /// Length of the whole packet.
    pub(crate) len: usize,
    /// Where the packet number begins; `len` for types without one.
    pub(crate) number_offset: usize,
}

impl PartialPacket {
    /// Parses the packet at the front of `datagram`. What is behind its [`len`](Self::len) is the
    /// next packet of the same datagram; every packet has at least one byte.
    ///
    /// # Errors
    /// [`DropReason::Truncated`], [`DropReason::UnknownType`], [`DropReason::Malformed`] or
    /// [`DropReason::TooShort`]; the rest of the datagram is then to be dropped with it.
    pub fn parse(datagram: &[u8]) -> Result<Self, DropReason> {
        let mut reader = Reader::new(datagram);
        let first = reader.u8()?;
        if first & LONG == 0 {
            return parse_data(first, reader);
        }
        match reader.u32()? {
            VERSION => parse_long(first, reader),
            VERSION_NEGOTIATION => parse_version(first, reader),
            version => parse_unknown(version, reader),
        }
    }

    /// Length of the packet, in bytes: at least 1, at most the datagram's.
    #[allow(clippy::len_without_is_empty)] // A packet is never empty.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// The destination id; `None` for another version's.
    pub const fn dcid(&self) -> Option<ConnectionId> {
        match self.header {
            Header::Initial { dcid, .. }
            | Header::Handshake { dcid, .. }
            | Header::Challenge { dcid, .. }
            | Header::Version { dcid, .. }
            | Header::Data { dcid } => Some(dcid),
            Header::Unknown { .. } => None,
        }
    }

    /// The destination id of any datagram's first packet, in as few steps as a router needs:
    /// enough to choose the worker that parses the rest.
    pub fn peek_dcid(datagram: &[u8]) -> Option<ConnectionId> {
        let mut reader = Reader::new(datagram);
        if reader.u8().ok()? & LONG != 0 {
            reader.u32().ok()?;
            if reader.u8().ok()? as usize != ConnectionId::LEN {
                return None;
            }
        }
        ConnectionId::decode(&mut reader).ok()
    }
}

fn parse_data(first: u8, mut reader: Reader<'_>) -> Result<PartialPacket, DropReason> {
    if first & DATA_MASK != DATA {
        return Err(DropReason::UnknownType);
    }
    let dcid = ConnectionId::decode(&mut reader)?;
    let number_offset = reader.position();
    Ok(PartialPacket {
        header: Header::Data { dcid },
        len: number_offset + reader.remaining(),
        number_offset,
    })
}

fn parse_long(first: u8, mut reader: Reader<'_>) -> Result<PartialPacket, DropReason> {
    if first & FIXED == 0 {
        return Err(DropReason::UnknownType);
    }
    let kind = first & TYPE_MASK;
    if !matches!(kind, TYPE_INITIAL | TYPE_HANDSHAKE | TYPE_CHALLENGE) {
        return Err(DropReason::UnknownType);
    }
    let dcid = prefixed_id(&mut reader)?;
    let scid = prefixed_id(&mut reader)?;
    if kind == TYPE_CHALLENGE {
        return parse_challenge(first, dcid, scid, reader);
    }
    let header = if kind == TYPE_INITIAL {
        let len = reader.prefixed(TOKEN_BYTES_MAX)?.len();
        let end = reader.position();
        Header::Initial {
            dcid,
            scid,
            token: end - len..end,
        }
    } else {
        Header::Handshake { dcid, scid }
    };
    let length = usize::from(reader.u16()?);
    if length < SAMPLE_OFFSET + TAG_LEN {
        return Err(DropReason::TooShort);
    }
    let number_offset = reader.position();
    reader.bytes(length)?;
    Ok(PartialPacket {
        header,
        len: reader.position(),
        number_offset,
    })
}

fn parse_challenge(
    first: u8,
    dcid: ConnectionId,
    scid: ConnectionId,
    reader: Reader<'_>,
) -> Result<PartialPacket, DropReason> {
    if first != CHALLENGE_FIRST {
        return Err(DropReason::Malformed);
    }
    let start = reader.position();
    let body = reader
        .remaining()
        .checked_sub(TAG_LEN)
        .ok_or(DropReason::Truncated)?;
    let len = start + reader.remaining();
    Ok(PartialPacket {
        header: Header::Challenge {
            dcid,
            scid,
            body: start..start + body,
        },
        len,
        number_offset: len,
    })
}

fn parse_version(first: u8, mut reader: Reader<'_>) -> Result<PartialPacket, DropReason> {
    if first != VERSION_FIRST {
        return Err(DropReason::Malformed);
    }
    let dcid = prefixed_id(&mut reader)?;
    let scid = prefixed_id(&mut reader)?;
    let start = reader.position();
    let len = start + reader.remaining();
    if reader.is_empty() || !reader.remaining().is_multiple_of(4) {
        return Err(DropReason::Truncated);
    }
    Ok(PartialPacket {
        header: Header::Version {
            dcid,
            scid,
            versions: start..len,
        },
        len,
        number_offset: len,
    })
}

fn parse_unknown(version: u32, mut reader: Reader<'_>) -> Result<PartialPacket, DropReason> {
    let mut id = || -> Result<Range<usize>, DecodeError> {
        let len = usize::from(reader.u8()?);
        reader.bytes(len)?;
        let end = reader.position();
        Ok(end - len..end)
    };
    let dcid = id()?;
    let scid = id()?;
    let len = reader.position() + reader.remaining();
    Ok(PartialPacket {
        header: Header::Unknown {
            version,
            dcid,
            scid,
        },
        len,
        number_offset: len,
    })
}

fn prefixed_id(reader: &mut Reader<'_>) -> Result<ConnectionId, DropReason> {
    if usize::from(reader.u8()?) != ConnectionId::LEN {
        return Err(DropReason::Malformed);
    }
    Ok(ConnectionId::decode(reader)?)
}
