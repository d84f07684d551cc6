//! A process that writes is killed, again and again; what it acknowledged is there. Where it has to die at
//! a certain call, `strace` kills it; without `strace` those tests say that they are skipped.

#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "helpers of a test; waiting a moment before a kill takes a clock"
)]

mod common;

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use common::{
    DYING_AT, Device, Killed, Relay, Schema, WRITING, filled, last_batch, open, reopen, turn,
};
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use store::{Store, StoreError};

const PATH: &str = "STORE_TEST_PATH";
const SCHEMA: &str = "STORE_TEST_SCHEMA";

/// What a process of its own needs to know.
fn variables<S: Schema>(path: &Path) -> [(&'static str, OsString); 2] {
    [(PATH, path.into()), (SCHEMA, S::NAME.into())]
}

/// The processes that are killed are told where, and which schema.
fn in_a_process(of_relay: fn(&Path), of_device: fn(&Path)) {
    let (Some(path), Ok(schema)) = (std::env::var_os(PATH), std::env::var(SCHEMA)) else {
        return;
    };
    let run = if schema == Relay::NAME {
        of_relay
    } else {
        of_device
    };
    run(Path::new(&path));
}

/// Says something on a line of its own.
fn say(words: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "\n{words}").unwrap();
    out.flush().unwrap();
}

/// Repeats the last batch, goes on with the next ones, and prints the number of each once it is
/// acknowledged.
#[test]
#[ignore = "run by the other tests as a process of its own"]
fn writer() {
    in_a_process(write::<Relay>, write::<Device>);
}

fn write<S: Schema>(path: &Path) {
    let mut store = open::<S>(path);
    let last = last_batch::<S>(&mut store).unwrap();
    // Bounded, should nobody kill it.
    for number in (last.max(1)..).take(5_000) {
        let outcomes = match store.commit(&S::batch(number)) {
            Ok(outcomes) => outcomes,
            Err(StoreError::Full) => {
                // Refused whole; reading goes on.
                assert_eq!(last_batch::<S>(&mut store).unwrap(), number - 1);
                say("refused");
                return;
            }
            Err(error) => {
                check_that_it_stopped::<S>(&mut store, &error);
                say("stopped");
                return;
            }
        };
        assert_eq!(S::is_new(&outcomes, number), number != last);
        say(&number.to_string());
    }
}

/// Opens the store, says so, and closes it.
#[test]
#[ignore = "run by the other tests as a process of its own"]
fn opener() {
    in_a_process(open_and_close::<Relay>, open_and_close::<Device>);
}

fn open_and_close<S: Schema>(path: &Path) {
    let store = reopen::<S>(path).unwrap();
    say("opened");
    drop(store);
}

/// Writes more at once than the log may hold, so that the log is copied into the database.
#[test]
#[ignore = "run by the other tests as a process of its own"]
fn filler() {
    in_a_process(fill::<Relay>, fill::<Device>);
}

fn fill<S: Schema>(path: &Path) {
    let mut store = reopen::<S>(path).unwrap();
    let next = filled::<S>(&mut store) + 1;
    store.commit(&S::fill(next, 5 << 20)).unwrap();
    say("filled");
}

fn check_that_it_stopped<S: Schema>(store: &mut S::Store, error: &StoreError) {
    assert!(matches!(error, StoreError::Io(_)), "{error:?}");
    for batch in [vec![S::filled()], S::batch(1)] {
        for _ in 0..3 {
            assert!(matches!(store.commit(&batch), Err(StoreError::Stopped(_))));
        }
    }
}

fn start<S: Schema>(path: &Path, shell_prefix: &str) -> Child {
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
        .envs(variables::<S>(path))
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
    a_killed_writer_loses_nothing_acknowledged::<Relay>();
    a_killed_writer_loses_nothing_acknowledged::<Device>();
}

