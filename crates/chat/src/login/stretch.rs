use crypto::{Argon2Cost, argon2id};
use opaque_ke::errors::InternalError;
use opaque_ke::generic_array::{ArrayLength, GenericArray};
use opaque_ke::ksf::Ksf;

/// A way of stretching a password, from a closed list (PROTOCOL.md §6.4).
///
/// A server names the one that a record was made with. The list is the client's own, so no server
/// can make it do less, or ruinously more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum KsfId {
    /// Argon2id, 64 MiB, 3 passes, 4 lanes: RFC 9106's second recommendation. About 0.1-0.3 s.
    #[default]
    Argon2id64MiB,
    /// Nothing worth the name. Only with the feature `danger-cheap-ksf`.
    #[cfg(any(test, feature = "danger-cheap-ksf"))]
    DangerCheap,
}

/// The other side names a password stretching that is not on the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("password stretching {0} is not known")]
pub struct UnknownKsf(pub u8);

impl KsfId {
    /// As it travels and is stored.
    pub const fn to_byte(self) -> u8 {
        match self {
            Self::Argon2id64MiB => 1,
            #[cfg(any(test, feature = "danger-cheap-ksf"))]
            Self::DangerCheap => 255,
        }
    }

    const fn cost(self) -> Argon2Cost {
        match self {
            Self::Argon2id64MiB => Argon2Cost {
                memory_kib: 64 * 1024,
                passes: 3,
                lanes: 4,
            },
            #[cfg(any(test, feature = "danger-cheap-ksf"))]
            Self::DangerCheap => Argon2Cost {
                memory_kib: 8,
                passes: 1,
                lanes: 1,
            },
        }
    }
}

impl TryFrom<u8> for KsfId {
    type Error = UnknownKsf;

    fn try_from(byte: u8) -> Result<Self, UnknownKsf> {
        match byte {
            1 => Ok(Self::Argon2id64MiB),
            #[cfg(any(test, feature = "danger-cheap-ksf"))]
            255 => Ok(Self::DangerCheap),
            _ => Err(UnknownKsf(byte)),
        }
    }
}

/// A [`KsfId`] as OPAQUE calls it. The salt is zero (RFC 9807 §7): the input is already unique to
/// server and account.
#[derive(Default)]
pub(super) struct Stretch(pub(super) KsfId);

impl Ksf for Stretch {
    fn hash<L: ArrayLength<u8>>(
        &self,
        input: GenericArray<u8, L>,
    ) -> Result<GenericArray<u8, L>, InternalError> {
        let mut output = GenericArray::default();
        argon2id(&input, &[0; 16], self.0.cost(), &mut output)
            .map_err(|_| InternalError::KsfError)?;
        Ok(output)
    }
}
