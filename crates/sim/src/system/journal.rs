//! A store in memory that outlives its process: every transaction that writes is a record in a log,
//! and whoever opens the log applies them again.
//!
//! ```text
//! record = length u32, checksum u64 over length and transaction, transaction (postcard)
//! ```
//!
//! A transaction is durable when its record is synced. The log ends before the first record that is
//! not whole: what a crash has torn never happened.

use serde::Serialize;
use serde::de::DeserializeOwned;
use store::{Store, StoreError, device, relay};

use super::disk::Disk;
use super::plan::SystemBug;
use crate::Rng;

/// A store in memory of one schema.
pub(super) trait Engine: Store + Default {
    /// The bug of answering before syncing.
    const EARLY: SystemBug;

    /// Whether an operation changes nothing.
    fn is_load(op: &Self::Op) -> bool;
}

impl Engine for relay::MemoryStore {
    const EARLY: SystemBug = SystemBug::ServerAnswersEarly;

    fn is_load(op: &relay::Op) -> bool {
        use relay::Op;
        matches!(
            op,
            Op::LoadAccount { .. }
                | Op::ListAccounts { .. }
                | Op::CountDemoAccounts
                | Op::ListDevices { .. }
                | Op::ReadAfter { .. }
                | Op::LoadNotices { .. }
                | Op::LoadMeta { .. }
        )
    }
}

impl Engine for device::MemoryStore {
    const EARLY: SystemBug = SystemBug::ClientAnswersEarly;

    fn is_load(op: &device::Op) -> bool {
        use device::Op;
        matches!(
            op,
            Op::LoadOutbound { .. }
                | Op::ListOutbox { .. }
                | Op::ListConversation { .. }
                | Op::ListInbound { .. }
                | Op::FindInbound { .. }
                | Op::LoadContact { .. }
                | Op::ListContacts
                | Op::LoadConversation { .. }
                | Op::LoadSeen { .. }
                | Op::LoadMeta { .. }
        )
    }
}

/// What goes wrong with a transaction that writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DiskFault {
    /// There is no room.
    Full,
    /// Writing fails half way.
    Write,
    /// Everything is written, and syncing fails.
    Sync,
}

/// An engine and its log.
pub(super) struct Journal<E> {
    engine: E,
    disk: Disk,
    /// A transaction's record is written and not synced, or could not be written.
    written: Option<Result<(), StoreError>>,
    /// Syncing it will fail.
    sync_fails: bool,
    stopped: Option<String>,
    bug: Option<SystemBug>,
    /// Transactions so far.
    count: u64,
}

const HEADER_LEN: usize = 12;

impl<E> Journal<E>
where
    E: Engine,
    E::Op: Serialize + DeserializeOwned,
{
    /// What a process finds that begins with this disk.
    pub(super) fn open(disk: Disk) -> Self {
        Self::open_with(disk, None)
    }

    /// The same, with something wrong about it.
    pub(super) fn open_with(mut disk: Disk, bug: Option<SystemBug>) -> Self {
        let mut engine = E::default();
        let mut end = 0;
        let believes = bug == Some(SystemBug::TornIsBelieved);
        while let Some((ops, next)) = record::<E::Op>(disk.bytes(), end, believes) {
            // An engine in memory does not fail.
            let _ = engine.commit(&ops);
            end = next;
        }
        disk.truncate(end);
        Self {
            engine,
            disk,
            written: None,
            sync_fails: false,
            stopped: None,
            bug,
            count: 0,
        }
    }

    /// The power fails while it is at work.
    pub(super) fn crash(mut self, rng: &mut Rng) -> (Disk, bool) {
        let lost = self.disk.crash(rng);
        (self.disk, lost)
    }

    /// The process ends by itself, and its machine goes on: what was written is there. Of a disk that has
    /// failed nobody knows.
    pub(super) fn end(self, rng: &mut Rng) -> (Disk, bool) {
        if self.stopped.is_some() {
            return self.crash(rng);
        }
        let mut disk = self.disk;
        disk.sync();
        (disk, false)
    }

    pub(super) fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Writes a transaction's record. [`Store::commit`] of the same operations follows, and makes it
    /// durable.
    pub(super) fn write(&mut self, ops: &[E::Op], fault: Option<DiskFault>) {
        let writes = !ops.iter().all(E::is_load);
        if !writes || self.stopped.is_some() {
            return;
        }
        let bytes = encode(ops);
        let half = bytes.get(..bytes.len() / 2).unwrap_or_default();
        self.count += 1;
        let forgets = self.bug == Some(SystemBug::TransactionsForgotten);
        if forgets && self.count.is_multiple_of(20) {
            self.written = Some(Ok(()));
            return;
        }
        self.sync_fails = fault == Some(DiskFault::Sync);
        self.written = Some(match fault {
            Some(DiskFault::Full) => Err(StoreError::Full),
            Some(DiskFault::Write) => {
                self.disk.append(half);
                Err(StoreError::Io("writing".to_owned()))
            }
            _ => {
                self.disk.append(&bytes);
                Ok(())
            }
        });
    }

    fn sync(&mut self, ops: &[E::Op]) -> Result<(), StoreError> {
        if let Some(reason) = &self.stopped {
            return Err(StoreError::Stopped(reason.clone()));
        }
        if ops.iter().all(E::is_load) {
            return Ok(());
        }
        if self.written.is_none() {
            self.write(ops, None);
        }
        let mut result = self.written.take().unwrap_or(Ok(()));
        if result.is_ok() && core::mem::take(&mut self.sync_fails) {
            result = Err(StoreError::Io("syncing".to_owned()));
        }
        match &result {
            Ok(()) if self.bug == Some(E::EARLY) => {}
            Ok(()) => self.disk.sync(),
            Err(error) if error.is_refusal() => {}
            Err(error) => self.stopped = Some(error.to_string()),
        }
        result
    }
}

