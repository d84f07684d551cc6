use crypto::{Secret, ct_eq};
use zeroize::Zeroizing;

use super::header::{Header, Kind};
use super::message::SealedMessage;
use super::padding::unpad;
use super::schedule::Schedule;
use super::seal::label;
use super::unopened::{Reason, Unopened};
use crate::Identity;
use crate::conversation::{ChainHash, DeviceId, Origin};
use crate::labels;
use crate::trust::Pin;

/// Who is reading.
#[derive(Clone, Copy)]
pub struct Local<'a> {
    /// The user.
    pub identity: &'a Identity,
    /// This device.
    pub device: DeviceId,
}

/// A message that is for this user, or from another device of theirs, and whose signature is the
/// pinned key's. Its header can be relied on; its text is still sealed.
///
/// There is no other way to one than [`SealedMessage::verify`], and no other way to a text than
/// [`Verified::decrypt`]: nothing that no pinned key has signed reaches an RSA decryption.
///
/// ```compile_fail,E0599
/// fn skip_the_signature(message: e2e::SealedMessage, me: &e2e::Identity) {
///     let _ = message.decrypt(me);
/// }
/// ```
/// ```compile_fail,E0451
/// fn vouch_for_it(message: e2e::SealedMessage) -> e2e::Verified {
///     e2e::Verified { message, th: [0; 32] }
/// }
/// ```
#[derive(Debug)]
pub struct Verified {
    message: SealedMessage,
    th: [u8; 32],
}

/// A message that opened.
#[derive(Debug)]
pub struct Opened {
    /// What it says of itself, under the sender's signature.
    pub header: Header,
    /// What it carries.
    pub content: Content,
}

/// What an opened message carries.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// A text, as it was typed. Whoever keeps it decides how long it stays in memory.
    Text(String),
    /// Nothing: its place belonged to a message that was refused for good.
    Tombstone,
}

impl SealedMessage {
    /// Steps 2 to 4 of PROTOCOL.md §8.4: addressed to me or my own, under the pinned key, signed.
    /// `pin` is the one of [`Header::sender`]; an own message needs none. Costs about 50 us.
    ///
    /// # Errors
    /// [`Unopened`]. With [`Reason::UnknownSender`] look the sender up, with
    /// [`Reason::KeyChanged`] quarantine the bytes; anything else stays a placeholder.
    pub fn verify(self, local: Local<'_>, pin: Option<&Pin>) -> Result<Verified, Unopened> {
        let me = local.identity.public();
        let header = &self.header;
        let own = header.sender == me.name();
        if !own && header.recipient != me.name() {
            return Err(Reason::NotForMe.into());
        }
        if own && header.device == local.device {
            return Err(Reason::Reflected.into());
        }
        self.wrapped_for(local.identity)?;
        // PROTOCOL.md §8.4: for an own message the key is my own, whatever a pin says.
        let key = if own {
            me.signing_key()
        } else {
            let pin = pin.ok_or(Reason::UnknownSender)?.identity();
            if pin.name() != header.sender {
                return Err(Reason::UnknownSender.into());
            }
            pin.signing_key()
        };
        if key.fingerprint() != header.sender_key {
            return Err(Reason::KeyChanged.into());
        }
        let th = self.head_hash();
        key.verify(&self.signed_bytes(&th), &self.signature)
            .map_err(|_| Reason::Signature)?;
        Ok(Verified { message: self, th })
    }

    /// The wrapped key that `me` can open, with the key that opens it and its label's context.
    fn wrapped_for<'a>(&'a self, me: &'a Identity) -> Result<Wrapped<'a>, Unopened> {
        let header = &self.header;
        let (context, fingerprint, wrapped) = if header.recipient == me.name() {
            (
                labels::SEALED_KEY,
                &header.recipient_key,
                &self.keys.wrapped,
            )
        } else {
            let own = self.keys.own.as_ref().ok_or(Reason::NoKey)?;
            (labels::SEALED_OWN_KEY, &own.key, &own.wrapped)
        };
        let key = me.decryption_key_for(fingerprint).ok_or(Reason::NoKey)?;
        Ok(Wrapped {
            key,
            context,
            wrapped,
        })
    }
}

/// What there is for one reader.
struct Wrapped<'a> {
    key: &'a crypto::DecryptionKey,
    context: &'static str,
    wrapped: &'a [u8],
}

impl Verified {
    /// What the message says of itself, under the pinned key's signature.
    pub const fn header(&self) -> &Header {
        &self.message.header
    }

    /// Whose count its sequence belongs to.
    pub const fn origin(&self) -> Origin {
        self.message.header.origin()
    }

    /// What its follower names as `previous`; `None` for a tombstone, whose follower names the
    /// refused message.
    pub fn chain(&self) -> Option<ChainHash> {
        match self.message.header.kind {
            Kind::Tombstone => None,
            Kind::Text => Some(self.message.chain_hash(&self.th)),
        }
    }

    /// Step 6 of PROTOCOL.md §8.4: decrypts. Costs an RSA decryption (about 11 ms at 3072 bits), so
    /// it is a job for a worker, after [`ReceiveState::arrive`](crate::conversation::ReceiveState)
    /// has found the message new, the ciphertext is on disk and the server has its
    /// acknowledgement.
    ///
    /// # Errors
    /// [`Unopened`]; the message stays as a placeholder, and nobody is told.
    pub fn decrypt(self, me: &Identity) -> Result<Opened, Unopened> {
        let Self { mut message, th } = self;
        let secret = unwrap_secret(&message, me)?;
        let schedule = Schedule::derive(&secret, &th);
        if !ct_eq(&schedule.commitment, &message.commitment) {
            return Err(Reason::Commitment.into());
        }
        let mut padded = Zeroizing::new(std::mem::take(&mut message.ciphertext));
        schedule
            .open(&th, &mut padded)
            .map_err(|_| Reason::Ciphertext)?;
        let content = content(message.header.kind, &padded)?;
        Ok(Opened {
            header: message.header,
            content,
        })
    }
}

fn unwrap_secret(message: &SealedMessage, me: &Identity) -> Result<Secret<32>, Unopened> {
    let found = message.wrapped_for(me)?;
    let label = label(found.context, &message.header_bytes);
    let secret = found
        .key
        .decrypt(&label, found.wrapped)
        .map_err(|_| Reason::WrappedKey)?;
    let bytes: &[u8; 32] = secret.expose().try_into().map_err(|_| Reason::WrappedKey)?;
    Ok(Secret::filled(|out| *out = *bytes))
}

/// What a padded body carries.
pub(crate) fn content(kind: Kind, padded: &[u8]) -> Result<Content, Unopened> {
    let body = unpad(padded).ok_or(Reason::Body)?;
    match kind {
        Kind::Text => {
            let text = str::from_utf8(body).map_err(|_| Reason::Body)?;
            Ok(Content::Text(text.to_owned()))
        }
        Kind::Tombstone if body.is_empty() => Ok(Content::Tombstone),
        Kind::Tombstone => Err(Reason::Body.into()),
    }
}
