use std::fmt;

use codec::{Reader, Writer};
use crypto::{EncryptionKey, Fingerprint, Transcript, VerifyingKey};

use crate::IdentityError;
use crate::labels;
use crate::name::{NAME_BYTES_MAX, is_name, read_name};

/// Longest DER SubjectPublicKeyInfo that is looked at, in bytes. RSA with 4096 bits takes 550.
const SPKI_BYTES_MAX: usize = 600;

/// Longest RSA signature, in bytes: 4096 bits.
const SIGNATURE_BYTES_MAX: usize = 512;

/// Longest encoding of a [`PublicIdentity`], in bytes.
pub const PUBLIC_IDENTITY_BYTES_MAX: usize =
    1 + NAME_BYTES_MAX + 2 * (2 + SPKI_BYTES_MAX) + 2 + SIGNATURE_BYTES_MAX + 1;

/// What others see of an [`Identity`](crate::Identity): its name and its two public keys, of which
/// the signing key certifies the encryption key (PROTOCOL.md §8.1).
///
/// A value of this type has been checked: both keys are acceptable, they differ, and the
/// certificate verifies. Whether the signing key is the right one for the name, a
/// [`Pin`](crate::trust::Pin) knows.
#[derive(Clone)]
pub struct PublicIdentity {
    name: String,
    signing: VerifyingKey,
    encryption: EncryptionKey,
    certificate: Vec<u8>,
}

impl PublicIdentity {
    /// Checks the parts as they came, keys in DER SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// [`IdentityError::Name`], [`IdentityError::SigningKey`] or [`IdentityError::EncryptionKey`]
    /// (malformed, too short, wrong exponent), [`IdentityError::SameKey`],
    /// [`IdentityError::Certificate`].
    pub fn from_parts(
        name: &str,
        signing_spki: &[u8],
        encryption_spki: &[u8],
        certificate: &[u8],
    ) -> Result<Self, IdentityError> {
        if !is_name(name) {
            return Err(IdentityError::Name);
        }
        let signing =
            VerifyingKey::from_spki_der(signing_spki).map_err(IdentityError::SigningKey)?;
        let encryption =
            EncryptionKey::from_spki_der(encryption_spki).map_err(IdentityError::EncryptionKey)?;
        Self::certified(name.to_owned(), signing, encryption, certificate.to_vec())
    }

    /// The identity of keys that are acceptable already.
    pub(crate) fn certified(
        name: String,
        signing: VerifyingKey,
        encryption: EncryptionKey,
        certificate: Vec<u8>,
    ) -> Result<Self, IdentityError> {
        // PROTOCOL.md §8.1: no key signs and decrypts.
        if signing.fingerprint() == encryption.fingerprint() {
            return Err(IdentityError::SameKey);
        }
        signing
            .verify(&certified_bytes(&name, &encryption), &certificate)
            .map_err(|_| IdentityError::Certificate)?;
        Ok(Self {
            name,
            signing,
            encryption,
            certificate,
        })
    }

    /// Decodes the form of PROTOCOL.md §8.1 and checks it.
    ///
    /// # Errors
    /// [`IdentityError::Encoding`], and those of [`PublicIdentity::from_parts`].
    pub fn decode(bytes: &[u8]) -> Result<Self, IdentityError> {
        let mut reader = Reader::new(bytes);
        let identity = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(identity)
    }

    /// Reads the form of PROTOCOL.md §8.1 out of a larger message and checks it.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, IdentityError> {
        let name = read_name(reader)?;
        let signing = reader.prefixed(SPKI_BYTES_MAX)?;
        let encryption = reader.prefixed(SPKI_BYTES_MAX)?;
        let certificate = reader.prefixed(SIGNATURE_BYTES_MAX)?;
        // A key has one accepted encoding, so the identity has one too.
        Self::from_parts(&name, signing, encryption, certificate)
    }

    /// The form of PROTOCOL.md §8.1.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(PUBLIC_IDENTITY_BYTES_MAX);
        Writer::new(&mut bytes)
            .prefixed(self.name.as_bytes())
            .prefixed(self.signing.spki_der())
            .prefixed(self.encryption.spki_der())
            .prefixed(&self.certificate);
        bytes
    }

    /// The user's name, case-mapped.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `C_sig`: what this user's signatures verify with.
    pub fn signing_key(&self) -> &VerifyingKey {
        &self.signing
    }

    /// `C_enc`: what is encrypted for this user.
    pub fn encryption_key(&self) -> &EncryptionKey {
        &self.encryption
    }

    /// `fp(C_sig)`: what people compare.
    pub fn fingerprint(&self) -> Fingerprint {
        self.signing.fingerprint()
    }

    /// The signature of `C_sig` over name and `C_enc`.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// Whether both have the same name and the same two keys. Certificates may differ: a
    /// signature has a random salt.
    pub fn same_keys(&self, other: &Self) -> bool {
        self.name == other.name
            && self.fingerprint() == other.fingerprint()
            && self.encryption.fingerprint() == other.encryption.fingerprint()
    }
}

impl fmt::Debug for PublicIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicIdentity")
            .field("name", &self.name)
            .field("fingerprint", &format_args!("{}", self.fingerprint()))
            .finish_non_exhaustive()
    }
}

/// What the certificate signs: `T("enc-key"; name, SPKI(C_enc))`.
pub(crate) fn certified_bytes(name: &str, encryption: &EncryptionKey) -> Vec<u8> {
    Transcript::new(labels::ENC_KEY)
        .field(name.as_bytes())
        .field(encryption.spki_der())
        .bytes()
}
