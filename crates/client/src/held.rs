//! Conversations that are held back: of which the server takes nothing now.
//!
//! A mailbox is full, or the server misses a message before the one that it was given. What is queued of such a
//! conversation leaves the window, so that it is in nobody's way, and waits on disk. From there the conversation
//! is read again, in the order of its sequences, from the one that the server wants: when the wait is over, or at
//! once where something is missing. What is queued is sent; what was *stored* is sent again as it was (the server
//! was restored from an older state); what *failed* gives its place to a tombstone (PROTOCOL.md §8.3). When the
//! end is reached, the conversation goes on as all others do.

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use chat::Username;
use crypto::random_array;
use e2e::SealedMessage;
use store::ConversationId;
use store::device::{Op, Outbound, OutboundEntry, OutboxState, Outcome as Stored};
use transport::Instant;

use crate::Client;
use crate::jobs::{Job, Recipient, Tombstone, TombstonesJob};
use crate::work::Pending;

/// Messages of a conversation that are read at once.
pub(crate) const PAGE: u32 = 16;

/// First wait after a refusal that is not final; doubles.
const WAIT_MIN: Duration = Duration::from_secs(1);

/// Longest wait after a refusal that is not final.
const WAIT_MAX: Duration = Duration::from_secs(60);

const LOST: &str = "the server misses earlier messages that are not here any more";

/// The conversations that are held back: little of each, and no message.
#[derive(Default)]
pub(crate) struct HeldConversations {
    held: BTreeMap<ConversationId, Held>,
}

struct Held {
    to: Username,
    /// The sequence to go on with.
    next: u64,
    /// Not before then.
    until: Option<Instant>,
    /// How often the server refused without having taken anything in between.
    refusals: u32,
    /// Something of it was sent since the last refusal that counted.
    resumed: bool,
    step: Step,
    /// Why all that is queued of it fails.
    hopeless: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Idle,
    /// So many messages are being read.
    Reading(u32),
    /// Tombstones are being made.
    Burying,
}

/// Why a conversation is held back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// The server has no room, or no time.
    NotYet,
    /// The server misses something before.
    Gap,
}

/// What to do with what was read.
pub(crate) enum Resumed {
    /// Nothing; it is stale.
    Nothing,
    /// To be sent.
    Send(Vec<OutboundEntry>),
    /// Refused for good, and still waited for.
    Bury(Vec<OutboundEntry>),
    /// Nothing of these can be sent any more.
    Fail(Vec<OutboundEntry>, String),
}

impl Held {
    fn wait(&self, why: Why) -> Duration {
        let doublings = match (why, self.refusals) {
            // What is missing may be here.
            (Why::Gap, 0) => return Duration::ZERO,
            (Why::Gap, refusals) => refusals - 1,
            (Why::NotYet, refusals) => refusals,
        };
        WAIT_MIN
            .saturating_mul(1 << doublings.min(10))
            .min(WAIT_MAX)
    }
}

impl HeldConversations {
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    pub(crate) fn contains(&self, conversation: &ConversationId) -> bool {
        self.held.contains_key(conversation)
    }

    pub(crate) fn timeout(&self) -> Option<Instant> {
        self.held.values().filter_map(|held| held.until).min()
    }

    /// Ends the waits that are over.
    pub(crate) fn advance(&mut self, now: Instant) {
        for held in self.held.values_mut() {
            if held.until.is_some_and(|until| until <= now) {
                held.until = None;
            }
        }
    }

    /// The server took nothing of a conversation from `sequence` on. Tells how long it waits.
    pub(crate) fn hold(
        &mut self,
        now: Instant,
        conversation: ConversationId,
        to: &Username,
        sequence: u64,
        why: Why,
    ) -> Duration {
        let held = self.held.entry(conversation).or_insert_with(|| Held {
            to: to.clone(),
            next: sequence,
            until: None,
            refusals: 0,
            resumed: true,
            step: Step::Idle,
            hopeless: None,
        });
        held.next = held.next.min(sequence);
        // What is being read goes on behind what was refused.
        if held.step != Step::Burying {
            held.step = Step::Idle;
        }
        let wait = held.wait(why);
        // Those sent behind it are refused as well; they do not make the wait longer.
        if core::mem::take(&mut held.resumed) {
            held.refusals = held.refusals.saturating_add(1);
            held.until = Some(now + wait).filter(|until| *until > now);
        }
        wait
    }

    /// The server took a message.
    pub(crate) fn taken(&mut self, conversation: &ConversationId, sequence: u64) {
        if let Some(held) = self.held.get_mut(conversation) {
            held.refusals = 0;
            held.next = held.next.max(sequence.saturating_add(1));
        }
    }

    /// What was sent is unanswered for good.
    pub(crate) fn disconnected(&mut self) {
        for held in self.held.values_mut() {
            held.until = None;
            held.refusals = 0;
            held.resumed = true;
            if held.step != Step::Burying {
                held.step = Step::Idle;
            }
        }
    }

    /// A message left the window unanswered.
    pub(crate) fn put_back(&mut self, conversation: &ConversationId, sequence: u64) {
        if let Some(held) = self.held.get_mut(conversation) {
            held.next = held.next.min(sequence);
        }
    }

