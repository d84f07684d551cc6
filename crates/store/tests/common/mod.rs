//! Numbered batches, and what a store has to hold after some of them.

#![allow(
    clippy::panic,
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "helpers of tests, each of which uses a part"
)]

mod device;
#[cfg(unix)]
mod killed;
mod relay;

use std::fmt::Debug;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) use device::Device;
#[cfg(unix)]
pub(crate) use killed::{DYING_AT, Killed, WRITING};
pub(crate) use relay::Relay;
use store::{SqliteOptions, Store, StoreError};

/// Entries that are kept behind the newest, so that deleting is part of every batch.
const KEPT: u64 = 30;

/// What the tests do with a store, in the terms of one schema.
pub(crate) trait Schema {
    /// Names it to a process of a test.
    const NAME: &'static str;
    type Store: Store<Op = Self::Op, Outcome = Self::Outcome> + Debug;
    type Op;
    type Outcome: PartialEq + Debug;

    fn open_with(path: &Path, options: &SqliteOptions) -> Result<Self::Store, StoreError>;

    /// What batches need. Does nothing when it is repeated.
    fn preparation() -> Vec<Self::Op>;

    /// Batch `number`, from 1: it writes to several tables and deletes from some.
    fn batch(number: u64) -> Vec<Self::Op>;

    /// Whether this came of a batch that was not there before.
    fn is_new(outcomes: &[Self::Outcome], number: u64) -> bool;

    /// Asks everything about the batches.
    fn questions() -> Vec<Self::Op>;

    /// The number of the last batch, from the answers. Checks that this batch and all before are
    /// there, whole.
    fn last(answers: &[Self::Outcome]) -> u64;

    /// What the message of a batch holds.
    fn sealed(number: u64) -> Vec<u8>;

    /// A batch with a message of so many bytes that no other batch deletes, so that the file grows.
    fn fill(number: u64, len: usize) -> Vec<Self::Op>;

    /// Asks for the number of the last such batch.
    fn filled() -> Self::Op;

    /// A number that is asked for.
    fn meta(outcome: &Self::Outcome) -> u64;

    /// Deletes the messages of so many such batches.
    fn make_room(messages: u32) -> (Self::Op, Self::Outcome);
}

/// A number as a batch has written it, 0 for none.
fn value(stored: Option<&[u8]>) -> u64 {
    stored.map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().unwrap()))
}

/// Waits for the other tests of this process that open stores or start processes: a process that is being
/// started holds copies of all open files, locks included, until it has become another program.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn reopen<S: Schema>(path: &Path) -> Result<S::Store, StoreError> {
    S::open_with(path, &SqliteOptions::default())
}

/// Opens the store at `path` and prepares it for numbered batches.
pub(crate) fn open<S: Schema>(path: &Path) -> S::Store {
    let mut store = reopen::<S>(path).unwrap();
    store.commit(&S::preparation()).unwrap();
    store
}

/// The number of the last batch. Checks that this batch and all before are there, whole.
pub(crate) fn last_batch<S: Schema>(store: &mut S::Store) -> Result<u64, StoreError> {
    Ok(S::last(&store.commit(&S::questions())?))
}

/// The number of the last batch that fills the file.
pub(crate) fn filled<S: Schema>(store: &mut S::Store) -> u64 {
    S::meta(&store.commit(&[S::filled()]).unwrap()[0])
}
