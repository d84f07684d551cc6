//! The checked-in vectors of PROTOCOL.md §8 against this crate.

#![allow(clippy::expect_used, clippy::panic)] // A helper outside a test function is still a test.

mod support;

use crypto::fixtures::SeededRandom;
use e2e::conversation::{
    ChainHash, ConversationId, DeviceId, MessageId, ReceiveState, SendState, Slot,
};
use e2e::keybag::{self, Binding};
use e2e::sealed::{Body, Content, Local, ManifestHead, Outgoing, Sealed, seal};
use e2e::trust::{Pin, SafetyNumber};
use e2e::{Identity, PublicIdentity, SealedMessage};
use support::{EXPORT_KEY, Vectors, alice, bob};

const IDENTITY: &str = "public-identity.txt";
const KEY_BAG: &str = "key-bag.txt";
const SEALED: &str = "sealed-message.txt";
const STATES: &str = "states.txt";

/// The text of the sealed vector.
const TEXT: &str = "  Grüße, Bob 👋\u{1f3fd}\n";

/// Signatures have a random salt, so their bytes differ from run to run.
const SIGNATURE_BYTES: usize = 384;

fn message(bob: &Identity) -> Outgoing<'_> {
    Outgoing {
        recipient: bob.as_recipient(),
        device: DeviceId([0x11; 16]),
        id: MessageId([0x22; 16]),
        slot: Slot {
            sequence: 7,
            previous: ChainHash([0x33; 32]),
        },
        time_ms: 1_795_000_000_123,
        manifest: Some(ManifestHead {
            version: 42,
            root: [0x44; 32],
        }),
        body: Body::Text(TEXT),
    }
}

fn sealed(alice: &Identity, bob: &Identity) -> Sealed {
    seal(alice, &message(bob), &mut SeededRandom::new(1)).expect("in range")
}

fn bag(alice: &Identity) -> Vec<u8> {
    keybag::seal(alice, 3, &EXPORT_KEY, &mut SeededRandom::new(2))
}

fn receiving(bytes: &[u8], alice: &Identity, bob: &Identity) -> ReceiveState {
    let local = Local {
        identity: bob,
        device: DeviceId([0x55; 16]),
    };
    let pin = Pin::first_seen(alice.public().clone());
    let message = SealedMessage::decode(bytes).expect("well-formed");
    let verified = message.verify(local, Some(&pin)).expect("from alice");
    let mut state = ReceiveState::new(verified.origin());
    state.arrive(&verified, false).expect("new");
    state
}

#[test]
fn public_identity_and_safety_number() {
    let vectors = Vectors::read(IDENTITY);
    let bytes = vectors.bytes("identity");
    let decoded = PublicIdentity::decode(bytes).expect("a vector");
    assert!(decoded.same_keys(alice().public()));
    assert_eq!(decoded.encode(), bytes);
    assert_eq!(decoded.certificate(), vectors.bytes("certificate"));
    assert_eq!(
        decoded.fingerprint().as_bytes(),
        vectors.bytes("fingerprint")
    );
    let number = SafetyNumber::of(bob().public(), &decoded).to_string();
    assert_eq!(number.as_bytes(), vectors.bytes("safety_number_with_bob"));
}

#[test]
fn key_bag() {
    let vectors = Vectors::read(KEY_BAG);
    let alice = alice();
    let public = alice.public();
    let binding = Binding {
        name: "alice",
        version: 3,
        signing_key: public.fingerprint(),
        encryption_key: public.encryption_key().fingerprint(),
    };
    let stored = vectors.bytes("bag");
    let opened = keybag::open(stored, &binding, 3, vectors.bytes("export_key")).expect("a vector");
    assert!(opened.public().same_keys(public));
    assert_eq!(opened.archive_key().expose(), vectors.bytes("archive_key"));
    assert_eq!(keybag::hash(stored), vectors.array("hash"));
    assert_eq!(bag(&alice), stored, "sealed again with the same randomness");
}

