use std::fmt;

use rsa::{Oaep, RsaPrivateKey, RsaPublicKey};
use sha2::Sha256;

use crate::rsa_key::{Injected, PublicPart, generate, private_from_pkcs8, private_to_pkcs8};
use crate::{Fingerprint, KeyError, Random, RsaBits, SecretBytes};

/// Most bytes that any [`EncryptionKey`] encrypts: a modulus of 3072 bits less OAEP's 66 bytes.
pub const OAEP_PLAINTEXT_MAX: usize = 384 - 2 * 32 - 2;

/// A ciphertext that was not made for this key and label. It says no more than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot be decrypted")]
pub struct Undecryptable;

/// A private RSA key that decrypts, and does nothing else (PROTOCOL.md §1.1).
///
/// RSA-OAEP with SHA-256 and MGF1-SHA-256 (RFC 8017 §7.1). Private operations are blinded, but the
/// big integers beneath are not proven to take constant time (RUSTSEC-2023-0071). So decrypt only
/// what a known sender's signature covers, answer nothing when it fails, and never on a server.
/// Erased when dropped.
pub struct DecryptionKey {
    key: RsaPrivateKey,
    encryption: EncryptionKey,
}

impl DecryptionKey {
    /// A new key. Takes 0.1 to 2 seconds, more for 4096 bits: run it on a worker.
    ///
    /// # Errors
    /// [`KeyError::Generation`].
    pub fn generate(bits: RsaBits, random: &mut dyn Random) -> Result<Self, KeyError> {
        Self::new(generate(bits, random)?)
    }

    /// Parses an unencrypted PKCS#8 key in DER, as
    /// `openssl pkcs8 -topk8 -nocrypt -outform DER` writes it.
    ///
    /// # Errors
    /// [`KeyError::Malformed`], [`KeyError::Size`], [`KeyError::Exponent`], and
    /// [`KeyError::Inconsistent`] when the parts do not belong together.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, KeyError> {
        Self::new(private_from_pkcs8(pkcs8)?)
    }

    /// The private key as unencrypted PKCS#8, in DER.
    ///
    /// # Panics
    /// Never: a key that exists was encoded before.
    #[must_use]
    pub fn to_pkcs8(&self) -> SecretBytes {
        match private_to_pkcs8(&self.key) {
            Ok(pkcs8) => pkcs8,
            Err(_) => unreachable!("a checked key has an encoding"),
        }
    }

    /// The public key.
    #[must_use]
    pub const fn encryption_key(&self) -> &EncryptionKey {
        &self.encryption
    }

    /// Decrypts. The randomness that blinds the computation is the operating system's, not
    /// injected: it changes no result.
    ///
    /// # Errors
    /// [`Undecryptable`] for a wrong label as for any other fault.
    pub fn decrypt(&self, label: &[u8], ciphertext: &[u8]) -> Result<SecretBytes, Undecryptable> {
        if ciphertext.len() != self.encryption.part.bits.modulus_len() {
            return Err(Undecryptable);
        }
        self.key
            .decrypt(Oaep::<Sha256>::new_with_label(label), ciphertext)
            .map(SecretBytes::new)
            .map_err(|_| Undecryptable)
    }

    fn new(key: RsaPrivateKey) -> Result<Self, KeyError> {
        let public = key.to_public_key();
        let encryption = EncryptionKey {
            part: PublicPart::of(&public)?,
            key: public,
        };
        Ok(Self { key, encryption })
    }
}

/// A public RSA key that encrypts for a [`DecryptionKey`].
#[derive(Clone, PartialEq, Eq)]
pub struct EncryptionKey {
    part: PublicPart,
    key: RsaPublicKey,
}

impl EncryptionKey {
    /// Parses a DER SubjectPublicKeyInfo with the OID rsaEncryption. Every key has one accepted
    /// encoding.
    ///
    /// # Errors
    /// [`KeyError::Malformed`]; [`KeyError::Size`] for other than 3072 or 4096 bits;
    /// [`KeyError::Exponent`] for other than 65537.
    pub fn from_spki_der(spki: &[u8]) -> Result<Self, KeyError> {
        PublicPart::parse_key(spki).map(|(part, key)| Self { part, key })
    }

    /// The key as SubjectPublicKeyInfo, in DER: 422 or 550 bytes.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.part.spki
    }

    /// Its size, and so the length of its ciphertexts.
    #[must_use]
    pub const fn bits(&self) -> RsaBits {
        self.part.bits
    }

    /// SHA-256 of [`Self::spki_der`].
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of_spki(&self.part.spki)
    }

    /// Encrypts `plaintext` under a label that decryption has to name again: as many bytes as the
    /// modulus has.
    ///
    /// # Panics
    /// When `plaintext` is longer than [`OAEP_PLAINTEXT_MAX`]: what is encrypted is a key.
    #[must_use]
    pub fn encrypt(&self, label: &[u8], plaintext: &[u8], random: &mut dyn Random) -> Vec<u8> {
        assert!(
            plaintext.len() <= OAEP_PLAINTEXT_MAX,
            "OAEP takes at most 318 bytes"
        );
        let oaep = Oaep::<Sha256>::new_with_label(label);
        match self.key.encrypt(&mut Injected(random), oaep, plaintext) {
            Ok(ciphertext) => ciphertext,
            Err(_) => unreachable!("the key, and the plaintext's length, were checked"),
        }
    }
}

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "EncryptionKey({})", self.fingerprint())
    }
}
