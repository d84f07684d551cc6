//! Any bytes as a sealed message: what decodes encodes to just those bytes, and nothing verifies
//! under a key that did not sign it, so nothing reaches a decryption.
#![no_main]

use std::sync::OnceLock;

use crypto::Secret;
use crypto::fixtures::{rsa3072_decryption, rsa3072_signing};
use e2e::conversation::DeviceId;
use e2e::sealed::Local;
use e2e::trust::Pin;
use e2e::{Identity, SealedMessage};
use libfuzzer_sys::fuzz_target;

fn identity(name: &str, sig: usize, enc: usize) -> Identity {
    let (sig, enc) = (rsa3072_signing(sig), rsa3072_decryption(enc));
    Identity::from_keys(name, sig, enc, Vec::new(), Secret::from([0; 32])).expect("two keys")
}

fuzz_target!(|bytes: &[u8]| {
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
    assert!(message.verify(local, Some(alice)).is_err());
});
