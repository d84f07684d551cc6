//! What a sealed message promises to its two readers, and what attackers try. The attackers here
//! build their messages with the crate's own parts, so that each differs from an honest one in
//! exactly the point that is tested.

mod attacks;
mod parsing;
mod reading;

use super::{Content, Header, Kind, Opened, Reason, SealedMessage, Suite, Unopened, seal};
use crate::Identity;
use crate::conversation::{ConversationId, DeviceId, MessageId, SendState};
use crate::testing::{local, outgoing, pin, random};

/// The bytes of `sender`'s first message to `recipient`.
fn sealed(sender: &Identity, recipient: &Identity, text: &str) -> Vec<u8> {
    seal(sender, &outgoing(recipient, text), &mut random(7))
        .expect("in range")
        .bytes
}

/// Everything a reader does, with the sender pinned.
fn open(bytes: &[u8], reader: &Identity, sender: &Identity) -> Result<Opened, Unopened> {
    SealedMessage::decode(bytes)?
        .verify(local(reader), Some(&pin(sender)))?
        .decrypt(reader)
}

fn reason(bytes: &[u8], reader: &Identity, sender: &Identity) -> Reason {
    open(bytes, reader, sender).expect_err("refused").reason()
}

fn text(opened: Opened) -> String {
    match opened.content {
        Content::Text(text) => text,
        other => panic!("no text but {other:?}"),
    }
}

/// An honest header of `sender` to `recipient`, to be forged.
fn header(sender: &Identity, recipient: &Identity) -> Header {
    Header {
        kind: Kind::Text,
        suite: Suite::One,
        sender: sender.name().to_owned(),
        device: DeviceId([1; 16]),
        sender_key: sender.public().fingerprint(),
        recipient: recipient.name().to_owned(),
        recipient_key: recipient.public().encryption_key().fingerprint(),
        conversation: ConversationId::of(sender.name(), recipient.name()),
        id: MessageId([2; 16]),
        sequence: 1,
        previous: SendState::new().slot().previous,
        time_ms: 1_790_000_000_000,
        manifest: None,
    }
}
