//! Malicious servers, senders, recipients and thieves.

use super::*;
use crate::conversation::Origin;
use crate::labels;
use crate::sealed::Local;
use crate::sealed::message::{OwnCopy, head_hash};
use crate::sealed::schedule::Schedule;
use crate::sealed::seal::{encrypt, label};
use crate::testing::{alice, bob, eve, eve_as};
use codec::Writer;
use crypto::Secret;

/// Writes header and keys anew and signs, as whoever has `signer`'s keys can.
fn resign(message: &mut SealedMessage, signer: &Identity) {
    message.header_bytes.clear();
    message
        .header
        .write(&mut Writer::new(&mut message.header_bytes));
    message.keys_bytes.clear();
    message
        .keys
        .write(&mut Writer::new(&mut message.keys_bytes));
    let th = message.head_hash();
    message.signature = signer.signing_key().sign(&message.signed_bytes(&th));
}

fn decoded(bytes: &[u8]) -> SealedMessage {
    SealedMessage::decode(bytes).expect("well-formed")
}

#[test]
fn h02_h03_what_is_cut_or_changed_is_refused_before_rsa_decryption() {
    let bytes = sealed(alice(), bob(), "hello");
    let pinned = pin(alice());
    for index in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[index] ^= 1 << (index % 8);
        let Ok(message) = SealedMessage::decode(&changed) else {
            continue;
        };
        assert_eq!(message.encode(), changed, "byte {index}");
        let refused = message.verify(local(bob()), Some(&pinned));
        assert!(refused.is_err(), "byte {index}");
    }
    for end in 0..bytes.len() {
        assert!(SealedMessage::decode(&bytes[..end]).is_err());
    }
}

#[test]
fn h56_a_forged_sender_is_refused() {
    // Eve signs what claims to be Alice's.
    let claims = encrypt(
        eve(),
        bob().as_recipient(),
        header(alice(), bob()),
        b"hi",
        &mut random(1),
    );
    assert_eq!(reason(&claims.encode(), bob(), alice()), Reason::Signature);
    // With her own fingerprint in it, it is a changed key, and stays undecrypted.
    let swapped = eve_as("alice");
    let bytes = sealed(&swapped, bob(), "hi");
    assert_eq!(reason(&bytes, bob(), alice()), Reason::KeyChanged);
    // The server renames an honest message's sender.
    let mut renamed = decoded(&sealed(eve(), bob(), "hi"));
    renamed.header.sender = "alice".into();
    renamed.header.conversation = ConversationId::of("alice", "bob");
    let signature = renamed.signature.clone();
    resign(&mut renamed, eve());
    renamed.signature = signature;
    assert_eq!(
        reason(&renamed.encode(), bob(), alice()),
        Reason::KeyChanged
    );
    assert_eq!(
        reason(&renamed.encode(), bob(), eve()),
        Reason::UnknownSender,
        "another's pin"
    );
}

#[test]
fn h47_a_thief_of_bobs_keys_cannot_pose_as_alice_to_bob() {
    let thief = bob();
    let claims = header(alice(), bob());
    let forged = encrypt(
        thief,
        bob().as_recipient(),
        claims.clone(),
        b"hi",
        &mut random(1),
    );
    assert_eq!(reason(&forged.encode(), bob(), alice()), Reason::Signature);
    let own_key = Header {
        sender_key: thief.public().fingerprint(),
        ..claims
    };
    let forged = encrypt(thief, bob().as_recipient(), own_key, b"hi", &mut random(1));
    assert_eq!(reason(&forged.encode(), bob(), alice()), Reason::KeyChanged);
}

#[test]
fn u11_forwarding_and_readdressing_fail() {
    let bytes = sealed(alice(), bob(), "for bob only");
    assert_eq!(reason(&bytes, eve(), alice()), Reason::NotForMe);
    // Bob readdresses Alice's message to Eve, wrapping the key for her, which he can.
    let mut readdressed = decoded(&bytes);
    readdressed.header.recipient = "eve".into();
    readdressed.header.recipient_key = eve().public().encryption_key().fingerprint();
    readdressed.header.conversation = ConversationId::of("alice", "eve");
    let signature = readdressed.signature.clone();
    resign(&mut readdressed, bob());
    assert_eq!(
        reason(&readdressed.encode(), eve(), alice()),
        Reason::Signature
    );
    readdressed.signature = signature;
    assert_eq!(
        reason(&readdressed.encode(), eve(), alice()),
        Reason::Signature
    );
    // With his own name and signature it is his message, and opens to nothing.
    let mut own = decoded(&bytes);
    own.header = header(bob(), eve());
    resign(&mut own, bob());
    assert_eq!(reason(&own.encode(), eve(), bob()), Reason::WrappedKey);
}

#[test]
fn u11_stripping_and_signing_again_yields_nothing() {
    // Eve, a contact of Bob's, puts her name and signature to what Alice sealed for Bob.
    let mut stripped = decoded(&sealed(alice(), bob(), "alice wrote this"));
    stripped.header = header(eve(), bob());
    resign(&mut stripped, eve());
    assert_eq!(reason(&stripped.encode(), bob(), eve()), Reason::WrappedKey);
}

