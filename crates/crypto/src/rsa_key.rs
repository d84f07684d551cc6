//! What both kinds of RSA key share: sizes, encodings, generation.

use std::convert::Infallible;

use rsa::pkcs1::{self, RsaPrivateKeyRef, RsaPublicKeyRef};
use rsa::pkcs8::der::Decode;
use rsa::pkcs8::der::asn1::AnyRef;
use rsa::pkcs8::{
    AlgorithmIdentifierRef, DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey,
    PrivateKeyInfoRef, SubjectPublicKeyInfoRef,
};
use rsa::rand_core::{TryCryptoRng, TryRng};
use rsa::{RsaPrivateKey, RsaPublicKey};

use crate::{KeyError, Random, SecretBytes, ct_eq};

/// The public exponent of every key, 65537, big-endian.
pub(crate) const EXPONENT: [u8; 3] = [1, 0, 1];

/// Longer encodings are not looked into; a private key of 4096 bits takes 2,375 bytes.
const ENCODING_LEN_MAX: usize = 8192;

/// The size of an RSA key (PROTOCOL.md §1.1). There is no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RsaBits {
    /// 3072 bits, about 128 bits of security: the default.
    B3072,
    /// 4096 bits: a private operation takes more than twice as long.
    B4096,
}

impl RsaBits {
    /// Length of the modulus, in bits.
    #[must_use]
    pub const fn bits(self) -> usize {
        match self {
            Self::B3072 => 3072,
            Self::B4096 => 4096,
        }
    }

    /// Length of a modulus, a signature and an OAEP ciphertext, in bytes.
    #[must_use]
    pub const fn modulus_len(self) -> usize {
        self.bits() / 8
    }

    fn from_modulus(modulus: &[u8]) -> Result<Self, KeyError> {
        let unused = modulus
            .first()
            .map_or(0, |first| first.leading_zeros() as usize);
        match modulus.len().saturating_mul(8).saturating_sub(unused) {
            3072 => Ok(Self::B3072),
            4096 => Ok(Self::B4096),
            bits => Err(KeyError::Size { bits }),
        }
    }
}

/// A public key in its one accepted encoding.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PublicPart {
    pub(crate) bits: RsaBits,
    pub(crate) modulus: Box<[u8]>,
    pub(crate) spki: Box<[u8]>,
}

impl PublicPart {
    /// Parses a DER SubjectPublicKeyInfo with the OID rsaEncryption (RFC 3279 §2.3.1).
    pub(crate) fn parse(spki: &[u8]) -> Result<Self, KeyError> {
        if spki.len() > ENCODING_LEN_MAX {
            return Err(KeyError::Malformed);
        }
        let info = SubjectPublicKeyInfoRef::from_der(spki).map_err(|_| KeyError::Malformed)?;
        // A second encoding of one key would have a fingerprint of its own. DER has one for all but
        // the parameters, which are NULL.
        let expected = AlgorithmIdentifierRef {
            oid: pkcs1::ALGORITHM_OID,
            parameters: Some(AnyRef::NULL),
        };
        if info.algorithm != expected {
            return Err(KeyError::Malformed);
        }
        let key = info
            .subject_public_key
            .as_bytes()
            .ok_or(KeyError::Malformed)?;
        let key = RsaPublicKeyRef::from_der(key).map_err(|_| KeyError::Malformed)?;
        let bits = checked_size(&key)?;
        let modulus = key.modulus.as_bytes();
        if modulus.last().is_none_or(|last| last % 2 == 0) {
            return Err(KeyError::Malformed);
        }
        Ok(Self {
            bits,
            modulus: modulus.into(),
            spki: spki.into(),
        })
    }

    /// The same, and the key to compute with, which takes much longer to make.
    pub(crate) fn parse_key(spki: &[u8]) -> Result<(Self, RsaPublicKey), KeyError> {
        let part = Self::parse(spki)?;
        let key = RsaPublicKey::from_public_key_der(spki).map_err(|_| KeyError::Malformed)?;
        Ok((part, key))
    }

    /// The encoding of a checked key.
    pub(crate) fn of(key: &RsaPublicKey) -> Result<Self, KeyError> {
        let spki = key
            .to_public_key_der()
            .map_err(|_| KeyError::Malformed)?
            .into_vec();
        let info = SubjectPublicKeyInfoRef::from_der(&spki).map_err(|_| KeyError::Malformed)?;
        let public = info
            .subject_public_key
            .as_bytes()
            .ok_or(KeyError::Malformed)?;
        let public = RsaPublicKeyRef::from_der(public).map_err(|_| KeyError::Malformed)?;
        let bits = checked_size(&public)?;
        let modulus = public.modulus.as_bytes().into();
        Ok(Self {
            bits,
            modulus,
            spki: spki.into(),
        })
    }
}

/// Parses an unencrypted PKCS#8 key (RFC 5208) in the form in which OpenSSL and
/// [`private_to_pkcs8`] write it: version 0, OID rsaEncryption, two primes, no attributes.
pub(crate) fn private_from_pkcs8(pkcs8: &[u8]) -> Result<RsaPrivateKey, KeyError> {
    if pkcs8.len() > ENCODING_LEN_MAX {
        return Err(KeyError::Malformed);
    }
    let info = PrivateKeyInfoRef::from_der(pkcs8).map_err(|_| KeyError::Malformed)?;
    if info.algorithm.oid != pkcs1::ALGORITHM_OID {
        return Err(KeyError::Malformed);
    }
    let parts =
        RsaPrivateKeyRef::from_der(info.private_key.as_bytes()).map_err(|_| KeyError::Malformed)?;
    checked_size(&parts.public_key())?;
    let key = RsaPrivateKey::from_pkcs8_der(pkcs8).map_err(|_| KeyError::Inconsistent)?;
    // The decoder ignores the three values for the Chinese remainder theorem, the encoder makes
    // them anew: comparing checks them, and leaves one encoding for one key.
    if ct_eq(private_to_pkcs8(&key)?.expose(), pkcs8) {
        Ok(key)
    } else {
        Err(KeyError::Inconsistent)
    }
}

/// The PKCS#8 encoding of a key.
pub(crate) fn private_to_pkcs8(key: &RsaPrivateKey) -> Result<SecretBytes, KeyError> {
    let document = key.to_pkcs8_der().map_err(|_| KeyError::Malformed)?;
    Ok(SecretBytes::new(document.as_bytes().to_vec()))
}

/// A new key. Takes 0.1 to 2 seconds, more for 4096 bits: run it on a worker.
pub(crate) fn generate(bits: RsaBits, random: &mut dyn Random) -> Result<RsaPrivateKey, KeyError> {
    RsaPrivateKey::new(&mut Injected(random), bits.bits()).map_err(|_| KeyError::Generation)
}

fn checked_size(key: &RsaPublicKeyRef<'_>) -> Result<RsaBits, KeyError> {
    let bits = RsaBits::from_modulus(key.modulus.as_bytes())?;
    if key.public_exponent.as_bytes() == EXPONENT {
        Ok(bits)
    } else {
        Err(KeyError::Exponent)
    }
}

/// Injected randomness in the shape that the `rsa` crate asks for.
pub(crate) struct Injected<'a>(pub(crate) &'a mut dyn Random);

impl TryRng for Injected<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(crate::random_array(self.0)))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(crate::random_array(self.0)))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(out);
        Ok(())
    }
}

impl TryCryptoRng for Injected<'_> {}
