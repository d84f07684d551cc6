//! A client's store in memory: for tests, and for clients without a disk.

mod messages;

use std::collections::BTreeMap;

use super::{Contact, Conversation, Inbound, Op, Origin, OutboundEntry, Outcome};
use crate::{ConversationId, FIRST_SEQUENCE, MessageId, Store, StoreError, clamp63};

/// A store in memory. Nothing of it is durable, and no commit of it fails.
#[derive(Debug, Default)]
pub struct MemoryStore {
    outbox: BTreeMap<u64, OutboundEntry>,
    outbox_numbers: BTreeMap<MessageId, u64>,
    outbox_newest: u64,
    inbox: BTreeMap<u64, Inbound>,
    contacts: BTreeMap<String, Contact>,
    conversations: BTreeMap<ConversationId, Conversation>,
    seen: BTreeMap<Origin, Vec<u8>>,
    meta: BTreeMap<String, Vec<u8>>,
}

impl Store for MemoryStore {
    type Op = Op;
    type Outcome = Outcome;

    fn commit(&mut self, batch: &[Op]) -> Result<Vec<Outcome>, StoreError> {
        Ok(batch.iter().map(|op| self.apply(op)).collect())
    }
}

impl MemoryStore {
    fn apply(&mut self, op: &Op) -> Outcome {
        match op {
            Op::Enqueue { message, state } => self.enqueue(message, state),
            Op::EnqueueTombstone(message) => self.enqueue_tombstone(message),
            Op::SetOutboxState {
                message_id,
                state,
                reason,
            } => self.set_outbox_state(message_id, *state, reason.as_deref()),
            Op::LoadOutbound { message_id } => self.load_outbound(message_id),
            Op::ListOutbox {
                states,
                after,
                limit,
            } => self.list_outbox(states, *after, *limit),
            Op::ListConversation {
                conversation,
                from,
                limit,
            } => self.list_conversation(conversation, *from, *limit),
            Op::PruneOutbox { before_ms, limit } => self.prune_outbox(*before_ms, *limit),
            Op::StoreInbound(message) => self.store_inbound(message),
            Op::SetInboundState {
                position,
                state,
                display,
            } => self.set_inbound_state(*position, *state, display.as_deref()),
            Op::ListInbound {
                state,
                after,
                limit,
            } => self.list_inbound(*state, *after, *limit),
            Op::FindInbound { message_id } => self.find_inbound(message_id),
            Op::PruneInbound { before_ms, limit } => self.prune_inbound(*before_ms, *limit),
            Op::PinContact(contact) => self.pin_contact(contact),
            Op::UpdateContact(contact) => self.update_contact(contact),
            Op::LoadContact { name } => {
                Outcome::Contact(self.contacts.get(name).cloned().map(Box::new))
            }
            Op::ListContacts => Outcome::Contacts(self.contacts.values().cloned().collect()),
            Op::AdvanceConversation {
                conversation,
                sequence,
                state,
            } => self.advance_conversation(*conversation, *sequence, state),
            Op::LoadConversation { conversation } => {
                Outcome::Conversation(self.conversations.get(conversation).cloned())
            }
            Op::RecordSeen {
                origin,
                expected,
                state,
            } => self.record_seen(*origin, expected.as_ref(), state),
            Op::LoadSeen { origin } => Outcome::Seen(self.seen.get(origin).cloned()),
            Op::PutMeta { key, value } => {
                self.meta.insert(key.clone(), value.clone());
                Outcome::Done
            }
            Op::LoadMeta { key } => Outcome::Meta(self.meta.get(key).cloned()),
        }
    }

    fn pin_contact(&mut self, contact: &Contact) -> Outcome {
        if let Some(pinned) = self.contacts.get(&contact.name) {
            return Outcome::PinnedBefore(Box::new(pinned.clone()));
        }
        self.put_contact(contact);
        Outcome::Pinned
    }

    fn update_contact(&mut self, contact: &Contact) -> Outcome {
        if !self.contacts.contains_key(&contact.name) {
            return Outcome::NoSuchContact;
        }
        self.put_contact(contact);
        Outcome::Done
    }

    fn put_contact(&mut self, contact: &Contact) {
        let contact = Contact {
            pinned_ms: clamp63(contact.pinned_ms),
            ..contact.clone()
        };
        self.contacts.insert(contact.name.clone(), contact);
    }

    fn next_sequence(&self, conversation: &ConversationId) -> u64 {
        self.conversations
            .get(conversation)
            .map_or(FIRST_SEQUENCE, |known| known.next_sequence)
    }

    fn advance_conversation(
        &mut self,
        conversation: ConversationId,
        sequence: u64,
        state: &[u8],
    ) -> Outcome {
        let expected = self.next_sequence(&conversation);
        if sequence != expected {
            return Outcome::SequenceConflict { expected };
        }
        let next_sequence = sequence.saturating_add(1);
        let advanced = Conversation {
            next_sequence,
            state: state.to_vec(),
        };
        self.conversations.insert(conversation, advanced);
        Outcome::Done
    }

    fn record_seen(&mut self, origin: Origin, expected: Option<&Vec<u8>>, state: &[u8]) -> Outcome {
        let current = self.seen.get(&origin);
        if current != expected {
            return Outcome::SeenConflict {
                current: current.cloned(),
            };
        }
        self.seen.insert(origin, state.to_vec());
        Outcome::Done
    }
}
