use proptest::prelude::*;

use super::*;
use crate::testing::{alice, bob, large, random};

const EXPORT_KEY: [u8; 64] = [0x5e; 64];

fn binding(identity: &Identity, version: u64) -> Binding<'_> {
    Binding {
        name: identity.name(),
        version,
        signing_key: identity.public().fingerprint(),
        encryption_key: identity.public().encryption_key().fingerprint(),
    }
}

fn bag(identity: &Identity) -> Vec<u8> {
    seal(identity, 3, &EXPORT_KEY, &mut random(1))
}

fn refused(bag: &[u8], binding: &Binding<'_>, seen: u64, export_key: &[u8]) -> KeyBagError {
    open(bag, binding, seen, export_key)
        .map(drop)
        .expect_err("refused")
}

#[test]
fn a_bag_gives_the_identity_back() {
    let with_earlier = Identity::from_keys(
        "alice",
        crypto::fixtures::rsa3072_signing(0),
        crypto::fixtures::rsa3072_decryption(3),
        vec![crypto::fixtures::rsa3072_decryption(1)],
        Secret::from([4; 32]),
    )
    .expect("two keys");
    for identity in [alice(), large(), &with_earlier] {
        let opened = open(&bag(identity), &binding(identity, 3), 3, &EXPORT_KEY).expect("right");
        assert!(opened.public().same_keys(identity.public()));
        assert!(opened.archive_key().ct_eq(identity.archive_key()));
        let fingerprints = |identity: &Identity| {
            let keys = identity.earlier_keys().iter();
            keys.map(|key| key.encryption_key().fingerprint())
                .collect::<Vec<_>>()
        };
        assert_eq!(fingerprints(&opened), fingerprints(identity));
    }
}

#[test]
fn a_bag_with_all_earlier_keys_fits() {
    let encryption = |_| DecryptionKey::from_pkcs8(large().decryption_key().to_pkcs8().expose());
    let earlier = (0..EARLIER_KEYS_MAX)
        .map(encryption)
        .collect::<Result<Vec<_>, _>>();
    let signing = SigningKey::from_pkcs8(large().signing_key().to_pkcs8().expose());
    let full = Identity::from_keys(
        "larissa",
        signing.expect("a key"),
        encryption(0).expect("a key"),
        earlier.expect("keys"),
        Secret::from([4; 32]),
    )
    .expect("eight are allowed");
    let bag = bag(&full);
    assert!(bag.len() < KEY_BAG_BYTES_MAX);
    let opened = open(&bag, &binding(&full, 3), 0, &EXPORT_KEY).expect("right");
    assert_eq!(opened.earlier_keys().len(), EARLIER_KEYS_MAX);
}

#[test]
fn h51_every_changed_byte_is_refused() {
    let bag = bag(alice());
    let binding = binding(alice(), 3);
    for index in 0..bag.len() {
        let mut changed = bag.clone();
        changed[index] ^= 1 << (index % 8);
        let expected = match index {
            0 => KeyBagError::Malformed(DecodeError::Unknown),
            _ => KeyBagError::Unauthentic,
        };
        assert_eq!(
            refused(&changed, &binding, 0, &EXPORT_KEY),
            expected,
            "byte {index}"
        );
        assert_ne!(hash(&changed), hash(&bag));
    }
    for end in 0..bag.len() {
        open(&bag[..end], &binding, 0, &EXPORT_KEY)
            .map(drop)
            .expect_err("truncated");
    }
    let longer = [&bag[..], &[0]].concat();
    assert_eq!(
        refused(&longer, &binding, 0, &EXPORT_KEY),
        KeyBagError::Unauthentic
    );
    let too_long = vec![1; KEY_BAG_BYTES_MAX + 1];
    let expected = KeyBagError::Malformed(DecodeError::TooLong);
    assert_eq!(refused(&too_long, &binding, 0, &EXPORT_KEY), expected);
}

