//! Honest messages.

use super::*;
use crate::conversation::{ChainHash, ChainLink, ReceiveState, Refusal, Slot};
use crate::sealed::{Body, Local, ManifestHead, SealError, TEXT_BYTES_MAX};
use crate::testing::{alice, bob, large};

#[test]
fn texts_arrive_byte_for_byte() {
    let combining = format!("e{}", "\u{301}".repeat(1_000));
    for sent in [
        "",
        " ",
        "  two  spaces, tab\t, trailing \n",
        "a\0b\r\n",
        "äöü ß — „quoted“ 🦀 👩‍👩‍👧 ﷽",
        "\u{202e}right to left\u{feff}",
        "\u{1b}[2J",
        &combining,
    ] {
        let bytes = sealed(alice(), bob(), sent);
        assert_eq!(text(open(&bytes, bob(), alice()).expect("for bob")), sent);
    }
}

#[test]
fn a_mebibyte_is_the_limit() {
    let longest = "ß".repeat(TEXT_BYTES_MAX / 2);
    let bytes = sealed(alice(), bob(), &longest);
    assert!(bytes.len() <= crate::sealed::SEALED_BYTES_MAX);
    assert!(text(open(&bytes, bob(), alice()).expect("for bob")) == longest);
    let longer = format!("{longest}x");
    let refused = seal(alice(), &outgoing(bob(), &longer), &mut random(1));
    assert_eq!(refused, Err(SealError::TextTooLong));
}

#[test]
fn r8_3072_and_4096_bits_interoperate() {
    for (sender, reader) in [(alice(), large()), (large(), alice())] {
        let bytes = sealed(sender, reader, "hello");
        assert_eq!(
            text(open(&bytes, reader, sender).expect("for them")),
            "hello"
        );
    }
}

#[test]
fn other_devices_of_the_sender_read_it_too() {
    let bytes = sealed(alice(), bob(), "hello");
    // No pin: an own message is verified with the own key.
    let verified = SealedMessage::decode(&bytes)
        .expect("well-formed")
        .verify(local(alice()), None)
        .expect("her own");
    assert_eq!(verified.header().recipient, "bob");
    assert_eq!(text(verified.decrypt(alice()).expect("her own")), "hello");
}

#[test]
fn a_note_to_self_opens_on_other_devices() {
    let bytes = sealed(alice(), alice(), "milk");
    assert_eq!(
        text(open(&bytes, alice(), alice()).expect("her own")),
        "milk"
    );
    assert!(
        bytes.len() < sealed(alice(), bob(), "milk").len() - 300,
        "no second copy"
    );
}

#[test]
fn an_earlier_encryption_key_still_opens() {
    let earlier = vec![crypto::fixtures::rsa3072_decryption(3)];
    let bob_later = Identity::from_keys(
        "bob",
        crypto::fixtures::rsa3072_signing(2),
        crypto::fixtures::rsa3072_decryption(1),
        earlier,
        crypto::Secret::from([0; 32]),
    )
    .expect("two keys");
    let bytes = sealed(alice(), bob(), "hello");
    assert_eq!(
        text(open(&bytes, &bob_later, alice()).expect("for bob")),
        "hello"
    );
}

#[test]
fn a_conversation_chains_over_a_refused_message_and_its_tombstone() {
    let mut sending = SendState::new();
    let mut send = |id: u8, body: Body<'static>, at: Option<Slot>| {
        let mut message = outgoing(bob(), "");
        message.id = MessageId([id; 16]);
        message.body = body;
        message.slot = at.unwrap_or(sending.slot());
        let sealed = seal(alice(), &message, &mut random(id.into())).expect("in range");
        if at.is_none() {
            sending.advance(sealed.chain).expect("far from the end");
        }
        (sealed.bytes, message.slot)
    };
    let (first, _) = send(1, Body::Text("one"), None);
    let (_refused, slot) = send(2, Body::Text("two"), None);
    let (third, _) = send(3, Body::Text("three"), None);
    let (tombstone, _) = send(4, Body::Tombstone, Some(slot));

    let verified = |bytes: &[u8]| {
        SealedMessage::decode(bytes)
            .expect("well-formed")
            .verify(local(bob()), Some(&pin(alice())))
            .expect("from alice")
    };
    let mut receiving = ReceiveState::new(verified(&first).origin());
    let mut links = Vec::new();
    for bytes in [&first, &third, &tombstone] {
        let arrival = receiving.arrive(&verified(bytes), false).expect("new");
        links.push((arrival.skipped, arrival.late, arrival.link));
    }
    let expected = [
        (0, false, ChainLink::Continues),
        (1, false, ChainLink::Open),
        (0, true, ChainLink::Continues),
    ];
    assert_eq!(links, expected);
    assert_eq!(receiving.missing(), 0);
    let opened = open(&tombstone, bob(), alice()).expect("for bob");
    assert_eq!(opened.content, Content::Tombstone);
}

