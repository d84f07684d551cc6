//! The crate against PROTOCOL.md §8 by a second route: the RustCrypto primitives and the text of
//! the protocol, without `crypto`, `codec` or anything of this crate's. Both directions: what the
//! crate made opens here, and what is made here opens there.

#![allow(clippy::expect_used, clippy::panic)] // A helper outside a test function is still a test.

mod support;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use crypto::Random;
use crypto::fixtures::{SeededRandom, rsa3072_pkcs8};
use e2e::conversation::DeviceId;
use e2e::keybag::{self, Binding};
use e2e::sealed::{Content, Local};
use e2e::trust::Pin;
use e2e::{PublicIdentity, SealedMessage};
use hkdf::Hkdf;
use rsa::pkcs8::{DecodePrivateKey, EncodePublicKey};
use rsa::rand_core::{TryCryptoRng, TryRng};
use rsa::{Oaep, Pss, RsaPrivateKey, RsaPublicKey};
use sha2::{Digest, Sha256};
use std::convert::Infallible;
use support::{EXPORT_KEY, Vectors, alice, bob};

struct Rng(SeededRandom);

impl TryRng for Rng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_be_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        Ok(u64::from_be_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(out);
        Ok(())
    }
}

impl TryCryptoRng for Rng {}

fn rng() -> Rng {
    Rng(SeededRandom::new(77))
}

/// `T(context; fields)` of PROTOCOL.md §1.
fn t(context: &str, fields: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("undertone/1 {context}\0").into_bytes();
    for field in fields {
        bytes.extend((field.len() as u32).to_be_bytes());
        bytes.extend(*field);
    }
    bytes
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn hkdf<const N: usize>(ikm: &[u8], salt: &[u8], info: &[u8]) -> [u8; N] {
    let mut okm = [0; N];
    let hkdf = Hkdf::<Sha256>::new(Some(salt), ikm);
    hkdf.expand(info, &mut okm).expect("a length HKDF has");
    okm
}

/// Key and nonce are the first 44 bytes of `okm`.
fn gcm(okm: &[u8]) -> (Aes256Gcm, Nonce<aes_gcm::aead::consts::U12>) {
    let cipher = Aes256Gcm::new_from_slice(&okm[..32]).expect("32 bytes");
    (cipher, okm[32..44].try_into().expect("12 bytes"))
}

fn gcm_open(okm: &[u8], aad: &[u8], msg: &[u8]) -> Vec<u8> {
    let (cipher, nonce) = gcm(okm);
    cipher
        .decrypt(&nonce, Payload { msg, aad })
        .expect("authentic")
}

fn gcm_seal(okm: &[u8], aad: &[u8], msg: &[u8]) -> Vec<u8> {
    let (cipher, nonce) = gcm(okm);
    cipher.encrypt(&nonce, Payload { msg, aad }).expect("short")
}

/// Alice's `C_sig` and `C_enc`, Bob's `C_sig` and `C_enc`.
fn keys() -> [RsaPrivateKey; 4] {
    std::array::from_fn(|index| RsaPrivateKey::from_pkcs8_der(rsa3072_pkcs8(index)).expect("a key"))
}

fn spki(key: &RsaPrivateKey) -> Vec<u8> {
    let der = key.to_public_key().to_public_key_der();
    der.expect("a key has an encoding").into_vec()
}

fn fp(key: &RsaPrivateKey) -> [u8; 32] {
    sha256(&spki(key))
}

fn pss_sign(key: &RsaPrivateKey, message: &[u8]) -> Vec<u8> {
    let scheme = Pss::<Sha256>::new_with_salt(32);
    let signature = key.sign_with_rng(&mut rng(), scheme, &sha256(message));
    signature.expect("a signature")
}

fn pss_verify(key: &RsaPublicKey, message: &[u8], signature: &[u8]) {
    let scheme = Pss::<Sha256>::new_with_salt(32);
    key.verify(scheme, &sha256(message), signature)
        .expect("its signature");
}

fn oaep_encrypt(key: &RsaPrivateKey, label: Vec<u8>, message: &[u8]) -> Vec<u8> {
    let scheme = Oaep::<Sha256>::new_with_label(label);
    let wrapped = key.to_public_key().encrypt(&mut rng(), scheme, message);
    wrapped.expect("short enough")
}

fn oaep_decrypt(key: &RsaPrivateKey, label: Vec<u8>, wrapped: &[u8]) -> Vec<u8> {
    let scheme = Oaep::<Sha256>::new_with_label(label);
    key.decrypt(scheme, wrapped).expect("wrapped for it")
}

/// Fields behind varint lengths and fixed fields, front to back.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    fn prefixed(&mut self) -> &'a [u8] {
        let size = 1 << (self.0[0] >> 6);
        let field = self.take(size);
        let first = usize::from(field[0] & 0x3f);
        let length = field[1..]
            .iter()
            .fold(first, |value, &byte| value << 8 | usize::from(byte));
        self.take(length)
    }
}

