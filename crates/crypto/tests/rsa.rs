//! RSA keys: what is accepted, what is refused, and that another implementation agrees.

use crypto::fixtures::{self, SeededRandom};
use crypto::{
    BadSignature, DecryptionKey, EncryptionKey, KeyError, OAEP_PLAINTEXT_MAX, Random, RsaBits,
    SigningKey, Undecryptable, VerifyingKey,
};
use proptest::prelude::*;
use rsa::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePublicKey};
use rsa::signature::{RandomizedSigner, SignatureEncoding, Verifier};
use rsa::{Oaep, RsaPrivateKey, RsaPublicKey, pss};
use sha2::Sha256;

const OPENSSL_3072: &[u8] = include_bytes!("vectors/openssl-rsa3072.pk8");
const OPENSSL_4096: &[u8] = include_bytes!("vectors/openssl-rsa4096.pk8");
const OPENSSL_2048: &[u8] = include_bytes!("vectors/openssl-rsa2048.pk8");
const OPENSSL_E3: &[u8] = include_bytes!("vectors/openssl-rsa3072-e3.pk8");
const OPENSSL_SPKI: &[u8] = include_bytes!("vectors/openssl-rsa3072.spki");
const OPENSSL_PSS: &[u8] = include_bytes!("vectors/openssl-rsa3072.pss");
const OPENSSL_OAEP: &[u8] = include_bytes!("vectors/openssl-rsa3072.oaep");
const MESSAGE: &[u8] = b"undertone test vector";

/// The randomness of this machine, where a test makes something to keep.
struct System;

impl Random for System {
    fn fill(&mut self, out: &mut [u8]) {
        let filled = ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), out);
        assert!(filled.is_ok());
    }
}

/// Run by hand when the fixture keys have to be made again:
/// `cargo test -p crypto --test rsa make_fixture_keys -- --ignored`.
#[test]
#[ignore = "writes the fixture keys"]
fn make_fixture_keys() {
    for name in ["a", "b", "c", "d"] {
        let key = SigningKey::generate(RsaBits::B3072, &mut System).unwrap();
        let path = format!(
            "{}/tests/vectors/rsa3072-{name}.pk8",
            env!("CARGO_MANIFEST_DIR")
        );
        std::fs::write(path, key.to_pkcs8().expose()).unwrap();
    }
}

#[test]
fn fixture_keys_are_four_different_ones() {
    let mut seen = Vec::new();
    for index in 0..fixtures::RSA3072_COUNT {
        let signing = fixtures::rsa3072_signing(index);
        let decryption = fixtures::rsa3072_decryption(index);
        let fingerprint = signing.verifying_key().fingerprint();
        assert_eq!(decryption.encryption_key().fingerprint(), fingerprint);
        assert!(!seen.contains(&fingerprint));
        seen.push(fingerprint);
    }
}

#[test]
fn a_generated_key_works_and_its_encodings_round_trip() {
    let key = SigningKey::generate(RsaBits::B3072, &mut SeededRandom::new(1)).unwrap();
    let public = VerifyingKey::from_spki_der(key.verifying_key().spki_der()).unwrap();
    let signature = key.sign(MESSAGE);
    assert_eq!(signature.len(), 384);
    assert_eq!(public.verify(MESSAGE, &signature), Ok(()));
    let again = SigningKey::from_pkcs8(key.to_pkcs8().expose()).unwrap();
    assert!(again.to_pkcs8().ct_eq(&key.to_pkcs8()));
    assert_eq!(again.verifying_key(), &public);

    let key = DecryptionKey::generate(RsaBits::B3072, &mut SeededRandom::new(2)).unwrap();
    let public = EncryptionKey::from_spki_der(key.encryption_key().spki_der()).unwrap();
    let ciphertext = public.encrypt(b"label", MESSAGE, &mut SeededRandom::new(3));
    assert_eq!(ciphertext.len(), 384);
    assert_eq!(
        key.decrypt(b"label", &ciphertext).unwrap().expose(),
        MESSAGE
    );
    let again = DecryptionKey::from_pkcs8(key.to_pkcs8().expose()).unwrap();
    assert_eq!(again.encryption_key(), &public);
}

