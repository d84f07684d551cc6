//! The one door to ring, rsa, hkdf, sha2 and argon2.
//!
//! What a protocol above needs of cryptography, and no choice it could get wrong: one hash, one
//! AEAD, one signature scheme per kind of key. Nothing here looks at a clock, and randomness is
//! injected ([`Random`]); the one exception is the salt of a signature
//! ([PROTOCOL.md §1](../../../docs/PROTOCOL.md)), which ring draws itself.
//!
//! Every input of a hash, MAC, signature or key derivation of ours is a [`Transcript`].
#![forbid(unsafe_code)]

mod aead;
mod digest;
mod error;
mod password;
mod random;
mod secret;
mod transcript;

pub use aead::{AEAD_KEY_LEN, AEAD_NONCE_LEN, AEAD_TAG_LEN, Aead};
pub use digest::{HKDF_SHA256_MAX, Sha256, hkdf_sha256, hmac_sha256, sha256};
pub use error::{KeyError, Unauthentic};
pub use password::{Argon2Cost, argon2id};
pub use random::{Random, random_array};
pub use secret::{Secret, SecretBytes, ct_eq};
pub use transcript::Transcript;