#[test]
fn h54_nothing_moves_between_conversations() {
    // The header names another conversation than that of its names: malformed.
    let mut moved = decoded(&sealed(alice(), bob(), "hi"));
    moved.header.conversation = ConversationId::of("bob", "eve");
    resign(&mut moved, alice());
    assert!(matches!(
        reason(&moved.encode(), bob(), alice()),
        Reason::Malformed(_)
    ));
    // Parts of two honest messages, put together by the server.
    let one = decoded(&sealed(alice(), bob(), "one"));
    let mut message = outgoing(bob(), "two");
    message.id = MessageId([9; 16]);
    let two = seal(alice(), &message, &mut random(8))
        .expect("in range")
        .bytes;
    let two = decoded(&two);
    let splices: [fn(&mut SealedMessage, &SealedMessage); 4] = [
        |to, from| to.header_bytes.clone_from(&from.header_bytes),
        |to, from| to.keys_bytes.clone_from(&from.keys_bytes),
        |to, from| {
            to.ciphertext.clone_from(&from.ciphertext);
            to.commitment = from.commitment;
        },
        |to, from| to.signature.clone_from(&from.signature),
    ];
    for splice in splices {
        let mut spliced = two.clone();
        splice(&mut spliced, &one);
        assert_eq!(reason(&spliced.encode(), bob(), alice()), Reason::Signature);
    }
}

#[test]
fn nobody_counts_for_another_s_device() {
    // Alice names Bob's device as her own: it is another origin than Bob's.
    let bobs = decoded(&sealed(bob(), alice(), "hi"))
        .unproven_header()
        .origin();
    let alices = decoded(&sealed(alice(), bob(), "hi"))
        .unproven_header()
        .origin();
    assert_eq!(
        (bobs.device, bobs.conversation),
        (alices.device, alices.conversation)
    );
    assert_ne!(bobs, Origin { ..alices });
}

#[test]
fn a_malicious_sender_s_text_must_fit_commitment_tag_and_form() {
    let honest = decoded(&sealed(alice(), bob(), "hi"));
    let refused = |change: fn(&mut SealedMessage)| {
        let mut message = honest.clone();
        change(&mut message);
        resign(&mut message, alice());
        reason(&message.encode(), bob(), alice())
    };
    assert_eq!(refused(|m| m.commitment[31] ^= 1), Reason::Commitment);
    // Keys and ciphertext under another head: the derived key is another.
    assert_eq!(refused(|m| m.keys.own = None), Reason::Commitment);
    assert_eq!(refused(|m| m.ciphertext[0] ^= 1), Reason::Ciphertext);
    assert_eq!(refused(|m| m.ciphertext.truncate(272)), Reason::Ciphertext);
    assert_eq!(refused(|m| m.keys.wrapped[0] ^= 1), Reason::WrappedKey);
    assert_eq!(
        refused(|m| m.header.id = MessageId([5; 16])),
        Reason::WrappedKey
    );
    assert_eq!(
        refused(|m| m.keys.wrapped.resize(512, 0)),
        Reason::WrappedKey
    );
    let body = |kind: Kind, body: &[u8]| {
        let header = Header {
            kind,
            ..header(alice(), bob())
        };
        let message = encrypt(alice(), bob().as_recipient(), header, body, &mut random(1));
        reason(&message.encode(), bob(), alice())
    };
    assert_eq!(body(Kind::Text, b"\xff\xfe"), Reason::Body);
    assert_eq!(body(Kind::Tombstone, b"not empty"), Reason::Body);
}

#[test]
fn a_wrapped_secret_of_another_length_is_refused() {
    let mut message = decoded(&sealed(alice(), bob(), "hi"));
    let label = label(labels::SEALED_KEY, &message.header_bytes);
    let key = bob().public().encryption_key();
    for length in [0, 31, 33] {
        message.keys.wrapped = key.encrypt(&label, &[7; 33][..length], &mut random(1));
        resign(&mut message, alice());
        assert_eq!(
            reason(&message.encode(), bob(), alice()),
            Reason::WrappedKey
        );
    }
}

#[test]
fn the_own_copy_opens_for_the_sender_alone_and_under_its_own_label() {
    let mut message = decoded(&sealed(alice(), bob(), "hi"));
    // The server offers Bob's wrapped key as the own copy, say: not under the signature.
    let mut swapped = message.clone();
    swapped.keys.own = Some(OwnCopy {
        key: bob().public().encryption_key().fingerprint(),
        wrapped: message.keys.wrapped.clone(),
    });
    let signature = swapped.signature.clone();
    resign(&mut swapped, eve());
    swapped.signature = signature;
    assert_eq!(reason(&swapped.encode(), bob(), alice()), Reason::Signature);
    // A sender that wraps its own copy under the recipient's label locks itself out.
    let label = label(labels::SEALED_KEY, &message.header_bytes);
    let key = alice().public().encryption_key();
    message.keys.own = Some(OwnCopy {
        key: key.fingerprint(),
        wrapped: key.encrypt(&label, &[7; 32], &mut random(1)),
    });
    resign(&mut message, alice());
    assert_eq!(
        reason(&message.encode(), alice(), alice()),
        Reason::WrappedKey
    );
    message.keys.own = None;
    resign(&mut message, alice());
    assert_eq!(reason(&message.encode(), alice(), alice()), Reason::NoKey);
}

