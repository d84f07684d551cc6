//! From the outbox to the server.
//!
//! A window of the oldest queued messages is in memory; what is behind it stays on disk. Messages
//! go out in the order of the outbox, several at a time, always the same bytes, again after each
//! reconnection until the server has said *stored*: it knows a repetition by its id. One that the
//! server does not take yet holds back those behind it in its conversation (`held.rs`), and no others.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chat::Username;
use chat::message::{Delivered, MessageId, Refusal, Refused, Sealed, Send};
use e2e::SealedMessage;
use e2e::sealed::Kind;
use store::ConversationId;
use store::device::{Op, OutboundEntry, OutboxState, Outcome as Stored};
use transport::Instant;

use crate::Client;
use crate::event::Delivery;
use crate::held::{HeldConversations, PAGE, Why};
use crate::work::{Pending, Status};

/// Messages in memory below which more are read.
const WINDOW_LOW: usize = 32;

/// Messages sent and not answered.
const IN_FLIGHT_MAX: usize = 32;

/// Bytes sent and not answered; one message always goes.
const IN_FLIGHT_BYTES_MAX: usize = 4 << 20;

/// Messages whose delivery was told lately: each recipient's device makes the server say so.
const DELIVERED_MAX: usize = 256;

#[derive(Default)]
pub(crate) struct Outbox {
    /// By place in the outbox.
    window: BTreeMap<u64, Entry>,
    /// The last place that was read from disk.
    loaded_to: u64,
    more: bool,
    /// A part is being read: the next one, or one of a conversation that was held back.
    loading: bool,
    /// What has left the window since: that part may still call it queued.
    settled: BTreeSet<u64>,
    pub(crate) held: HeldConversations,
    /// Changes of state on their way to the disk.
    changing: usize,
    delivered: VecDeque<MessageId>,
}

struct Entry {
    entry: OutboundEntry,
    to: Username,
    sent: bool,
    /// The user is told nothing of it: a tombstone, or one that was settled before.
    quiet: bool,
}

impl Outbox {
    /// Whether everything queued is stored or failed, and on disk as such.
    pub(crate) fn is_empty(&self) -> bool {
        let nothing_waits = self.window.is_empty() && self.held.is_empty();
        nothing_waits && !self.more && !self.loading && self.changing == 0
    }

    /// Something is queued that is not in memory.
    pub(crate) const fn more_on_disk(&mut self) {
        self.more = true;
    }

    /// What was sent is unanswered for good.
    pub(crate) fn disconnected(&mut self) {
        self.held.disconnected();
        let held = &mut self.held;
        self.window.retain(|_, entry| {
            entry.sent = false;
            let message = &entry.entry.message;
            held.put_back(&message.conversation, message.sequence);
            !held.contains(&message.conversation)
        });
    }

    pub(crate) fn timeout(&self) -> Option<Instant> {
        self.held.timeout()
    }

    fn place(&self, id: &MessageId) -> Option<u64> {
        let found = self
            .window
            .iter()
            .find(|(_, entry)| entry.entry.message.message_id == *id);
        found.map(|(place, _)| *place)
    }

    /// The first message that may go now.
    fn next(&self) -> Option<u64> {
        let sent = self.window.values().filter(|entry| entry.sent);
        let (count, bytes) = sent.fold((0usize, 0usize), |(count, bytes), entry| {
            let len = entry.entry.message.sealed.len();
            (count + 1, bytes.saturating_add(len))
        });
        if count >= IN_FLIGHT_MAX {
            return None;
        }
        let mut waiting = self.window.iter();
        let (place, entry) = waiting.find(|(_, entry)| !entry.sent && self.is_first(entry))?;
        let len = entry.entry.message.sealed.len();
        let fits = count == 0 || bytes.saturating_add(len) <= IN_FLIGHT_BYTES_MAX;
        fits.then_some(*place)
    }

    /// Whether no message of the conversation has to go before. Tombstones have late places and
    /// early sequences.
    fn is_first(&self, entry: &Entry) -> bool {
        let message = &entry.entry.message;
        let mut waiting = self.window.values().filter(|other| !other.sent);
        !waiting.any(|other| {
            let other = &other.entry.message;
            other.conversation == message.conversation && other.sequence < message.sequence
        })
    }

    /// The part that was being read is here. Returns what has left the window meanwhile.
    pub(crate) fn loaded(&mut self) -> BTreeSet<u64> {
        self.loading = false;
        core::mem::take(&mut self.settled)
    }

    /// Puts what was read into the window, but for what is there or was.
    pub(crate) fn take_in(&mut self, entries: Vec<OutboundEntry>, settled: &BTreeSet<u64>) {
        for entry in entries {
            // Written by this program as the display form of a name.
            let Ok(to) = Username::parse(&entry.message.recipient) else {
                continue;
            };
            if settled.contains(&entry.number) {
                continue;
            }
            let message = SealedMessage::decode(&entry.message.sealed).ok();
            let kind = message.map(|message| message.unproven_header().kind);
            let quiet = entry.state != OutboxState::Queued || kind == Some(Kind::Tombstone);
            self.window.entry(entry.number).or_insert(Entry {
                entry,
                to,
                sent: false,
                quiet,
            });
        }
    }