fn a_killed_writer_loses_nothing_acknowledged<S: Schema>() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.db");
    let mut random = random(77);
    for cycle in 0..20 {
        let batches = usize::try_from(below(&mut random, 60)).unwrap() + 1;
        let delay = Duration::from_micros(below(&mut random, 4_000));
        let acknowledged = kill_after(start::<S>(&path, ""), batches, delay).unwrap();
        let found = last_batch::<S>(&mut reopen::<S>(&path).unwrap()).unwrap();
        assert!(
            found == acknowledged || found == acknowledged + 1,
            "{}, cycle {cycle}: {acknowledged} acknowledged, {found} found",
            S::NAME
        );
    }
}

/// The log beside a database.
fn log_of(path: &Path) -> PathBuf {
    path.with_file_name("some.db-wal")
}

/// A copy of the files beside this one, and where its namesake is.
fn copy_of(path: &Path) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(path.parent().unwrap()).unwrap() {
        let from = entry.unwrap();
        fs::copy(from.path(), folder.path().join(from.file_name())).unwrap();
    }
    let copy = folder.path().join("some.db");
    (folder, copy)
}

/// Killed at a later call on the log each time: while it reads what the crash before has left there, then
/// while it copies that into the database.
#[test]
fn h83_a_killed_recovery_is_repeated() {
    let _turn = turn();
    a_killed_recovery_is_repeated::<Relay>();
    a_killed_recovery_is_repeated::<Device>();
}

fn a_killed_recovery_is_repeated<S: Schema>() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.db");
    let acknowledged = kill_after(start::<S>(&path, ""), 5, Duration::ZERO).unwrap();
    assert!(acknowledged >= 5, "{acknowledged}");
    let log = log_of(&path);
    let length = fs::metadata(&log).unwrap().len();
    assert!(length > 100_000, "{length} bytes to recover from");
    let mut found = acknowledged..=acknowledged + 1;
    let mut recoveries = 0;
    for call in DYING_AT {
        let child = ("opener", &variables::<S>(&path)[..]);
        let calls = "openat,pread64,pwrite64,fsync,fdatasync,ftruncate,unlink";
        let Some(killed) = Killed::at(child, (calls, &[&log]), call) else {
            return;
        };
        recoveries += u32::from(!killed.lines.iter().any(|line| line == "opened"));
        let (_folder, copy) = copy_of(&path);
        let last = last_batch::<S>(&mut reopen::<S>(&copy).unwrap()).unwrap();
        assert!(found.contains(&last), "call {call}: {last}, not {found:?}");
        found = last..=last;
        if killed.survived {
            assert!(recoveries >= 8, "{recoveries} were killed in recovery");
            let last = last_batch::<S>(&mut reopen::<S>(&path).unwrap()).unwrap();
            assert!(found.contains(&last));
            return;
        }
    }
    panic!("{}: more calls than were tried", S::NAME);
}

/// Its first migration makes all of it.
#[test]
fn h82_a_store_that_is_killed_while_it_is_made_is_made_later() {
    let _turn = turn();
    a_store_that_is_killed_while_it_is_made_is_made_later::<Relay>();
    a_store_that_is_killed_while_it_is_made_is_made_later::<Device>();
}

fn a_store_that_is_killed_while_it_is_made_is_made_later<S: Schema>() {
    for call in DYING_AT {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some.db");
        let (lock, log) = (path.with_file_name("some.db.lock"), log_of(&path));
        let files = [folder.path(), &path, &lock, &log];
        let child = ("opener", &variables::<S>(&path)[..]);
        let Some(killed) = Killed::at(child, (WRITING, &files), call) else {
            return;
        };
        let mut store = open::<S>(&path);
        assert_eq!(last_batch::<S>(&mut store).unwrap(), 0, "call {call}");
        store.commit(&S::batch(1)).unwrap();
        assert_eq!(last_batch::<S>(&mut store).unwrap(), 1, "call {call}");
        if killed.survived {
            assert!(call > 12, "{}: only {call} calls", S::NAME);
            return;
        }
    }
    panic!("more calls than were tried");
}

/// Killed while the log is copied into the database, and while it is cut off then.
#[test]
fn h82_a_killed_checkpoint_loses_nothing() {
    let _turn = turn();
    for calls in ["pwrite64,fsync,fdatasync", "ftruncate,unlink"] {
        a_killed_checkpoint_loses_nothing::<Relay>(calls);
        a_killed_checkpoint_loses_nothing::<Device>(calls);
    }
}