    /// The next conversation to read, from where, and how much of it. `in_window` counts its messages there.
    pub(crate) fn next(
        &mut self,
        in_window: impl Fn(&ConversationId) -> usize,
    ) -> Option<(ConversationId, u64, u32)> {
        let due = |held: &Held| held.until.is_none() && held.step == Step::Idle;
        let (conversation, held) = self.held.iter_mut().find(|(conversation, held)| {
            // Until the server takes something, one message at a time has to do.
            let most = if held.refusals > 0 {
                1
            } else {
                PAGE as usize / 2
            };
            due(held) && in_window(conversation) < most
        })?;
        let limit = if held.refusals > 0 && held.hopeless.is_none() {
            1
        } else {
            PAGE
        };
        held.step = Step::Reading(limit);
        Some((*conversation, held.next, limit))
    }

    /// A part of a conversation was read.
    pub(crate) fn read(
        &mut self,
        conversation: &ConversationId,
        entries: Vec<OutboundEntry>,
    ) -> Resumed {
        let Some(held) = self.held.get_mut(conversation) else {
            return Resumed::Nothing;
        };
        let Step::Reading(limit) = held.step else {
            return Resumed::Nothing;
        };
        held.step = Step::Idle;
        let is_last = entries.len() < limit as usize;
        let Some(first) = entries.first() else {
            self.held.remove(conversation);
            return Resumed::Nothing;
        };
        if held.hopeless.is_none() && first.message.sequence != held.next {
            held.hopeless = Some(LOST.to_owned());
        }
        if let Some(reason) = held.hopeless.clone() {
            let newest = entries.last().map(|last| last.message.sequence);
            held.next = newest.unwrap_or(held.next).saturating_add(1);
            if is_last {
                self.held.remove(conversation);
            }
            return Resumed::Fail(entries, reason);
        }
        let failed = |entry: &OutboundEntry| entry.state == OutboxState::Failed;
        if failed(first) {
            held.step = Step::Burying;
            return Resumed::Bury(entries.into_iter().filter(failed).collect());
        }
        let count = entries.len();
        let mut send = Vec::with_capacity(count);
        for entry in entries {
            if failed(&entry) || entry.message.sequence != held.next {
                break;
            }
            held.next = held.next.saturating_add(1);
            send.push(entry);
        }
        held.resumed = true;
        if is_last && send.len() == count {
            self.held.remove(conversation);
        }
        Resumed::Send(send)
    }

    /// Tombstones are in the outbox, or none could be made now.
    fn buried(&mut self, conversation: &ConversationId, until: Option<Instant>) {
        if let Some(held) = self.held.get_mut(conversation) {
            held.step = Step::Idle;
            held.until = until;
        }
    }

    /// Nothing of a conversation can be sent any more.
    fn give_up(&mut self, conversation: &ConversationId, reason: String) {
        if let Some(held) = self.held.get_mut(conversation) {
            held.step = Step::Idle;
            held.hopeless = Some(reason);
        }
    }

    fn recipient(&self, conversation: &ConversationId) -> Option<Username> {
        self.held.get(conversation).map(|held| held.to.clone())
    }
}

impl Client {
    /// A part of a conversation that was held back was read.
    pub(crate) fn held_loaded(
        &mut self,
        now: Instant,
        conversation: ConversationId,
        outcomes: Vec<Stored>,
    ) {
        let entries = outcomes.into_iter().flat_map(|outcome| match outcome {
            Stored::Outbox(entries) => entries,
            _ => Vec::new(),
        });
        let entries = entries.collect();
        let settled = self.outbox.loaded();
        match self.outbox.held.read(&conversation, entries) {
            Resumed::Nothing => {}
            Resumed::Send(entries) => self.outbox.take_in(entries, &settled),
            Resumed::Bury(entries) => self.bury(now, conversation, &entries),
            Resumed::Fail(entries, reason) => self.fail_queued(entries, &settled, &reason),
        }
    }

    /// Seals tombstones for these.
    fn bury(&mut self, now: Instant, conversation: ConversationId, entries: &[OutboundEntry]) {
        let Some(to) = self.outbox.held.recipient(&conversation) else {
            return;
        };
        let later = Some(now + WAIT_MIN);
        let recipient = if to == self.config.username {
            Recipient::Myself
        } else {
            match self.contact_for_sending(&to) {
                Some(Ok(pin)) => Recipient::Contact(Box::new(pin)),
                Some(Err(reason)) => return self.outbox.held.give_up(&conversation, reason),
                None => return self.outbox.held.buried(&conversation, later),
            }
        };
        let (Some(identity), Some(device)) = (&self.identity, &self.device) else {
            return self.outbox.held.buried(&conversation, later);
        };
        let mut named = Vec::with_capacity(entries.len());
        for entry in entries {
            // Written by this program.
            let Ok(message) = SealedMessage::decode(&entry.message.sealed) else {
                return self.outbox.held.give_up(&conversation, LOST.to_owned());
            };
            let place = message.unproven_header().slot();
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
        self.desk.job(job, Pending::Tombstones(conversation));
    }

    pub(crate) fn tombstones_sealed(
        &mut self,
        conversation: ConversationId,
        sealed: Result<Vec<Tombstone>, String>,
    ) {
        let Some(to) = self.outbox.held.recipient(&conversation) else {
            return;
        };
        let sealed = match sealed {
            Ok(sealed) => sealed,
            Err(reason) => return self.outbox.held.give_up(&conversation, reason),
        };
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

    /// Tombstones are in the outbox, or the disk is full: then they are made again.
    pub(crate) fn tombstones_enqueued(
        &mut self,
        now: Instant,
        conversation: &ConversationId,
        is_full: bool,
    ) {
        let until = is_full.then_some(now + WAIT_MAX);
        self.outbox.held.buried(conversation, until);
    }
}
