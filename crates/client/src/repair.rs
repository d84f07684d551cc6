//! Filling a gap that the server sees in a conversation.
//!
//! A server takes a conversation's messages in sequence. When it misses one that is not queued any
//! more, the disk has it: one that was *stored* is sent again as it was (the server was restored
//! from an older state), and one that *failed* gives its place to a tombstone (PROTOCOL.md §8.3).

use std::collections::BTreeMap;
use std::sync::Arc;

use chat::Username;
use crypto::random_array;
use e2e::SealedMessage;
use e2e::conversation::Slot;
use store::ConversationId;
use store::device::{Op, Outbound, OutboundEntry, OutboxState, Outcome as Stored};
use transport::Instant;

use crate::Client;
use crate::jobs::{Job, Recipient, Tombstone, TombstonesJob};
use crate::work::Pending;

/// Messages that one repair fills in.
const MISSING_MAX: u64 = 64;

/// Messages of the outbox that are looked at at once.
const PAGE: u32 = 16;

/// A gap that is being filled.
pub(crate) struct Repair {
    conversation: ConversationId,
    to: Username,
    /// The first sequence that is missing, and the one behind the gap.
    first: u64,
    behind: u64,
    /// What the disk has of them.
    found: BTreeMap<u64, OutboundEntry>,
    /// How far the outbox was looked through.
    after: u64,
}

impl Client {
    /// The server wants sequence `expected` before the message in `place`.
    pub(crate) fn gap(&mut self, now: Instant, place: u64, expected: u64) {
        let Some((conversation, sequence, to)) = self.outbox.at(place) else {
            return;
        };
        if expected > sequence {
            return self.fail_message(place, "the server has another message in its place");
        }
        self.outbox.hold(now, place);
        let on_its_way = self.outbox.has(&conversation, expected) || !self.outbox.is_loaded();
        if on_its_way || self.repair.is_some() {
            return;
        }
        if sequence - expected > MISSING_MAX {
            return self.fail_message(place, LOST);
        }
        self.repair = Some(Repair {
            conversation,
            to,
            first: expected,
            behind: sequence,
            found: BTreeMap::new(),
            after: 0,
        });
        self.look_for_missing();
    }

    fn look_for_missing(&mut self) {
        if let Some(repair) = &self.repair {
            let list = Op::ListOutbox {
                states: vec![
                    OutboxState::Stored,
                    OutboxState::Delivered,
                    OutboxState::Failed,
                ],
                after: repair.after,
                limit: PAGE,
            };
            self.desk.store(vec![list], Pending::Repair);
        }
    }

    /// The next part of what left the queue.
    pub(crate) fn repair_listed(&mut self, outcomes: Vec<Stored>) {
        let Some(repair) = &mut self.repair else {
            return;
        };
        let mut full = false;
        for outcome in outcomes {
            let Stored::Outbox(entries) = outcome else {
                continue;
            };
            full = entries.len() >= PAGE as usize;
            for entry in entries {
                repair.after = repair.after.max(entry.number);
                let sequence = entry.message.sequence;
                let missing = (repair.first..repair.behind).contains(&sequence);
                if entry.message.conversation == repair.conversation && missing {
                    // A tombstone comes behind the message that it stands for.
                    repair.found.insert(sequence, entry);
                }
            }
        }
        if full {
            self.look_for_missing();
        } else if let Some(repair) = self.repair.take() {
            self.fill(repair);
        }
    }

    fn fill(&mut self, repair: Repair) {
        let missing = repair.behind - repair.first;
        if repair.found.len() as u64 != missing {
            return self.fail_conversation(&repair.conversation, LOST);
        }
        let mut places = Vec::new();
        for entry in repair.found.into_values() {
            if entry.state == OutboxState::Failed {
                let message = SealedMessage::decode(&entry.message.sealed).ok();
                places.extend(message.map(|message| message.unproven_header().slot()));
            } else {
                self.outbox.send_again(entry, repair.to.clone());
            }
        }
        if places.is_empty() {
            self.outbox.release(&repair.conversation);
        } else {
            self.bury(&repair.to, repair.conversation, places);
        }
    }

    /// Seals tombstones for these places.
    fn bury(&mut self, to: &Username, conversation: ConversationId, places: Vec<Slot>) {
        let recipient = if *to == self.config.username {
            Recipient::Myself
        } else {
            match self.contact_for_sending(to) {
                Some(Ok(pin)) => Recipient::Contact(Box::new(pin)),
                Some(Err(reason)) => return self.fail_conversation(&conversation, &reason),
                // The next refusal finds them.
                None => return,
            }
        };
        let (Some(identity), Some(device)) = (&self.identity, &self.device) else {
            return;
        };
        let mut named = Vec::with_capacity(places.len());
        for place in places {
            named.push((random_array(&mut self.desk.random), place));
        }
        let job = Job::Tombstones(Box::new(TombstonesJob {
            identity: Arc::clone(identity),
            recipient,
            device: device.id,
            time_ms: self.desk.wall_ms,
            manifest: self.directory.head(),
            places: named,
        }));
        self.desk
            .job(job, Pending::Tombstones(conversation, to.clone()));
    }

    pub(crate) fn tombstones_sealed(
        &mut self,
        conversation: ConversationId,
        to: &Username,
        sealed: Vec<Tombstone>,
    ) {
        let created_ms = self.desk.wall_ms;
        let ops = sealed.into_iter().map(|tombstone| {
            Op::EnqueueTombstone(Box::new(Outbound {
                conversation,
                sequence: tombstone.sequence,
                message_id: tombstone.id,
                recipient: to.display().to_owned(),
                sealed: tombstone.bytes,
                display: None,
                created_ms,
            }))
        });
        let ops = ops.collect();
        self.desk.store(ops, Pending::Buried(conversation));
    }

    pub(crate) fn tombstones_enqueued(&mut self, conversation: &ConversationId) {
        self.outbox.more_on_disk();
        self.outbox.release(conversation);
    }
}

const LOST: &str = "the server misses earlier messages that are not here any more";