/// The injected source is the only one that generation draws from.
#[test]
fn the_same_randomness_generates_the_same_key() {
    let generate =
        |seed| SigningKey::generate(RsaBits::B3072, &mut SeededRandom::new(seed)).unwrap();
    assert!(generate(4).to_pkcs8().ct_eq(&generate(4).to_pkcs8()));
}

#[test]
fn keys_that_openssl_made_are_accepted_and_written_back_as_they_were() {
    for (pkcs8, bits) in [
        (OPENSSL_3072, RsaBits::B3072),
        (OPENSSL_4096, RsaBits::B4096),
    ] {
        let signing = SigningKey::from_pkcs8(pkcs8).unwrap();
        assert_eq!(signing.to_pkcs8().expose(), pkcs8);
        assert_eq!(signing.verifying_key().bits(), bits);
        let signature = signing.sign(MESSAGE);
        assert_eq!(signature.len(), bits.modulus_len());
        assert_eq!(signing.verifying_key().verify(MESSAGE, &signature), Ok(()));

        let decryption = DecryptionKey::from_pkcs8(pkcs8).unwrap();
        assert_eq!(decryption.to_pkcs8().expose(), pkcs8);
        let public = decryption.encryption_key();
        let ciphertext = public.encrypt(b"", MESSAGE, &mut SeededRandom::new(1));
        assert_eq!(ciphertext.len(), bits.modulus_len());
        assert_eq!(
            decryption.decrypt(b"", &ciphertext).unwrap().expose(),
            MESSAGE
        );
    }
}

#[test]
fn what_openssl_made_with_a_key_verifies_and_decrypts() {
    let signing = SigningKey::from_pkcs8(OPENSSL_3072).unwrap();
    assert_eq!(signing.verifying_key().spki_der(), OPENSSL_SPKI);
    assert_eq!(signing.verifying_key().verify(MESSAGE, OPENSSL_PSS), Ok(()));
    let decryption = DecryptionKey::from_pkcs8(OPENSSL_3072).unwrap();
    assert_eq!(
        decryption.decrypt(b"label", OPENSSL_OAEP).unwrap().expose(),
        MESSAGE
    );
}

#[test]
fn another_size_or_exponent_is_refused_with_its_reason() {
    let refused = |pkcs8, error| {
        assert_eq!(SigningKey::from_pkcs8(pkcs8).err(), Some(error));
        assert_eq!(DecryptionKey::from_pkcs8(pkcs8).err(), Some(error));
        let public = RsaPrivateKey::from_pkcs8_der(pkcs8)
            .unwrap()
            .to_public_key();
        let spki = public.to_public_key_der().unwrap();
        assert_eq!(
            VerifyingKey::from_spki_der(spki.as_bytes()).err(),
            Some(error)
        );
        assert_eq!(
            EncryptionKey::from_spki_der(spki.as_bytes()).err(),
            Some(error)
        );
    };
    refused(OPENSSL_2048, KeyError::Size { bits: 2048 });
    refused(OPENSSL_E3, KeyError::Exponent);
    let message = KeyError::Size { bits: 2048 }.to_string();
    assert!(message.contains("2048") && message.contains("3072") && message.contains("4096"));
    assert!(KeyError::Exponent.to_string().contains("65537"));
}

