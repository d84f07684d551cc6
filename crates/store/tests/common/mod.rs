//! Numbered batches, and what a store has to hold after some of them.

#![allow(
    clippy::panic,
    dead_code,
    reason = "helpers of tests, each of which uses a part"
)]

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use store::relay::{Account, Append, Credentials, Op, Outcome, Quota, SqliteStore};
use store::{Store, StoreError};

/// Entries that are kept behind the newest, so that deleting is part of every batch.
const KEPT: u64 = 30;
const DEVICE: [u8; 16] = [7; 16];

/// Waits for the other tests of this process that open stores or start processes: a process that is being
/// started holds copies of all open files, locks included, until it has become another program.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens the store at `path` and prepares it for numbered batches.
pub(crate) fn open(path: &Path) -> SqliteStore {
    let mut store = SqliteStore::open(path).unwrap();
    store.commit(&preparation()).unwrap();
    store
}

/// Does nothing when it is repeated.
pub(crate) fn preparation() -> Vec<Op> {
    let credentials = Credentials {
        opaque_record: vec![1; 192],
        key_bag: vec![2; 3000],
        key_bag_version: 1,
        key_bag_hash: [3; 32],
        sig_key: vec![4; 422],
        sig_fingerprint: [5; 32],
        enc_key: vec![6; 422],
        enc_fingerprint: [7; 32],
        enc_certificate: vec![8; 384],
    };
    let account = Account {
        name: "bob".into(),
        display_name: "Bob".into(),
        credentials,
        created_ms: 1,
        demo: true,
    };
    let touch = Op::TouchDevice {
        account: "bob".into(),
        device: DEVICE,
        device_key: [9; 32],
        now_ms: 1,
    };
    vec![Op::InsertAccount(Box::new(account)), touch]
}

/// Batch `number`, from 1: it writes to several tables and deletes from some.
pub(crate) fn batch(number: u64) -> Vec<Op> {
    let meta = |key: &str| Op::PutMeta {
        key: key.into(),
        value: number.to_be_bytes().to_vec(),
    };
    vec![
        meta("first"),
        Op::Append(Box::new(message(number))),
        Op::Acknowledge {
            account: "bob".into(),
            device: DEVICE,
            position: number.saturating_sub(KEPT),
        },
        meta("last"),
    ]
}

pub(crate) fn message(number: u64) -> Append {
    let mut message_id = [0; 16];
    message_id[..8].copy_from_slice(&number.to_be_bytes());
    // Some fit into a page, some take many.
    let len = usize::try_from(number % 5 * 9_000 + 100).unwrap();
    Append {
        recipient: "bob".into(),
        sender: "alice".into(),
        sending_device: [1; 16],
        conversation: [2; 16],
        sequence: number,
        message_id,
        sealed: number.to_be_bytes().into_iter().cycle().take(len).collect(),
        now_ms: number,
        quota: Quota {
            messages: 1_000_000,
            bytes: u64::MAX,
        },
        remember_full: true,
    }
}

/// Asks everything about the batches.
pub(crate) fn questions() -> Vec<Op> {
    vec![
        Op::LoadMeta {
            key: "first".into(),
        },
        Op::LoadMeta { key: "last".into() },
        Op::LoadAccount { name: "bob".into() },
        Op::ListDevices {
            account: "bob".into(),
        },
        Op::ReadAfter {
            account: "bob".into(),
            device: DEVICE,
            after: None,
            max_messages: u32::MAX,
            max_bytes: u64::MAX,
        },
    ]
}

/// The number of the last batch. Checks that this batch and all before are there, whole.
pub(crate) fn last_batch(store: &mut SqliteStore) -> Result<u64, StoreError> {
    let outcomes = store.commit(&questions())?;
    let number = |outcome: &Outcome| match outcome {
        Outcome::Meta(None) => 0,
        Outcome::Meta(Some(value)) => u64::from_be_bytes(value.as_slice().try_into().unwrap()),
        other => panic!("{other:?}"),
    };
    let last = number(&outcomes[0]);
    assert_eq!(number(&outcomes[1]), last, "half a batch");
    match outcomes.last() {
        Some(Outcome::Entries(entries)) => {
            let first = last.saturating_sub(KEPT) + 1;
            assert_eq!(entries.len(), usize::try_from(last + 1 - first).unwrap());
            for (entry, number) in entries.iter().zip(first..) {
                assert_eq!(entry.position, number);
                assert_eq!(entry.sealed, message(number).sealed);
            }
        }
        Some(Outcome::NoSuchDevice) => assert_eq!(last, 0, "messages without a device"),
        other => panic!("{other:?}"),
    }
    Ok(last)
}
