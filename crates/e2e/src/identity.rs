use codec::DecodeError;
use crypto::{DecryptionKey, Fingerprint, KeyError, Random, RsaBits, Secret, SigningKey};

use crate::name::is_name;
use crate::public_identity::certified_bytes;
use crate::trust::Recipient;
use crate::{NAME_BYTES_MAX, PublicIdentity};

/// How many earlier `C_enc` an identity keeps, to open what was sealed for them.
pub const EARLIER_KEYS_MAX: usize = 8;

/// Why an identity was refused or could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The name is empty or longer than [`NAME_BYTES_MAX`].
    #[error("a name has 1 to {NAME_BYTES_MAX} bytes")]
    Name,
    /// The signing key is malformed or not acceptable.
    #[error("the signing key is refused: {0}")]
    SigningKey(KeyError),
    /// The encryption key is malformed or not acceptable.
    #[error("the encryption key is refused: {0}")]
    EncryptionKey(KeyError),
    /// One key was given for both purposes.
    #[error("one key cannot both sign and decrypt")]
    SameKey,
    /// The signing key did not sign this name and encryption key.
    #[error("the signing key does not certify the encryption key")]
    Certificate,
    /// More than [`EARLIER_KEYS_MAX`] earlier keys.
    #[error("an identity keeps at most {EARLIER_KEYS_MAX} earlier keys")]
    EarlierKeys,
    /// The encoding is not that of PROTOCOL.md §8.1.
    #[error("a public identity is malformed: {0}")]
    Encoding(#[from] DecodeError),
}

/// A user's secrets: `C_sig` and `C_enc` with their earlier `C_enc`, and the key of the archive
/// (PROTOCOL.md §8.1). Made on the client, and only ever there in the clear.
pub struct Identity {
    signing: SigningKey,
    decryption: DecryptionKey,
    earlier: Vec<DecryptionKey>,
    archive: Secret<32>,
    public: PublicIdentity,
}

impl Identity {
    /// Makes two new key pairs and an archive key. Slow (about half a second at 3072 bits): a job
    /// for a worker.
    ///
    /// # Errors
    /// [`IdentityError::Name`]; a key error when the generation fails.
    pub fn generate(
        name: &str,
        bits: RsaBits,
        random: &mut dyn Random,
    ) -> Result<Self, IdentityError> {
        if !is_name(name) {
            return Err(IdentityError::Name);
        }
        let signing = SigningKey::generate(bits, random).map_err(IdentityError::SigningKey)?;
        let decryption =
            DecryptionKey::generate(bits, random).map_err(IdentityError::EncryptionKey)?;
        let archive = Secret::generate(random);
        Self::from_keys(name, signing, decryption, Vec::new(), archive)
    }

    /// Puts an identity together from its keys; `earlier` newest first.
    ///
    /// # Errors
    /// [`IdentityError::Name`], [`IdentityError::SameKey`], [`IdentityError::EarlierKeys`].
    pub fn from_keys(
        name: &str,
        signing: SigningKey,
        decryption: DecryptionKey,
        earlier: Vec<DecryptionKey>,
        archive: Secret<32>,
    ) -> Result<Self, IdentityError> {
        if !is_name(name) {
            return Err(IdentityError::Name);
        }
        if earlier.len() > EARLIER_KEYS_MAX {
            return Err(IdentityError::EarlierKeys);
        }
        let encryption = decryption.encryption_key().clone();
        let certificate = signing.sign(&certified_bytes(name, &encryption));
        let public = PublicIdentity::certified(
            name.to_owned(),
            signing.verifying_key().clone(),
            encryption,
            certificate,
        )?;
        Ok(Self {
            signing,
            decryption,
            earlier,
            archive,
            public,
        })
    }

    /// The same identity with a new `C_enc`; the one until now becomes the first of the earlier
    /// ones, and the oldest is dropped beyond [`EARLIER_KEYS_MAX`]. Slow, as
    /// [`Identity::generate`].
    ///
    /// # Errors
    /// [`IdentityError::EncryptionKey`] when the generation fails.
    pub fn with_new_encryption_key(
        self,
        bits: RsaBits,
        random: &mut dyn Random,
    ) -> Result<Self, IdentityError> {
        let fresh = DecryptionKey::generate(bits, random).map_err(IdentityError::EncryptionKey)?;
        let mut earlier = self.earlier;
        earlier.insert(0, self.decryption);
        earlier.truncate(EARLIER_KEYS_MAX);
        Self::from_keys(
            self.public.name(),
            self.signing,
            fresh,
            earlier,
            self.archive,
        )
    }

    /// The user's name, case-mapped.
    pub fn name(&self) -> &str {
        self.public.name()
    }

    /// What others see.
    pub fn public(&self) -> &PublicIdentity {
        &self.public
    }

    /// `C_sig`, for the proof of a login and whatever else the user signs.
    pub fn signing_key(&self) -> &SigningKey {
        &self.signing
    }

    /// `C_enc`.
    pub fn decryption_key(&self) -> &DecryptionKey {
        &self.decryption
    }

    /// Earlier `C_enc`, newest first.
    pub fn earlier_keys(&self) -> &[DecryptionKey] {
        &self.earlier
    }

    /// The key under which the archive's chunks derive theirs.
    pub fn archive_key(&self) -> &Secret<32> {
        &self.archive
    }

    /// Oneself as the recipient of a note.
    pub fn as_recipient(&self) -> Recipient<'_> {
        Recipient::new(&self.public)
    }

    /// The `C_enc`, current or earlier, with this fingerprint.
    pub(crate) fn decryption_key_for(&self, fingerprint: &Fingerprint) -> Option<&DecryptionKey> {
        std::iter::once(&self.decryption)
            .chain(&self.earlier)
            .find(|key| key.encryption_key().fingerprint() == *fingerprint)
    }
}
