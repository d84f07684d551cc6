use crate::{ConversationId, DeviceId, MessageId};

/// A message on its way into a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Append {
    /// Whose mailbox.
    pub recipient: String,
    /// Who sends, as the server authenticated it.
    pub sender: String,
    /// The installation that sends.
    pub sending_device: DeviceId,
    /// The conversation. The caller checks that it belongs to these two names; so marks, which are
    /// kept for ever, are bounded by the pairs that exist.
    pub conversation: ConversationId,
    /// The sending device's number of this message in the conversation, from
    /// [`FIRST_SEQUENCE`](crate::FIRST_SEQUENCE) without gaps.
    pub sequence: u64,
    /// The message's id.
    pub message_id: MessageId,
    /// The sealed message; the caller limits its length.
    pub sealed: Vec<u8>,
    /// When the server took it: milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// What the mailbox may hold, this message included.
    pub quota: Quota,
    /// What a full mailbox means. True: the refusal is final and remembered. False: nothing
    /// changes, and the same message can be sent again when there is room.
    pub remember_full: bool,
}

/// The most that a mailbox holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Quota {
    /// Number of entries.
    pub messages: u64,
    /// Sum of the lengths of the sealed messages.
    pub bytes: u64,
}

/// Why a message was not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody has that name.
    NoSuchAccount,
    /// The mailbox is at its quota.
    MailboxFull,
    /// Numbers are missing before this one, or it belongs to another message.
    Gap {
        /// The number that comes next.
        expected: u64,
    },
}

/// A message that waits in a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in this mailbox: from 1, growing, never used twice.
    pub position: u64,
    /// Who sent it.
    pub sender: String,
    /// The installation that sent it.
    pub sending_device: DeviceId,
    /// The message's id.
    pub message_id: MessageId,
    /// The sealed message.
    pub sealed: Vec<u8>,
    /// When the server took it: milliseconds since the Unix epoch.
    pub time_ms: u64,
}

/// A message that a device has acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its place in the mailbox.
    pub position: u64,
    /// Who sent it.
    pub sender: String,
    /// The installation that sent it.
    pub sending_device: DeviceId,
    /// The message's id.
    pub message_id: MessageId,
    /// True when no other device of the account acknowledged it before.
    pub first: bool,
}

/// What a device is to be told about a message of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Notice {
    /// The message's id.
    pub message_id: MessageId,
    /// What happened to it; the caller's code.
    pub kind: u8,
    /// Whose doing it is: an account's name.
    pub by: String,
    /// When it happened: milliseconds since the Unix epoch.
    pub time_ms: u64,
}
