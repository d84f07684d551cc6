//! From the disk to the screen.
//!
//! ```text
//! list what is not opened -> open on a worker -> commit "shown" and what was seen -> Event::Message
//! ```
//!
//! Whatever is on disk and not opened goes the same way after a restart. Messages of one sender keep
//! their order; those of a sender who has to be looked up wait, the others do not.

use std::collections::BTreeMap;
use std::sync::Arc;

use chat::Username;
use e2e::SealedMessage;
use e2e::conversation::{Origin, ReceiveState};
use store::device::{Inbound, InboundState, Op, Outcome as Stored};

use crate::Client;
use crate::arrival::Arrivals;
use crate::event::{Event, Message};
use crate::jobs::Job;
use crate::opening::{Item, Opened, Verdict, store_origin};
use crate::work::Pending;

/// Messages that are opened at once.
const PAGE: u32 = 8;

/// Messages whose senders are being looked up; beyond, nothing more is read from disk.
const WAITING_MAX: usize = 32;

/// Receiving states in memory; beyond, all are read from disk again.
const STATES_MAX: usize = 1024;

/// Events that the user has not taken, beyond which nothing more is opened.
const EVENTS_MAX: usize = 256;

#[derive(Default)]
pub(crate) struct Inbox {
    /// What is not on disk yet, or not said to be.
    pub(crate) arrivals: Arrivals,
    /// The last position that was read from disk.
    read_to: u64,
    /// Behind which position the part was asked for that is being read.
    reading_from: u64,
    /// There may be something behind it.
    more: bool,
    /// Batches that are on their way: a part that is read, one that is opened, placeholders.
    busy: usize,
    /// By the sender's key.
    waiting: BTreeMap<String, Vec<Inbound>>,
    states: BTreeMap<Origin, ReceiveState>,
}

/// Messages on their way to a worker.
pub(crate) struct Batch {
    items: Vec<Item>,
    origins: Vec<Origin>,
}

impl Inbox {
    /// The disk took nothing of what was opened; it is read from there again.
    pub(crate) fn forget(&mut self) {
        let (busy, reading_from) = (self.busy.saturating_sub(1), self.reading_from);
        *self = Self {
            busy,
            reading_from,
            ..Self::default()
        };
    }

    /// What waits for its sender is read from disk again. Tells whether there was anything.
    pub(crate) fn put_back(&mut self, sender: &str) -> bool {
        let entries = self.waiting.remove(sender).unwrap_or_default();
        let first = entries.iter().map(|entry| entry.position).min();
        if let Some(first) = first {
            self.read_again_from(first);
        }
        first.is_some()
    }

    /// What is at this position lies on disk unopened.
    pub(crate) fn read_again_from(&mut self, position: u64) {
        self.read_to = self.read_to.min(position.saturating_sub(1));
        self.more = true;
    }

    fn is_waiting(&self, position: u64) -> bool {
        let mut waiting = self.waiting.values().flatten();
        waiting.any(|entry| entry.position == position)
    }

    /// Something may lie on disk unopened.
    pub(crate) const fn more_on_disk(&mut self) {
        self.more = true;
    }

    /// Whether messages that arrived are still to be shown.
    pub(crate) fn is_busy(&self) -> bool {
        self.busy > 0 || self.more || self.arrivals.is_busy()
    }

    fn waiting(&self) -> usize {
        self.waiting.values().map(Vec::len).sum()
    }
}

impl Client {
    /// Moves messages on that are on disk.
    pub(crate) fn advance_inbox(&mut self) {
        let unread = self.desk.events_waiting() < EVENTS_MAX;
        if self.inbox.busy > 0 || !unread || self.identity.is_none() {
            return;
        }
        let found = self.found_senders();
        if !found.is_empty() {
            self.prepare(found);
        } else if self.inbox.more && self.inbox.waiting() < WAITING_MAX {
            self.inbox.busy += 1;
            self.inbox.more = false;
            self.inbox.reading_from = self.inbox.read_to;
            let list = Op::ListInbound {
                state: InboundState::Received,
                after: self.inbox.read_to,
                limit: PAGE,
            };
            self.desk.store(vec![list], Pending::Inbox);
        }
    }

    /// Messages that waited for a pin that is there now.
    fn found_senders(&mut self) -> Vec<Inbound> {
        let waiting = self.inbox.waiting.keys().cloned();
        for key in waiting.collect::<Vec<_>>() {
            let Ok(name) = Username::parse(&key) else {
                continue;
            };
            if self.contact_for_opening(&name).is_some() {
                return self.inbox.waiting.remove(&key).unwrap_or_default();
            }
        }
        Vec::new()
    }

