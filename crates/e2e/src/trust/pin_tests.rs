use super::*;
use crate::testing::{alice, bob, eve_as, pin, random};
use crypto::fixtures::{rsa3072_decryption, rsa3072_signing};
use crypto::{RsaBits, Secret};

/// Alice with another encryption key, certified by the same signing key.
fn renewed_alice() -> PublicIdentity {
    let archive = Secret::from([0; 32]);
    crate::Identity::from_keys(
        "alice",
        rsa3072_signing(0),
        rsa3072_decryption(3),
        vec![],
        archive,
    )
    .expect("two keys")
    .public()
    .clone()
}

#[test]
fn the_first_keys_are_pinned_unverified_and_kept() {
    assert_eq!(judge(None, alice().public()), Trust::New);
    let mut alices = pin(alice());
    assert_eq!(alices.state(), PinState::Unverified);
    assert_eq!(alices.present(alice().public()), Trust::Same);
    alices.verify().expect("no change waits");
    assert_eq!(alices.present(alice().public()), Trust::Same);
    assert_eq!(alices.state(), PinState::Verified);
}

#[test]
fn h55_a_swapped_key_blocks_sending_until_the_user_accepts() {
    let swapped = eve_as("alice");
    let mut alices = pin(alice());
    alices.verify().expect("no change waits");
    let (pinned, presented) = (
        alice().public().fingerprint(),
        swapped.public().fingerprint(),
    );
    let changed = Trust::Changed { pinned, presented };
    assert_eq!(judge(Some(&alices), swapped.public()), changed);
    assert_eq!(
        alices.state(),
        PinState::Verified,
        "judging changes nothing"
    );

    assert_eq!(alices.present(swapped.public()), changed);
    assert_eq!(alices.state(), PinState::Changed);
    let quarantined = Quarantined { pinned, presented };
    assert_eq!(alices.recipient().map(drop), Err(quarantined));
    assert_eq!(alices.verify(), Err(quarantined));
    assert!(quarantined.to_string().contains(&presented.to_string()));
    assert!(
        alices.identity().same_keys(alice().public()),
        "the old keys stay pinned"
    );

    assert_eq!(alices.present(alice().public()), Trust::Same);
    assert_eq!(alices.state(), PinState::Changed, "only the user ends it");

    let mut rejected = alices.clone();
    rejected.reject();
    assert_eq!(rejected.state(), PinState::Verified);
    assert!(rejected.recipient().is_ok());

    assert!(!alices.accept(&pinned), "not the fingerprint that waits");
    assert!(alices.accept(&presented));
    assert_eq!(alices.state(), PinState::Unverified);
    assert!(alices.identity().same_keys(swapped.public()));
    assert!(!alices.accept(&presented), "nothing waits any more");
}

#[test]
fn a_certified_encryption_key_is_taken_over() {
    let mut alices = pin(alice());
    alices.verify().expect("no change waits");
    assert_eq!(alices.present(&renewed_alice()), Trust::Renewed);
    assert_eq!(alices.state(), PinState::Verified);
    let recipient = alices.recipient().expect("no change waits");
    assert!(recipient.identity().same_keys(&renewed_alice()));
}

#[test]
fn another_name_says_nothing() {
    let mut alices = pin(alice());
    assert_eq!(alices.present(bob().public()), Trust::OtherName);
    assert!(alices.identity().same_keys(alice().public()));
    assert_eq!(alices.state(), PinState::Unverified);
}

