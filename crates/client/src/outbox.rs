//! From the outbox to the server.
//!
//! A window of the oldest queued messages is in memory; what is behind it stays on disk. Messages
//! go out in the order of the outbox, several at a time, always the same bytes, again after each
//! reconnection until the server has said *stored*: it knows a repetition by its id. One that the
//! server does not take yet holds back those behind it in its conversation, and no others.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use chat::Username;
use chat::message::{Delivered, MessageId, Refusal, Refused, Sealed, Send};
use e2e::SealedMessage;
use e2e::sealed::Kind;
use store::ConversationId;
use store::device::{Op, OutboundEntry, OutboxState, Outcome as Stored};
use transport::Instant;

use crate::Client;
use crate::event::Delivery;
use crate::work::{Pending, Status};

/// Messages in memory below which more are read.
const WINDOW_LOW: usize = 32;

/// Messages that are read at once.
const PAGE: u32 = 16;

/// Messages sent and not answered.
const IN_FLIGHT_MAX: usize = 32;

/// Bytes sent and not answered; one message always goes.
const IN_FLIGHT_BYTES_MAX: usize = 4 << 20;

/// First wait after a refusal that is not final; doubles.
const HOLD_MIN: Duration = Duration::from_secs(1);

/// Longest wait after a refusal that is not final.
const HOLD_MAX: Duration = Duration::from_secs(60);

/// Messages whose delivery was told lately: each recipient's device makes the server say so.
const DELIVERED_MAX: usize = 256;

#[derive(Default)]
pub(crate) struct Outbox {
    /// By place in the outbox.
    window: BTreeMap<u64, Entry>,
    /// The last place that was read from disk.
    loaded_to: u64,
    more: bool,
    loading: bool,
    holds: BTreeMap<ConversationId, Hold>,
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

struct Hold {
    /// `None` once the wait is over.
    until: Option<Instant>,
    wait: Duration,
}

impl Outbox {
    /// Whether everything queued is stored or failed, and on disk as such.
    pub(crate) fn is_empty(&self) -> bool {
        self.window.is_empty() && !self.more && !self.loading && self.changing == 0
    }

    /// Something is queued that is not in memory.
    pub(crate) const fn more_on_disk(&mut self) {
        self.more = true;
    }

    /// What was sent is unanswered for good.
    pub(crate) fn disconnected(&mut self) {
        for entry in self.window.values_mut() {
            entry.sent = false;
        }
        self.holds.clear();
    }