#[test]
fn a_message_for_a_key_that_is_gone_is_refused() {
    let mut message = decoded(&sealed(alice(), bob(), "hi"));
    message.header.recipient_key = eve().public().encryption_key().fingerprint();
    resign(&mut message, alice());
    assert_eq!(reason(&message.encode(), bob(), alice()), Reason::NoKey);
}

#[test]
fn unknown_and_quarantined_senders_stay_undecrypted() {
    let bytes = sealed(alice(), bob(), "hi");
    let verify = |pin: Option<&crate::trust::Pin>| {
        let refused = decoded(&bytes).verify(local(bob()), pin);
        refused.map(drop).map_err(|error| error.reason())
    };
    assert_eq!(verify(None), Err(Reason::UnknownSender));
    // Eve was accepted as "alice" once; the true Alice is then the one who is not the pinned one.
    assert_eq!(
        verify(Some(&pin(&eve_as("alice")))),
        Err(Reason::KeyChanged)
    );
    let mut changed = pin(alice());
    changed.present(eve_as("alice").public());
    assert_eq!(
        verify(Some(&changed)),
        Ok(()),
        "the pinned key is still the pinned key"
    );
    let swapped =
        decoded(&sealed(&eve_as("alice"), bob(), "hi")).verify(local(bob()), Some(&changed));
    assert_eq!(
        swapped.map(drop).expect_err("quarantine").reason(),
        Reason::KeyChanged
    );
}

/// The place of a reason among all that there are; a new one does not compile until it has one.
fn place(reason: Reason) -> usize {
    match reason {
        Reason::Malformed(_) => 0,
        Reason::NotForMe => 1,
        Reason::Reflected => 2,
        Reason::NoKey => 3,
        Reason::UnknownSender => 4,
        Reason::KeyChanged => 5,
        Reason::Signature => 6,
        Reason::WrappedKey => 7,
        Reason::Commitment => 8,
        Reason::Ciphertext => 9,
        Reason::Body => 10,
    }
}

#[test]
fn h63_every_failure_prints_the_same() {
    let bytes = sealed(alice(), bob(), "hi");
    let changed = |change: fn(&mut SealedMessage)| {
        let mut message = decoded(&bytes);
        change(&mut message);
        resign(&mut message, alice());
        open(&message.encode(), bob(), alice()).expect_err("changed")
    };
    let empty = Header {
        kind: Kind::Text,
        ..header(alice(), bob())
    };
    let no_text = encrypt(
        alice(),
        bob().as_recipient(),
        empty,
        b"\xff",
        &mut random(1),
    );
    let forged = encrypt(
        eve(),
        bob().as_recipient(),
        header(alice(), bob()),
        b"hi",
        &mut random(1),
    );
    let here = Local {
        identity: alice(),
        device: DeviceId([1; 16]),
    };
    let verified = |reader: Local<'_>, pin: Option<&crate::trust::Pin>| {
        decoded(&bytes)
            .verify(reader, pin)
            .map(drop)
            .expect_err("refused")
    };
    let failures = [
        open(&bytes[..9], bob(), alice()).expect_err("short"),
        open(&bytes, eve(), alice()).expect_err("not hers"),
        verified(here, None),
        changed(|m| m.header.recipient_key = eve().public().encryption_key().fingerprint()),
        verified(local(bob()), None),
        verified(local(bob()), Some(&pin(&eve_as("alice")))),
        open(&forged.encode(), bob(), alice()).expect_err("forged"),
        changed(|m| m.keys.wrapped[0] ^= 1),
        changed(|m| m.commitment[31] ^= 1),
        changed(|m| m.ciphertext[0] ^= 1),
        open(&no_text.encode(), bob(), alice()).expect_err("no text"),
    ];
    for (index, failure) in failures.iter().enumerate() {
        assert_eq!(place(failure.reason()), index, "{:?}", failure.reason());
        assert_eq!(failure.to_string(), "the message cannot be opened");
    }
}

#[test]
fn one_ciphertext_does_not_open_under_two_keys() {
    // Whatever key a cheating sender finds, its commitment is another.
    let th = head_hash(b"header", b"keys");
    let one = Schedule::derive(&Secret::from([1; 32]), &th);
    let other = Schedule::derive(&Secret::from([2; 32]), &th);
    assert_ne!(one.commitment, other.commitment);
    assert_ne!(
        one.commitment,
        Schedule::derive(&Secret::from([1; 32]), &head_hash(b"headerk", b"eys")).commitment
    );
}
