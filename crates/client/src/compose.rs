//! From a text to sealed bytes in the outbox.
//!
//! Drafts wait in one lane per recipient, in the order in which they were given. A lane seals a few
//! at a time: keys found, place in the conversation known, sealed on a worker, committed. Only then
//! is a draft *queued*; before that it lives in memory alone.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use chat::Username;
use chat::limits::TEXT_LEN_MAX;
use chat::message::MessageId;
use crypto::random_array;
use e2e::conversation::{ConversationId, SendState};
use store::StoreError;
use store::device::{Op, Outbound, Outcome as Stored};
use transport::Instant;
use zeroize::Zeroizing;

use crate::Client;
use crate::event::Delivery;
use crate::jobs::{Job, Recipient, Sealed};
use crate::work::{Pending, Status};

/// Drafts that wait; one more is refused.
pub const DRAFTS_MAX: usize = 1024;

/// Bytes of text that wait; one more message is refused.
pub const DRAFT_BYTES_MAX: usize = 16 << 20;

/// Drafts that are sealed at once.
const BATCH_MAX: usize = 16;

/// Bytes of text that are sealed at once; one draft always is.
const BATCH_BYTES_MAX: usize = 1 << 20;

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// Longer than [`TEXT_LEN_MAX`].
    #[error("a message has at most {TEXT_LEN_MAX} bytes")]
    TooLong,
    /// [`DRAFTS_MAX`] messages, or [`DRAFT_BYTES_MAX`] bytes, wait already.
    #[error("too many messages are waiting to be sealed")]
    Full,
    /// The client is leaving, or has given up.
    #[error("the client is leaving")]
    Leaving,
}

/// A text on its way.
pub struct Draft {
    pub(crate) id: MessageId,
    pub(crate) text: Zeroizing<String>,
    pub(crate) time_ms: u64,
}

#[derive(Default)]
pub(crate) struct Compose {
    /// By the recipient's key.
    lanes: BTreeMap<String, Lane>,
    count: Count,
}

/// Drafts of all lanes, those in work included.
#[derive(Default)]
struct Count {
    drafts: usize,
    bytes: usize,
}

struct Lane {
    to: Username,
    drafts: VecDeque<Draft>,
    state: Option<SendState>,
    busy: bool,
}

impl Compose {
    pub(crate) fn is_empty(&self) -> bool {
        self.count.drafts == 0
    }

    /// Whether the counts are those of the drafts, as far as those are not being sealed, and no lane is
    /// kept for nothing.
    #[cfg(feature = "danger-checking")]
    pub(crate) fn check(&self) -> Result<(), String> {
        let waiting = || self.lanes.values().flat_map(|lane| &lane.drafts);
        let bytes: usize = waiting().map(|draft| draft.text.len()).sum();
        let (drafts, busy) = (waiting().count(), self.lanes.values().any(|lane| lane.busy));
        let Count {
            drafts: counted,
            bytes: counted_bytes,
        } = self.count;
        let fits = counted >= drafts && counted_bytes >= bytes;
        if !fits || (!busy && (counted, counted_bytes) != (drafts, bytes)) {
            return Err(format!(
                "{counted} drafts of {counted_bytes} bytes are counted, and {drafts} of {bytes} wait"
            ));
        }
        let idle = |lane: &Lane| !lane.busy && lane.drafts.is_empty();
        if self.lanes.values().any(idle) {
            return Err("a lane without drafts is kept".to_owned());
        }
        Ok(())
    }

    #[cfg(feature = "danger-checking")]
    pub(crate) const fn drafts(&self) -> usize {
        self.count.drafts
    }
}

impl Count {
    /// A draft is in the outbox, or failed.
    const fn left(&mut self) {
        self.drafts = self.drafts.saturating_sub(1);
    }