impl<E> Store for Journal<E>
where
    E: Engine,
    E::Op: Serialize + DeserializeOwned,
{
    type Op = E::Op;
    type Outcome = E::Outcome;

    fn commit(&mut self, batch: &[E::Op]) -> Result<Vec<E::Outcome>, StoreError> {
        self.sync(batch)?;
        self.engine.commit(batch)
    }
}

fn encode<Op: Serialize>(ops: &[Op]) -> Vec<u8> {
    // Writing to memory does not fail.
    let body = postcard::to_stdvec(ops).unwrap_or_default();
    let len = u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes();
    let sum = checksum(&[&len, &body]).to_le_bytes();
    [&len[..], &sum, &body].concat()
}

/// The record that begins at `at`, if it is whole, and where the next one begins.
pub(super) fn record<Op: DeserializeOwned>(
    bytes: &[u8],
    at: usize,
    believes: bool,
) -> Option<(Vec<Op>, usize)> {
    let (header, rest) = bytes.get(at..)?.split_first_chunk::<HEADER_LEN>()?;
    let (len, sum) = header.split_first_chunk::<4>()?;
    let body_len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
    let body = rest.get(..body_len)?;
    if checksum(&[len, body]).to_le_bytes() != *sum && !believes {
        return None;
    }
    Some((postcard::from_bytes(body).ok()?, at + HEADER_LEN + body_len))
}

/// FNV-1a over 64-bit words.
fn checksum(pieces: &[&[u8]]) -> u64 {
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    for piece in pieces {
        for chunk in piece.chunks(8) {
            let mut word = [0; 8];
            for (to, from) in word.iter_mut().zip(chunk) {
                *to = *from;
            }
            sum = (sum ^ u64::from_le_bytes(word)).wrapping_mul(0x0000_0100_0000_01b3);
            sum ^= sum >> 29;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::device::{MemoryStore, Op, Outcome};

    fn put(value: u8) -> Vec<Op> {
        let key = "key".to_owned();
        let value = vec![value; 2000];
        vec![Op::PutMeta { key, value }]
    }

    fn value(journal: &mut Journal<MemoryStore>) -> Option<u8> {
        let key = "key".to_owned();
        match journal.commit(&[Op::LoadMeta { key }]).as_deref() {
            Ok([Outcome::Meta(blob)]) => blob.as_ref().map(|blob| blob[0]),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn h78_after_a_crash_all_that_was_committed_is_there_and_nothing_by_halves() {
        let mut found = [0; 2];
        for seed in 0..200 {
            let mut rng = Rng::new(seed);
            let mut journal = Journal::<MemoryStore>::open(Disk::default());
            for round in 1..10 {
                journal.commit(&put(round)).unwrap();
                // The next one is on its way.
                journal.write(&put(round + 100), None);
                let (disk, _) = journal.crash(&mut rng);
                journal = Journal::open(disk);
                let value = value(&mut journal);
                assert!(
                    value == Some(round) || value == Some(round + 100),
                    "{value:?}"
                );
                found[usize::from(value > Some(100))] += 1;
            }
        }
        assert!(found.iter().all(|&count| count > 100), "{found:?}");
    }

    #[test]
    fn a_full_disk_refuses_and_goes_on() {
        let mut journal = Journal::<MemoryStore>::open(Disk::default());
        journal.commit(&put(1)).unwrap();
        journal.write(&put(2), Some(DiskFault::Full));
        assert_eq!(journal.commit(&put(2)), Err(StoreError::Full));
        assert_eq!(value(&mut journal), Some(1));
        journal.commit(&put(3)).unwrap();
        let mut journal = Journal::<MemoryStore>::open(journal.disk.clone());
        assert_eq!(value(&mut journal), Some(3));
    }

    #[test]
    fn h79_a_disk_that_fails_stops_the_store_for_good() {
        for fault in [DiskFault::Write, DiskFault::Sync] {
            let mut journal = Journal::<MemoryStore>::open(Disk::default());
            journal.commit(&put(1)).unwrap();
            journal.write(&put(2), Some(fault));
            assert!(matches!(journal.commit(&put(2)), Err(StoreError::Io(_))));
            let stopped = |result| matches!(result, Err(StoreError::Stopped(_)));
            assert!(stopped(journal.commit(&put(3))));
            assert!(stopped(journal.commit(&[Op::ListContacts])));
            let (disk, _) = journal.crash(&mut Rng::new(1));
            let found = value(&mut Journal::open(disk));
            assert!(found == Some(1) || (fault == DiskFault::Sync && found == Some(2)));
        }
    }
}
