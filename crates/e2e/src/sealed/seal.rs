use codec::Writer;
use crypto::{Random, Secret, Transcript};

use super::header::{Header, Kind, ManifestHead, Suite};
use super::message::{Keys, OwnCopy, SealedMessage, head_hash, signed_bytes};
use super::padding::{TEXT_BYTES_MAX, pad};
use super::schedule::Schedule;
use crate::Identity;
use crate::conversation::{COUNT_MAX, ChainHash, ConversationId, DeviceId, MessageId, Slot};
use crate::labels;
use crate::trust::Recipient;

/// What a message carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Body<'a> {
    /// A text of at most [`TEXT_BYTES_MAX`] bytes, delivered byte for byte.
    Text(&'a str),
    /// Nothing, in the place of a message that was refused for good: seal it for that message's
    /// slot, and leave the [`SendState`](crate::conversation::SendState) as it is.
    Tombstone,
}

/// A message to be sealed.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Whom it is for.
    pub recipient: Recipient<'a>,
    /// The sending device.
    pub device: DeviceId,
    /// A fresh id.
    pub id: MessageId,
    /// Its place, from [`SendState::slot`](crate::conversation::SendState::slot).
    pub slot: Slot,
    /// Milliseconds since 1970-01-01 UTC.
    pub time_ms: u64,
    /// The newest manifest head that this device has seen.
    pub manifest: Option<ManifestHead>,
    /// What it carries.
    pub body: Body<'a>,
}

/// Why nothing was sealed: mistakes of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The text is longer than [`TEXT_BYTES_MAX`].
    #[error("a text has at most {TEXT_BYTES_MAX} bytes")]
    TextTooLong,
    /// A count is above [`COUNT_MAX`], a sequence or version is 0, or a first message has a
    /// predecessor.
    #[error("a sequence, time or version is out of range")]
    OutOfRange,
}

/// A message ready to travel. Keep the bytes, and send the same ones again whenever it is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The form of PROTOCOL.md §8.3.
    pub bytes: Vec<u8>,
    /// For [`SendState::advance`](crate::conversation::SendState::advance).
    pub chain: ChainHash,
}

/// Seals a message for its recipient, and for the sender's own other devices. Costs a signature
/// (1 to 5 ms).
///
/// # Errors
/// [`SealError`], for what the caller got wrong.
pub fn seal(
    sender: &Identity,
    message: &Outgoing<'_>,
    random: &mut dyn Random,
) -> Result<Sealed, SealError> {
    let (kind, body) = match message.body {
        Body::Text(text) => (Kind::Text, text.as_bytes()),
        Body::Tombstone => (Kind::Tombstone, &[][..]),
    };
    if body.len() > TEXT_BYTES_MAX {
        return Err(SealError::TextTooLong);
    }
    let header = header(sender, message, kind);
    if !in_range(&header) {
        return Err(SealError::OutOfRange);
    }
    let sealed = encrypt(sender, message.recipient, header, body, random);
    let th = sealed.head_hash();
    Ok(Sealed {
        bytes: sealed.encode(),
        chain: sealed.chain_hash(&th),
    })
}

fn header(sender: &Identity, message: &Outgoing<'_>, kind: Kind) -> Header {
    let recipient = message.recipient.identity();
    Header {
        kind,
        suite: Suite::One,
        sender: sender.name().to_owned(),
        device: message.device,
        sender_key: sender.public().fingerprint(),
        recipient: recipient.name().to_owned(),
        recipient_key: recipient.encryption_key().fingerprint(),
        conversation: ConversationId::of(sender.name(), recipient.name()),
        id: message.id,
        sequence: message.slot.sequence,
        previous: message.slot.previous,
        time_ms: message.time_ms,
        manifest: message.manifest,
    }
}

/// What the parser of every reader will check.
fn in_range(header: &Header) -> bool {
    let first = header.sequence == 1;
    let manifest = header
        .manifest
        .is_none_or(|head| (1..=COUNT_MAX).contains(&head.version) && head.root != [0; 32]);
    (1..=COUNT_MAX).contains(&header.sequence)
        && header.time_ms <= COUNT_MAX
        && first == (header.previous == ChainHash::START)
        && manifest
}

/// Encrypts and signs, whatever the header says.
pub(super) fn encrypt(
    sender: &Identity,
    recipient: Recipient<'_>,
    header: Header,
    body: &[u8],
    random: &mut dyn Random,
) -> SealedMessage {
    let mut header_bytes = Vec::with_capacity(400);
    header.write(&mut Writer::new(&mut header_bytes));
    let secret = Secret::<32>::generate(random);
    let keys = wrap(sender, recipient, &header, &header_bytes, &secret, random);
    let mut keys_bytes = Vec::with_capacity(1_100);
    keys.write(&mut Writer::new(&mut keys_bytes));

    let th = head_hash(&header_bytes, &keys_bytes);
    let schedule = Schedule::derive(&secret, &th);
    let mut padded = pad(body, 16, random);
    schedule.seal(&th, &mut padded);
    let ciphertext = std::mem::take(&mut *padded);
    let commitment = schedule.commitment;
    let signature = sender
        .signing_key()
        .sign(&signed_bytes(&th, &commitment, &ciphertext));
    SealedMessage {
        header,
        header_bytes,
        keys,
        keys_bytes,
        commitment,
        ciphertext,
        signature,
    }
}

/// K0 for the recipient, and for the sender's other devices unless the two are one.
fn wrap(
    sender: &Identity,
    recipient: Recipient<'_>,
    header: &Header,
    header_bytes: &[u8],
    secret: &Secret<32>,
    random: &mut dyn Random,
) -> Keys {
    let wrapped = recipient.identity().encryption_key().encrypt(
        &label(labels::SEALED_KEY, header_bytes),
        secret.expose(),
        random,
    );
    let own = (!header.is_note_to_self()).then(|| {
        let key = sender.public().encryption_key();
        OwnCopy {
            key: key.fingerprint(),
            wrapped: key.encrypt(
                &label(labels::SEALED_OWN_KEY, header_bytes),
                secret.expose(),
                random,
            ),
        }
    });
    Keys { wrapped, own }
}

/// The OAEP label that binds a wrapped key to its header and purpose.
pub(super) fn label(context: &'static str, header_bytes: &[u8]) -> Vec<u8> {
    Transcript::new(context).field(header_bytes).bytes()
}
