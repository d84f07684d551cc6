use std::collections::BTreeMap;
use std::ops::Bound;

use super::MemoryStore;
use crate::device::{Inbound, InboundState, Outbound, OutboundEntry, OutboxState, Outcome};
use crate::{ConversationId, MessageId, clamp63};

impl MemoryStore {
    pub(super) fn enqueue(&mut self, message: &Outbound, state: &[u8]) -> Outcome {
        if self.outbox_numbers.contains_key(&message.message_id) {
            return Outcome::IdTaken;
        }
        let advanced = self.advance_conversation(message.conversation, message.sequence, state);
        if advanced != Outcome::Done {
            return advanced;
        }
        self.push_outbound(message)
    }

    pub(super) fn enqueue_tombstone(&mut self, message: &Outbound) -> Outcome {
        if self.outbox_numbers.contains_key(&message.message_id) {
            return Outcome::IdTaken;
        }
        let holders = self.outbox.values().filter(|entry| {
            entry.message.conversation == message.conversation
                && entry.message.sequence == message.sequence
        });
        let failed = |entry: &OutboundEntry| entry.state == OutboxState::Failed;
        if holders.clone().next().is_none() || !holders.clone().all(failed) {
            let expected = self.next_sequence(&message.conversation);
            return Outcome::SequenceConflict { expected };
        }
        // The first is what somebody wrote.
        let tombstones = holders.skip(1);
        let tombstones: Vec<_> = tombstones
            .map(|entry| (entry.number, entry.message.message_id))
            .collect();
        self.remove_outbound(&tombstones);
        self.push_outbound(message)
    }

    fn push_outbound(&mut self, message: &Outbound) -> Outcome {
        let number = self.outbox_newest.saturating_add(1);
        let created_ms = clamp63(message.created_ms);
        let message = Outbound {
            created_ms,
            ..message.clone()
        };
        self.outbox_newest = number;
        self.outbox_numbers.insert(message.message_id, number);
        let entry = OutboundEntry {
            number,
            message,
            state: OutboxState::Queued,
            reason: None,
        };
        self.outbox.insert(number, entry);
        Outcome::Enqueued { number }
    }

    pub(super) fn set_outbox_state(
        &mut self,
        message_id: &MessageId,
        state: OutboxState,
        reason: Option<&str>,
    ) -> Outcome {
        let number = self.outbox_numbers.get(message_id);
        let Some(entry) = number.and_then(|number| self.outbox.get_mut(number)) else {
            return Outcome::NoSuchMessage;
        };
        if entry.state.may_become(state) {
            entry.state = state;
            entry.reason = reason.map(str::to_owned);
        }
        Outcome::OutboxState(entry.state)
    }

    pub(super) fn load_outbound(&self, message_id: &MessageId) -> Outcome {
        let number = self.outbox_numbers.get(message_id);
        let entry = number.and_then(|number| self.outbox.get(number));
        Outcome::OutboundEntry(entry.cloned().map(Box::new))
    }

    pub(super) fn list_outbox(&self, states: &[OutboxState], after: u64, limit: u32) -> Outcome {
        let later = self
            .outbox
            .range((Bound::Excluded(after), Bound::Unbounded));
        let chosen = later
            .map(|(_, entry)| entry)
            .filter(|entry| states.contains(&entry.state));
        Outcome::Outbox(chosen.take(items(limit)).cloned().collect())
    }

    pub(super) fn list_conversation(
        &self,
        conversation: &ConversationId,
        from: u64,
        limit: u32,
    ) -> Outcome {
        let from = clamp63(from);
        let of = self.outbox.values().filter(|entry| {
            let message = &entry.message;
            message.conversation == *conversation && message.sequence >= from
        });
        // Later numbers take the place of earlier ones.
        let newest: BTreeMap<u64, &OutboundEntry> =
            of.map(|entry| (entry.message.sequence, entry)).collect();
        Outcome::Outbox(newest.into_values().take(items(limit)).cloned().collect())
    }