fn a_killed_checkpoint_loses_nothing<S: Schema>(calls: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.db");
    let mut store = open::<S>(&path);
    for number in 1..=3 {
        store.commit(&S::fill(number, 20_000)).unwrap();
    }
    drop(store);
    // These calls on these files belong to no commit.
    let at = if calls.contains("fsync") {
        |path: &Path| path.to_owned()
    } else {
        log_of
    };
    let mut within = 0;
    for call in DYING_AT.into_iter().step_by(2) {
        let (_folder, copy) = copy_of(&path);
        let child = ("filler", &variables::<S>(&copy)[..]);
        let Some(killed) = Killed::at(child, (calls, &[&at(&copy)]), call) else {
            return;
        };
        within += u32::from(!killed.lines.iter().any(|line| line == "filled"));
        // It was synced before it was copied.
        let mut store = reopen::<S>(&copy).unwrap();
        assert_eq!(filled::<S>(&mut store), 4, "{}, call {call}", S::NAME);
        store.commit(&S::fill(5, 20_000)).unwrap();
        assert_eq!(filled::<S>(&mut store), 5, "{}, call {call}", S::NAME);
        if killed.survived {
            let least = if calls.contains("fsync") { 6 } else { 1 };
            assert!(within >= least, "{}, {calls}: {within}", S::NAME);
            return;
        }
    }
    panic!("{}: more calls than were tried", S::NAME);
}

#[test]
fn h79_a_failed_write_stops_the_store() {
    let _turn = turn();
    for call in [3, 30, 300] {
        a_failed_write_stops_the_store::<Relay>(call);
        a_failed_write_stops_the_store::<Device>(call);
    }
}

fn a_failed_write_stops_the_store<S: Schema>(call: u32) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.db");
    drop(open::<S>(&path));
    let child = ("writer", &variables::<S>(&path)[..]);
    let fault = format!("error=EIO:when={call}");
    let Some(ended) = Killed::by(child, ("pwrite64", &[&path, &log_of(&path)]), &fault) else {
        return;
    };
    let lines = ended.lines;
    assert!(lines.iter().any(|line| line == "stopped"), "{lines:?}");
    let acknowledged = acknowledged(&lines);
    let found = last_batch::<S>(&mut reopen::<S>(&path).unwrap()).unwrap();
    assert!(
        found == acknowledged || found == acknowledged + 1,
        "{acknowledged} {found}"
    );
}

/// A limit on file sizes ends writes as a quota does: SQLite only says that they failed.
#[test]
fn h80_files_that_may_not_grow_refuse_and_recover() {
    let _turn = turn();
    // Below the 4 MiB that the log grows to.
    for blocks in [200, 1_000, 5_000] {
        files_that_may_not_grow_refuse_and_recover::<Relay>(blocks);
        files_that_may_not_grow_refuse_and_recover::<Device>(blocks);
    }
}

fn files_that_may_not_grow_refuse_and_recover<S: Schema>(blocks: u32) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.db");
    drop(open::<S>(&path));
    // ulimit counts blocks of 512 bytes.
    let mut child = start::<S>(&path, &format!("trap '' XFSZ; ulimit -f {blocks};"));
    let lines: Vec<String> = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap)
        .collect();
    let status: ExitStatus = child.wait().unwrap();
    assert!(status.success(), "limit {blocks}: {lines:?}");
    assert!(
        lines.iter().any(|line| line == "refused"),
        "limit {blocks}: {lines:?}"
    );
    let acknowledged = acknowledged(&lines);
    let mut store = reopen::<S>(&path).unwrap();
    assert_eq!(last_batch::<S>(&mut store).unwrap(), acknowledged);
    store.commit(&S::batch(acknowledged + 1)).unwrap();
    assert_eq!(last_batch::<S>(&mut store).unwrap(), acknowledged + 1);
}

/// The last number that a writer has acknowledged.
fn acknowledged(lines: &[String]) -> u64 {
    let mut numbers = lines.iter().filter_map(|line| line.parse().ok());
    numbers.next_back().unwrap_or(0)
}