    /// The next messages that are not opened.
    pub(crate) fn inbox_listed(&mut self, outcomes: Vec<Stored>) {
        self.inbox.busy = self.inbox.busy.saturating_sub(1);
        // What lies before is wanted again.
        let goes_back = self.inbox.read_to < self.inbox.reading_from;
        self.inbox.more |= goes_back;
        let mut ready = Vec::new();
        for outcome in outcomes {
            let Stored::Inbox(entries) = outcome else {
                continue;
            };
            if entries.len() >= PAGE as usize {
                self.inbox.more = true;
            }
            for entry in entries {
                if !goes_back {
                    self.inbox.read_to = self.inbox.read_to.max(entry.position);
                }
                if self.inbox.is_waiting(entry.position) {
                    continue;
                }
                match self.sender_to_find(&entry) {
                    None => ready.push(entry),
                    Some(key) => self.inbox.waiting.entry(key).or_default().push(entry),
                }
            }
        }
        if !ready.is_empty() {
            self.prepare(ready);
        }
    }

    /// The sender whose pin a message has to wait for.
    fn sender_to_find(&mut self, entry: &Inbound) -> Option<String> {
        let message = SealedMessage::decode(&entry.sealed).ok()?;
        let name = Username::parse(&message.unproven_header().sender).ok()?;
        if name == self.config.username {
            return None;
        }
        let waits = self.inbox.waiting.contains_key(name.key());
        let waits = waits || self.contact_for_opening(&name).is_none();
        waits.then(|| name.key().to_owned())
    }

    /// Gathers what is needed to open these: pins from memory, the rest from disk.
    fn prepare(&mut self, entries: Vec<Inbound>) {
        self.inbox.busy += 1;
        if self.inbox.states.len() > STATES_MAX {
            self.inbox.states.clear();
        }
        let mut items = Vec::with_capacity(entries.len());
        let mut origins: Vec<Origin> = Vec::new();
        let mut ops = Vec::new();
        for inbound in entries {
            let message = SealedMessage::decode(&inbound.sealed).ok();
            let header = message.as_ref().map(SealedMessage::unproven_header);
            let pin = header.and_then(|header| self.contacts.pin(&header.sender).cloned());
            let origin = header.map(|header| header.origin());
            origins.extend(origin.filter(|origin| !origins.contains(origin)));
            ops.push(Op::FindInbound {
                message_id: inbound.message_id,
            });
            items.push(Item {
                inbound,
                pin,
                seen_before: false,
            });
        }
        origins.retain(|origin| !self.inbox.states.contains_key(origin));
        ops.extend(origins.iter().map(|origin| Op::LoadSeen {
            origin: store_origin(origin),
        }));
        self.desk
            .store(ops, Pending::Seen(Batch { items, origins }));
    }

    /// What has been seen of the senders is known: off to a worker.
    pub(crate) fn seen_loaded(
        &mut self,
        batch: Batch,
        outcomes: Vec<Stored>,
    ) -> Result<(), String> {
        let Batch { mut items, origins } = batch;
        let mut outcomes = outcomes.into_iter();
        for (item, outcome) in items.iter_mut().zip(&mut outcomes) {
            if let Stored::Found(places) = outcome {
                let opened = |place: &(u64, InboundState)| place.1 == InboundState::Opened;
                item.seen_before = places.iter().any(opened);
            }
        }
        for (origin, outcome) in origins.into_iter().zip(outcomes) {
            let state = match outcome {
                Stored::Seen(Some(bytes)) => ReceiveState::decode(origin, &bytes)
                    .map_err(|error| format!("a receiving state is damaged: {error}"))?,
                _ => ReceiveState::new(origin),
            };
            self.inbox.states.insert(origin, state);
        }
        let (Some(identity), Some(device)) = (&self.identity, &self.device) else {
            return Ok(());
        };
        let placeholders = items.iter().map(|item| Inbound {
            sealed: Vec::new(),
            ..item.inbound.clone()
        });
        let pending = Pending::Open(placeholders.collect());
        let job = Job::Open {
            identity: Arc::clone(identity),
            device: device.id,
            states: self.states_for(&items),
            items,
        };
        self.desk.job(job, pending);
        Ok(())
    }

