//! Identities and randomness that the tests share.

use std::sync::OnceLock;

use crypto::fixtures::{SeededRandom, rsa3072_decryption, rsa3072_signing};
use crypto::{DecryptionKey, Random, Secret, SigningKey};

use crate::Identity;
use crate::conversation::{DeviceId, MessageId, SendState};
use crate::sealed::{Body, Local, Outgoing};
use crate::trust::{Pin, Recipient};

/// Always the same byte.
pub(crate) struct Fixed(pub(crate) u8);

impl Random for Fixed {
    fn fill(&mut self, out: &mut [u8]) {
        out.fill(self.0);
    }
}

pub(crate) fn random(seed: u64) -> SeededRandom {
    SeededRandom::new(seed)
}

fn identity(name: &str, signing: SigningKey, decryption: DecryptionKey, archive: u8) -> Identity {
    let archive = Secret::from([archive; 32]);
    Identity::from_keys(name, signing, decryption, Vec::new(), archive).expect("two keys")
}

fn parsed(signing: &[u8], decryption: &[u8]) -> (SigningKey, DecryptionKey) {
    (
        SigningKey::from_pkcs8(signing).expect("a key"),
        DecryptionKey::from_pkcs8(decryption).expect("a key"),
    )
}

pub(crate) fn alice() -> &'static Identity {
    static ALICE: OnceLock<Identity> = OnceLock::new();
    ALICE.get_or_init(|| identity("alice", rsa3072_signing(0), rsa3072_decryption(1), 0xa1))
}

pub(crate) fn bob() -> &'static Identity {
    static BOB: OnceLock<Identity> = OnceLock::new();
    BOB.get_or_init(|| identity("bob", rsa3072_signing(2), rsa3072_decryption(3), 0xb0))
}

pub(crate) fn eve() -> &'static Identity {
    static EVE: OnceLock<Identity> = OnceLock::new();
    EVE.get_or_init(|| eve_as("eve"))
}

/// Eve's keys under any name she likes: she can certify whatever she wants.
pub(crate) fn eve_as(name: &str) -> Identity {
    let (signing, decryption) = parsed(
        include_bytes!("../tests/vectors/rsa3072-eve-sig.pk8"),
        include_bytes!("../tests/vectors/rsa3072-eve-enc.pk8"),
    );
    identity(name, signing, decryption, 0xee)
}

/// A user with keys of 4096 bits.
pub(crate) fn large() -> &'static Identity {
    static LARGE: OnceLock<Identity> = OnceLock::new();
    LARGE.get_or_init(|| {
        let (signing, decryption) = parsed(
            include_bytes!("../tests/vectors/rsa4096-a.pk8"),
            include_bytes!("../tests/vectors/rsa4096-b.pk8"),
        );
        identity("larissa", signing, decryption, 0x1a)
    })
}

pub(crate) fn pin(identity: &Identity) -> Pin {
    Pin::first_seen(identity.public().clone())
}

/// A device of whoever reads.
pub(crate) fn local(identity: &Identity) -> Local<'_> {
    Local {
        identity,
        device: DeviceId([0xd0; 16]),
    }
}

/// The first message of device 01... to `recipient`.
pub(crate) fn outgoing<'a>(recipient: &'a Identity, text: &'a str) -> Outgoing<'a> {
    outgoing_to(recipient.as_recipient(), text)
}

pub(crate) fn outgoing_to<'a>(recipient: Recipient<'a>, text: &'a str) -> Outgoing<'a> {
    Outgoing {
        recipient,
        device: DeviceId([1; 16]),
        id: MessageId([2; 16]),
        slot: SendState::new().slot(),
        time_ms: 1_790_000_000_000,
        manifest: None,
        body: Body::Text(text),
    }
}