#[test]
fn moduli_just_beside_the_sizes_are_refused() {
    // The modulus begins at byte 33. Without its high bit the zero before it, which kept the
    // integer positive, makes it longer than needed: malformed.
    let mut spki = OPENSSL_SPKI.to_vec();
    spki[33] &= 0x7f;
    assert_eq!(
        VerifyingKey::from_spki_der(&spki).err(),
        Some(KeyError::Malformed)
    );
    let mut modulus = vec![0xff; 384];
    modulus[0] = 0x7f;
    let error = VerifyingKey::from_spki_der(&spki_of(&modulus, &[1, 0, 1])).err();
    assert_eq!(error, Some(KeyError::Size { bits: 3071 }));
    for bytes in [1, 2, 128, 383, 385, 511, 513, 1024] {
        let spki = spki_of(&vec![0xff; bytes], &[1, 0, 1]);
        let error = KeyError::Size { bits: bytes * 8 };
        assert_eq!(VerifyingKey::from_spki_der(&spki).err(), Some(error));
        assert_eq!(EncryptionKey::from_spki_der(&spki).err(), Some(error));
    }
    for exponent in [
        &[3][..],
        &[1, 0, 3],
        &[0, 0, 1],
        &[1, 0, 0, 1],
        &[1, 0, 1, 0],
    ] {
        let spki = spki_of(&[0xff; 384], exponent);
        let error = VerifyingKey::from_spki_der(&spki).err();
        assert!(matches!(
            error,
            Some(KeyError::Exponent | KeyError::Malformed)
        ));
    }
    // An even modulus is no product of two odd primes.
    let mut even = vec![0xff; 384];
    even[383] = 0xfe;
    assert!(VerifyingKey::from_spki_der(&spki_of(&even, &[1, 0, 1])).is_err());
    assert!(VerifyingKey::from_spki_der(&spki_of(&[0xff; 384], &[1, 0, 1])).is_ok());
}

/// A SubjectPublicKeyInfo around a modulus with its high bit set and an exponent.
fn spki_of(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let integer = |bytes: &[u8]| {
        let sign = if bytes[0] < 0x80 { &[][..] } else { &[0][..] };
        der(0x02, &[sign, bytes].concat())
    };
    let key = der(0x30, &[integer(modulus), integer(exponent)].concat());
    let algorithm = [
        0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0,
    ];
    let bits = der(0x03, &[&[0][..], &key].concat());
    der(0x30, &[&algorithm[..], &bits].concat())
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let length = match content.len() {
        0..0x80 => length[7..].to_vec(),
        0x80..0x100 => [&[0x81], &length[7..]].concat(),
        _ => [&[0x82], &length[6..]].concat(),
    };
    [&[tag][..], &length, content].concat()
}

#[test]
fn other_kinds_of_keys_and_private_keys_without_their_wrapper_are_refused() {
    let ed25519 = include_bytes!("vectors/openssl-ed25519.pk8");
    assert_eq!(
        SigningKey::from_pkcs8(ed25519).err(),
        Some(KeyError::Malformed)
    );
    // PKCS#1 alone: the content of the octet string.
    assert_eq!(
        SigningKey::from_pkcs8(&OPENSSL_3072[26..]).err(),
        Some(KeyError::Malformed)
    );
    let spki = crypto::ed25519_spki_der(&[9; 32]);
    assert_eq!(
        VerifyingKey::from_spki_der(&spki).err(),
        Some(KeyError::Malformed)
    );
    // The OID of keys that are bound to PSS would be a second encoding of the same key.
    let mut pss = OPENSSL_SPKI.to_vec();
    pss[16] = 10;
    assert_eq!(
        VerifyingKey::from_spki_der(&pss).err(),
        Some(KeyError::Malformed)
    );
}

/// Whatever byte of a private key changes, the key is refused, and never quietly another.
#[test]
fn a_private_key_with_a_changed_byte_is_refused() {
    let pkcs8 = fixtures::rsa3072_pkcs8(0);
    for index in (0..pkcs8.len()).step_by(7).chain(0..60) {
        let mut changed = pkcs8.to_vec();
        changed[index] ^= 1 << (index % 8);
        assert!(SigningKey::from_pkcs8(&changed).is_err(), "byte {index}");
        assert!(DecryptionKey::from_pkcs8(&changed).is_err(), "byte {index}");
    }
}

