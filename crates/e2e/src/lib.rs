//! What two people share and no server reads: identities, the key bag, sealed messages, trust.
//!
//! - [`Identity`]: the two RSA keys of a user with the archive key, and [`PublicIdentity`], what
//!   others see of them.
//! - [`keybag`]: an identity sealed under what the password unlocks.
//! - [`sealed`]: a message from one identity to another. Opening goes through types that enforce
//!   its order: [`SealedMessage`] (parsed) to [`Verified`] (addressed to me, signed by the pinned
//!   key) to [`Opened`] (decrypted). So no RSA decryption ever runs on what no pinned key signed.
//! - [`conversation`]: sequence, hash chain and gaps, sending and receiving.
//! - [`trust`]: pins of contacts, what a changed key does, safety numbers.
//!
//! Sans-IO: no clock, no store, no randomness of its own. Key generation (about half a second) and
//! [`Verified::decrypt`] (about 11 ms) belong on a worker. The bytes are those of PROTOCOL.md §8.

#![forbid(unsafe_code)]

pub mod conversation;
#[cfg(feature = "danger-fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod identity;
pub mod keybag;
mod labels;
mod name;
mod public_identity;
pub mod sealed;
pub mod trust;

#[cfg(test)]
mod testing;

pub use identity::{EARLIER_KEYS_MAX, Identity, IdentityError};
pub use name::NAME_BYTES_MAX;
pub use public_identity::{PUBLIC_IDENTITY_BYTES_MAX, PublicIdentity};
pub use sealed::{Opened, SealedMessage, Verified};