fn prefixed(field: &[u8]) -> Vec<u8> {
    let length = field.len() as u32;
    let mut bytes = match length {
        0..=0x3f => vec![length as u8],
        0x40..=0x3fff => (length as u16 | 0x4000).to_be_bytes().to_vec(),
        _ => (length | 0x8000_0000).to_be_bytes().to_vec(),
    };
    bytes.extend(field);
    bytes
}

#[test]
fn the_sealed_vector_opens_here() {
    let vectors = Vectors::read("sealed-message.txt");
    let message = vectors.bytes("message");
    let [a_sig, a_enc, b_sig, b_enc] = keys();
    let mut fields = Fields(message);
    assert_eq!(fields.take(3), [1, 1, 1]);
    assert_eq!(fields.prefixed(), b"alice");
    assert_eq!(fields.take(16), [0x11; 16]);
    assert_eq!(fields.take(32), fp(&a_sig));
    assert_eq!(fields.prefixed(), b"bob");
    assert_eq!(fields.take(32), fp(&b_enc));
    assert_eq!(
        fields.take(16),
        &sha256(&t("conversation", &[b"alice", b"bob"]))[..16]
    );
    fields.take(16 + 8 + 32 + 8 + 8 + 32);
    let header = &message[..message.len() - fields.0.len()];
    let behind_header = fields.0;
    let wrapped = fields.prefixed();
    assert_eq!(fields.take(2), [0, 1]);
    assert_eq!(fields.take(32), fp(&a_enc));
    let own = fields.prefixed();
    assert_eq!(fields.take(1), [0]);
    let keys = &behind_header[..behind_header.len() - fields.0.len()];
    let (commitment, ciphertext, signature) =
        (fields.take(32), fields.prefixed(), fields.prefixed());
    assert!(fields.0.is_empty());

    let th = sha256(&t("sealed-head", &[header, keys]));
    let text_hash = sha256(&t("sealed-text", &[ciphertext]));
    let signed = t("sealed", &[&th, commitment, &text_hash]);
    pss_verify(&a_sig.to_public_key(), &signed, signature);
    assert_eq!(
        sha256(&t("chain", &[&th, signature])),
        vectors.array("chain")
    );
    let secret = oaep_decrypt(&b_enc, t("sealed-key", &[header]), wrapped);
    assert_eq!(
        secret,
        oaep_decrypt(&a_enc, t("sealed-own-key", &[header]), own)
    );
    let okm: [u8; 76] = hkdf(&secret, b"", &t("sealed-secrets", &[&th]));
    assert_eq!(&okm[44..], commitment);
    let padded = gcm_open(&okm, &th, ciphertext);
    let text = vectors.bytes("text");
    assert_eq!(padded[..4], (text.len() as u32).to_be_bytes());
    assert_eq!(&padded[4..4 + text.len()], text);
    assert!(padded[4 + text.len()..].iter().all(|&byte| byte == 0));
    assert!((256..512).contains(&padded.len()));
    drop(b_sig);
}