#[test]
fn a_private_key_has_one_encoding() {
    let pkcs8 = fixtures::rsa3072_pkcs8(0);
    let content = &pkcs8[4..];
    // An empty set of attributes (RFC 5208 §5), and the same behind version 1 (RFC 5958).
    let attributes = der(0x30, &[content, &[0xa0, 0]].concat());
    let mut version1 = attributes.clone();
    version1[6] = 1;
    for wrong in [
        attributes,
        version1,
        [pkcs8, &[0]].concat(),
        pkcs8[1..].to_vec(),
    ] {
        assert!(SigningKey::from_pkcs8(&wrong).is_err());
        assert!(DecryptionKey::from_pkcs8(&wrong).is_err());
    }
}

#[test]
fn a_public_key_has_one_encoding() {
    let spki = fixtures::rsa3072_signing(0)
        .verifying_key()
        .spki_der()
        .to_vec();
    for wrong in [&spki[..spki.len() - 1], &[&spki[..], &[0]].concat(), &[]] {
        assert_eq!(
            VerifyingKey::from_spki_der(wrong).err(),
            Some(KeyError::Malformed)
        );
    }
    let content = &spki[4..];
    // A length in three bytes where two are enough.
    let long = [&[0x30, 0x83, 0, 1, 0xa2][..], content].concat();
    assert_eq!(
        VerifyingKey::from_spki_der(&long).err(),
        Some(KeyError::Malformed)
    );
}

#[test]
fn a_signature_with_any_changed_byte_fails() {
    let key = fixtures::rsa3072_signing(0);
    let public = key.verifying_key();
    let signature = key.sign(MESSAGE);
    for index in 0..signature.len() {
        let mut changed = signature.clone();
        changed[index] ^= 1 << (index % 8);
        assert_eq!(
            public.verify(MESSAGE, &changed),
            Err(BadSignature),
            "byte {index}"
        );
    }
    for bit in 0..MESSAGE.len() * 8 {
        let mut changed = MESSAGE.to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            public.verify(&changed, &signature),
            Err(BadSignature),
            "bit {bit}"
        );
    }
    let other = fixtures::rsa3072_signing(1);
    assert_eq!(
        other.verifying_key().verify(MESSAGE, &signature),
        Err(BadSignature)
    );
    for wrong in [
        &signature[1..],
        &signature[..383],
        &[&[0], &signature[..]].concat(),
        &[],
    ] {
        assert_eq!(public.verify(MESSAGE, wrong), Err(BadSignature));
    }
}

#[test]
fn two_signatures_of_one_message_differ_and_both_verify() {
    let key = fixtures::rsa3072_signing(0);
    let (first, second) = (key.sign(MESSAGE), key.sign(MESSAGE));
    assert_ne!(first, second);
    assert_eq!(key.verifying_key().verify(MESSAGE, &second), Ok(()));
}

#[test]
fn a_ciphertext_or_label_that_changed_does_not_decrypt() {
    let key = fixtures::rsa3072_decryption(0);
    let seal = |seed| {
        key.encryption_key()
            .encrypt(b"label", MESSAGE, &mut SeededRandom::new(seed))
    };
    let ciphertext = seal(1);
    assert_ne!(ciphertext, seal(2));
    for index in (0..ciphertext.len()).step_by(11) {
        let mut changed = ciphertext.clone();
        changed[index] ^= 1 << (index % 8);
        assert_eq!(
            key.decrypt(b"label", &changed).err(),
            Some(Undecryptable),
            "byte {index}"
        );
    }
    for label in [&b""[..], b"Label", b"label\0"] {
        assert_eq!(key.decrypt(label, &ciphertext).err(), Some(Undecryptable));
    }
    for wrong in [
        &ciphertext[1..],
        &[&[0], &ciphertext[..]].concat(),
        &[0xff; 384],
        &[0; 384],
        &[],
    ] {
        assert_eq!(key.decrypt(b"label", wrong).err(), Some(Undecryptable));
    }
    let other = fixtures::rsa3072_decryption(1);
    assert_eq!(
        other.decrypt(b"label", &ciphertext).err(),
        Some(Undecryptable)
    );
}

