use std::collections::BTreeSet;

use chat::message::MessageId;
use store::relay::{MemoryStore, Op, Outcome};
use store::{Store, StoreError};

use super::book::hex;
use super::disk::Disk;
use super::journal::record;

/// Follows what is synced on a server's disk, to compare it with what the server says is stored (docs/PROTOCOL.md
/// §7.3) at the moment at which it says so, and not only after a crash.
#[derive(Default)]
pub(super) struct Promises {
    /// What a process would find that began after a crash now.
    store: MemoryStore,
    /// So much of the disk it comes from.
    end: usize,
    /// The messages that have ever come into a mailbox of it.
    kept: BTreeSet<MessageId>,
    /// Those that the server has just named.
    pub(super) named: Vec<MessageId>,
    /// The first that is not there.
    pub(super) broken: Option<String>,
}

impl Promises {
    /// All that were named have to be certain to be on the disk.
    pub(super) fn compare(&mut self, disk: &Disk) {
        if self.named.is_empty() {
            return;
        }
        // An engine in memory does not fail.
        let _ = self.follow(disk.synced());
        for id in self.named.drain(..).filter(|id| !self.kept.contains(id)) {
            let wrong = || {
                format!(
                    "the server says that {} is stored, and its disk does not",
                    hex(&id)
                )
            };
            self.broken.get_or_insert_with(wrong);
        }
    }

    fn follow(&mut self, synced: &[u8]) -> Result<(), StoreError> {
        while let Some((ops, next)) = record::<Op>(synced, self.end, false) {
            self.end = next;
            let outcomes = self.store.commit(&ops)?;
            for (op, outcome) in ops.iter().zip(outcomes) {
                if let (Op::Append(append), Outcome::Stored { .. }) = (op, outcome) {
                    self.kept.insert(append.message_id);
                }
            }
        }
        Ok(())
    }
}
