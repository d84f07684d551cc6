use codec::{DecodeError, Reader};
use crypto::{Random, random_array};

/// An address of a connection: 8 bytes, issued by whoever receives packets under it
/// (docs/PROTOCOL.md §2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId([u8; ConnectionId::LEN]);

impl ConnectionId {
    /// Length of every connection id, in bytes.
    pub const LEN: usize = 8;

    /// The id of these bytes.
    pub const fn new(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// A random id: what a client receives under, and what it first sends to.
    pub fn random(random: &mut (impl Random + ?Sized)) -> Self {
        Self(random_array(random))
    }

    /// Reads an id.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array().map(Self)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}