#[test]
fn h60_a_first_message_is_refused_by_a_state_that_was_restored() {
    let verified = |bytes: &[u8], pinned: &Identity| {
        SealedMessage::decode(bytes)
            .expect("well-formed")
            .verify(local(bob()), Some(&pin(pinned)))
            .expect("from whom is pinned")
    };
    let first = sealed(alice(), bob(), "hello");
    let mut receiving = ReceiveState::new(verified(&first, alice()).origin());
    assert!(receiving.arrive(&verified(&first, alice()), false).is_ok());
    let bytes = receiving.encode();
    let mut restored = ReceiveState::decode(*receiving.origin(), &bytes).expect("our own");
    for (known, refusal) in [(true, Refusal::Repeated), (false, Refusal::SequenceUsed)] {
        let replayed = restored.arrive(&verified(&first, alice()), known);
        assert_eq!(replayed, Err(refusal));
    }
    assert_eq!(restored, receiving);
    // Nor is it the first of anybody else.
    let elsewhere = sealed(bob(), bob(), "");
    let mut others = ReceiveState::new(verified(&elsewhere, bob()).origin());
    assert_eq!(
        others.arrive(&verified(&first, alice()), false),
        Err(Refusal::OtherOrigin)
    );
}

#[test]
fn the_header_arrives_as_it_was_sent() {
    let mut message = outgoing(bob(), "hello");
    message.slot = Slot {
        sequence: 9,
        previous: ChainHash([3; 32]),
    };
    let head = ManifestHead {
        version: 5,
        root: [6; 32],
    };
    message.manifest = Some(head);
    let bytes = seal(alice(), &message, &mut random(1))
        .expect("in range")
        .bytes;
    let header = open(&bytes, bob(), alice()).expect("for bob").header;
    assert_eq!(header.slot(), message.slot);
    assert_eq!(header.manifest, Some(head));
    assert_eq!((header.id, header.device), (message.id, message.device));
    assert_eq!(header.time_ms, message.time_ms);
}

#[test]
fn what_no_reader_would_accept_is_not_sealed() {
    let refuses = |change: fn(&mut crate::sealed::Outgoing<'_>)| {
        let mut message = outgoing(bob(), "hello");
        change(&mut message);
        seal(alice(), &message, &mut random(1)) == Err(SealError::OutOfRange)
    };
    assert!(refuses(|m| m.slot.sequence = 0));
    assert!(refuses(|m| m.slot.sequence = 2));
    assert!(refuses(|m| m.slot.previous = ChainHash([1; 32])));
    assert!(refuses(|m| m.slot.sequence = u64::MAX));
    assert!(refuses(|m| m.time_ms = u64::MAX));
    assert!(refuses(|m| {
        m.manifest = Some(ManifestHead {
            version: 0,
            root: [1; 32],
        });
    }));
    assert!(!refuses(|_| ()));
}

#[test]
fn h61_sealing_again_shares_no_key_with_the_first_time() {
    let message = outgoing(bob(), "hello");
    let once = seal(alice(), &message, &mut random(1)).expect("in range");
    let again = seal(alice(), &message, &mut random(2)).expect("in range");
    let parts = |bytes: &[u8]| {
        let message = SealedMessage::decode(bytes).expect("well-formed");
        (message.commitment, message.keys.wrapped, message.ciphertext)
    };
    let (once, again) = (parts(&once.bytes), parts(&again.bytes));
    assert_ne!(once.0, again.0);
    assert_ne!(once.1, again.1);
    assert_ne!(once.2[..256], again.2[..256]);
}

#[test]
fn a_device_does_not_take_its_own_message_for_another_device_s() {
    let bytes = sealed(alice(), bob(), "hello");
    let here = Local {
        identity: alice(),
        device: DeviceId([1; 16]),
    };
    let reflected = SealedMessage::decode(&bytes)
        .expect("well-formed")
        .verify(here, None)
        .expect_err("h54: reflected");
    assert_eq!(reflected.reason(), Reason::Reflected);
}