    pub(crate) fn timeout(&self) -> Option<Instant> {
        self.holds.values().filter_map(|hold| hold.until).min()
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
        let held = |entry: &Entry| {
            let hold = self.holds.get(&entry.entry.message.conversation);
            hold.is_some_and(|hold| hold.until.is_some())
        };
        let mut waiting = self.window.iter();
        let (place, entry) =
            waiting.find(|(_, entry)| !entry.sent && !held(entry) && self.is_first(entry))?;
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

    /// Conversation, sequence and recipient of the message in `place`.
    pub(crate) fn at(&self, place: u64) -> Option<(ConversationId, u64, Username)> {
        let entry = self.window.get(&place)?;
        let message = &entry.entry.message;
        Some((message.conversation, message.sequence, entry.to.clone()))
    }

    /// Whether a message of this sequence is in the window.
    pub(crate) fn has(&self, conversation: &ConversationId, sequence: u64) -> bool {
        self.window.values().any(|entry| {
            let message = &entry.entry.message;
            message.conversation == *conversation && message.sequence == sequence
        })
    }

    /// Whether everything queued is in the window.
    pub(crate) const fn is_loaded(&self) -> bool {
        !self.more && !self.loading
    }

    /// Sends a message again that the server had taken.
    pub(crate) fn send_again(&mut self, entry: OutboundEntry, to: Username) {
        let entry = Entry {
            entry,
            to,
            sent: false,
            quiet: true,
        };
        self.window.insert(entry.entry.number, entry);
    }

    /// Ends the wait of a conversation.
    pub(crate) fn release(&mut self, conversation: &ConversationId) {
        if let Some(hold) = self.holds.get_mut(conversation) {
            hold.until = None;
        }
    }

    /// Holds a conversation back from `place` on.
    pub(crate) fn hold(&mut self, now: Instant, place: u64) -> Duration {
        let Some(entry) = self.window.get(&place) else {
            return HOLD_MIN;
        };
        let conversation = entry.entry.message.conversation;
        for later in self.window.range_mut(place..).map(|(_, entry)| entry) {
            if later.entry.message.conversation == conversation {
                later.sent = false;
            }
        }
        let hold = self.holds.entry(conversation).or_insert(Hold {
            until: None,
            wait: HOLD_MIN / 2,
        });
        // Those behind it are refused as well; they do not make the wait longer.
        if hold.until.is_none() {
            hold.wait = hold.wait.saturating_mul(2).min(HOLD_MAX);
            hold.until = Some(now + hold.wait);
        }
        hold.wait
    }
}

impl Client {
    /// Reads what comes next from disk while there is room in memory.
    pub(crate) fn advance_outbox(&mut self, now: Instant) {
        let outbox = &mut self.outbox;
        for hold in outbox.holds.values_mut() {
            if hold.until.is_some_and(|until| until <= now) {
                hold.until = None;
            }
        }
        if outbox.more && !outbox.loading && outbox.window.len() < WINDOW_LOW {
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
        self.outbox.loading = false;
        for outcome in outcomes {
            let Stored::Outbox(entries) = outcome else {
                continue;
            };
            self.outbox.more |= entries.len() >= PAGE as usize;
            for entry in entries {
                self.outbox.loaded_to = self.outbox.loaded_to.max(entry.number);
                // Written by this program as the display form of a name.
                let Ok(to) = Username::parse(&entry.message.recipient) else {
                    continue;
                };
                let message = SealedMessage::decode(&entry.message.sealed).ok();
                let kind = message.map(|message| message.unproven_header().kind);
                let entry = Entry {
                    entry,
                    to,
                    sent: false,
                    quiet: kind == Some(Kind::Tombstone),
                };
                self.outbox.window.insert(entry.entry.number, entry);
            }
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
        if let Some(entry) = self.outbox.window.remove(&place) {
            self.outbox.holds.remove(&entry.entry.message.conversation);
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
        self.change(message_id, by, Delivery::Delivered, None);
    }

    /// The server does not take a message: for good, or not yet.
    pub(crate) fn message_refused(&mut self, now: Instant, refused: &Refused) {
        let id = refused.message_id;
        let Some(place) = self.outbox.place(&id) else {
            return;
        };
        let reason = match refused.refusal {
            Refusal::NoSuchUser => return self.fail_message(place, "there is no such user"),
            Refusal::TooLong => return self.fail_message(place, "too long for this server"),
            Refusal::MailboxFull => "the recipient's mailbox is full",
            Refusal::RateLimited => "too many messages in a short time",
            Refusal::Gap { expected } => return self.gap(now, place, expected),
            _ => return self.fail_message(place, "the server refuses it"),
        };
        let waited = self.outbox.hold(now, place);
        if let Some(entry) = self.outbox.window.get(&place).filter(|entry| !entry.quiet) {
            let reason = format!("{reason}; sent again in {} s", waited.as_secs());
            self.desk.status(Status {
                id,
                to: entry.to.clone(),
                state: Delivery::Queued,
                reason: Some(reason),
            });
        }
    }

    pub(crate) fn fail_message(&mut self, place: u64, reason: &str) {
        if let Some(entry) = self.outbox.window.remove(&place) {
            self.settle(entry, Delivery::Failed, Some(reason.to_owned()));
        }
    }

    /// Nothing of a conversation can be sent any more.
    pub(crate) fn fail_conversation(&mut self, conversation: &ConversationId, reason: &str) {
        let entries = self.outbox.window.iter();
        let of = entries.filter(|(_, entry)| entry.entry.message.conversation == *conversation);
        let places: Vec<u64> = of.map(|(place, _)| *place).collect();
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
            self.change(message.message_id, entry.to, state, reason);
        }
    }

    /// Moves a message forward on disk; the user is told afterwards.
    fn change(&mut self, id: MessageId, to: Username, state: Delivery, reason: Option<String>) {
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
        self.desk.store(vec![set], Pending::Status(status));
    }

    /// A new state is on disk, or the disk is full: then the message stays queued there and is sent
    /// again after the next start.
    pub(crate) fn state_changed(&mut self, status: Status, outcomes: Option<&[Stored]>) {
        self.outbox.changing = self.outbox.changing.saturating_sub(1);
        // The server may speak of a message that this installation never sent.
        if !matches!(outcomes, Some([Stored::NoSuchMessage])) {
            self.desk.status(status);
        }
    }
}

const fn on_disk(state: Delivery) -> OutboxState {
    match state {
        Delivery::Queued => OutboxState::Queued,
        Delivery::Stored => OutboxState::Stored,
        Delivery::Delivered => OutboxState::Delivered,
        Delivery::Failed => OutboxState::Failed,
    }
}