    /// Takes a message out that was answered for good.
    fn remove(&mut self, place: u64) -> Option<Entry> {
        let entry = self.window.remove(&place)?;
        if self.loading {
            self.settled.insert(place);
        }
        Some(entry)
    }

    /// Holds a conversation back from `sequence` on: the message in `place` was refused. Those that are
    /// sent stay until they are answered too.
    fn hold(&mut self, now: Instant, place: u64, sequence: u64, why: Why) -> Duration {
        let Some(entry) = self.window.remove(&place) else {
            return Duration::ZERO;
        };
        let conversation = entry.entry.message.conversation;
        self.hold_from(now, (conversation, sequence), &entry.to, why)
    }

    fn hold_from(
        &mut self,
        now: Instant,
        (conversation, sequence): (ConversationId, u64),
        to: &Username,
        why: Why,
    ) -> Duration {
        self.window
            .retain(|_, other| other.sent || other.entry.message.conversation != conversation);
        self.held.hold(now, conversation, to, sequence, why)
    }

    #[cfg(feature = "danger-checking")]
    pub(crate) fn check(&self) -> Result<(), String> {
        let most = WINDOW_LOW + PAGE as usize;
        if self.window.len() > most || self.settled.len() > most {
            let (window, settled) = (self.window.len(), self.settled.len());
            return Err(format!(
                "{window} messages are in the window and {settled} have left it"
            ));
        }
        Ok(())
    }
}

impl Client {
    /// Reads what comes next from disk while there is room in memory.
    pub(crate) fn advance_outbox(&mut self, now: Instant) {
        let outbox = &mut self.outbox;
        outbox.held.advance(now);
        if outbox.loading || outbox.window.len() >= WINDOW_LOW {
            return;
        }
        let window = &outbox.window;
        let next = (outbox.held).next(|conversation| count_of(window, conversation));
        if let Some((conversation, from, limit)) = next {
            outbox.loading = true;
            let list = Op::ListConversation {
                conversation,
                from,
                limit,
            };
            self.desk.store(vec![list], Pending::Held(conversation));
        } else if outbox.more && (outbox.held.is_empty() || !planted!(HeldInTheWay)) {
            outbox.loading = true;
            // What is queued from here on may come after the answer, or before it.
            outbox.more = false;
            let list = Op::ListOutbox {
                states: vec![OutboxState::Queued],
                after: outbox.loaded_to,
                limit: PAGE,
            };
            self.desk.store(vec![list], Pending::Outbox);
        }
    }

    pub(crate) fn outbox_loaded(&mut self, outcomes: Vec<Stored>) {
        let outbox = &mut self.outbox;
        let settled = outbox.loaded();
        for outcome in outcomes {
            let Stored::Outbox(mut entries) = outcome else {
                continue;
            };
            outbox.more |= entries.len() >= PAGE as usize;
            if let Some(last) = entries.last() {
                outbox.loaded_to = outbox.loaded_to.max(last.number);
            }
            // Those of conversations that are held back are read with them.
            entries.retain(|entry| !outbox.held.contains(&entry.message.conversation));
            outbox.take_in(entries, &settled);
        }
    }

    /// The next message to send, if one may go.
    pub(crate) fn next_to_send(&self) -> Option<(u64, Vec<u8>)> {
        let place = self.outbox.next()?;
        let entry = self.outbox.window.get(&place)?;
        let message = &entry.entry.message;
        let sealed = Sealed::try_from(message.sealed.as_slice()).ok()?;
        let send = Send {
            message_id: message.message_id,
            to: entry.to.clone(),
            conversation: message.conversation,
            sequence: message.sequence,
            sealed,
        };
        let bytes = chat::message::SessionClientMessage::from(send).encode();
        Some((place, bytes))
    }

    pub(crate) fn sent(&mut self, place: u64) {
        if let Some(entry) = self.outbox.window.get_mut(&place) {
            entry.sent = true;
        }
    }

    /// The server has a message on its disk.
    pub(crate) fn message_stored(&mut self, id: &MessageId) {
        let Some(place) = self.outbox.place(id) else {
            return;
        };
        if let Some(entry) = self.outbox.remove(place) {
            let message = &entry.entry.message;
            self.outbox
                .held
                .taken(&message.conversation, message.sequence, !entry.quiet);
            self.settle(entry, Delivery::Stored, None);
        }
    }

    /// A recipient's device has a message on its disk.
    pub(crate) fn message_delivered(&mut self, delivered: Delivered) {
        let Delivered { message_id, by } = delivered;
        if self.outbox.delivered.contains(&message_id) {
            return;
        }
        if self.outbox.delivered.len() >= DELIVERED_MAX {
            self.outbox.delivered.pop_front();
        }
        self.outbox.delivered.push_back(message_id);
        self.message_stored(&message_id);
        self.change(message_id, None, by, Delivery::Delivered, None);
    }

