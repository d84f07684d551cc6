//! The key bag: an identity's secrets, sealed under what the password unlocks (PROTOCOL.md §8.2).

use codec::{DecodeError, Reader, Writer};
use crypto::{
    Aead, DecryptionKey, Fingerprint, KeyError, Random, Secret, SecretBytes, SigningKey,
    Transcript, random_array,
};
use zeroize::Zeroizing;

use crate::conversation::COUNT_MAX;
use crate::{EARLIER_KEYS_MAX, Identity, IdentityError, labels};

/// Longest key bag, in bytes. A longer one is not looked at.
pub const KEY_BAG_BYTES_MAX: usize = 32_768;

/// First byte of a bag.
const FORMAT: u8 = 1;

/// Length of the salt, in bytes.
const SALT_BYTES: usize = 32;

/// Length of AES-GCM's tag, in bytes.
const TAG_BYTES: usize = 16;

/// Longest DER PKCS#8 key that is looked at, in bytes. RSA with 4096 bits takes 2,375.
const PKCS8_BYTES_MAX: usize = 3_072;

/// What a bag is bound to, as it came with the bag: name, version and public keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding<'a> {
    /// The user's case-mapped name.
    pub name: &'a str,
    /// Rises with every bag of the account; at most [`COUNT_MAX`].
    pub version: u64,
    /// `fp(C_sig)`.
    pub signing_key: Fingerprint,
    /// `fp(C_enc)`.
    pub encryption_key: Fingerprint,
}

