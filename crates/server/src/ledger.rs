//! Group commit: what all connections want of the store, a batch at a time.

use chat::Username;
use chat::message::MessageId;
use store::relay::{Account, Op, Outcome};
use store::{Store, StoreError};
use transport::ConnectionHandle;

use crate::limits::{BATCH_BYTES_MAX, BATCH_OPS_MAX};

/// A transaction for the store: [`StoreBatch::commit`], on the one thread that owns it, batch after
/// batch in the order in which they were given out.
#[derive(Debug)]
pub struct StoreBatch {
    id: u64,
    ops: Vec<Op>,
}

/// What came of a [`StoreBatch`].
#[derive(Debug)]
pub struct StoreDone {
    id: u64,
    ops: Vec<Op>,
    result: Result<Vec<Outcome>, StoreError>,
}

impl StoreBatch {
    /// Runs the batch; returns when it is durable.
    pub fn commit(
        self,
        store: &mut (impl Store<Op = Op, Outcome = Outcome> + ?Sized),
    ) -> StoreDone {
        let result = store.commit(&self.ops);
        StoreDone {
            id: self.id,
            ops: self.ops,
            result,
        }
    }

    /// The operations.
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }
}

/// What an operation was for.
#[derive(Debug)]
pub(crate) enum Then {
    /// A login goes on.
    Login(ConnectionHandle),
    /// Whether an account may be made with this invitation.
    Invite(ConnectionHandle, Box<Account>, Username, String),
    /// An account is made, and this invitation used up.
    Insert(ConnectionHandle, Username, Option<String>),
    /// An answer to a `Lookup`.
    Lookup(ConnectionHandle, u64),
    /// An answer to a `Send` of so many bytes.
    Send(ConnectionHandle, MessageId, usize),
    /// A page of a mailbox.
    Read(ConnectionHandle),
    /// What a device was not told while it was away.
    Notices(ConnectionHandle),
    /// Senders of these messages may be told.
    Acknowledge(ConnectionHandle, Vec<MessageId>),
    /// The devices of an account that a device has just logged in to.
    Devices(String),
    /// The devices of an account whose mailbox is full.
    Room(String),
    /// The last directory before this process.
    DirectoryVersion,
    /// A page of accounts.
    Accounts,
    /// The version of a directory is remembered.
    DirectoryStored,
    /// Nothing depends on it.
    Nothing,
}

/// An operation that is done.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) op: Op,
    pub(crate) then: Then,
    pub(crate) outcome: Outcome,
}

/// Operations that did not happen.
#[derive(Debug)]
pub(crate) struct Unsettled {
    pub(crate) error: StoreError,
    pub(crate) wanted: Vec<(Op, Then)>,
}

/// Collects operations while a batch is in flight.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    ops: Vec<Op>,
    thens: Vec<Then>,
    bytes: usize,
    in_flight: Option<(u64, Vec<Then>)>,
    next_id: u64,
}

impl Ledger {
    pub(crate) fn push(&mut self, op: Op, then: Then) {
        if let Op::Append(append) = &op {
            self.bytes = self.bytes.saturating_add(append.sealed.len());
        }
        self.ops.push(op);
        self.thens.push(then);
    }

    /// Whether nothing more should be taken from anybody until the next batch is given out.
    pub(crate) fn is_full(&self) -> bool {
        self.ops.len() >= BATCH_OPS_MAX || self.bytes >= BATCH_BYTES_MAX
    }

    pub(crate) fn is_in_flight(&self) -> bool {
        self.in_flight.is_some()
    }

    /// Whether nothing waits and nothing is in flight.
    pub(crate) fn is_idle(&self) -> bool {
        self.ops.is_empty() && self.in_flight.is_none()
    }

    /// All that has been collected, unless the last batch is still in flight.
    pub(crate) fn take(&mut self) -> Option<StoreBatch> {
        let busy = self.in_flight.is_some() && !planted!(BatchInFlightForgotten);
        if busy || self.ops.is_empty() {
            return None;
        }
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        self.bytes = 0;
        self.in_flight = Some((id, core::mem::take(&mut self.thens)));
        let ops = core::mem::take(&mut self.ops);
        Some(StoreBatch { id, ops })
    }

