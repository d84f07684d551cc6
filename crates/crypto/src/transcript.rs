use zeroize::Zeroize;

use crate::{hkdf_sha256, hmac_sha256, sha256};

/// What every transcript begins with.
const PREFIX: &[u8] = b"undertone/1 ";

/// The input of a signature, MAC, hash or key derivation: `T(context; fields)` of PROTOCOL.md §1.
///
/// The context separates purposes and every field carries its length, so no two different lists
/// of fields give the same bytes. Erased when dropped, as fields may be secret.
///
/// ```
/// let digest = crypto::Transcript::new("example").field(b"alice").u64(7).sha256();
/// assert_ne!(digest, crypto::Transcript::new("other").field(b"alice").u64(7).sha256());
/// ```
#[derive(Clone)]
pub struct Transcript {
    bytes: Vec<u8>,
}

impl Transcript {
    /// A transcript without fields. A context is a constant of the protocol: ASCII, no zero byte.
    #[must_use]
    pub fn new(context: &'static str) -> Self {
        debug_assert!(context.bytes().all(|byte| byte.is_ascii() && byte != 0));
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(PREFIX);
        bytes.extend_from_slice(context.as_bytes());
        bytes.push(0);
        Self { bytes }
    }

    /// Appends a field: its length as four bytes, then its bytes.
    ///
    /// # Panics
    /// When `field` is 4 GiB or longer. Whatever a peer sends is bounded long before.
    #[must_use]
    pub fn field(mut self, field: &[u8]) -> Self {
        assert!(
            u32::try_from(field.len()).is_ok(),
            "a field is shorter than 4 GiB"
        );
        self.append(&(field.len() as u32).to_be_bytes());
        self.append(field);
        self
    }

    /// A field of one byte.
    #[must_use]
    pub fn u8(self, value: u8) -> Self {
        self.field(&[value])
    }

    /// A field of two bytes, big-endian.
    #[must_use]
    pub fn u16(self, value: u16) -> Self {
        self.field(&value.to_be_bytes())
    }

    /// A field of four bytes, big-endian.
    #[must_use]
    pub fn u32(self, value: u32) -> Self {
        self.field(&value.to_be_bytes())
    }

    /// A field of eight bytes, big-endian.
    #[must_use]
    pub fn u64(self, value: u64) -> Self {
        self.field(&value.to_be_bytes())
    }

    /// The bytes, to be signed, say.
    #[must_use]
    pub fn bytes(mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// The bytes, lent.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// SHA-256 of the bytes.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        sha256(&self.bytes)
    }

    /// HMAC-SHA-256 of the bytes under `key`.
    #[must_use]
    pub fn hmac_sha256(&self, key: &[u8]) -> [u8; 32] {
        hmac_sha256(key, &[&self.bytes])
    }

    /// HKDF-SHA-256 with the bytes as info: fills `out`.
    ///
    /// # Panics
    /// As [`hkdf_sha256`].
    pub fn hkdf_sha256(&self, ikm: &[u8], salt: &[u8], out: &mut [u8]) {
        hkdf_sha256(ikm, salt, &self.bytes, out);
    }

    /// Appends, and erases what a growing buffer would leave behind.
    fn append(&mut self, bytes: &[u8]) {
        let needed = self.bytes.len().saturating_add(bytes.len());
        if needed > self.bytes.capacity() {
            let mut grown = Vec::with_capacity(needed.saturating_mul(2));
            grown.extend_from_slice(&self.bytes);
            self.bytes.zeroize();
            self.bytes = grown;
        }
        self.bytes.extend_from_slice(bytes);
    }
}

impl Drop for Transcript {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_bytes_are_those_of_the_specification() {
        let bytes = Transcript::new("demo")
            .field(b"ab")
            .u8(1)
            .u16(2)
            .u32(3)
            .u64(4)
            .field(b"")
            .bytes();
        let expected = b"undertone/1 demo\0\
            \0\0\0\x02ab\
            \0\0\0\x01\x01\
            \0\0\0\x02\0\x02\
            \0\0\0\x04\0\0\0\x03\
            \0\0\0\x08\0\0\0\0\0\0\0\x04\
            \0\0\0\0";
        assert_eq!(bytes, expected);
    }

    #[test]
    fn digests_are_taken_over_the_bytes() {
        let transcript = Transcript::new("demo").field(&[5; 1000]);
        let bytes = transcript.clone().bytes();
        assert_eq!(transcript.as_bytes(), bytes);
        assert_eq!(transcript.sha256(), sha256(&bytes));
        assert_eq!(
            transcript.hmac_sha256(b"key"),
            hmac_sha256(b"key", &[&bytes])
        );
        let (mut ours, mut expected) = ([0; 40], [0; 40]);
        transcript.hkdf_sha256(b"ikm", b"salt", &mut ours);
        hkdf_sha256(b"ikm", b"salt", &bytes, &mut expected);
        assert_eq!(ours, expected);
    }

    fn build(fields: &[Vec<u8>]) -> Vec<u8> {
        fields
            .iter()
            .fold(Transcript::new("demo"), |t, field| t.field(field))
            .bytes()
    }

    proptest! {
        /// Moving a boundary, dropping or adding an empty field: always other bytes.
        #[test]
        fn different_fields_give_different_bytes(
            a in prop::collection::vec(prop::collection::vec(0u8..2, 0..4), 0..4),
            b in prop::collection::vec(prop::collection::vec(0u8..2, 0..4), 0..4),
        ) {
            prop_assert_eq!(a == b, build(&a) == build(&b));
        }
    }
}
