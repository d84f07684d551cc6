//! Any bytes as a key bag, and as the content of an authentic one: nothing opens under public keys
//! that have no private key in it, and no error depends on anything but the bytes.
use crypto::{Aead, Fingerprint, Transcript};
use e2e::keybag::{self, Binding, KEY_BAG_BYTES_MAX, KeyBagError};

const EXPORT_KEY: [u8; 64] = [7; 64];

/// PROTOCOL.md §8.2: the cipher of the bag with this salt.
fn cipher(salt: &[u8], binding: &Binding<'_>) -> (Aead, [u8; 12], Vec<u8>) {
    let (mut key, mut nonce, mut okm) = ([0; 32], [0; 12], [0; 44]);
    Transcript::new("key-bag-key").hkdf_sha256(&EXPORT_KEY, salt, &mut okm);
    key.copy_from_slice(&okm[..32]);
    nonce.copy_from_slice(&okm[32..]);
    let aad = Transcript::new("key-bag")
        .u8(1)
        .field(binding.name.as_bytes())
        .u64(binding.version)
        .field(binding.signing_key.as_bytes())
        .field(binding.encryption_key.as_bytes());
    (Aead::aes256_gcm(&key), nonce, aad.bytes())
}

/// Checks one input.
pub fn check(bytes: &[u8]) {
    let binding = Binding {
        name: "alice",
        version: 1,
        signing_key: Fingerprint::from([1; 32]),
        encryption_key: Fingerprint::from([2; 32]),
    };
    assert!(keybag::open(bytes, &binding, 0, &EXPORT_KEY).is_err());
    let (aead, nonce, aad) = cipher(&[3; 32], &binding);
    let mut content = bytes.to_vec();
    content.truncate(KEY_BAG_BYTES_MAX - 49);
    aead.seal(&nonce, &aad, &mut content);
    let bag = [&[1][..], &[3; 32], &content].concat();
    // No private key has the fingerprints above, so what parses is a mismatch at best.
    let refused = || {
        keybag::open(&bag, &binding, 0, &EXPORT_KEY)
            .map(drop)
            .expect_err("no keys")
    };
    assert_ne!(refused(), KeyBagError::Unauthentic);
    assert_eq!(refused(), refused());
}
