//! What the vector tests share: the identities behind the vectors, and the vectors' files.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crypto::Secret;
use crypto::fixtures::{rsa3072_decryption, rsa3072_signing};
use e2e::Identity;

/// Alice of the vectors: `rsa3072-a.pk8` signs, `rsa3072-b.pk8` decrypts, archive key a1 a1...
pub(crate) fn alice() -> Identity {
    let archive = Secret::from([0xa1; 32]);
    Identity::from_keys(
        "alice",
        rsa3072_signing(0),
        rsa3072_decryption(1),
        vec![],
        archive,
    )
    .expect("two keys")
}

/// Bob of the vectors: `rsa3072-c.pk8` signs, `rsa3072-d.pk8` decrypts, archive key b0 b0...
pub(crate) fn bob() -> Identity {
    let archive = Secret::from([0xb0; 32]);
    Identity::from_keys(
        "bob",
        rsa3072_signing(2),
        rsa3072_decryption(3),
        vec![],
        archive,
    )
    .expect("two keys")
}

/// The OPAQUE export key of the key bag's vector.
pub(crate) const EXPORT_KEY: [u8; 64] = [0x5e; 64];

/// One `name = hexadecimal` per line; `#` begins a comment.
pub(crate) struct Vectors(BTreeMap<String, Vec<u8>>);

impl Vectors {
    pub(crate) fn read(file: &str) -> Self {
        let text = std::fs::read_to_string(path(file)).expect("the vectors are checked in");
        let lines = text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty());
        let pair = |line: &str| {
            let (name, hex) = line.split_once(" = ").expect("name = hexadecimal");
            (name.to_owned(), from_hex(hex))
        };
        Self(lines.map(pair).collect())
    }

    pub(crate) fn bytes(&self, name: &str) -> &[u8] {
        self.0
            .get(name)
            .unwrap_or_else(|| panic!("no vector {name}"))
    }

    pub(crate) fn array<const N: usize>(&self, name: &str) -> [u8; N] {
        self.bytes(name).try_into().expect("the vector's length")
    }
}

/// Writes a file of vectors.
#[allow(dead_code)]
pub(crate) fn write(file: &str, about: &str, vectors: &[(&str, &[u8])]) {
    let mut text = format!("# Test vectors. {about}\n");
    for (name, bytes) in vectors {
        text.push_str(&format!("{name} = {}\n", to_hex(bytes)));
    }
    std::fs::write(path(file), text).expect("a writable checkout");
}

fn path(file: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "vectors", file]
        .iter()
        .collect()
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).expect("ASCII"), 16).expect("digits"))
        .collect()
}
