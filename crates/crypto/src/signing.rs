use std::fmt;

use ring::rand::SystemRandom;
use ring::signature::{
    RSA_PSS_2048_8192_SHA256, RSA_PSS_SHA256, RsaKeyPair, RsaPublicKeyComponents,
};

use crate::rsa_key::{EXPONENT, PublicPart, generate, private_from_pkcs8, private_to_pkcs8};
use crate::{Fingerprint, KeyError, Random, RsaBits, SecretBytes};

/// A signature that this key did not make over this message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature is not valid")]
pub struct BadSignature;

/// A private RSA key that signs, and does nothing else (PROTOCOL.md §1.1).
///
/// RSA-PSS with SHA-256, MGF1-SHA-256 and a salt of 32 bytes (RFC 8017 §8.1). The PKCS#8 encoding
/// is erased when dropped; what ring keeps for signing is not.
pub struct SigningKey {
    pair: RsaKeyPair,
    pkcs8: SecretBytes,
    verifying: VerifyingKey,
}

impl SigningKey {
    /// A new key. Takes 0.1 to 2 seconds, more for 4096 bits: run it on a worker.
    ///
    /// # Errors
    /// [`KeyError::Generation`].
    pub fn generate(bits: RsaBits, random: &mut dyn Random) -> Result<Self, KeyError> {
        Self::from_pkcs8(private_to_pkcs8(&generate(bits, random)?)?.expose())
    }

    /// Parses an unencrypted PKCS#8 key in DER, as
    /// `openssl pkcs8 -topk8 -nocrypt -outform DER` writes it.
    ///
    /// # Errors
    /// [`KeyError::Malformed`], [`KeyError::Size`], [`KeyError::Exponent`], and
    /// [`KeyError::Inconsistent`] when the parts do not belong together.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, KeyError> {
        let key = private_from_pkcs8(pkcs8)?;
        let pair = RsaKeyPair::from_pkcs8(pkcs8).map_err(|_| KeyError::Inconsistent)?;
        let verifying = VerifyingKey {
            part: PublicPart::of(key.as_public_key())?,
        };
        Ok(Self {
            pair,
            pkcs8: SecretBytes::new(pkcs8.to_vec()),
            verifying,
        })
    }

    /// The private key as unencrypted PKCS#8, in DER.
    #[must_use]
    pub fn to_pkcs8(&self) -> SecretBytes {
        self.pkcs8.clone()
    }

    /// The public key.
    #[must_use]
    pub const fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying
    }

    /// Signs `message`: as many bytes as the modulus has, others each time. A transcript's bytes
    /// are what belongs here ([`Transcript`](crate::Transcript)).
    ///
    /// The salt is the one randomness that is not injected: ring accepts no source but its own. A
    /// predictable salt would weaken PSS to a deterministic signature and not give the key away.
    ///
    /// # Panics
    /// When the operating system has no randomness, or when the computation was disturbed: ring
    /// checks a signature before it lets it go.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.verifying.part.bits.modulus_len()];
        let signed = self.pair.sign(
            &RSA_PSS_SHA256,
            &SystemRandom::new(),
            message,
            &mut signature,
        );
        assert!(
            signed.is_ok(),
            "signing needs randomness and a sound processor"
        );
        signature
    }
}

/// A public RSA key that verifies what a [`SigningKey`] signed.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    part: PublicPart,
}

impl VerifyingKey {
    /// Parses a DER SubjectPublicKeyInfo with the OID rsaEncryption. Every key has one accepted
    /// encoding.
    ///
    /// # Errors
    /// [`KeyError::Malformed`]; [`KeyError::Size`] for other than 3072 or 4096 bits;
    /// [`KeyError::Exponent`] for other than 65537.
    pub fn from_spki_der(spki: &[u8]) -> Result<Self, KeyError> {
        PublicPart::parse(spki).map(|part| Self { part })
    }

    /// The key as SubjectPublicKeyInfo, in DER: 422 or 550 bytes.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.part.spki
    }

    /// Its size, and so the length of its signatures.
    #[must_use]
    pub const fn bits(&self) -> RsaBits {
        self.part.bits
    }

    /// SHA-256 of [`Self::spki_der`].
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of_spki(&self.part.spki)
    }

    /// Checks a signature.
    ///
    /// # Errors
    /// [`BadSignature`], whatever is wrong with it.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        RsaPublicKeyComponents {
            n: &self.part.modulus[..],
            e: &EXPONENT[..],
        }
        .verify(&RSA_PSS_2048_8192_SHA256, message, signature)
        .map_err(|_| BadSignature)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "VerifyingKey({})", self.fingerprint())
    }
}