#[test]
fn oaep_carries_anything_from_nothing_to_its_limit() {
    let key = fixtures::rsa3072_decryption(2);
    for length in [0, 1, 32, OAEP_PLAINTEXT_MAX] {
        let plaintext = vec![7; length];
        let ciphertext = key
            .encryption_key()
            .encrypt(b"l", &plaintext, &mut SeededRandom::new(1));
        assert_eq!(key.decrypt(b"l", &ciphertext).unwrap().expose(), plaintext);
    }
}

#[test]
fn ring_and_rsa_agree_on_signatures_and_ciphertexts() {
    let key = fixtures::rsa3072_signing(3);
    let theirs = RsaPrivateKey::from_pkcs8_der(fixtures::rsa3072_pkcs8(3)).unwrap();
    let verifier = pss::VerifyingKey::<Sha256>::new_with_salt_len(theirs.to_public_key(), 32);
    let signature = pss::Signature::try_from(&key.sign(MESSAGE)[..]).unwrap();
    verifier.verify(MESSAGE, &signature).unwrap();

    let signer = pss::SigningKey::<Sha256>::new_with_salt_len(theirs.clone(), 32);
    let signature = signer.sign_with_rng(&mut Rng, MESSAGE).to_vec();
    assert_eq!(key.verifying_key().verify(MESSAGE, &signature), Ok(()));
    // A salt of another length is another scheme.
    let signer = pss::SigningKey::<Sha256>::new_with_salt_len(theirs.clone(), 20);
    let signature = signer.sign_with_rng(&mut Rng, MESSAGE).to_vec();
    assert_eq!(
        key.verifying_key().verify(MESSAGE, &signature),
        Err(BadSignature)
    );

    let public = RsaPublicKey::from_public_key_der(key.verifying_key().spki_der()).unwrap();
    let oaep = Oaep::<Sha256>::new_with_label(&b"label"[..]);
    let ciphertext = public.encrypt(&mut Rng, oaep, MESSAGE).unwrap();
    let ours = fixtures::rsa3072_decryption(3);
    assert_eq!(
        ours.decrypt(b"label", &ciphertext).unwrap().expose(),
        MESSAGE
    );
}

/// This machine's randomness in the shape of the `rsa` crate.
struct Rng;

impl rsa::rand_core::TryRng for Rng {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(u32::from_le_bytes(crypto::random_array(&mut System)))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(u64::from_le_bytes(crypto::random_array(&mut System)))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        System.fill(out);
        Ok(())
    }
}

impl rsa::rand_core::TryCryptoRng for Rng {}

fn parse_all(bytes: &[u8]) {
    drop(SigningKey::from_pkcs8(bytes));
    drop(DecryptionKey::from_pkcs8(bytes));
    drop(VerifyingKey::from_spki_der(bytes));
    drop(EncryptionKey::from_spki_der(bytes));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        parse_all(&bytes);
    }

    /// Real encodings with a few bytes changed, cut or put in.
    #[test]
    fn malformed_der_never_panics(
        private in any::<bool>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3), 1..6),
    ) {
        let mut der = if private { OPENSSL_3072 } else { OPENSSL_SPKI }.to_vec();
        for (index, byte, kind) in edits {
            let index = index.index(der.len());
            match kind {
                0 => der[index] = byte,
                1 => der.truncate(index.max(1)),
                _ => der.insert(index, byte),
            }
        }
        parse_all(&der);
    }
}