    /// Whether the server has what comes behind a message, or what has its place.
    fn is_passed(&self, message: &Outbound) -> bool {
        self.outbox.values().any(|later| {
            matches!(later.state, OutboxState::Stored | OutboxState::Delivered)
                && later.message.conversation == message.conversation
                && later.message.sequence >= message.sequence
        })
    }

    pub(super) fn prune_outbox(&mut self, before_ms: u64, limit: u32) -> Outcome {
        let before_ms = clamp63(before_ms);
        let old = self.outbox.values().filter(|entry| {
            entry.state != OutboxState::Queued
                && entry.message.created_ms < before_ms
                && (entry.state != OutboxState::Failed || self.is_passed(&entry.message))
        });
        let old: Vec<_> = old
            .take(items(limit))
            .map(|entry| (entry.number, entry.message.message_id))
            .collect();
        self.remove_outbound(&old);
        pruned(old.len())
    }

    fn remove_outbound(&mut self, entries: &[(u64, MessageId)]) {
        for (number, message_id) in entries {
            self.outbox.remove(number);
            self.outbox_numbers.remove(message_id);
        }
    }

    pub(super) fn store_inbound(&mut self, message: &Inbound) -> Outcome {
        let Some(position) = self.free_position(message) else {
            return Outcome::KeptBefore;
        };
        let time_ms = clamp63(message.time_ms);
        self.inbox.insert(
            position,
            Inbound {
                position,
                time_ms,
                ..message.clone()
            },
        );
        Outcome::Kept
    }

    /// Where a message goes; `None` if it is there already.
    fn free_position(&self, message: &Inbound) -> Option<u64> {
        let position = clamp63(message.position);
        let Some(there) = self.inbox.get(&position) else {
            return Some(position);
        };
        let mut kept = self.inbox.values();
        let is_kept =
            kept.any(|kept| kept.message_id == message.message_id && kept.sender == message.sender);
        if is_kept || there.message_id == message.message_id {
            return None;
        }
        let newest = self.inbox.last_key_value().map_or(0, |(newest, _)| *newest);
        // At the largest number there is no place left.
        Some(clamp63(newest.saturating_add(1))).filter(|position| *position > newest)
    }

    pub(super) fn set_inbound_state(
        &mut self,
        position: u64,
        state: InboundState,
        display: Option<&[u8]>,
    ) -> Outcome {
        let Some(message) = self.inbox.get_mut(&clamp63(position)) else {
            return Outcome::NoSuchMessage;
        };
        message.state = state;
        if let Some(display) = display {
            message.display = Some(display.to_vec());
        }
        Outcome::Done
    }

    pub(super) fn list_inbound(&self, state: InboundState, after: u64, limit: u32) -> Outcome {
        let later = self.inbox.range((Bound::Excluded(after), Bound::Unbounded));
        let chosen = later
            .map(|(_, message)| message)
            .filter(|message| message.state == state);
        Outcome::Inbox(chosen.take(items(limit)).cloned().collect())
    }

    pub(super) fn find_inbound(&self, message_id: &MessageId) -> Outcome {
        let found = self
            .inbox
            .values()
            .filter(|message| message.message_id == *message_id);
        Outcome::Found(
            found
                .map(|message| (message.position, message.state))
                .collect(),
        )
    }

    pub(super) fn prune_inbound(&mut self, before_ms: u64, limit: u32) -> Outcome {
        let before_ms = clamp63(before_ms);
        let old = self.inbox.values().filter(|message| {
            message.state != InboundState::Received && message.time_ms < before_ms
        });
        let old: Vec<_> = old
            .take(items(limit))
            .map(|message| message.position)
            .collect();
        for position in &old {
            self.inbox.remove(position);
        }
        pruned(old.len())
    }
}

fn pruned(count: usize) -> Outcome {
    Outcome::Pruned(u64::try_from(count).unwrap_or(u64::MAX))
}

fn items(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}
