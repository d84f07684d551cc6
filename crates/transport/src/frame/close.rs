use codec::{DecodeError, Reader, Writer};

/// A longer reason is cut when sent and refused when received, in bytes.
pub(crate) const REASON_BYTES_MAX: usize = 256;

/// The connection is over (RFC 9000 §19.19).
///
/// ```text
/// 0x1c (transport) or 0x1d (application) | code varint | reason prefixed, at most 256 bytes
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Close<'a> {
    /// Whether the application closed it, and not the transport.
    pub(crate) application: bool,
    pub(crate) code: u64,
    /// Meant for a person; any bytes from a peer.
    pub(crate) reason: &'a [u8],
}

impl<'a> Close<'a> {
    pub(super) fn decode(kind: u8, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            application: kind == super::CLOSE_APPLICATION,
            code: reader.varint()?,
            reason: reader.prefixed(REASON_BYTES_MAX)?,
        })
    }

    pub(crate) fn encode(&self, writer: &mut Writer<'_>) {
        writer
            .u8(if self.application {
                super::CLOSE_APPLICATION
            } else {
                super::CLOSE
            })
            .varint(self.code)
            .prefixed(self.reason);
    }
}
