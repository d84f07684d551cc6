//! A process that writes is killed, again and again; what it acknowledged is there.

#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of a test; waiting a moment before a kill takes a clock"
)]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use common::{batch, last_batch, open, turn};
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use store::relay::{Op, Outcome, SqliteStore};
use store::{Store, StoreError};

const PATH: &str = "STORE_TEST_PATH";

/// The process that is killed: repeats the last batch, goes on with the next ones, and prints the
/// number of each once it is acknowledged.
#[test]
#[ignore = "run by the other tests as a process of its own"]
fn writer() {
    let Some(path) = std::env::var_os(PATH) else {
        return;
    };
    let mut store = open(Path::new(&path));
    let last = last_batch(&mut store).unwrap();
    let mut out = std::io::stdout();
    // Bounded, should nobody kill it.
    for number in (last.max(1)..).take(5_000) {
        let outcomes = match store.commit(&batch(number)) {
            Ok(outcomes) => outcomes,
            Err(error) => {
                check_that_it_stopped(&mut store, &error);
                writeln!(out, "\nstopped").unwrap();
                return;
            }
        };
        let expected = if number == last {
            Outcome::Duplicate
        } else {
            Outcome::Stored { position: number }
        };
        assert_eq!(outcomes[1], expected);
        writeln!(out, "\n{number}").unwrap();
        out.flush().unwrap();
    }
}

fn check_that_it_stopped(store: &mut SqliteStore, error: &StoreError) {
    assert!(matches!(error, StoreError::Io(_)), "{error:?}");
    let load = [Op::LoadMeta {
        key: "first".into(),
    }];
    for _ in 0..3 {
        assert!(matches!(store.commit(&load), Err(StoreError::Stopped(_))));
        assert!(matches!(
            store.commit(&batch(1)),
            Err(StoreError::Stopped(_))
        ));
    }
}

fn start(path: &Path, shell_prefix: &str) -> Child {
    Command::new("sh")
        .args(["-c", &format!("{shell_prefix} exec \"$0\" \"$@\"")])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "writer",
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(PATH, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// Lets the child acknowledge some batches, then kills it within a batch's time. Returns the last
/// number that it acknowledged.
fn kill_after(mut child: Child, batches: usize, delay: Duration) -> Option<u64> {
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let mut numbers = (&mut lines).filter_map(|line| line.parse().ok());
    let mut last = (batches > 0)
        .then(|| numbers.by_ref().take(batches).last())
        .flatten();
    std::thread::sleep(delay);
    child.kill().unwrap();
    last = numbers.last().or(last);
    child.wait().unwrap();
    last
}

fn random(seed: u8) -> TestRng {
    TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32])
}

fn below(random: &mut TestRng, bound: u64) -> u64 {
    random.next_u64() % bound
}

#[test]
fn h77_a_killed_writer_loses_nothing_acknowledged() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay.db");
    let mut random = random(77);
    for cycle in 0..20 {
        let batches = usize::try_from(below(&mut random, 60)).unwrap() + 1;
        let delay = Duration::from_micros(below(&mut random, 4_000));
        let acknowledged = kill_after(start(&path, ""), batches, delay).unwrap();
        let found = last_batch(&mut SqliteStore::open(&path).unwrap()).unwrap();
        assert!(
            found == acknowledged || found == acknowledged + 1,
            "cycle {cycle}: {acknowledged} acknowledged, {found} found"
        );
    }
}

/// Killed while it makes the file, or recovers from the kill before.
#[test]
fn h83_a_killed_recovery_is_repeated() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay.db");
    let mut random = random(83);
    let mut acknowledged = 0;
    for _ in 0..15 {
        // About the time that the process needs to start and open the file.
        let delay = Duration::from_micros(below(&mut random, 20_000));
        acknowledged = kill_after(start(&path, ""), 0, delay).unwrap_or(acknowledged);
    }
    let found = last_batch(&mut SqliteStore::open(&path).unwrap()).unwrap();
    assert!(found == acknowledged || found == acknowledged + 1);
}

/// A limit on file sizes makes a write fail at some point, as a failing disk does.
#[test]
fn h79_a_failed_write_stops_the_store() {
    let _turn = turn();
    // Below the 4 MiB that the log grows to.
    for blocks in [200, 1_000, 5_000] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("relay.db");
        drop(open(&path));
        // ulimit counts blocks of 512 bytes.
        let mut child = start(&path, &format!("trap '' XFSZ; ulimit -f {blocks};"));
        let lines: Vec<String> = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map(Result::unwrap)
            .collect();
        let status: ExitStatus = child.wait().unwrap();
        assert!(status.success(), "limit {blocks}: {lines:?}");
        assert!(
            lines.iter().any(|line| line == "stopped"),
            "limit {blocks}: {lines:?}"
        );
        let acknowledged = lines
            .iter()
            .filter_map(|line| line.parse().ok())
            .next_back()
            .unwrap_or(0);
        let found = last_batch(&mut SqliteStore::open(&path).unwrap()).unwrap();
        assert!(
            found == acknowledged || found == acknowledged + 1,
            "{acknowledged} {found}"
        );
    }
}
