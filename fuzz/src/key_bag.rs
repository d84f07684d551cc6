//! Any bytes as a key bag, over an honest one, and as the content of an authentic one: nothing opens but the
//! honest one, nothing under public keys that have no private key in it, and no error depends on anything but
//! the bytes.
use std::sync::LazyLock;

use crypto::fixtures::{SeededRandom, rsa3072_decryption, rsa3072_signing};
use crypto::{Aead, Fingerprint, Secret, Transcript};
use e2e::Identity;
use e2e::keybag::{self, Binding, KEY_BAG_BYTES_MAX, KeyBagError};

static HONEST: LazyLock<(Identity, Vec<u8>)> = LazyLock::new(|| {
    let (sig, enc) = (rsa3072_signing(0), rsa3072_decryption(1));
    let archive = Secret::from([5; 32]);
    let alice = Identity::from_keys("alice", sig, enc, Vec::new(), archive).expect("two keys");
    let bag = keybag::seal(&alice, 1, &EXPORT_KEY, &mut SeededRandom::new(1));
    (alice, bag)
});

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

/// The honest bag with this at some place over it opens if nothing of it is changed.
fn check_over(input: &[u8]) {
    let Some((&[high, low], changes)) = input.split_first_chunk() else {
        return;
    };
    let (alice, honest) = &*HONEST;
    let binding = Binding {
        name: alice.name(),
        version: 1,
        signing_key: alice.public().fingerprint(),
        encryption_key: alice.public().encryption_key().fingerprint(),
    };
    let at = usize::from(u16::from_be_bytes([high, low])) % honest.len();
    let mut bag = honest.clone();
    for (byte, change) in bag.iter_mut().skip(at).zip(changes) {
        *byte ^= change;
    }
    let is_honest = bag == *honest;
    match keybag::open(&bag, &binding, 1, &EXPORT_KEY) {
        Ok(opened) => {
            assert!(is_honest);
            let keys = opened.public().encryption_key().fingerprint();
            let same = (opened.public().fingerprint(), keys);
            assert!(same == (binding.signing_key, binding.encryption_key));
            let other = Binding {
                version: 2,
                ..binding
            };
            assert!(keybag::open(&bag, &other, 0, &EXPORT_KEY).is_err());
        }
        Err(_) => assert!(!is_honest),
    }
    assert_eq!(keybag::hash(&bag) == keybag::hash(honest), is_honest);
}

/// Checks one input.
pub fn check(bytes: &[u8]) {
    check_over(bytes);
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