#[test]
fn p2_malformed_short_and_uncertified_keys_are_refused() {
    let alice = alice().public();
    let (signing, encryption) = (
        alice.signing_key().spki_der(),
        alice.encryption_key().spki_der(),
    );
    let parts = |name: &str, signing: &[u8], encryption: &[u8], certificate: &[u8]| {
        PublicIdentity::from_parts(name, signing, encryption, certificate).map(drop)
    };
    let certificate = alice.certificate();
    assert_eq!(parts("alice", signing, encryption, certificate), Ok(()));
    assert_eq!(
        parts("bob", signing, encryption, certificate),
        Err(IdentityError::Certificate)
    );
    assert_eq!(
        parts("", signing, encryption, certificate),
        Err(IdentityError::Name)
    );
    assert_eq!(
        parts(&"a".repeat(65), signing, encryption, certificate),
        Err(IdentityError::Name)
    );
    assert_eq!(
        parts("alice", signing, signing, certificate),
        Err(IdentityError::SameKey)
    );
    let other = bob().public().encryption_key().spki_der();
    assert_eq!(
        parts("alice", signing, other, certificate),
        Err(IdentityError::Certificate)
    );
    let mut flipped = certificate.to_vec();
    flipped[100] ^= 1;
    assert_eq!(
        parts("alice", signing, encryption, &flipped),
        Err(IdentityError::Certificate)
    );
    assert!(matches!(
        parts("alice", &signing[1..], encryption, certificate),
        Err(IdentityError::SigningKey(crypto::KeyError::Malformed))
    ));
    let short = include_bytes!("../../tests/vectors/rsa2048.spki");
    let refused = parts("alice", short, encryption, certificate).expect_err("2048 bits");
    assert!(
        refused.to_string().contains("2048 bits is refused"),
        "{refused}"
    );
    let refused = parts("alice", signing, short, certificate).expect_err("2048 bits");
    assert!(matches!(refused, IdentityError::EncryptionKey(_)));
}

#[test]
fn a_public_identity_has_one_encoding() {
    for identity in [alice(), crate::testing::large()] {
        let bytes = identity.public().encode();
        assert!(bytes.len() <= crate::PUBLIC_IDENTITY_BYTES_MAX);
        let decoded = PublicIdentity::decode(&bytes).expect("our own");
        assert!(decoded.same_keys(identity.public()));
        assert_eq!(decoded.encode(), bytes);
    }
    let bytes = alice().public().encode();
    for index in 0..bytes.len() {
        let mut other = bytes.clone();
        other[index] ^= 1;
        assert!(PublicIdentity::decode(&other).is_err(), "byte {index}");
        assert!(PublicIdentity::decode(&bytes[..index]).is_err());
    }
    assert!(PublicIdentity::decode(&[&bytes[..], &[0]].concat()).is_err());
}

#[test]
fn pins_round_trip_and_nothing_else_decodes() {
    let plain = pin(alice());
    let mut verified = plain.clone();
    verified.verify().expect("no change waits");
    let mut changed = verified.clone();
    changed.present(eve_as("alice").public());
    for pin in [&plain, &verified, &changed] {
        let bytes = pin.encode();
        let decoded = Pin::decode(&bytes).expect("our own");
        assert_eq!(decoded.state(), pin.state());
        assert_eq!(decoded.encode(), bytes);
        for end in (0..bytes.len()).step_by(7) {
            assert!(Pin::decode(&bytes[..end]).is_err());
        }
        assert!(Pin::decode(&[&bytes[..], &[0]].concat()).is_err());
    }
    let with = |index: usize, byte: u8| {
        let mut bytes = plain.encode();
        bytes[index] = byte;
        Pin::decode(&bytes).map(drop)
    };
    assert_eq!(with(0, 2), Err(DecodeError::Unknown.into()));
    assert_eq!(with(1, 2), Err(DecodeError::Invalid.into()));
    let mut same = plain.encode();
    same.pop();
    same.push(1);
    same.extend_from_slice(&alice().public().encode());
    assert!(Pin::decode(&same).is_err(), "a change to the same key");
}

#[test]
fn identities_are_made_and_renewed() {
    let made = crate::Identity::generate("dora", RsaBits::B3072, &mut random(1)).expect("keys");
    assert_eq!(made.name(), "dora");
    assert!(!made.archive_key().ct_eq(&Secret::from([0; 32])));
    let mut doras = pin(&made);
    let first = made.public().encryption_key().fingerprint();
    let renewed = made
        .with_new_encryption_key(RsaBits::B3072, &mut random(2))
        .expect("a key");
    assert_eq!(doras.present(renewed.public()), Trust::Renewed);
    assert!(
        renewed.decryption_key_for(&first).is_some(),
        "the earlier key is kept"
    );
    let refused = crate::Identity::generate("", RsaBits::B3072, &mut random(1)).map(drop);
    assert_eq!(refused, Err(IdentityError::Name));
}