    /// The batch in flight is done. `None`: that is not it.
    pub(crate) fn settle(&mut self, done: StoreDone) -> Option<Result<Vec<Settled>, Unsettled>> {
        let (_, thens) = self.in_flight.take_if(|(id, _)| *id == done.id)?;
        if thens.len() != done.ops.len() {
            return None;
        }
        let wanted = done.ops.into_iter().zip(thens);
        Some(match done.result {
            Ok(outcomes) if outcomes.len() == wanted.len() => Ok(wanted
                .zip(outcomes)
                .map(|((op, then), outcome)| Settled { op, then, outcome })
                .collect()),
            Ok(_) => return None,
            Err(error) => Err(Unsettled {
                error,
                wanted: wanted.collect(),
            }),
        })
    }

    /// Whether an operation changes nothing, so that it can be tried again on a full disk.
    pub(crate) fn is_load(op: &Op) -> bool {
        matches!(
            op,
            Op::LoadAccount { .. }
                | Op::ListAccounts { .. }
                | Op::ListDevices { .. }
                | Op::ReadAfter { .. }
                | Op::LoadNotices { .. }
                | Op::LoadMeta { .. }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::relay::MemoryStore;

    fn load(key: &str) -> Op {
        Op::LoadMeta { key: key.into() }
    }

    #[test]
    fn one_batch_is_in_flight_and_the_next_collects() {
        let mut store = MemoryStore::default();
        let mut ledger = Ledger::default();
        assert!(ledger.take().is_none());
        ledger.push(load("a"), Then::Accounts);
        ledger.push(load("b"), Then::Accounts);
        let first = ledger.take().unwrap();
        assert_eq!(first.ops().len(), 2);
        ledger.push(load("c"), Then::Accounts);
        assert!(ledger.take().is_none(), "the first is still in flight");
        let settled = ledger.settle(first.commit(&mut store)).unwrap().unwrap();
        assert_eq!(settled.len(), 2);
        assert_eq!(ledger.take().unwrap().ops(), [load("c")]);
    }

    #[test]
    fn a_ledger_is_full_by_count_or_by_bytes_until_it_is_taken() {
        let append = |bytes| {
            Op::Append(Box::new(store::relay::Append {
                recipient: "alice".into(),
                sender: "bob".into(),
                sending_device: [1; 16],
                conversation: [1; 16],
                sequence: 1,
                message_id: [1; 16],
                sealed: vec![0; bytes],
                now_ms: 1,
                quota: store::relay::Quota {
                    messages: 1,
                    bytes: 1,
                },
                remember_full: false,
            }))
        };
        let mut ledger = Ledger::default();
        ledger.push(append(BATCH_BYTES_MAX - 1), Then::Accounts);
        assert!(!ledger.is_full());
        ledger.push(append(1), Then::Accounts);
        assert!(ledger.is_full());
        let batch = ledger.take().unwrap();
        assert!(!ledger.is_full());
        for _ in 0..BATCH_OPS_MAX {
            assert!(!ledger.is_full());
            ledger.push(load("a"), Then::Accounts);
        }
        assert!(ledger.is_full());
        drop(batch);
    }

    #[test]
    fn a_batch_is_settled_once_and_only_whole() {
        let mut store = MemoryStore::default();
        let mut ledger = Ledger::default();
        ledger.push(load("a"), Then::Accounts);
        let batch = ledger.take().unwrap();
        let mut short = StoreBatch {
            id: batch.id,
            ops: batch.ops.clone(),
        }
        .commit(&mut store);
        short.result = Ok(Vec::new());
        let again = StoreBatch {
            id: batch.id,
            ops: batch.ops.clone(),
        };
        assert!(ledger.settle(short).is_none());
        assert!(ledger.settle(again.commit(&mut store)).is_none());
    }
}
