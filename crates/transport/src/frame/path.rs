use codec::{DecodeError, Reader, Writer};
use internet::{ConnectionId, ResetToken};

/// What a challenge of a path asks for: eight bytes that nobody can guess.
pub(crate) type PathData = [u8; 8];

/// Another id under which the sender receives (RFC 9000 §19.15; ids have one length here).
///
/// ```text
/// 0x18 | sequence varint | retire prior to varint | id 64 | reset token 128
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NewConnectionId {
    /// Below 2^32.
    pub(crate) number: u32,
    /// No id with a lower number is to be used any more.
    pub(crate) retire_prior_to: u32,
    pub(crate) id: ConnectionId,
    pub(crate) token: [u8; ResetToken::LEN],
}

impl NewConnectionId {
    /// The longest encoding.
    pub(crate) const LEN_MAX: usize = 1 + 8 + 8 + ConnectionId::LEN + ResetToken::LEN;

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut number = || u32::try_from(reader.varint()?).map_err(|_| DecodeError::Invalid);
        let (number, retire_prior_to) = (number()?, number()?);
        if retire_prior_to > number {
            return Err(DecodeError::Invalid);
        }
        Ok(Self {
            number,
            retire_prior_to,
            id: ConnectionId::decode(reader)?,
            token: reader.array()?,
        })
    }

    pub(crate) fn encode(&self, writer: &mut Writer<'_>) {
        writer
            .u8(super::NEW_CONNECTION_ID)
            .varint(u64::from(self.number))
            .varint(u64::from(self.retire_prior_to))
            .bytes(self.id.as_bytes())
            .bytes(&self.token);
    }
}

/// The longest RETIRE_CONNECTION_ID.
pub(crate) const RETIRE_LEN_MAX: usize = 1 + 8;

/// RETIRE_CONNECTION_ID (RFC 9000 §19.16).
pub(crate) fn encode_retire(number: u64, writer: &mut Writer<'_>) {
    writer.u8(super::RETIRE_CONNECTION_ID).varint(number);
}

/// PATH_CHALLENGE and PATH_RESPONSE (RFC 9000 §19.17, §19.18): `kind`, then the data.
pub(crate) fn encode_path(kind: u8, data: PathData, writer: &mut Writer<'_>) {
    writer.u8(kind).bytes(&data);
}
