//! Slow work: how it leaves the machine and how it comes back.

use std::collections::{BTreeMap, VecDeque};

use chat::Username;
use chat::message::MessageId;
use crypto::Random;
use store::device::{Op, Outcome as Stored};
use store::{ConversationId, StoreError};
use transport::ConnectionHandle;

use crate::arrival::Arrived;
use crate::compose::Enqueued;
use crate::event::{Delivery, Event};
use crate::inbox::Batch;
use crate::jobs::{Done, Job};

/// Requests that are not completed, beyond which nothing more that the server says is heard: what it says
/// may ask for work, and it may say it faster than disks are.
pub(crate) const REQUESTS_MAX: usize = 256;

/// Names a request; its completion carries the same. Never used twice by one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(u64);

/// Work to be done elsewhere.
pub struct Request {
    /// What its [`Completion`] has to name.
    pub id: RequestId,
    /// The work.
    pub work: Work,
}

/// What is to be done.
pub enum Work {
    /// A computation without side effects, for any worker: [`Job::run`].
    Job(Job),
    /// A transaction on the installation's store. All of them in the order in which they were
    /// given out, on one thread.
    Store(Vec<Op>),
}

/// What came of a [`Request`].
pub struct Completion {
    /// The request's.
    pub id: RequestId,
    /// The outcome.
    pub outcome: Outcome,
}

/// The outcome of a [`Request`].
pub enum Outcome {
    /// What [`Job::run`] returned.
    Done(Done),
    /// What the store's `commit` returned.
    Stored(Result<Vec<Stored>, StoreError>),
    /// The job panicked.
    Panicked,
}

/// What waits for a request.
pub(crate) enum Pending {
    /// The token for a connection's challenge.
    Solve(ConnectionHandle),
    /// A step of the login on this connection.
    Login(ConnectionHandle),
    /// The keys of the account to be made.
    Identity,
    /// What the installation holds.
    Load,
    /// The new installation's id and key are on disk.
    Found,
    /// Something whose outcome changes nothing.
    Note,
    /// A pin, if there is one on disk.
    Pin(String),
    /// A pin is on disk.
    Pinned(String),
    /// How far a conversation got.
    Conversation(String),
    /// Drafts of a conversation are being sealed.
    Seal(String, Vec<(MessageId, usize)>),
    /// Sealed messages of a conversation are on disk.
    Enqueue(String, Vec<Enqueued>),
    /// The next part of the outbox.
    Outbox,
    /// The next part of a conversation that was held back.
    Held(ConversationId),
    /// Tombstones of a conversation are being sealed.
    Tombstones(ConversationId),
    /// Tombstones of a conversation are on disk.
    Buried(ConversationId),
    /// A message's new state is on disk; where it is in its conversation, if it was refused or stored.
    Status(Status, Option<(ConversationId, u64)>),
    /// Messages that came out of the mailbox over this connection are on disk.
    Arrive(ConnectionHandle, Vec<Arrived>),
    /// The next part of the inbox.
    Inbox,
    /// What has been seen of the senders of these.
    Seen(Batch),
    /// These are being opened.
    Open(Vec<store::device::Inbound>),
    /// What became of messages is on disk; now it may be told.
    Show(Vec<Event>),
}

/// A message's new state, and whom to tell.
pub(crate) struct Status {
    pub(crate) id: MessageId,
    pub(crate) to: Username,
    pub(crate) state: Delivery,
    pub(crate) reason: Option<String>,
}

/// What all parts of a client write to.
pub(crate) struct Desk {
    pub(crate) random: Box<dyn Random>,
    /// Milliseconds since 1970-01-01 UTC.
    pub(crate) wall_ms: u64,
    events: VecDeque<Event>,
    requests: VecDeque<Request>,
    pending: BTreeMap<RequestId, Pending>,
    next_id: u64,
}

impl Desk {
    pub(crate) fn new(random: Box<dyn Random>) -> Self {
        Self {
            random,
            wall_ms: 0,
            events: VecDeque::new(),
            requests: VecDeque::new(),
            pending: BTreeMap::new(),
            next_id: 0,
        }
    }

    pub(crate) fn emit(&mut self, event: Event) {
        self.events.push_back(event);
    }

    pub(crate) fn job(&mut self, job: Job, pending: Pending) {
        self.request(Work::Job(job), pending);
    }

    pub(crate) fn store(&mut self, ops: Vec<Op>, pending: Pending) {
        self.request(Work::Store(ops), pending);
    }

    fn request(&mut self, work: Work, pending: Pending) {
        let id = RequestId(self.next_id);
        self.next_id = self.next_id.saturating_add(1);
        self.pending.insert(id, pending);
        self.requests.push_back(Request { id, work });
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub(crate) fn poll_request(&mut self) -> Option<Request> {
        self.requests.pop_front()
    }

    /// What waits for a completion; nothing waits for one that is stale.
    pub(crate) fn take(&mut self, id: RequestId) -> Option<Pending> {
        self.pending.remove(&id)
    }

    /// Requests that are not completed.
    pub(crate) fn requests(&self) -> usize {
        self.pending.len()
    }

    /// Events that the user has not taken.
    pub(crate) fn events_waiting(&self) -> usize {
        self.events.len()
    }

    /// Forgets all work, under way or not yet given out.
    pub(crate) fn clear_work(&mut self) {
        self.requests.clear();
        self.pending.clear();
    }

    pub(crate) fn status(&mut self, status: Status) {
        let Status {
            id,
            to,
            state,
            reason,
        } = status;
        self.emit(Event::Status {
            id,
            to,
            state,
            reason,
        });
    }
}
