use codec::{DecodeError, Reader, VarInt, Writer};

/// Bytes of a stream that will not come: messages that are too late (docs/PROTOCOL.md §4.4).
///
/// ```text
/// 0x28 | stream varint | offset varint | length varint
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Skip {
    pub(crate) id: u64,
    pub(crate) offset: u64,
    /// Not 0.
    pub(crate) len: u64,
}

impl Skip {
    pub(crate) const LEN_MAX: usize = 1 + 3 * 8;

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (id, offset, len) = (reader.varint()?, reader.varint()?, reader.varint()?);
        // Two numbers below 2^62 do not overflow.
        if len == 0 || offset + len > VarInt::MAX {
            return Err(DecodeError::Invalid);
        }
        Ok(Self { id, offset, len })
    }

    pub(crate) fn end(&self) -> u64 {
        self.offset + self.len
    }

    pub(crate) fn encode(&self, writer: &mut Writer<'_>) {
        writer
            .u8(super::SKIP)
            .varint(self.id)
            .varint(self.offset)
            .varint(self.len);
    }
}

/// What is delivered at once or never (docs/PROTOCOL.md §4.4).
///
/// ```text
/// 0x30 | stream varint | length varint | data
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Datagram<'a> {
    pub(crate) id: u64,
    pub(crate) data: &'a [u8],
}

impl<'a> Datagram<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let id = reader.varint()?;
        let data = reader.prefixed(usize::MAX)?;
        Ok(Self { id, data })
    }

    /// What stands before `len` bytes of data.
    pub(crate) fn header_len(id: u64, len: usize) -> usize {
        1 + VarInt::size(id) + VarInt::size(len as u64)
    }

    pub(crate) fn encode_header(id: u64, len: usize, writer: &mut Writer<'_>) {
        writer.u8(super::DATAGRAM).varint(id).varint(len as u64);
    }
}