    fn states_for(&self, items: &[Item]) -> BTreeMap<Origin, ReceiveState> {
        let mut states = BTreeMap::new();
        for item in items {
            if let Ok(message) = SealedMessage::decode(&item.inbound.sealed) {
                let origin = message.unproven_header().origin();
                if let Some(state) = self.inbox.states.get(&origin) {
                    states.insert(origin, state.clone());
                }
            }
        }
        states
    }

    /// A batch came back: commits what became of it, to tell it afterwards.
    pub(crate) fn opened(&mut self, opened: Opened) {
        let mut ops = Vec::new();
        let mut events = Vec::new();
        for (inbound, verdict) in opened.items {
            let state = match verdict {
                Verdict::Quiet => InboundState::Opened,
                Verdict::Show(message, manifest) => {
                    self.compare_directories(&message.from, manifest, &mut events);
                    let message = self.with_display_names(*message, &inbound);
                    events.push(Event::Message(message));
                    InboundState::Opened
                }
                Verdict::Unreadable(reason) => {
                    events.extend(placeholder(&inbound, reason));
                    InboundState::Unreadable
                }
                Verdict::KeyChanged(sender) => {
                    self.suspect(&sender);
                    let reason = "it is signed by another key than the sender's pinned one";
                    events.extend(placeholder(&inbound, reason.to_owned()));
                    InboundState::Unreadable
                }
            };
            ops.push(set_state(&inbound, state));
        }
        for (origin, state) in opened.states {
            let before = self.inbox.states.get(&origin);
            ops.push(Op::RecordSeen {
                origin: store_origin(&origin),
                expected: before
                    .filter(|state| state.highest() > 0)
                    .map(ReceiveState::encode),
                state: state.encode(),
            });
            self.inbox.states.insert(origin, state);
        }
        self.desk.store(ops, Pending::Show(events));
    }

    /// The worker failed on a batch: placeholders, so that it is not tried for ever.
    pub(crate) fn opening_failed(&mut self, batch: &[Inbound]) {
        self.inbox.busy = self.inbox.busy.saturating_sub(1);
        self.unreadable(batch, "opening it failed");
    }

    /// A sender could not be found: its messages stay as placeholders.
    pub(crate) fn fail_waiting_from(&mut self, sender: &str, reason: &str) {
        if let Some(entries) = self.inbox.waiting.remove(sender) {
            self.unreadable(
                &entries,
                &format!("its sender's key is not known: {reason}"),
            );
        }
    }

    fn unreadable(&mut self, entries: &[Inbound], reason: &str) {
        let events = entries.iter();
        let events = events.filter_map(|inbound| placeholder(inbound, reason.to_owned()));
        let events = events.collect();
        let ops = entries.iter();
        let ops = ops.map(|inbound| set_state(inbound, InboundState::Unreadable));
        let ops = ops.collect();
        self.inbox.busy += 1;
        self.desk.store(ops, Pending::Show(events));
    }

    /// That messages are shown is on disk: shows them.
    pub(crate) fn show(
        &mut self,
        mut events: Vec<Event>,
        outcomes: &[Stored],
    ) -> Result<(), String> {
        self.inbox.busy = self.inbox.busy.saturating_sub(1);
        let conflict = |outcome: &Stored| matches!(outcome, Stored::SeenConflict { .. });
        if outcomes.iter().any(conflict) {
            return Err("somebody else has written to it".to_owned());
        }
        if planted!(ShownOutOfOrder) {
            events.reverse();
        }
        for event in events {
            if planted!(ShownTwice) {
                self.desk.emit(event.clone());
            }
            self.desk.emit(event);
        }
        Ok(())
    }

    /// Names as their owners spell them; the sealed message has only their mapped forms.
    fn with_display_names(&self, message: Message, inbound: &Inbound) -> Message {
        let by_server = Username::parse(&inbound.sender).ok();
        let by_server = by_server.filter(|name| *name == message.from);
        Message {
            from: by_server.unwrap_or_else(|| self.directory.display(&message.from)),
            to: self.directory.display(&message.to),
            ..message
        }
    }
}

fn placeholder(inbound: &Inbound, reason: String) -> Option<Event> {
    Some(Event::Unreadable {
        id: inbound.message_id,
        // Written by this program as the display form of a name.
        from: Username::parse(&inbound.sender).ok()?,
        time_ms: inbound.time_ms,
        reason,
    })
}

fn set_state(inbound: &Inbound, state: InboundState) -> Op {
    Op::SetInboundState {
        position: inbound.position,
        state,
        display: None,
    }
}