/// Why a key bag was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyBagError {
    /// The version is below one that this installation has seen: the server plays an old bag, or
    /// lost data.
    #[error("the key bag is older than one seen before")]
    WentBack,
    /// The bag, or what it holds, is not of the form of PROTOCOL.md §8.2.
    #[error("the key bag is malformed: {0}")]
    Malformed(#[from] DecodeError),
    /// Another export key, or a changed bag, name, version or fingerprint.
    #[error("the key bag does not authenticate")]
    Unauthentic,
    /// A private key in it is not acceptable.
    #[error("a private key is refused: {0}")]
    Key(#[from] KeyError),
    /// The private keys in it do not belong to the public keys that came with it.
    #[error("private and public keys do not belong together")]
    Mismatch,
    /// The keys do not make an identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// Seals an identity's secrets as version `version`, above that of the bag before, under the OPAQUE export key.
pub fn seal(
    identity: &Identity,
    version: u64,
    export_key: &[u8],
    random: &mut dyn Random,
) -> Vec<u8> {
    let salt: [u8; SALT_BYTES] = random_array(random);
    let public = identity.public();
    let binding = Binding {
        name: identity.name(),
        version,
        signing_key: public.fingerprint(),
        encryption_key: public.encryption_key().fingerprint(),
    };
    let mut content = encode(identity);
    let (key, nonce) = derive(export_key, &salt);
    Aead::aes256_gcm(key.expose()).seal(&nonce, &aad(&binding), &mut content);
    let mut bag = Vec::with_capacity(1 + SALT_BYTES + content.len());
    Writer::new(&mut bag)
        .u8(FORMAT)
        .bytes(&salt)
        .bytes(&content);
    bag
}

/// Opens a bag. `version_seen` is the highest version that this installation has seen, 0 if none.
/// Its hash against the manifest's leaf is the caller's to compare ([`hash`]).
///
/// # Errors
/// [`KeyBagError`], for the user to see: the bag is their own.
pub fn open(
    bag: &[u8],
    binding: &Binding<'_>,
    version_seen: u64,
    export_key: &[u8],
) -> Result<Identity, KeyBagError> {
    if binding.version < version_seen {
        return Err(KeyBagError::WentBack);
    }
    if binding.version > COUNT_MAX {
        return Err(DecodeError::Invalid.into());
    }
    let (salt, sealed) = split(bag)?;
    let (key, nonce) = derive(export_key, salt);
    let mut content = Zeroizing::new(sealed.to_vec());
    Aead::aes256_gcm(key.expose())
        .open(&nonce, &aad(binding), &mut content)
        .map_err(|_| KeyBagError::Unauthentic)?;
    let keys = decode(&content)?;
    let signing = SigningKey::from_pkcs8(keys.signing.expose())?;
    let decryption = DecryptionKey::from_pkcs8(keys.decryption.expose())?;
    let encryption_key = decryption.encryption_key().fingerprint();
    if signing.verifying_key().fingerprint() != binding.signing_key
        || encryption_key != binding.encryption_key
    {
        return Err(KeyBagError::Mismatch);
    }
    let mut earlier = Vec::with_capacity(keys.earlier.len());
    for pkcs8 in &keys.earlier {
        earlier.push(DecryptionKey::from_pkcs8(pkcs8.expose())?);
    }
    Ok(Identity::from_keys(
        binding.name,
        signing,
        decryption,
        earlier,
        keys.archive,
    )?)
}

/// The bag's hash, as it stands in the manifest's leaf: `SHA-256(T("key-bag-hash"; bag))`.
pub fn hash(bag: &[u8]) -> [u8; 32] {
    Transcript::new(labels::KEY_BAG_HASH).field(bag).sha256()
}

/// Salt and ciphertext of a bag.
fn split(bag: &[u8]) -> Result<(&[u8; SALT_BYTES], &[u8]), DecodeError> {
    if bag.len() > KEY_BAG_BYTES_MAX {
        return Err(DecodeError::TooLong);
    }
    let (format, rest) = bag.split_first().ok_or(DecodeError::Truncated)?;
    if *format != FORMAT {
        return Err(DecodeError::Unknown);
    }
    let (salt, sealed) = rest.split_first_chunk().ok_or(DecodeError::Truncated)?;
    if sealed.len() < TAG_BYTES {
        return Err(DecodeError::Truncated);
    }
    Ok((salt, sealed))
}

/// Key and nonce. The salt is fresh for every bag, and so is the pair.
fn derive(export_key: &[u8], salt: &[u8; SALT_BYTES]) -> (Secret<32>, [u8; 12]) {
    let mut okm = Zeroizing::new([0; 44]);
    Transcript::new(labels::KEY_BAG_KEY).hkdf_sha256(export_key, salt, &mut okm[..]);
    let mut nonce = [0; 12];
    nonce.copy_from_slice(&okm[32..]);
    let key = Secret::filled(|key| key.copy_from_slice(&okm[..32]));
    (key, nonce)
}

fn aad(binding: &Binding<'_>) -> Vec<u8> {
    Transcript::new(labels::KEY_BAG)
        .u8(FORMAT)
        .field(binding.name.as_bytes())
        .u64(binding.version)
        .field(binding.signing_key.as_bytes())
        .field(binding.encryption_key.as_bytes())
        .bytes()
}

/// The keys inside a bag, still encoded.
struct Keys {
    signing: SecretBytes,
    decryption: SecretBytes,
    earlier: Vec<SecretBytes>,
    archive: Secret<32>,
}

/// The content of a bag, in a buffer that does not grow: what grows leaves copies behind.
fn encode(identity: &Identity) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(KEY_BAG_BYTES_MAX);
    let mut writer = Writer::new(&mut bytes);
    writer
        .prefixed(identity.signing_key().to_pkcs8().expose())
        .prefixed(identity.decryption_key().to_pkcs8().expose())
        .u8(identity.earlier_keys().len() as u8);
    for key in identity.earlier_keys() {
        writer.prefixed(key.to_pkcs8().expose());
    }
    writer.bytes(identity.archive_key().expose());
    bytes
}

fn decode(content: &[u8]) -> Result<Keys, DecodeError> {
    let mut reader = Reader::new(content);
    let signing = read_key(&mut reader)?;
    let decryption = read_key(&mut reader)?;
    let count = usize::from(reader.u8()?);
    if count > EARLIER_KEYS_MAX {
        return Err(DecodeError::TooLong);
    }
    let mut earlier = Vec::with_capacity(count);
    for _ in 0..count {
        earlier.push(read_key(&mut reader)?);
    }
    let archive = reader.bytes(32)?;
    let archive = Secret::filled(|key| key.copy_from_slice(archive));
    reader.finish()?;
    Ok(Keys {
        signing,
        decryption,
        earlier,
        archive,
    })
}

fn read_key(reader: &mut Reader<'_>) -> Result<SecretBytes, DecodeError> {
    let pkcs8 = reader.prefixed(PKCS8_BYTES_MAX)?;
    Ok(SecretBytes::new(pkcs8.to_vec()))
}

#[cfg(test)]
#[path = "keybag_tests.rs"]
mod tests;
