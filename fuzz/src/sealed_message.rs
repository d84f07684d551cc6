//! Any bytes as a sealed message: what decodes encodes to just those bytes, and nothing verifies
//! but the one message that was signed, so nothing else reaches a decryption.
use std::sync::OnceLock;

use crypto::Secret;
use crypto::fixtures::{rsa3072_decryption, rsa3072_signing};
use e2e::conversation::DeviceId;
use e2e::sealed::Local;
use e2e::trust::Pin;
use e2e::{Identity, SealedMessage};

/// The test vector of docs/PROTOCOL.md §8.9, from Alice to Bob.
const SIGNED: &[u8] = include_bytes!("../corpus/sealed_message/vector");

fn identity(name: &str, sig: usize, enc: usize) -> Identity {
    let (sig, enc) = (rsa3072_signing(sig), rsa3072_decryption(enc));
    Identity::from_keys(name, sig, enc, Vec::new(), Secret::from([0; 32])).expect("two keys")
}

/// Checks one input.
pub fn check(bytes: &[u8]) {
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
