use crypto::{Aead, Secret, Transcript};
use zeroize::Zeroizing;

use crate::labels;

/// What the message's secret yields for one head (PROTOCOL.md §8.3).
pub(super) struct Schedule {
    key: Secret<32>,
    nonce: [u8; 12],
    /// Makes the key unique to the message: GCM alone would let one ciphertext open under two keys.
    pub(super) commitment: [u8; 32],
}

impl Schedule {
    pub(super) fn derive(secret: &Secret<32>, th: &[u8; 32]) -> Self {
        let mut okm = Zeroizing::new([0; 76]);
        Transcript::new(labels::SEALED_SECRETS)
            .field(th)
            .hkdf_sha256(secret.expose(), &[], &mut okm[..]);
        let mut nonce = [0; 12];
        let mut commitment = [0; 32];
        nonce.copy_from_slice(&okm[32..44]);
        commitment.copy_from_slice(&okm[44..]);
        Self {
            key: Secret::filled(|key| key.copy_from_slice(&okm[..32])),
            nonce,
            commitment,
        }
    }

    pub(super) fn seal(&self, th: &[u8; 32], padded: &mut Vec<u8>) {
        Aead::aes256_gcm(self.key.expose()).seal(&self.nonce, th, padded);
    }

    pub(super) fn open(
        &self,
        th: &[u8; 32],
        sealed: &mut Vec<u8>,
    ) -> Result<(), crypto::Unauthentic> {
        Aead::aes256_gcm(self.key.expose()).open(&self.nonce, th, sealed)
    }
}
