use codec::{DecodeError, Reader, VarInt, Writer};

/// Handshake bytes (RFC 9000 §19.6).
///
/// ```text
/// 0x06 | offset varint | length varint | data
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Crypto<'a> {
    pub(crate) offset: u64,
    pub(crate) data: &'a [u8],
}

impl<'a> Crypto<'a> {
    pub(crate) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let offset = reader.varint()?;
        let data = reader.prefixed(usize::MAX)?;
        check_end(offset, data)?;
        Ok(Self { offset, data })
    }

    #[cfg(any(test, feature = "danger-fuzzing"))]
    pub(crate) fn header(&self) -> CryptoHeader {
        CryptoHeader {
            offset: self.offset,
            len: self.data.len(),
        }
    }
}

/// A crypto frame without its data.
pub(crate) struct CryptoHeader {
    pub(crate) offset: u64,
    pub(crate) len: usize,
}

impl CryptoHeader {
    /// The longest header, for data of less than 16 KiB.
    pub(crate) const LEN_MAX: usize = 1 + 8 + 2;

    pub(crate) fn encode(&self, writer: &mut Writer<'_>) {
        writer
            .u8(super::CRYPTO)
            .varint(self.offset)
            .varint(self.len as u64);
    }
}

/// Bytes of a stream (RFC 9000 §19.8).
///
/// ```text
/// 0b00001OLF | stream varint | offset varint, if O | length varint, if L | data, to the packet's end without L
/// ```
///
/// O: there is an offset, otherwise it is 0. L: there is a length. F: the data ends the stream. With
/// `0b00100OLF` instead a message begins where the data does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stream<'a> {
    pub(crate) id: u64,
    pub(crate) offset: u64,
    pub(crate) fin: bool,
    /// A message begins at `offset`; there is data then.
    pub(crate) begins: bool,
    pub(crate) data: &'a [u8],
}

const OFFSET: u8 = 0x04;
const LENGTH: u8 = 0x02;
const FIN: u8 = 0x01;

impl<'a> Stream<'a> {
    pub(super) fn decode(kind: u8, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let id = reader.varint()?;
        let offset = if kind & OFFSET == 0 {
            0
        } else {
            // An offset of zero has no second spelling.
            Some(reader.varint()?)
                .filter(|&offset| offset > 0)
                .ok_or(DecodeError::NotMinimal)?
        };
        let data = if kind & LENGTH == 0 {
            reader.rest()
        } else {
            reader.prefixed(usize::MAX)?
        };
        check_end(offset, data)?;
        let fin = kind & FIN != 0;
        let begins = kind & super::MESSAGES != 0;
        if begins && data.is_empty() {
            return Err(DecodeError::Invalid);
        }
        Ok(Self {
            id,
            offset,
            fin,
            begins,
            data,
        })
    }

    #[cfg(any(test, feature = "danger-fuzzing"))]
    pub(crate) fn header(&self, with_len: bool) -> StreamHeader {
        StreamHeader {
            id: self.id,
            offset: self.offset,
            len: with_len.then_some(self.data.len()),
            fin: self.fin,
            begins: self.begins,
        }
    }
}

/// A stream frame without its data.
pub(crate) struct StreamHeader {
    pub(crate) id: u64,
    pub(crate) offset: u64,
    /// `None`: the data goes to the end of the packet.
    pub(crate) len: Option<usize>,
    pub(crate) fin: bool,
    /// A message begins at `offset`.
    pub(crate) begins: bool,
}

impl StreamHeader {
    /// How long the header is, without its length field.
    pub(crate) fn size(&self) -> usize {
        let offset = if self.offset == 0 {
            0
        } else {
            VarInt::size(self.offset)
        };
        1 + VarInt::size(self.id) + offset
    }

    pub(crate) fn encode(&self, writer: &mut Writer<'_>) {
        let mut kind = if self.begins {
            super::MESSAGES
        } else {
            super::STREAM
        };
        if self.offset > 0 {
            kind |= OFFSET;
        }
        if self.len.is_some() {
            kind |= LENGTH;
        }
        if self.fin {
            kind |= FIN;
        }
        writer.u8(kind).varint(self.id);
        if self.offset > 0 {
            writer.varint(self.offset);
        }
        if let Some(len) = self.len {
            writer.varint(len as u64);
        }
    }
}

/// No stream goes beyond 2^62 - 1 bytes.
fn check_end(offset: u64, data: &[u8]) -> Result<(), DecodeError> {
    match offset.checked_add(data.len() as u64) {
        Some(end) if end <= VarInt::MAX => Ok(()),
        _ => Err(DecodeError::Invalid),
    }
}