#[test]
fn a_bag_opens_for_its_own_name_version_and_keys_only() {
    let bag = bag(alice());
    let right = binding(alice(), 3);
    let others = [
        Binding {
            name: "alicia",
            ..right
        },
        Binding {
            version: 4,
            ..right
        },
        Binding {
            signing_key: bob().public().fingerprint(),
            ..right
        },
        Binding {
            encryption_key: bob().public().fingerprint(),
            ..right
        },
    ];
    for other in others {
        assert_eq!(
            refused(&bag, &other, 0, &EXPORT_KEY),
            KeyBagError::Unauthentic
        );
    }
    assert_eq!(
        refused(&bag, &right, 0, &[0x5f; 64]),
        KeyBagError::Unauthentic
    );
    let high = Binding {
        version: COUNT_MAX + 1,
        ..right
    };
    let invalid = KeyBagError::Malformed(DecodeError::Invalid);
    assert_eq!(refused(&bag, &high, 0, &EXPORT_KEY), invalid);
}

#[test]
fn a_version_that_went_back_is_refused() {
    let bag = bag(alice());
    assert_eq!(
        refused(&bag, &binding(alice(), 3), 4, &EXPORT_KEY),
        KeyBagError::WentBack
    );
    assert!(open(&bag, &binding(alice(), 3), 3, &EXPORT_KEY).is_ok());
}

#[test]
fn keys_that_do_not_belong_to_the_public_ones_are_refused() {
    // Sealed by someone who knows the export key, for other public keys than the private ones.
    let forge = |content: Vec<u8>, binding: &Binding<'_>| {
        let mut content = content;
        let (key, nonce) = derive(&EXPORT_KEY, &[9; 32]);
        Aead::aes256_gcm(key.expose()).seal(&nonce, &aad(binding), &mut content);
        refused(
            &[&[1][..], &[9; 32], &content].concat(),
            binding,
            0,
            &EXPORT_KEY,
        )
    };
    let right = binding(alice(), 3);
    let signing = Binding {
        signing_key: bob().public().fingerprint(),
        ..right
    };
    let encryption = Binding {
        encryption_key: bob().public().fingerprint(),
        ..right
    };
    assert_eq!(forge(encode(alice()), &signing), KeyBagError::Mismatch);
    assert_eq!(forge(encode(alice()), &encryption), KeyBagError::Mismatch);
    let mut garbage = Vec::new();
    Writer::new(&mut garbage)
        .prefixed(b"no key")
        .prefixed(b"none")
        .u8(0)
        .bytes(&[0; 32]);
    assert_eq!(
        forge(garbage, &right),
        KeyBagError::Key(KeyError::Malformed)
    );
    let mut trailing = encode(alice());
    trailing.push(0);
    assert_eq!(
        forge(trailing, &right),
        KeyBagError::Malformed(DecodeError::Trailing)
    );
    let mut many = Vec::new();
    Writer::new(&mut many)
        .prefixed(b"")
        .prefixed(b"")
        .u8(9)
        .bytes(&[0; 64]);
    assert_eq!(
        forge(many, &right),
        KeyBagError::Malformed(DecodeError::TooLong)
    );
    let mut long = Vec::new();
    Writer::new(&mut long).prefixed(&[0; PKCS8_BYTES_MAX + 1]);
    assert_eq!(
        forge(long, &right),
        KeyBagError::Malformed(DecodeError::TooLong)
    );
}

#[test]
fn no_two_bags_share_a_key() {
    let mut random = random(1);
    let one = seal(alice(), 3, &EXPORT_KEY, &mut random);
    let two = seal(alice(), 3, &EXPORT_KEY, &mut random);
    assert_ne!(one[1..33], two[1..33], "the salt");
    assert_ne!(one[33..65], two[33..65], "the ciphertext");
}

proptest! {
    /// The content's parser takes what it is given or nothing, and never panics.
    #[test]
    fn content_has_one_encoding(content in prop::collection::vec(0u8..6, 0..120)) {
        if let Ok(keys) = decode(&content) {
            let mut bytes = Vec::new();
            let mut writer = Writer::new(&mut bytes);
            writer
                .prefixed(keys.signing.expose())
                .prefixed(keys.decryption.expose())
                .u8(keys.earlier.len() as u8);
            for key in &keys.earlier {
                writer.prefixed(key.expose());
            }
            writer.bytes(keys.archive.expose());
            prop_assert_eq!(bytes, content);
        }
    }
}
