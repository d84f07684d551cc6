use minicbor::{Decode, Encode};

use super::wire::messages;
use super::{ConversationId, List, MessageId, Sealed};
use crate::Username;
use crate::limits::{MESSAGE_LEN_MAX, NOTIFY_MAX};

messages! {
    /// What a client sends on the session port (PROTOCOL.md §7.1).
    ///
    /// ```text
    /// type  message          answered by
    /// 0x21  ListOnline       Online
    /// 0x22  Lookup           Account or NoSuchUser
    /// 0x23  Send             Stored or Refused
    /// 0x24  Acknowledge      -
    /// 0x25  ManifestRequest  ManifestHead, ManifestPart ... or ManifestUnchanged
    /// 0x26  ReadMore         Deliver ...
    /// ```
    pub enum SessionClientMessage, at most MESSAGE_LEN_MAX, {
        /// Asks who is online.
        0x21 => ListOnline(ListOnline),
        /// Asks for an account's public keys.
        0x22 => Lookup(Lookup),
        /// Hands over a sealed message.
        0x23 => Send(Send),
        /// Moves this device's cursor in its mailbox.
        0x24 => Acknowledge(Acknowledge),
        /// Asks for the directory.
        0x25 => ManifestRequest(ManifestRequest),
        /// Asks for deliveries.
        0x26 => ReadMore(ReadMore),
    }
}

/// `{0: request}`
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ListOnline {
    /// The client's number for this request, repeated in the answer.
    #[n(0)]
    pub request: u64,
}

/// `{0: request, 1: name}`
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Lookup {
    /// The client's number for this request, repeated in the answer.
    #[n(0)]
    pub request: u64,
    /// Whose keys.
    #[n(1)]
    pub name: Username,
}

/// `{0: message_id, 1: to, 2: conversation, 3: sequence, 4: sealed}`
///
/// Sending the same again is answered the same and stored once.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Send {
    /// The message's id.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub message_id: MessageId,
    /// Whose mailbox.
    #[n(1)]
    pub to: Username,
    /// The conversation that `sequence` counts in.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub conversation: ConversationId,
    /// Counts this device's messages in this conversation, from 1 and without gaps.
    #[n(3)]
    pub sequence: u64,
    /// The message.
    #[n(4)]
    pub sealed: Sealed,
}

/// `{0: position, 1: [message_id, ...]}`
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Acknowledge {
    /// Everything up to this position of the mailbox is on this device's disk.
    #[n(0)]
    pub position: u64,
    /// Of the messages that this acknowledges for the first time, those whose senders may be told.
    #[n(1)]
    pub notify: List<NotifyId, NOTIFY_MAX>,
}

/// A message id inside [`Acknowledge`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct NotifyId(#[cbor(n(0), with = "minicbor::bytes")] pub MessageId);

/// `{0: request, 1: have_version}`
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ManifestRequest {
    /// The client's number for this request, repeated in `ManifestUnchanged`.
    #[n(0)]
    pub request: u64,
    /// The version that the client has; 0 if it has none.
    #[n(1)]
    pub have_version: u64,
}

/// `{0: after}`
///
/// The first one starts deliveries; before it nothing is delivered. It moves no cursor, so a client
/// without a disk lives on it alone.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ReadMore {
    /// Deliver what stands after this position, or after the device's cursor where that is further
    /// on. 0 is before the first.
    #[n(0)]
    pub after: u64,
}
