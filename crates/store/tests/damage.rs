//! Files that are not what was written: what was acknowledged before is served right or not at all.

#![expect(clippy::unwrap_used, reason = "helpers of a test")]

mod common;

use std::fs;
use std::ops::Range;
use std::path::Path;

use common::{batch, last_batch, open, questions};
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use store::relay::{Outcome, SqliteStore};
use store::{Store, StoreError};

struct Files {
    database: Vec<u8>,
    log: Vec<u8>,
}

impl Files {
    /// As a crash would leave the files of an open store.
    fn of(folder: &Path) -> Self {
        let log = fs::read(folder.join("relay.db-wal")).unwrap_or_default();
        Self {
            database: fs::read(folder.join("relay.db")).unwrap(),
            log,
        }
    }

    fn write(&self, folder: &Path) {
        fs::write(folder.join("relay.db"), &self.database).unwrap();
        fs::write(folder.join("relay.db-wal"), &self.log).unwrap();
    }
}

fn open_in(folder: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(&folder.join("relay.db"))
}

/// What a store in these files answers.
fn ask(files: &Files) -> Result<Vec<Outcome>, StoreError> {
    let folder = tempfile::tempdir().unwrap();
    files.write(folder.path());
    open_in(folder.path())?.commit(&questions())
}

/// The number of the last batch in these files; panics when a batch is there by half.
fn last_in(files: &Files) -> Result<u64, StoreError> {
    let folder = tempfile::tempdir().unwrap();
    files.write(folder.path());
    last_batch(&mut open_in(folder.path())?)
}

fn random(seed: u8) -> TestRng {
    TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32])
}

fn below(random: &mut TestRng, bound: usize) -> usize {
    usize::try_from(random.next_u64() % u64::try_from(bound).unwrap()).unwrap()
}

/// The files of a closed store with some batches.
fn closed() -> Files {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder.path().join("relay.db"));
    for number in 1..=8 {
        store.commit(&batch(number)).unwrap();
    }
    drop(store);
    let files = Files::of(folder.path());
    assert!(files.log.is_empty(), "a close leaves no log");
    files
}

/// The files of a store that crashed after some batches, and the length of the log after each.
fn crashed(batches: u64) -> (Files, Vec<usize>) {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder.path().join("relay.db"));
    let mut lengths = Vec::new();
    for number in 1..=batches {
        store.commit(&batch(number)).unwrap();
        lengths.push(Files::of(folder.path()).log.len());
    }
    (Files::of(folder.path()), lengths)
}

#[test]
fn h81_a_flipped_bit_is_found() {
    let files = closed();
    let right = ask(&files).unwrap();
    let mut random = random(81);
    let mut found = 0;
    for _ in 0..400 {
        let at = below(&mut random, files.database.len());
        let mut flipped = Files {
            database: files.database.clone(),
            log: Vec::new(),
        };
        flipped.database[at] ^= 1 << below(&mut random, 8);
        match ask(&flipped) {
            Ok(answers) => assert!(answers == right, "wrong data after a flip in byte {at}"),
            Err(_) => found += 1,
        }
    }
    assert!(
        found > 200,
        "only {found} of 400 were found: most bytes hold data"
    );
}

#[test]
fn h81_a_flip_in_a_message_is_corruption() {
    let mut files = closed();
    let sealed = common::message(8).sealed;
    let at = files
        .database
        .windows(600)
        .position(|window| window == &sealed[..600])
        .unwrap();
    files.database[at + 300] ^= 0x10;
    assert!(matches!(ask(&files), Err(StoreError::Corrupt(_))));
}

#[test]
fn h81_a_truncated_database_is_found() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(&folder.path().join("relay.db")));
    fs::write(folder.path().join("relay.db"), b"").unwrap();
    assert!(matches!(
        open_in(folder.path()),
        Err(StoreError::Corrupt(_))
    ));

    let files = closed();
    for len in (1..files.database.len()).step_by(1_999) {
        let cut = Files {
            database: files.database[..len].to_vec(),
            log: Vec::new(),
        };
        assert!(ask(&cut).is_err(), "cut to {len} bytes");
    }
}

#[test]
fn h81_a_log_cut_short_reads_as_whole_batches() {
    let (files, lengths) = crashed(6);
    let cuts = (0..files.log.len())
        .step_by(1_777)
        .chain(lengths.iter().copied());
    for cut in cuts {
        let whole = lengths.iter().filter(|length| **length <= cut).count();
        let shorter = Files {
            database: files.database.clone(),
            log: files.log[..cut].to_vec(),
        };
        let found = last_in(&shorter).unwrap();
        assert_eq!(found, u64::try_from(whole).unwrap(), "cut to {cut} bytes");
    }
}

#[test]
fn h81_a_flip_in_the_log_never_makes_wrong_data() {
    let (files, _) = crashed(6);
    let mut random = random(82);
    for _ in 0..100 {
        let mut flipped = Files {
            database: files.database.clone(),
            log: files.log.clone(),
        };
        let at = below(&mut random, flipped.log.len());
        flipped.log[at] ^= 1 << below(&mut random, 8);
        let found = last_in(&flipped).unwrap();
        assert!(found <= 6);
    }
}

/// A power cut during the last commit: of its writes, any sectors may be missing.
#[test]
fn h78_a_torn_commit_is_all_or_nothing() {
    let (files, lengths) = crashed(6);
    let last: Range<usize> = lengths[4]..lengths[5];
    let sectors: Vec<usize> = last.clone().step_by(512).collect();
    let mut random = random(78);
    for case in 0..100 {
        let mut torn = Files {
            database: files.database.clone(),
            log: files.log.clone(),
        };
        for start in &sectors {
            // Few missing in some cases, most in others.
            if below(&mut random, 100) < case {
                torn.log[*start..last.end.min(start + 512)].fill(0);
            }
        }
        let expected = if torn.log == files.log { 6 } else { 5 };
        assert_eq!(last_in(&torn).unwrap(), expected, "case {case}");
    }
}
