//! The one door to ring, rsa, hkdf, sha2 and argon2.
#![forbid(unsafe_code)]

mod random;

pub use random::{Random, random_array};
