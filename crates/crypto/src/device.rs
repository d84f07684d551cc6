use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::{BadSignature, KeyError, Random, Secret, SecretBytes};

/// What stands before the seed in the PKCS#8 encoding of a private key (RFC 8410 §7).
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
];

/// What stands before the key in its SubjectPublicKeyInfo (RFC 8410 §4).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];

/// The Ed25519 key of a device or of a server's node (PROTOCOL.md §1.1).
///
/// The seed is erased when dropped; what ring keeps for signing is not.
pub struct DeviceKey {
    pair: Ed25519KeyPair,
    seed: Secret<32>,
}

impl DeviceKey {
    /// A new key.
    #[must_use]
    pub fn generate(random: &mut (impl Random + ?Sized)) -> Self {
        Self::from_seed(Secret::generate(random))
    }

    /// The key of a seed (RFC 8032 §5.1.5); every seed has one.
    #[must_use]
    pub fn from_seed(seed: Secret<32>) -> Self {
        match Ed25519KeyPair::from_seed_unchecked(seed.expose()) {
            Ok(pair) => Self { pair, seed },
            Err(_) => unreachable!("a seed of 32 bytes has a key"),
        }
    }

    /// Parses an unencrypted PKCS#8 key of version 1 in DER, as [`Self::to_pkcs8`] and
    /// `openssl genpkey -algorithm ed25519` write it.
    ///
    /// # Errors
    /// [`KeyError::Malformed`].
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, KeyError> {
        let seed = pkcs8
            .strip_prefix(&PKCS8_PREFIX)
            .ok_or(KeyError::Malformed)?;
        if seed.len() != 32 {
            return Err(KeyError::Malformed);
        }
        Ok(Self::from_seed(Secret::filled(|bytes| {
            bytes.copy_from_slice(seed)
        })))
    }

    /// The seed.
    #[must_use]
    pub const fn seed(&self) -> &Secret<32> {
        &self.seed
    }

    /// The private key as unencrypted PKCS#8, in DER.
    #[must_use]
    pub fn to_pkcs8(&self) -> SecretBytes {
        SecretBytes::new([&PKCS8_PREFIX[..], self.seed.expose()].concat())
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        let mut public = [0; 32];
        public.copy_from_slice(self.pair.public_key().as_ref());
        public
    }

    /// Signs `message`, without randomness (RFC 8032 §5.1.6).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.pair.sign(message).as_ref());
        signature
    }
}

/// The SubjectPublicKeyInfo of an Ed25519 key, in DER (RFC 8410 §4).
#[must_use]
pub fn ed25519_spki_der(public: &[u8; 32]) -> [u8; 44] {
    let mut spki = [0; 44];
    let (prefix, key) = spki.split_at_mut(SPKI_PREFIX.len());
    prefix.copy_from_slice(&SPKI_PREFIX);
    key.copy_from_slice(public);
    spki
}

/// Checks an Ed25519 signature (RFC 8032 §5.1.7, without the cofactor).
///
/// A public key of small order or in a second encoding is refused: under such a key a signature
/// may fit messages that nobody signed.
///
/// # Errors
/// [`BadSignature`], whatever is wrong with it.
pub fn verify_ed25519(
    public: &[u8; 32],
    message: &[u8],
    signature: &[u8],
) -> Result<(), BadSignature> {
    if is_degenerate(public) {
        return Err(BadSignature);
    }
    UnparsedPublicKey::new(&ED25519, public)
        .verify(message, signature)
        .map_err(|_| BadSignature)
}

/// The y coordinates of the points of order 1, 2, 4 and 8, little-endian.
const SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    [
        1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0,
    ],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0x7f,
    ],
];

/// Whether a public key has small order or a y coordinate of 2^255 - 19 and above.
fn is_degenerate(public: &[u8; 32]) -> bool {
    let mut y = *public;
    y[31] &= 0x7f;
    let [low, middle @ .., high] = &y;
    let unreduced = *low >= 0xed && *high == 0x7f && middle.iter().all(|byte| *byte == 0xff);
    unreduced || SMALL_ORDER.contains(&y)
}