#[test]
fn a_message_made_here_opens_there() {
    let [a_sig, a_enc, _, b_enc] = keys();
    let text = "made by hand";
    let mut header = vec![1, 1, 1];
    header.extend(prefixed(b"alice"));
    header.extend([9; 16]);
    header.extend(fp(&a_sig));
    header.extend(prefixed(b"bob"));
    header.extend(fp(&b_enc));
    header.extend(&sha256(&t("conversation", &[b"alice", b"bob"]))[..16]);
    header.extend([8; 16]);
    header.extend(1u64.to_be_bytes());
    header.extend([0; 32]);
    header.extend(1_795_000_000_000u64.to_be_bytes());
    header.extend([0; 8 + 32]);
    let secret = [6; 32];
    let mut keys = prefixed(&oaep_encrypt(&b_enc, t("sealed-key", &[&header]), &secret));
    keys.extend([0, 1]);
    keys.extend(fp(&a_enc));
    keys.extend(prefixed(&oaep_encrypt(
        &a_enc,
        t("sealed-own-key", &[&header]),
        &secret,
    )));
    keys.push(0);
    let th = sha256(&t("sealed-head", &[&header, &keys]));
    let okm: [u8; 76] = hkdf(&secret, b"", &t("sealed-secrets", &[&th]));
    let mut padded = (text.len() as u32).to_be_bytes().to_vec();
    padded.extend(text.as_bytes());
    padded.resize(256 + 77, 0);
    let ciphertext = gcm_seal(&okm, &th, &padded);
    let text_hash = sha256(&t("sealed-text", &[&ciphertext]));
    let signature = pss_sign(&a_sig, &t("sealed", &[&th, &okm[44..], &text_hash]));
    let message = [
        &header[..],
        &keys,
        &okm[44..],
        &prefixed(&ciphertext),
        &prefixed(&signature),
    ]
    .concat();

    let pin = Pin::first_seen(alice().public().clone());
    for reader in [bob(), alice()] {
        let local = Local {
            identity: &reader,
            device: DeviceId([5; 16]),
        };
        let decoded = SealedMessage::decode(&message).expect("well-formed");
        let verified = decoded.verify(local, Some(&pin)).expect("from alice");
        let opened = verified.decrypt(&reader).expect("for both");
        assert_eq!(opened.content, Content::Text(text.into()));
        assert_eq!(opened.header.manifest, None);
    }
}

#[test]
fn a_key_bag_made_here_opens_there_and_the_other_way() {
    let [a_sig, a_enc, _, b_enc] = keys();
    let aad = |version: u64| {
        let (sig, enc) = (fp(&a_sig), fp(&a_enc));
        t(
            "key-bag",
            &[&[1], b"alice", &version.to_be_bytes(), &sig, &enc],
        )
    };
    let mut content = prefixed(rsa3072_pkcs8(0));
    content.extend(prefixed(rsa3072_pkcs8(1)));
    content.push(1);
    content.extend(prefixed(rsa3072_pkcs8(3)));
    content.extend([0xac; 32]);
    let salt = [3; 32];
    let okm: [u8; 44] = hkdf(&EXPORT_KEY, &salt, &t("key-bag-key", &[]));
    let bag = [&[1][..], &salt, &gcm_seal(&okm, &aad(5), &content)].concat();
    let alice = alice();
    let binding = Binding {
        name: "alice",
        version: 5,
        signing_key: fp(&a_sig).into(),
        encryption_key: fp(&a_enc).into(),
    };
    let opened = keybag::open(&bag, &binding, 5, &EXPORT_KEY).expect("ours");
    assert!(opened.public().same_keys(alice.public()));
    assert_eq!(opened.archive_key().expose(), &[0xac; 32]);
    let earlier = opened.earlier_keys()[0].encryption_key().fingerprint();
    assert_eq!(earlier.as_bytes(), &fp(&b_enc));
    assert_eq!(keybag::hash(&bag), sha256(&t("key-bag-hash", &[&bag])));

    let vectors = Vectors::read("key-bag.txt");
    let bag = vectors.bytes("bag");
    let okm: [u8; 44] = hkdf(
        vectors.bytes("export_key"),
        &bag[1..33],
        &t("key-bag-key", &[]),
    );
    let content = gcm_open(&okm, &aad(3), &bag[33..]);
    let mut fields = Fields(&content);
    assert_eq!(fields.prefixed(), rsa3072_pkcs8(0));
    assert_eq!(fields.prefixed(), rsa3072_pkcs8(1));
    assert_eq!(fields.take(1), [0]);
    assert_eq!(fields.0, vectors.bytes("archive_key"));
}

#[test]
fn a_public_identity_made_here_is_accepted_there() {
    let [a_sig, a_enc, ..] = keys();
    let (sig, enc) = (spki(&a_sig), spki(&a_enc));
    let certificate = pss_sign(&a_sig, &t("enc-key", &[b"alice", &enc]));
    let bytes = [&b"alice"[..], &sig, &enc, &certificate]
        .map(prefixed)
        .concat();
    let identity = PublicIdentity::decode(&bytes).expect("ours");
    assert!(identity.same_keys(alice().public()));
    pss_verify(
        &a_sig.to_public_key(),
        &t("enc-key", &[b"alice", &enc]),
        alice().public().certificate(),
    );
}