    /// A draft's text is gone.
    const fn released(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

impl Lane {
    /// The first few drafts.
    fn batch(&mut self) -> Vec<Draft> {
        let mut batch = Vec::new();
        let mut bytes = 0usize;
        while let Some(next) = self.drafts.front() {
            bytes = bytes.saturating_add(next.text.len());
            if batch.len() >= BATCH_MAX || (!batch.is_empty() && bytes > BATCH_BYTES_MAX) {
                break;
            }
            batch.extend(self.drafts.pop_front());
        }
        batch
    }
}

impl Client {
    /// Takes a text for `to` and names it. `Status` events follow: *queued* once its sealed bytes
    /// are on disk, which needs the recipient's keys and so, for somebody new, a connection; until
    /// then it waits in memory.
    ///
    /// Messages to one recipient keep their order. `text` travels byte for byte.
    ///
    /// # Errors
    /// [`SendError`]; the text was not taken.
    pub fn send(
        &mut self,
        now: Instant,
        to: &Username,
        text: String,
    ) -> Result<MessageId, SendError> {
        let text = Zeroizing::new(text);
        if self.leaving.is_some() || self.is_over() {
            return Err(SendError::Leaving);
        }
        if text.len() > TEXT_LEN_MAX {
            return Err(SendError::TooLong);
        }
        let bytes = self.compose.count.bytes.saturating_add(text.len());
        if self.compose.count.drafts >= DRAFTS_MAX || bytes > DRAFT_BYTES_MAX {
            return Err(SendError::Full);
        }
        let id: MessageId = random_array(&mut self.desk.random);
        let draft = Draft {
            id,
            text,
            time_ms: self.desk.wall_ms,
        };
        self.compose.count.drafts += 1;
        self.compose.count.bytes = bytes;
        let to = self.directory.display(to);
        let lane = self.compose.lanes.entry(to.key().to_owned());
        let lane = lane.or_insert_with(|| Lane {
            to,
            drafts: VecDeque::new(),
            state: None,
            busy: false,
        });
        lane.drafts.push_back(draft);
        self.pump(now);
        Ok(id)
    }

    /// Seals what can be sealed.
    pub(crate) fn advance_compose(&mut self) {
        if self.identity.is_none() {
            return;
        }
        let idle = |lane: &Lane| !lane.busy && !lane.drafts.is_empty();
        let lanes = self.compose.lanes.iter();
        let idle: Vec<Username> = lanes
            .filter(|(_, lane)| idle(lane))
            .map(|(_, lane)| lane.to.clone())
            .collect();
        for to in idle {
            let recipient = if to == self.config.username {
                Recipient::Myself
            } else {
                match self.contact_for_sending(&to) {
                    None => continue,
                    Some(Ok(pin)) => Recipient::Contact(Box::new(pin)),
                    Some(Err(reason)) => {
                        self.fail_drafts_for(to.key(), &reason);
                        continue;
                    }
                }
            };
            self.seal(&to, recipient);
        }
    }

    /// Seals the first drafts of an idle lane, or finds out where the conversation is.
    fn seal(&mut self, to: &Username, recipient: Recipient) {
        let (Some(identity), Some(device)) = (&self.identity, &self.device) else {
            return;
        };
        let Some(lane) = self.compose.lanes.get_mut(to.key()) else {
            return;
        };
        lane.busy = true;
        let lane_key = to.key().to_owned();
        let Some(state) = lane.state.clone() else {
            let conversation = ConversationId::of(self.config.username.key(), to.key()).0;
            let load = Op::LoadConversation { conversation };
            return self.desk.store(vec![load], Pending::Conversation(lane_key));
        };
        let drafts = lane.batch();
        let lent = drafts
            .iter()
            .map(|draft| (draft.id, draft.text.len()))
            .collect();
        let job = Job::Seal {
            identity: Arc::clone(identity),
            recipient,
            device: device.id,
            state,
            manifest: self.directory.head(),
            drafts,
        };
        self.desk.job(job, Pending::Seal(lane_key, lent));
    }

    pub(crate) fn conversation_loaded(
        &mut self,
        lane_key: &str,
        outcomes: &[Stored],
    ) -> Result<(), String> {
        let state = match outcomes {
            [Stored::Conversation(Some(conversation))] => SendState::decode(&conversation.state)
                .map_err(|error| format!("a sending state is damaged: {error}"))?,
            _ => SendState::new(),
        };
        if let Some(lane) = self.compose.lanes.get_mut(lane_key) {
            lane.busy = false;
            lane.state = Some(state);
        }
        Ok(())
    }

    /// Drafts are sealed: into the outbox with them.
    pub(crate) fn drafts_sealed(&mut self, lane_key: &str, sealed: Vec<Sealed>) {
        let Some(lane) = self.compose.lanes.get_mut(lane_key) else {
            return;
        };
        let to = lane.to.clone();
        let conversation = ConversationId::of(self.config.username.key(), lane_key).0;
        let mut ops = Vec::with_capacity(sealed.len());
        let mut enqueued = Vec::with_capacity(sealed.len());
        for Sealed { draft, outcome } in sealed {
            self.compose.count.released(draft.text.len());
            let frozen = match outcome {
                Ok(frozen) => frozen,
                Err(reason) => {
                    self.compose.count.left();
                    self.desk.status(failed(draft.id, &to, Some(reason)));
                    continue;
                }
            };
            let message = Box::new(Outbound {
                conversation,
                sequence: frozen.sequence,
                message_id: draft.id,
                recipient: to.display().to_owned(),
                sealed: frozen.bytes,
                display: None,
                created_ms: draft.time_ms,
            });
            ops.push(Op::Enqueue {
                message,
                state: frozen.state.encode(),
            });
            enqueued.push(Enqueued {
                id: draft.id,
                state: frozen.state,
            });
        }
        if ops.is_empty() {
            self.lane_is_idle(lane_key);
        } else {
            let pending = Pending::Enqueue(lane_key.to_owned(), enqueued);
            self.desk.store(ops, pending);
        }
    }

    /// The outbox has them, or the disk is full.
    pub(crate) fn drafts_enqueued(
        &mut self,
        lane_key: &str,
        enqueued: Vec<Enqueued>,
        outcomes: Result<Vec<Stored>, StoreError>,
    ) {
        let Some(lane) = self.compose.lanes.get_mut(lane_key) else {
            return;
        };
        let (outcomes, full) = match outcomes {
            Ok(outcomes) => (outcomes, None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        let mut outcomes = outcomes.into_iter();
        for Enqueued { id, state } in enqueued {
            self.compose.count.left();
            if let Some(Stored::Enqueued { .. }) = outcomes.next() {
                lane.state = Some(state);
                self.desk.status(Status {
                    state: Delivery::Queued,
                    ..failed(id, &lane.to, None)
                });
            } else {
                // Whatever holds the place, the disk knows the next one.
                lane.state = None;
                let taken = || "its place in the conversation was taken".to_owned();
                let reason = full.clone().unwrap_or_else(taken);
                self.desk.status(failed(id, &lane.to, Some(reason)));
            }
        }
        self.lane_is_idle(lane_key);
        self.outbox.more_on_disk();
    }

    fn lane_is_idle(&mut self, lane_key: &str) {
        if let Some(lane) = self.compose.lanes.get_mut(lane_key) {
            lane.busy = false;
            if lane.drafts.is_empty() {
                self.compose.lanes.remove(lane_key);
            }
        }
    }

    /// Sealing panicked: what was in hand is lost, and says so.
    pub(crate) fn sealing_failed(&mut self, lane_key: &str, lent: &[(MessageId, usize)]) {
        let Some(lane) = self.compose.lanes.get(lane_key) else {
            return;
        };
        for (id, bytes) in lent {
            self.compose.count.left();
            self.compose.count.released(*bytes);
            let reason = Some("sealing failed".to_owned());
            self.desk.status(failed(*id, &lane.to, reason));
        }
        if !planted!(SealingFailedKeepsLane) {
            self.lane_is_idle(lane_key);
        }
    }

    /// Gives up what waits in memory: nobody would come back for it.
    pub(crate) fn fail_all_drafts(&mut self, reason: &str) {
        let lanes: Vec<String> = self.compose.lanes.keys().cloned().collect();
        for lane in lanes {
            self.fail_drafts_for(&lane, reason);
        }
    }

    /// Nothing can be sealed for this recipient: its drafts fail, and nothing of them was sent.
    pub(crate) fn fail_drafts_for(&mut self, lane_key: &str, reason: &str) {
        let Some(lane) = self.compose.lanes.get_mut(lane_key) else {
            return;
        };
        for draft in core::mem::take(&mut lane.drafts) {
            self.compose.count.left();
            self.compose.count.released(draft.text.len());
            let reason = Some(reason.to_owned());
            self.desk.status(failed(draft.id, &lane.to, reason));
        }
        if !lane.busy {
            self.compose.lanes.remove(lane_key);
        }
    }
}

/// A draft that is in the outbox now.
pub(crate) struct Enqueued {
    id: MessageId,
    /// The conversation's state behind it.
    state: SendState,
}

fn failed(id: MessageId, to: &Username, reason: Option<String>) -> Status {
    Status {
        id,
        to: to.clone(),
        state: Delivery::Failed,
        reason,
    }
}
