use crate::{ConversationId, DeviceId, Digest, MessageId};

/// A message to be sent. Its bytes are frozen: every transmission carries the same.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Outbound {
    /// The conversation.
    pub conversation: ConversationId,
    /// Its number in the conversation.
    pub sequence: u64,
    /// The message's id.
    pub message_id: MessageId,
    /// To whom.
    pub recipient: String,
    /// The sealed message.
    pub sealed: Vec<u8>,
    /// What to show for it later, sealed by the caller under a local key.
    pub display: Option<Vec<u8>>,
    /// When it was written: milliseconds since the Unix epoch.
    pub created_ms: u64,
}

/// A message in the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundEntry {
    /// Its place in the outbox: from 1, growing, never used twice.
    pub number: u64,
    /// The message.
    pub message: Outbound,
    /// How far it got.
    pub state: OutboxState,
    /// Why it failed.
    pub reason: Option<String>,
}

/// How far a message got. It only moves forward, in this order; a message fails only while it is
/// queued, and what failed stays so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum OutboxState {
    /// On this disk.
    Queued,
    /// On the server's disk.
    Stored,
    /// On the recipient's disk.
    Delivered,
    /// Refused for good.
    Failed,
}

impl OutboxState {
    /// True when a message that is in this state may come into state `next`.
    pub const fn may_become(self, next: Self) -> bool {
        match self {
            Self::Queued => !matches!(next, Self::Queued),
            Self::Stored => matches!(next, Self::Delivered),
            Self::Delivered | Self::Failed => false,
        }
    }
}

/// A message as it came from the mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Inbound {
    /// Its position in the mailbox.
    pub position: u64,
    /// Who sent it, by the server's word.
    pub sender: String,
    /// The message's id, by the server's word.
    pub message_id: MessageId,
    /// The sealed message.
    pub sealed: Vec<u8>,
    /// When the server took it: milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// What became of it.
    pub state: InboundState,
    /// What to show for it later, sealed by the caller under a local key.
    pub display: Option<Vec<u8>>,
}

/// What became of a message from the mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum InboundState {
    /// On disk, not looked at.
    Received,
    /// Opened, its plaintext durable or shown.
    Opened,
    /// It does not open; a placeholder stands for it.
    Unreadable,
}

/// How far this installation got in a conversation as its sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// The number of the next message.
    pub next_sequence: u64,
    /// The caller's sending state.
    pub state: Vec<u8>,
}

/// Whose count a received sequence number belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Origin {
    /// Fingerprint of the sender's signature key.
    pub sender_key: Digest,
    /// The installation that sends.
    pub sending_device: DeviceId,
    /// In which conversation.
    pub conversation: ConversationId,
}
