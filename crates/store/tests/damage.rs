//! Files that are not what was written: what was acknowledged before is served right or not at all.

#![expect(clippy::unwrap_used, reason = "helpers of a test")]

mod common;

use std::fs;
use std::ops::Range;
use std::path::Path;

use common::{Device, Relay, Schema, last_batch, open, reopen};
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use store::{Store, StoreError};

struct Files {
    database: Vec<u8>,
    log: Vec<u8>,
}

impl Files {
    /// As a crash would leave the files of an open store.
    fn of(folder: &Path) -> Self {
        let log = fs::read(folder.join("some.db-wal")).unwrap_or_default();
        Self {
            database: fs::read(folder.join("some.db")).unwrap(),
            log,
        }
    }

    fn write(&self, folder: &Path) {
        fs::write(folder.join("some.db"), &self.database).unwrap();
        fs::write(folder.join("some.db-wal"), &self.log).unwrap();
    }
}

fn open_in<S: Schema>(folder: &Path) -> Result<S::Store, StoreError> {
    reopen::<S>(&folder.join("some.db"))
}

/// What a store in these files answers.
fn ask<S: Schema>(files: &Files) -> Result<Vec<S::Outcome>, StoreError> {
    let folder = tempfile::tempdir().unwrap();
    files.write(folder.path());
    open_in::<S>(folder.path())?.commit(&S::questions())
}

/// The number of the last batch in these files; panics when a batch is there by half.
fn last_in<S: Schema>(files: &Files) -> Result<u64, StoreError> {
    let folder = tempfile::tempdir().unwrap();
    files.write(folder.path());
    last_batch::<S>(&mut open_in::<S>(folder.path())?)
}

fn random(seed: u8) -> TestRng {
    TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32])
}

fn below(random: &mut TestRng, bound: usize) -> usize {
    usize::try_from(random.next_u64() % u64::try_from(bound).unwrap()).unwrap()
}

/// The files of a closed store with some batches.
fn closed<S: Schema>() -> Files {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open::<S>(&folder.path().join("some.db"));
    for number in 1..=8 {
        store.commit(&S::batch(number)).unwrap();
    }
    drop(store);
    let files = Files::of(folder.path());
    assert!(files.log.is_empty(), "a close leaves no log");
    files
}

/// The files of a store that crashed after some batches, and the length of the log after each.
fn crashed<S: Schema>(batches: u64) -> (Files, Vec<usize>) {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open::<S>(&folder.path().join("some.db"));
    let mut lengths = Vec::new();
    for number in 1..=batches {
        store.commit(&S::batch(number)).unwrap();
        lengths.push(Files::of(folder.path()).log.len());
    }
    (Files::of(folder.path()), lengths)
}

#[test]
fn h81_a_flipped_bit_is_found() {
    a_flipped_bit_is_found::<Relay>();
    a_flipped_bit_is_found::<Device>();
}

fn a_flipped_bit_is_found<S: Schema>() {
    let files = closed::<S>();
    let right = ask::<S>(&files).unwrap();
    let mut random = random(81);
    let mut found = 0;
    for _ in 0..400 {
        let at = below(&mut random, files.database.len());
        let mut flipped = Files {
            database: files.database.clone(),
            log: Vec::new(),
        };
        flipped.database[at] ^= 1 << below(&mut random, 8);
        match ask::<S>(&flipped) {
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
    a_flip_in_a_message_is_corruption::<Relay>();
    a_flip_in_a_message_is_corruption::<Device>();
}

fn a_flip_in_a_message_is_corruption<S: Schema>() {
    let mut files = closed::<S>();
    let sealed = S::sealed(8);
    let at = files
        .database
        .windows(600)
        .position(|window| window == &sealed[..600])
        .unwrap();
    files.database[at + 300] ^= 0x10;
    assert!(matches!(ask::<S>(&files), Err(StoreError::Corrupt(_))));
}

#[test]
fn h81_a_truncated_database_is_found() {
    a_truncated_database_is_found::<Relay>();
    a_truncated_database_is_found::<Device>();
}

fn a_truncated_database_is_found<S: Schema>() {
    let folder = tempfile::tempdir().unwrap();
    drop(open::<S>(&folder.path().join("some.db")));
    fs::write(folder.path().join("some.db"), b"").unwrap();
    assert!(matches!(
        open_in::<S>(folder.path()),
        Err(StoreError::Corrupt(_))
    ));

    let files = closed::<S>();
    for len in (1..files.database.len()).step_by(1_999) {
        let cut = Files {
            database: files.database[..len].to_vec(),
            log: Vec::new(),
        };
        assert!(ask::<S>(&cut).is_err(), "cut to {len} bytes");
    }
}

#[test]
fn h81_a_log_cut_short_reads_as_whole_batches() {
    a_log_cut_short_reads_as_whole_batches::<Relay>();
    a_log_cut_short_reads_as_whole_batches::<Device>();
}

fn a_log_cut_short_reads_as_whole_batches<S: Schema>() {
    let (files, lengths) = crashed::<S>(6);
    let cuts = (0..files.log.len())
        .step_by(1_777)
        .chain(lengths.iter().copied());
    for cut in cuts {
        let whole = lengths.iter().filter(|length| **length <= cut).count();
        let shorter = Files {
            database: files.database.clone(),
            log: files.log[..cut].to_vec(),
        };
        let found = last_in::<S>(&shorter).unwrap();
        assert_eq!(found, u64::try_from(whole).unwrap(), "cut to {cut} bytes");
    }
}

#[test]
fn h81_a_flip_in_the_log_never_makes_wrong_data() {
    a_flip_in_the_log_never_makes_wrong_data::<Relay>();
    a_flip_in_the_log_never_makes_wrong_data::<Device>();
}

fn a_flip_in_the_log_never_makes_wrong_data<S: Schema>() {
    let (files, _) = crashed::<S>(6);
    let mut random = random(82);
    for _ in 0..100 {
        let mut flipped = Files {
            database: files.database.clone(),
            log: files.log.clone(),
        };
        let at = below(&mut random, flipped.log.len());
        flipped.log[at] ^= 1 << below(&mut random, 8);
        let found = last_in::<S>(&flipped).unwrap();
        assert!(found <= 6);
    }
}

/// A power cut during the last commit: of its writes, any sectors may be missing.
#[test]
fn h78_a_torn_commit_is_all_or_nothing() {
    a_torn_commit_is_all_or_nothing::<Relay>();
    a_torn_commit_is_all_or_nothing::<Device>();
}

fn a_torn_commit_is_all_or_nothing<S: Schema>() {
    let (files, lengths) = crashed::<S>(6);
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
        assert_eq!(last_in::<S>(&torn).unwrap(), expected, "case {case}");
    }
}