#[test]
fn sealed_message() {
    let vectors = Vectors::read(SEALED);
    let (alice, bob) = (alice(), bob());
    let bytes = vectors.bytes("message");
    for reader in [&bob, &alice] {
        let local = Local {
            identity: reader,
            device: DeviceId([0x55; 16]),
        };
        let pin = Pin::first_seen(alice.public().clone());
        let message = SealedMessage::decode(bytes).expect("a vector");
        assert_eq!(message.encode(), bytes);
        let verified = message.verify(local, Some(&pin)).expect("a vector");
        assert_eq!(
            verified.chain().map(|chain| chain.0),
            Some(vectors.array("chain"))
        );
        let opened = verified.decrypt(reader).expect("a vector");
        assert_eq!(opened.content, Content::Text(TEXT.into()));
        assert_eq!(opened.header.conversation.0, vectors.array("conversation"));
    }
    assert_eq!(TEXT.as_bytes(), vectors.bytes("text"));
    assert_eq!(
        ConversationId::of("bob", "alice").0,
        vectors.array("conversation")
    );
    let again = sealed(&alice, &bob).bytes;
    let unsigned = bytes.len() - SIGNATURE_BYTES;
    assert_eq!(
        again[..unsigned],
        bytes[..unsigned],
        "sealed again with the same randomness"
    );
}

#[test]
fn states() {
    let vectors = Vectors::read(STATES);
    let sending = vectors.bytes("sending");
    let state = SendState::decode(sending).expect("a vector");
    assert_eq!(
        (state.slot().sequence, state.slot().previous.0),
        (2, [0x66; 32])
    );
    assert_eq!(state.encode(), sending);
    let message = Vectors::read(SEALED);
    let from_message = receiving(message.bytes("message"), &alice(), &bob());
    let stored = vectors.bytes("receiving");
    assert_eq!(from_message.encode(), stored);
    let restored = ReceiveState::decode(*from_message.origin(), stored);
    assert_eq!(restored, Ok(from_message));
    let pin = Pin::decode(vectors.bytes("pin")).expect("a vector");
    assert!(pin.identity().same_keys(alice().public()));
    assert_eq!(pin.encode(), vectors.bytes("pin"));
}

/// Writes the files anew, after a change of PROTOCOL.md §8: `cargo test -p e2e -- --ignored
/// write_the_vectors`, then `python3 crates/e2e/tests/vectors/check.py`.
#[test]
#[ignore = "writes the vectors that the other tests read"]
fn write_the_vectors() {
    let (alice, bob) = (alice(), bob());
    let public = alice.public();
    let number = SafetyNumber::of(public, bob.public()).to_string();
    let fingerprint = public.fingerprint();
    let identity: [(&str, &[u8]); 4] = [
        ("identity", &public.encode()),
        ("certificate", public.certificate()),
        ("fingerprint", fingerprint.as_bytes()),
        ("safety_number_with_bob", number.as_bytes()),
    ];
    support::write(
        IDENTITY,
        "Alice's public identity (PROTOCOL.md §8.1, §8.7).",
        &identity,
    );

    let bag = bag(&alice);
    let vectors: [(&str, &[u8]); 6] = [
        ("name", b"alice"),
        ("version", &3u64.to_be_bytes()),
        ("export_key", &EXPORT_KEY),
        ("archive_key", alice.archive_key().expose()),
        ("bag", &bag),
        ("hash", &keybag::hash(&bag)),
    ];
    support::write(KEY_BAG, "Alice's key bag (PROTOCOL.md §8.2).", &vectors);

    let sealed = sealed(&alice, &bob);
    let conversation = ConversationId::of("alice", "bob");
    let vectors: [(&str, &[u8]); 4] = [
        ("message", &sealed.bytes),
        ("text", TEXT.as_bytes()),
        ("conversation", &conversation.0),
        ("chain", &sealed.chain.0),
    ];
    support::write(SEALED, "From Alice to Bob (PROTOCOL.md §8.3).", &vectors);

    let mut sending = SendState::new();
    sending
        .advance(ChainHash([0x66; 32]))
        .expect("far from the end");
    let vectors: [(&str, &[u8]); 3] = [
        ("sending", &sending.encode()),
        (
            "receiving",
            &receiving(&sealed.bytes, &alice, &bob).encode(),
        ),
        ("pin", &Pin::first_seen(public.clone()).encode()),
    ];
    support::write(STATES, "State at rest (PROTOCOL.md §8.8).", &vectors);
}