    /// The server does not take a message: for good, or not yet.
    pub(crate) fn message_refused(&mut self, now: Instant, refused: &Refused) {
        let id = refused.message_id;
        let Some(place) = self.outbox.place(&id) else {
            return;
        };
        let Some(entry) = self.outbox.window.get(&place) else {
            return;
        };
        let sequence = entry.entry.message.sequence;
        let (to, told) = (entry.to.clone(), !entry.quiet);
        let reason = match refused.refusal {
            Refusal::NoSuchUser => return self.fail_message(place, "there is no such user"),
            Refusal::TooLong => return self.fail_message(place, "too long for this server"),
            Refusal::MailboxFull => "the recipient's mailbox is full",
            Refusal::RateLimited => "too many messages in a short time",
            Refusal::Gap { expected } if expected > sequence => {
                return self.fail_message(place, "the server has another message in its place");
            }
            Refusal::Gap { expected } => {
                // Sequences begin at 1.
                self.outbox.hold(now, place, expected.max(1), Why::Gap);
                return;
            }
            _ => return self.fail_message(place, "the server refuses it"),
        };
        let wait = self.outbox.hold(now, place, sequence, Why::NotYet);
        if told {
            let reason = format!("{reason}; sent again in {} s", wait.as_secs());
            self.desk.status(Status {
                id,
                to,
                state: Delivery::Queued,
                reason: Some(reason),
            });
        }
    }

    fn fail_message(&mut self, place: u64, reason: &str) {
        if let Some(entry) = self.outbox.remove(place) {
            self.settle(entry, Delivery::Failed, Some(reason.to_owned()));
        }
    }

    /// What is queued of these fails.
    pub(crate) fn fail_queued(
        &mut self,
        mut entries: Vec<OutboundEntry>,
        settled: &BTreeSet<u64>,
        reason: &str,
    ) {
        entries.retain(|entry| entry.state == OutboxState::Queued);
        let places: Vec<u64> = entries.iter().map(|entry| entry.number).collect();
        self.outbox.take_in(entries, settled);
        for place in places {
            self.fail_message(place, reason);
        }
    }

    /// A message has left the window.
    fn settle(&mut self, entry: Entry, state: Delivery, reason: Option<String>) {
        let message = entry.entry.message;
        if entry.quiet {
            let set = Op::SetOutboxState {
                message_id: message.message_id,
                state: on_disk(state),
                reason,
            };
            self.desk.store(vec![set], Pending::Note);
        } else {
            let place = (message.conversation, message.sequence);
            self.change(message.message_id, Some(place), entry.to, state, reason);
        }
    }

    /// Moves a message forward on disk; the user is told afterwards.
    fn change(
        &mut self,
        id: MessageId,
        place: Option<(ConversationId, u64)>,
        to: Username,
        state: Delivery,
        reason: Option<String>,
    ) {
        let set = Op::SetOutboxState {
            message_id: id,
            state: on_disk(state),
            reason: reason.clone(),
        };
        let status = Status {
            id,
            to,
            state,
            reason,
        };
        self.outbox.changing += 1;
        self.desk.store(vec![set], Pending::Status(status, place));
    }

    /// A new state is on disk.
    pub(crate) fn state_changed(&mut self, status: Status, outcomes: &[Stored]) {
        self.outbox.changing = self.outbox.changing.saturating_sub(1);
        let is_new = match outcomes {
            // The server may speak of a message that this installation never sent.
            [Stored::NoSuchMessage] => false,
            [Stored::OutboxState(state)] => *state == on_disk(status.state),
            _ => true,
        };
        if is_new {
            self.desk.status(status);
        }
    }

    /// The disk is full: the message stays queued there. What the server has, it has, and that is told; what it
    /// refused for good is offered again, until the disk says so too.
    pub(crate) fn state_not_changed(
        &mut self,
        now: Instant,
        status: Status,
        place: Option<(ConversationId, u64)>,
    ) {
        self.outbox.changing = self.outbox.changing.saturating_sub(1);
        match place {
            Some(place) if status.state == Delivery::Failed => {
                self.outbox.hold_from(now, place, &status.to, Why::NotYet);
                let refused = status.reason.unwrap_or_default();
                self.desk.status(Status {
                    state: Delivery::Queued,
                    reason: Some(format!("{refused}, and the disk is full: tried again")),
                    ..status
                });
            }
            _ => self.desk.status(status),
        }
    }
}

fn count_of(window: &BTreeMap<u64, Entry>, conversation: &ConversationId) -> usize {
    let of = |entry: &&Entry| entry.entry.message.conversation == *conversation;
    window.values().filter(of).count()
}

const fn on_disk(state: Delivery) -> OutboxState {
    match state {
        Delivery::Queued => OutboxState::Queued,
        Delivery::Stored => OutboxState::Stored,
        Delivery::Delivered => OutboxState::Delivered,
        Delivery::Failed => OutboxState::Failed,
    }
}
