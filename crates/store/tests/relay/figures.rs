//! How long a mailbox that is full can keep the store busy.

use std::time::Instant;

use store::Store;
use store::relay::{Append, Op, SqliteStore};

use crate::build::{Relay, append, id, message};

/// What a server lets a mailbox hold.
const MESSAGES: u64 = 10_000;
const BYTES: usize = 256 * 1024 * 1024;

#[test]
#[ignore = "prints figures: cargo test --release -p store --test relay -- --ignored --nocapture full_mailbox"]
#[allow(clippy::disallowed_methods, reason = "it takes the time")]
fn an_acknowledgement_of_a_full_mailbox() {
    for (messages, len) in [(MESSAGES, 300), (MESSAGES, 26_000), (232, 1_153_024)] {
        for devices in [1, 2] {
            let folder = tempfile::tempdir().unwrap();
            let mut store = SqliteStore::open(&folder.path().join("relay.db")).unwrap();
            let begun = Instant::now();
            fill(&mut store, devices, messages, len);
            println!(
                "{messages} messages of {len} bytes stored in {:.1?}",
                begun.elapsed()
            );
            for device in 1..=devices {
                let begun = Instant::now();
                let receipts = store.acknowledge("bob", device, u64::MAX).len();
                let took = begun.elapsed();
                println!(
                    "  acknowledged by {device} of {devices}: {took:.1?}, {receipts} receipts"
                );
            }
        }
    }
}

fn fill(store: &mut SqliteStore, devices: u8, messages: u64, len: usize) {
    assert!(usize::try_from(messages).unwrap() * len <= BYTES);
    store.add_account("bob");
    for device in 1..=devices {
        store.touch("bob", device, 5);
    }
    let numbers: Vec<u64> = (1..=messages).collect();
    for numbers in numbers.chunks(64) {
        let batch: Vec<Op> = numbers
            .iter()
            .map(|number| {
                append(Append {
                    message_id: id(7),
                    sealed: vec![7; len],
                    ..message("bob", *number)
                })
            })
            .collect();
        store.commit(&batch).unwrap();
    }
}
