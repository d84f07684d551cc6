//! Any bytes as a sealed message: what decodes encodes to just those bytes, and nothing verifies
//! but the one message that was signed, so nothing else reaches a decryption.
use std::sync::OnceLock;

use crypto::Secret;
use crypto::fixtures::{rsa3072_decryption, rsa3072_signing};
use e2e::conversation::DeviceId;
use e2e::fuzzing::content;
use e2e::sealed::{Content, Kind, Local, PADDED_BYTES_MIN, TEXT_BYTES_MAX};
use e2e::trust::Pin;
use e2e::{Identity, SealedMessage};

/// The test vector of docs/PROTOCOL.md §8.9, from Alice to Bob.
const SIGNED: &[u8] = include_bytes!("../corpus/sealed_message/vector");

/// Most bytes of padding whose number is random (PROTOCOL.md §8.3).
const RANDOM_BYTES_MAX: usize = 255;

fn identity(name: &str, sig: usize, enc: usize) -> Identity {
    let (sig, enc) = (rsa3072_signing(sig), rsa3072_decryption(enc));
    Identity::from_keys(name, sig, enc, Vec::new(), Secret::from([0; 32])).expect("two keys")
}

/// What a sender may have sealed: nothing is read but a text with its padding, byte for byte.
fn check_content(padded: &[u8]) {
    let texts = [Kind::Text, Kind::Tombstone].map(|kind| match content(kind, padded) {
        Ok(Content::Text(text)) => Some(text),
        Ok(Content::Tombstone) => Some(String::new()),
        Ok(other) => panic!("{other:?}"),
        Err(_) => None,
    });
    let [Some(text), tombstone] = &texts else {
        return assert_eq!(texts, [None, None]);
    };
    // What is empty may also stand for a message that was refused.
    assert_eq!(tombstone.is_some(), text.is_empty());
    assert!(text.len() <= TEXT_BYTES_MAX);
    let mut again = (text.len() as u32).to_be_bytes().to_vec();
    again.extend_from_slice(text.as_bytes());
    again.resize(padded.len(), 0);
    assert_eq!(again, padded);
    let least = again.len() - padded.len().min(RANDOM_BYTES_MAX);
    let hidden = (4 + text.len()).max(PADDED_BYTES_MIN);
    assert!(padded.len() >= hidden);
    // An eighth at most hides the length, and what is random comes on top.
    assert!(
        least <= hidden + hidden / 8,
        "{} for {hidden}",
        padded.len()
    );
}

/// Checks one input.
pub fn check(bytes: &[u8]) {
    check_content(bytes);
    static PEOPLE: OnceLock<(Identity, Pin)> = OnceLock::new();
    let (bob, alice) = PEOPLE.get_or_init(|| {
        let alice = identity("alice", 0, 1).public().clone();
        (identity("bob", 2, 3), Pin::first_seen(alice))
    });
    let Ok(message) = SealedMessage::decode(bytes) else {
        return;
    };
    assert_eq!(message.encode(), bytes);
    let local = Local {
        identity: bob,
        device: DeviceId([0; 16]),
    };
    assert_eq!(message.verify(local, Some(alice)).is_ok(), bytes == SIGNED);
}
