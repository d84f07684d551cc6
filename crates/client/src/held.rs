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
    /// How often the server refused since it last took what it did not have before.
    refusals: u32,
    /// It has taken nothing at all since it refused: one message at a time has to do.
    probing: bool,
    /// Something of it was sent since the last refusal that counted.
    resumed: bool,
    /// All of it has been read, and not all is answered.
    is_read: bool,
    /// The keys for tombstones are searched for.
    searching: bool,
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
    /// What is being read from elsewhere is stale.
    fn go_on_from(&mut self, sequence: u64) {
        self.next = sequence;
        if self.step != Step::Burying {
            self.step = Step::Idle;
        }
    }

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
            probing: true,
            resumed: true,
            is_read: false,
            searching: false,
            step: Step::Idle,
            hopeless: None,
        });
        held.go_on_from(held.next.min(sequence));
        held.probing = true;
        held.is_read = false;
        // Those sent behind it are refused as well; they do not make the wait longer. What cannot be noted to have
        // failed is not tried again at once either.
        let fails = held.hopeless.is_some() && held.until.is_none();
        if core::mem::take(&mut held.resumed) || fails {
            held.until = Some(now + held.wait(why)).filter(|until| *until > now);
            held.refusals = held.refusals.saturating_add(1);
        }
        held.until.map_or(Duration::ZERO, |until| until.since(now))
    }

    /// The server took a message; one that was stored before, or is a tombstone, proves little.
    pub(crate) fn taken(&mut self, conversation: &ConversationId, sequence: u64, is_new: bool) {
        if let Some(held) = self.held.get_mut(conversation) {
            held.probing = false;
            if is_new {
                held.refusals = 0;
            }
            if held.next <= sequence {
                held.go_on_from(sequence.saturating_add(1));
            }
        }
    }

    /// What was sent is unanswered for good.
    pub(crate) fn disconnected(&mut self) {
        for held in self.held.values_mut() {
            held.until = None;
            held.refusals = held.refusals.min(1);
            held.probing = true;
            held.resumed = true;
            held.is_read = false;
            held.go_on_from(held.next);
        }
    }

    /// A message left the window unanswered.
    pub(crate) fn put_back(&mut self, conversation: &ConversationId, sequence: u64) {
        if let Some(held) = self.held.get_mut(conversation) {
            held.go_on_from(held.next.min(sequence));
        }
    }

    /// The next conversation to read, from where, and how much of it. `in_window` counts its messages there.
    pub(crate) fn next(
        &mut self,
        in_window: impl Fn(&ConversationId) -> usize,
    ) -> Option<(ConversationId, u64, u32)> {
        let due = |held: &Held| held.until.is_none() && held.step == Step::Idle;
        let (conversation, held) = self.held.iter_mut().find(|(conversation, held)| {
            let alone = held.probing || held.is_read;
            let most = if alone { 1 } else { PAGE as usize / 2 };
            due(held) && in_window(conversation) < most
        })?;
        let probes = held.probing && held.hopeless.is_none();
        let limit = if probes { 1 } else { PAGE };
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
        held.searching = false;
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
        held.is_read = is_last && send.len() == count;
        // Until the server has taken something new, it is not forgotten how often it refused.
        if held.is_read && held.refusals == 0 {
            self.held.remove(conversation);
        }
        Resumed::Send(send)
    }

    /// There are no keys for tombstones now.
    fn search(&mut self, now: Instant, conversation: &ConversationId) {
        if let Some(held) = self.held.get_mut(conversation) {
            held.step = Step::Idle;
            held.searching = true;
            held.until = Some(now + held.wait(Why::NotYet));
            held.refusals = held.refusals.saturating_add(1);
        }
    }

    /// Whom tombstones are for cannot be found.
    pub(crate) fn search_failed(&mut self, name: &str, reason: &str) {
        for held in self.held.values_mut() {
            if held.searching && held.to.key() == name {
                held.until = None;
                held.hopeless = Some(reason.to_owned());
            }
        }
    }

    /// Tombstones are in the outbox, or the disk is full.
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
        let recipient = if to == self.config.username {
            Recipient::Myself
        } else {
            match self.contact_for_sending(&to) {
                Some(Ok(pin)) => Recipient::Contact(Box::new(pin)),
                Some(Err(reason)) => return self.outbox.held.give_up(&conversation, reason),
                None => return self.outbox.held.search(now, &conversation),
            }
        };
        let (Some(identity), Some(device)) = (&self.identity, &self.device) else {
            return self.outbox.held.search(now, &conversation);
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

#[cfg(test)]
mod tests {
    use super::*;

    const CONVERSATION: ConversationId = [7; 16];

    fn entry(sequence: u64, state: OutboxState) -> OutboundEntry {
        OutboundEntry {
            number: sequence,
            message: Outbound {
                conversation: CONVERSATION,
                sequence,
                message_id: [0; 16],
                recipient: "bob".to_owned(),
                sealed: Vec::new(),
                display: None,
                created_ms: 0,
            },
            state,
            reason: None,
        }
    }

    fn held(sequence: u64) -> HeldConversations {
        let bob = Username::parse("bob").unwrap();
        let mut held = HeldConversations::default();
        held.hold(Instant::ZERO, CONVERSATION, &bob, sequence, Why::Gap);
        held
    }

    /// What a part that was read has to be sent, if it is not stale.
    fn sent(held: &mut HeldConversations, from: u64, state: OutboxState) -> Option<usize> {
        match held.read(&CONVERSATION, vec![entry(from, state)]) {
            Resumed::Send(entries) => Some(entries.len()),
            Resumed::Nothing => None,
            Resumed::Bury(_) | Resumed::Fail(..) => panic!("nothing is wrong"),
        }
    }

    #[test]
    fn what_is_taken_while_it_is_read_again_makes_that_stale_and_not_lost() {
        let mut held = held(5);
        assert_eq!(held.next(|_| 0), Some((CONVERSATION, 5, 1)));
        held.taken(&CONVERSATION, 5, true);
        assert_eq!(sent(&mut held, 5, OutboxState::Queued), None);
        assert_eq!(held.next(|_| 0), Some((CONVERSATION, 6, PAGE)));
        assert_eq!(sent(&mut held, 6, OutboxState::Queued), Some(1));
        assert!(held.is_empty());
    }

    #[test]
    fn a_refusal_of_something_earlier_makes_what_is_read_stale() {
        let mut held = held(5);
        held.next(|_| 0).unwrap();
        let bob = Username::parse("bob").unwrap();
        held.hold(Instant::ZERO, CONVERSATION, &bob, 3, Why::Gap);
        assert_eq!(sent(&mut held, 5, OutboxState::Queued), None);
        assert_eq!(held.next(|_| 0), Some((CONVERSATION, 3, 1)));
    }

    #[test]
    fn only_what_is_new_to_the_server_makes_waits_short_again() {
        let mut held = held(5);
        let bob = Username::parse("bob").unwrap();
        let mut waits = Vec::new();
        for _ in 0..4 {
            held.advance(Instant::ZERO + WAIT_MAX);
            held.next(|_| 0).unwrap();
            assert_eq!(sent(&mut held, 5, OutboxState::Stored), Some(1));
            held.taken(&CONVERSATION, 5, false);
            waits.push(
                held.hold(Instant::ZERO, CONVERSATION, &bob, 5, Why::Gap)
                    .as_secs(),
            );
        }
        assert_eq!(waits, [1, 2, 4, 8]);
        held.taken(&CONVERSATION, 5, true);
        held.advance(Instant::ZERO + WAIT_MAX);
        assert_eq!(held.next(|_| 0), Some((CONVERSATION, 6, PAGE)));
        assert!(matches!(
            held.read(&CONVERSATION, Vec::new()),
            Resumed::Nothing
        ));
        assert!(held.is_empty());
    }
}
