//! Keys and randomness for tests. **Known to everybody: never for a key that guards anything.**
//!
//! Behind the feature `danger-fixtures`, which only dev-dependencies turn on.

use crate::{DecryptionKey, KeyError, Random, Sha256, SigningKey};

/// How many keys of 3072 bits there are.
pub const RSA3072_COUNT: usize = 4;

const RSA3072: [&[u8]; RSA3072_COUNT] = [
    include_bytes!("../tests/vectors/rsa3072-a.pk8"),
    include_bytes!("../tests/vectors/rsa3072-b.pk8"),
    include_bytes!("../tests/vectors/rsa3072-c.pk8"),
    include_bytes!("../tests/vectors/rsa3072-d.pk8"),
];

/// The PKCS#8 encoding of key `index`.
///
/// # Panics
/// When there is no such key.
#[must_use]
pub fn rsa3072_pkcs8(index: usize) -> &'static [u8] {
    assert!(index < RSA3072_COUNT, "there are {RSA3072_COUNT} keys");
    RSA3072[index]
}

/// Key `index`, to sign with; parsing takes milliseconds where generation takes a second.
///
/// # Panics
/// When there is no such key.
#[must_use]
pub fn rsa3072_signing(index: usize) -> SigningKey {
    parsed(SigningKey::from_pkcs8(rsa3072_pkcs8(index)))
}

/// Key `index`, to decrypt with. It is the same key as [`rsa3072_signing`]'s: take another index
/// where one user has both.
///
/// # Panics
/// When there is no such key.
#[must_use]
pub fn rsa3072_decryption(index: usize) -> DecryptionKey {
    parsed(DecryptionKey::from_pkcs8(rsa3072_pkcs8(index)))
}

fn parsed<K>(key: Result<K, KeyError>) -> K {
    match key {
        Ok(key) => key,
        Err(_) => unreachable!("a test reads every one of these keys"),
    }
}

/// Reproducible, uniform and predictable bytes: SHA-256 over a seed and a counter.
#[derive(Clone, Debug)]
pub struct SeededRandom {
    seed: u64,
    block: u64,
}

impl SeededRandom {
    /// The bytes of this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed, block: 0 }
    }
}

impl Random for SeededRandom {
    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            let mut hash = Sha256::new();
            hash.update(&self.seed.to_be_bytes());
            hash.update(&self.block.to_be_bytes());
            chunk.copy_from_slice(&hash.finish()[..chunk.len()]);
            self.block = self.block.wrapping_add(1);
        }
    }
}

/// The bytes of a test vector: hexadecimal digits, white space between them ignored.
///
/// # Panics
/// When there is anything else, or half a byte.
#[must_use]
pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|symbol| !symbol.is_whitespace())
        .map(|symbol| match symbol.to_digit(16) {
            Some(digit) => digit as u8,
            None => unreachable!("{symbol:?} is no hexadecimal digit"),
        })
        .collect();
    let (pairs, rest) = digits.as_chunks::<2>();
    assert!(rest.is_empty(), "half a byte");
    pairs.iter().map(|[high, low]| high << 4 | low).collect()
}
