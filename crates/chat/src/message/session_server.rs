use minicbor::{Decode, Encode};

use super::wire::messages;
use super::{Certificate, List, ManifestHead, ManifestPart, MessageId, PublicKey, Reason, Sealed};
use crate::Username;
use crate::limits::{MESSAGE_LEN_MAX, ONLINE_USERS_MAX};

messages! {
    /// What a server sends on the session port (PROTOCOL.md §7.2).
    ///
    /// ```text
    /// type  message            answers
    /// 0x31  Online             ListOnline
    /// 0x32  Account            Lookup
    /// 0x33  NoSuchUser         Lookup
    /// 0x34  Stored             Send
    /// 0x35  Refused            Send
    /// 0x36  Deliver            ReadMore
    /// 0x37  Delivered          - (a recipient's Acknowledge)
    /// 0x38  ManifestHead       ManifestRequest
    /// 0x39  ManifestPart
    /// 0x3a  ManifestUnchanged  ManifestRequest
    /// 0x3f  Closing            -
    /// ```
    pub enum SessionServerMessage, at most MESSAGE_LEN_MAX, {
        /// Who is online.
        0x31 => Online(Online),
        /// An account's public keys.
        0x32 => Account(Account),
        /// There is no such account.
        0x33 => NoSuchUser(NoSuchUser),
        /// A sent message is on the server's disk.
        0x34 => Stored(Stored),
        /// A sent message is not taken.
        0x35 => Refused(Refused),
        /// A message out of the mailbox.
        0x36 => Deliver(Deliver),
        /// A recipient's device has a message that this user sent.
        0x37 => Delivered(Delivered),
        /// The directory's signed head; its parts follow.
        0x38 => ManifestHead(ManifestHead),
        /// Entries of the directory.
        0x39 => ManifestPart(ManifestPart),
        /// The client's directory is the newest.
        0x3a => ManifestUnchanged(ManifestUnchanged),
        /// The server ends the session.
        0x3f => Closing(Closing),
    }
}

/// `{0: request, 1: [username, ...], 2: more}`
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Online {
    /// The request's number.
    #[n(0)]
    pub request: u64,
    /// Names in ascending order, the asker's included.
    #[n(1)]
    pub users: List<Username, ONLINE_USERS_MAX>,
    /// Whether there are more than the list holds.
    #[n(2)]
    pub more: bool,
}

/// `{0: request, 1: name, 2: sig_key, 3: enc_key, 4: enc_certificate}`
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Account {
    /// The request's number.
    #[n(0)]
    pub request: u64,
    /// The name as it was registered.
    #[n(1)]
    pub name: Username,
    /// The signing key.
    #[n(2)]
    pub sig_key: PublicKey,
    /// The encryption key.
    #[n(3)]
    pub enc_key: PublicKey,
    /// The signing key's word for the encryption key.
    #[n(4)]
    pub enc_certificate: Certificate,
}

/// `{0: request}`
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct NoSuchUser {
    /// The request's number.
    #[n(0)]
    pub request: u64,
}

/// `{0: message_id}`
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Stored {
    /// Which message.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub message_id: MessageId,
}

/// `{0: message_id, 1: refusal}`
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Refused {
    /// Which message.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub message_id: MessageId,
    /// Why.
    #[n(1)]
    pub refusal: Refusal,
}

/// Why a message is not taken: `[code, [expected?]]`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[non_exhaustive]
pub enum Refusal {
    /// There is no such account. Final.
    #[n(0)]
    NoSuchUser,
    /// The recipient's mailbox is full; later there may be room.
    #[n(1)]
    MailboxFull,
    /// The sequence is not the next one of this device and conversation.
    #[n(2)]
    Gap {
        /// The sequence that would be taken.
        #[n(0)]
        expected: u64,
    },
    /// The sealed message is longer than this server takes. Final.
    #[n(3)]
    TooLong,
    /// Too many messages in a short time; later it is taken.
    #[n(4)]
    RateLimited,
}

/// `{0: position, 1: from, 2: message_id, 3: sealed, 4: time_ms}`
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Deliver {
    /// Where in the mailbox; counts up, with gaps.
    #[n(0)]
    pub position: u64,
    /// Who the server says sent it.
    #[n(1)]
    pub from: Username,
    /// The message's id.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub message_id: MessageId,
    /// The message.
    #[n(3)]
    pub sealed: Sealed,
    /// When the server stored it, milliseconds since 1970-01-01 UTC.
    #[n(4)]
    pub time_ms: u64,
}

/// `{0: message_id, 1: by}`
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Delivered {
    /// Which message.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub message_id: MessageId,
    /// The recipient.
    #[n(1)]
    pub by: Username,
}

/// `{0: request}`
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ManifestUnchanged {
    /// The request's number.
    #[n(0)]
    pub request: u64,
}

/// `{0: code, 1: reason}`
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Closing {
    /// For programs.
    #[n(0)]
    pub code: ClosingCode,
    /// For people.
    #[n(1)]
    pub reason: Reason,
}

/// Why a server ends a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
#[non_exhaustive]
pub enum ClosingCode {
    /// The server stops or restarts; connecting again later makes sense.
    #[n(0)]
    Shutdown,
    /// A message did not decode or came out of turn.
    #[n(1)]
    Malformed,
    /// This device has a newer session.
    #[n(2)]
    Replaced,
    /// The account or device may not be used any more.
    #[n(3)]
    Revoked,
    /// The client does not read what it is sent.
    #[n(4)]
    TooSlow,
}
