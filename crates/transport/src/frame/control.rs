use codec::{DecodeError, Reader, Writer};

/// Ends the sender's direction of a stream at once (RFC 9000 §19.4).
///
/// ```text
/// 0x04 | stream varint | code varint | final size varint
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ResetStream {
    pub(crate) id: u64,
    pub(crate) code: u64,
    /// How many bytes were sent on the stream: flow control counts them all.
    pub(crate) final_size: u64,
}

impl ResetStream {
    /// The longest encoding.
    pub(crate) const LEN_MAX: usize = 1 + 8 + 8 + 8;

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            id: reader.varint()?,
            code: reader.varint()?,
            final_size: reader.varint()?,
        })
    }

    pub(crate) fn encode(&self, writer: &mut Writer<'_>) {
        writer
            .u8(super::RESET_STREAM)
            .varint(self.id)
            .varint(self.code)
            .varint(self.final_size);
    }
}

/// Asks the peer to send no more on a stream (RFC 9000 §19.5).
///
/// ```text
/// 0x05 | stream varint | code varint
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StopSending {
    pub(crate) id: u64,
    pub(crate) code: u64,
}

impl StopSending {
    /// The longest encoding.
    pub(crate) const LEN_MAX: usize = 1 + 8 + 8;

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            id: reader.varint()?,
            code: reader.varint()?,
        })
    }

    pub(crate) fn encode(&self, writer: &mut Writer<'_>) {
        writer
            .u8(super::STOP_SENDING)
            .varint(self.id)
            .varint(self.code);
    }
}

/// The peer may send up to so many bytes on a stream (RFC 9000 §19.10).
///
/// ```text
/// 0x11 | stream varint | maximum varint
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MaxStreamData {
    pub(crate) id: u64,
    pub(crate) max: u64,
}

impl MaxStreamData {
    /// The longest encoding.
    pub(crate) const LEN_MAX: usize = 1 + 8 + 8;

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            id: reader.varint()?,
            max: reader.varint()?,
        })
    }

    pub(crate) fn encode(&self, writer: &mut Writer<'_>) {
        writer
            .u8(super::MAX_STREAM_DATA)
            .varint(self.id)
            .varint(self.max);
    }
}
