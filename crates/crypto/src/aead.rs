use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::Unauthentic;

/// Length of an [`Aead`]'s key, in bytes.
pub const AEAD_KEY_LEN: usize = 32;

/// Length of an [`Aead`]'s nonce, in bytes.
pub const AEAD_NONCE_LEN: usize = 12;

/// Length of the tag behind a ciphertext, in bytes.
pub const AEAD_TAG_LEN: usize = 16;

/// AES-256-GCM (NIST SP 800-38D) for what is sealed at rest and end to end; packets have
/// [`PacketKey`](crate::packet::PacketKey).
///
/// A nonce used twice under one key gives both plaintexts and the key's authentication away. Use a
/// key once with a constant nonce, or draw 96 random bits for at most 2^32 seals (SP 800-38D §8.3).
/// GCM does not commit to its key: where somebody could profit from one ciphertext that opens under
/// two keys, commit to the key beside it.
pub struct Aead(LessSafeKey);

impl Aead {
    /// A key. ring does not erase its copy of it.
    #[must_use]
    pub fn aes256_gcm(key: &[u8; AEAD_KEY_LEN]) -> Self {
        match UnboundKey::new(&AES_256_GCM, key) {
            Ok(key) => Self(LessSafeKey::new(key)),
            Err(ring::error::Unspecified) => unreachable!("the length is the algorithm's"),
        }
    }

    /// Encrypts `buffer` in place and appends the tag; `aad` is authenticated and not encrypted.
    ///
    /// # Panics
    /// Above GCM's limit of 64 GiB, far more than any message of ours.
    pub fn seal(&self, nonce: &[u8; AEAD_NONCE_LEN], aad: &[u8], buffer: &mut Vec<u8>) {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let sealed = self
            .0
            .seal_in_place_append_tag(nonce, Aad::from(aad), buffer);
        assert!(sealed.is_ok(), "AES-GCM seals at most 64 GiB");
    }

    /// Decrypts `buffer` in place and removes the tag.
    ///
    /// # Errors
    /// [`Unauthentic`] when key, nonce, `aad` or a byte of `buffer` is another than when it was
    /// sealed; `buffer` is then empty.
    pub fn open(
        &self,
        nonce: &[u8; AEAD_NONCE_LEN],
        aad: &[u8],
        buffer: &mut Vec<u8>,
    ) -> Result<(), Unauthentic> {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self.0.open_in_place(nonce, Aad::from(aad), buffer);
        let opened = opened
            .map(|plaintext| plaintext.len())
            .map_err(|_| Unauthentic);
        buffer.truncate(opened.unwrap_or(0));
        opened.map(drop)
    }
}
