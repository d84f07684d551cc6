use super::{
    Contact, Conversation, Inbound, InboundState, Origin, Outbound, OutboundEntry, OutboxState,
};
use crate::{ConversationId, MessageId};

/// An operation on a client's store. Each names the outcomes that it can have.
///
/// Times are milliseconds since the Unix epoch and saturate at 63 bits, as positions do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Op {
    /// Puts a message into the outbox as queued and advances its conversation past it:
    /// [`Outcome::Enqueued`], [`Outcome::SequenceConflict`] or [`Outcome::IdTaken`].
    Enqueue {
        /// The message; its sequence has to be the next one.
        message: Box<Outbound>,
        /// The conversation's sending state behind it.
        state: Vec<u8>,
    },
    /// Puts a message into the outbox that takes the sequence number of a failed one and advances
    /// nothing: [`Outcome::Enqueued`], [`Outcome::SequenceConflict`] when no failed message has that
    /// number or another has taken it, or [`Outcome::IdTaken`]. Tombstones that failed there before go.
    EnqueueTombstone(Box<Outbound>),
    /// Moves a message forward: [`Outcome::OutboxState`] with the state that holds afterwards, or
    /// [`Outcome::NoSuchMessage`]. A step that [`OutboxState::may_become`] forbids changes nothing.
    SetOutboxState {
        /// Which message.
        message_id: MessageId,
        /// Its new state.
        state: OutboxState,
        /// Why it failed.
        reason: Option<String>,
    },
    /// [`Outcome::OutboundEntry`].
    LoadOutbound {
        /// Which message.
        message_id: MessageId,
    },
    /// The outbox in order: [`Outcome::Outbox`].
    ListOutbox {
        /// Only messages in these states.
        states: Vec<OutboxState>,
        /// Only after this place; 0 is the beginning.
        after: u64,
        /// At most so many.
        limit: u32,
    },
    /// A conversation in the order of its sequences, whatever became of its messages; where several
    /// had one sequence, the newest: [`Outcome::Outbox`].
    ListConversation {
        /// Which.
        conversation: ConversationId,
        /// Only from this sequence on.
        from: u64,
        /// At most so many.
        limit: u32,
    },
    /// Removes messages that are no longer queued from before a time, in order:
    /// [`Outcome::Pruned`]. One that failed stays until one with its sequence or a later one of its
    /// conversation is stored: a server may still want another in its place.
    PruneOutbox {
        /// What was written earlier goes.
        before_ms: u64,
        /// At most so many.
        limit: u32,
    },

    /// Puts a message from the mailbox into the inbox: [`Outcome::Kept`], or
    /// [`Outcome::KeptBefore`] when it is there already; then nothing changes.
    ///
    /// Another message in its position means that the server gives out positions again (it was
    /// restored from an older state): then this one goes behind the newest, unless a message with
    /// its id and sender is anywhere in the inbox.
    StoreInbound(Box<Inbound>),
    /// Sets what became of a message: [`Outcome::Done`] or [`Outcome::NoSuchMessage`].
    SetInboundState {
        /// Its position in the mailbox.
        position: u64,
        /// Its new state.
        state: InboundState,
        /// What to show for it; `None` leaves what is there.
        display: Option<Vec<u8>>,
    },
    /// The inbox in the order of positions: [`Outcome::Inbox`].
    ListInbound {
        /// Only messages in this state.
        state: InboundState,
        /// Only after this position; 0 is the beginning.
        after: u64,
        /// At most so many.
        limit: u32,
    },
    /// Where in the inbox messages with an id are: [`Outcome::Found`].
    FindInbound {
        /// Which id.
        message_id: MessageId,
    },
    /// Removes opened and unreadable messages from before a time, in order: [`Outcome::Pruned`].
    PruneInbound {
        /// What the server took earlier goes.
        before_ms: u64,
        /// At most so many.
        limit: u32,
    },

    /// Pins somebody's keys unless the name is pinned: [`Outcome::Pinned`], or
    /// [`Outcome::PinnedBefore`] with what is there.
    PinContact(Box<Contact>),
    /// Replaces what is pinned: [`Outcome::Done`] or [`Outcome::NoSuchContact`].
    UpdateContact(Box<Contact>),
    /// [`Outcome::Contact`].
    LoadContact {
        /// Whose.
        name: String,
    },
    /// All contacts in the order of their names' bytes: [`Outcome::Contacts`].
    ListContacts,

    /// Uses up a sequence number without a message in the outbox: [`Outcome::Done`] or
    /// [`Outcome::SequenceConflict`].
    AdvanceConversation {
        /// Which.
        conversation: ConversationId,
        /// The number; has to be the next one.
        sequence: u64,
        /// The sending state behind it.
        state: Vec<u8>,
    },
    /// [`Outcome::Conversation`].
    LoadConversation {
        /// Which.
        conversation: ConversationId,
    },
    /// Records what has arrived from an origin, if nothing else was recorded since it was loaded:
    /// [`Outcome::Done`] or [`Outcome::SeenConflict`].
    RecordSeen {
        /// From where.
        origin: Origin,
        /// The receiving state that was loaded.
        expected: Option<Vec<u8>>,
        /// The receiving state from now on.
        state: Vec<u8>,
    },
    /// [`Outcome::Seen`].
    LoadSeen {
        /// From where.
        origin: Origin,
    },

    /// Sets a small blob: [`Outcome::Done`].
    PutMeta {
        /// Its name; [`meta`](super::meta) has those in use.
        key: String,
        /// Its value.
        value: Vec<u8>,
    },
    /// [`Outcome::Meta`].
    LoadMeta {
        /// Its name.
        key: String,
    },
}

/// What came of an [`Op`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It is done.
    Done,
    /// The message is in the outbox.
    Enqueued {
        /// Its place there.
        number: u64,
    },
    /// The sequence number is not one that can be used; nothing changed.
    SequenceConflict {
        /// The conversation's next one.
        expected: u64,
    },
    /// The outbox holds a message of that id; nothing changed.
    IdTaken,
    /// The state that the message is in now.
    OutboxState(OutboxState),
    /// There is no such message.
    NoSuchMessage,
    /// The message, if the outbox holds it.
    OutboundEntry(Option<Box<OutboundEntry>>),
    /// Messages of the outbox in the order that was asked for.
    Outbox(Vec<OutboundEntry>),
    /// How many messages were removed.
    Pruned(u64),
    /// The message is in the inbox.
    Kept,
    /// The message was in the inbox before; nothing changed.
    KeptBefore,
    /// Messages of the inbox in the order of positions.
    Inbox(Vec<Inbound>),
    /// Positions and states of the messages, in the order of positions.
    Found(Vec<(u64, InboundState)>),
    /// The contact is pinned.
    Pinned,
    /// The name was pinned before, with these keys; nothing changed.
    PinnedBefore(Box<Contact>),
    /// Nobody of that name is pinned.
    NoSuchContact,
    /// The contact, if one is pinned.
    Contact(Option<Box<Contact>>),
    /// Contacts in the order of their names' bytes.
    Contacts(Vec<Contact>),
    /// How far the conversation got, if anything was sent in it.
    Conversation(Option<Conversation>),
    /// Another receiving state is recorded; nothing changed.
    SeenConflict {
        /// What is recorded.
        current: Option<Vec<u8>>,
    },
    /// The receiving state, if one is recorded.
    Seen(Option<Vec<u8>>),
    /// The blob, if it was ever set.
    Meta(Option<Vec<u8>>),
}
