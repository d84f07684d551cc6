use hkdf::hmac::Hmac;
use hkdf::{Hkdf, HmacImpl};
use sha2::Digest;

/// Most bytes that one derivation yields (RFC 5869 §2.3: 255 blocks of the hash).
pub const HKDF_SHA256_MAX: usize = 255 * 32;

/// SHA-256 (FIPS 180-4) of `bytes`.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    sha2::Sha256::digest(bytes).into()
}

/// SHA-256 piece by piece. A clone continues from the same state, which saves hashing a long
/// common beginning again.
#[derive(Clone, Default)]
pub struct Sha256(sha2::Sha256);

impl Sha256 {
    /// The hash of nothing so far.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all that was appended.
    #[must_use]
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// HMAC-SHA-256 (RFC 2104) of the parts, one behind the other, with nothing between them: pass a
/// [`Transcript`](crate::Transcript)'s bytes where the boundaries matter.
#[must_use]
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // Not ring's: its key keeps the secret after the drop, this one erases itself.
    let mut mac = <Hmac<sha2::Sha256> as HmacImpl>::new_from_slice(key);
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into()
}

/// HKDF-SHA-256 (RFC 5869), extract and expand: fills `out`. An empty salt is 32 zero bytes.
///
/// # Panics
/// When `out` is longer than [`HKDF_SHA256_MAX`]; lengths are the caller's, never a peer's.
pub fn hkdf_sha256(ikm: &[u8], salt: &[u8], info: &[u8], out: &mut [u8]) {
    assert!(
        out.len() <= HKDF_SHA256_MAX,
        "HKDF yields at most 8160 bytes"
    );
    let expanded = Hkdf::<sha2::Sha256>::new(Some(salt), ikm).expand(info, out);
    debug_assert!(expanded.is_ok(), "the length was checked");
}
