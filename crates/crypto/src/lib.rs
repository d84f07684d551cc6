//! The one door to ring, rsa, hkdf, sha2 and argon2.
//!
//! What a protocol above needs of cryptography, and no choice it could get wrong: one hash, one
//! AEAD, one signature scheme per kind of key. Nothing here looks at a clock, and randomness is
//! injected ([`Random`]), with two exceptions that the libraries leave no choice in or that change
//! no result: the salt of an RSA signature, and what blinds an RSA decryption.
//!
//! Every input of a hash, MAC, signature or key derivation of ours is a [`Transcript`].
#![forbid(unsafe_code)]

mod aead;
mod device;
mod digest;
mod encryption;
mod error;
mod fingerprint;
#[cfg(any(test, feature = "danger-fixtures"))]
pub mod fixtures;
pub mod packet;
mod password;
mod random;
mod rsa_key;
mod secret;
mod signing;
mod transcript;

pub use aead::{AEAD_KEY_LEN, AEAD_NONCE_LEN, AEAD_TAG_LEN, Aead};
pub use device::{DeviceKey, ed25519_spki_der, verify_ed25519};
pub use digest::{HKDF_SHA256_MAX, Sha256, hkdf_sha256, hmac_sha256, sha256};
pub use encryption::{DecryptionKey, EncryptionKey, OAEP_PLAINTEXT_MAX, Undecryptable};
pub use error::{KeyError, Unauthentic};
pub use fingerprint::{Fingerprint, NotAFingerprint};
pub use password::{Argon2Cost, argon2id};
pub use random::{Random, random_array};
pub use rsa_key::RsaBits;
pub use secret::{Secret, SecretBytes, ct_eq};
pub use signing::{BadSignature, SigningKey, VerifyingKey};
pub use transcript::Transcript;
