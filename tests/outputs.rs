//! The real programs when nobody reads what they write, or it cannot be written.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "these tests run in real time")]
#![cfg(target_os = "linux")]

mod common;
#[path = "common/fixtures.rs"]
mod fixtures;

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, PipeReader, PipeWriter, Write as _, pipe};
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{Client, Home, PATIENCE, Server, ended, output, signal, text};

/// What a pipe holds by default (pipe(7)).
const PIPE_BYTES: usize = 65_536;

/// A disk without room.
fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

/// A pipe that nobody reads, and into which nothing goes any more.
fn stuffed() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = pipe().unwrap();
    writer.write_all(&[b'\n'; PIPE_BYTES]).unwrap();
    (reader, writer)
}

fn furnished() -> Home {
    let home = Home::new();
    fixtures::furnish(&home, &["Bob"]);
    home
}

/// People come and go, and it ends in peace.
fn serves(home: &Home, server: Server) {
    for _ in 0..2 {
        assert_eq!(Client::login(home, "Bob", server.port).quit().0, Some(0));
    }
    assert!(server.terminate().success());
}

/// A server that tells all there is to tell, into `errors`.
fn talkative(home: &Home, errors: impl Into<Stdio>) -> Server {
    let mut command = home.server();
    command.args(["-sp", "0", "--log-level", "debug"]);
    Server::spawn_into(&mut command, errors)
}

#[test]
fn h80_a_server_whose_log_is_on_a_full_disk_serves() {
    let home = furnished();
    serves(&home, talkative(&home, full()));
}

#[test]
fn h75_a_server_whose_log_nobody_reads_serves() {
    let home = furnished();
    let (reader, writer) = stuffed();
    serves(&home, talkative(&home, writer));
    drop(reader);
    // Whoever read it has gone.
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    serves(&home, talkative(&home, writer));
}

#[test]
fn a_server_that_cannot_say_where_it_listens_does_listen() {
    let home = furnished();
    let (reader, stuffed) = stuffed();
    for output in [Stdio::from(full()), Stdio::from(stuffed)] {
        // One that was free a moment ago.
        let port = Server::start(&home).port.to_string();
        let mut command = home.server();
        let mut child = command.args(["-sp", &port]).stdout(output).spawn().unwrap();
        // It takes its time to come up.
        let begin = Instant::now();
        loop {
            let mut bob = home.client();
            bob.args(["-u", "Bob", "-p", "Bob", "-sp", &port]);
            if ended(&mut bob).0 == Some(0) {
                break;
            }
            assert!(begin.elapsed() < PATIENCE && child.try_wait().unwrap().is_none());
        }
        signal(child.id(), "TERM");
        assert!(common::wait(&mut child).success());
    }
    drop(reader);
}

/// It has something to say at its end, and waits for nobody to read it.
#[test]
fn h79_a_server_that_cannot_go_on_ends_though_nobody_reads_why() {
    let home = furnished();
    // Its database is none.
    std::fs::write(home.server_data().join("server.sqlite"), [b'x'; 4096]).unwrap();
    let (reader, stuffed) = stuffed();
    let mut command = home.server();
    let mut child = command.args(["-sp", "0"]).stderr(stuffed).spawn().unwrap();
    assert_eq!(common::wait(&mut child).code(), Some(1));
    drop(reader);
}

/// Unlike a server, what is asked to print something fails when it cannot.
#[test]
fn what_cannot_be_printed_is_a_failure() {
    let home = furnished();
    for what in ["fingerprint", "invite"] {
        let output = output(home.server().arg(what).stdout(full()));
        assert_eq!(output.status.code(), Some(1), "{what}");
        let error = text(&output.stderr);
        assert!(error.contains("cannot write to standard output"), "{error}");
    }
}

#[test]
fn h89_a_client_whose_output_nobody_reads_can_be_ended() {
    let home = furnished();
    let server = Server::start(&home);
    let (reader, writer) = pipe().unwrap();
    let mut stuffing = writer.try_clone().unwrap();
    let mut command = home.client();
    command.args(["-u", "Bob", "-p", "Bob", "--json", "-sp"]);
    command.arg(server.port.to_string()).stdin(Stdio::piped());
    let mut bob = command.stdout(writer).spawn().unwrap();
    let mut reader = BufReader::new(reader);
    let mut line = String::new();
    while !line.contains("logged_in") {
        line.clear();
        assert!(reader.read_line(&mut line).unwrap() > 0);
    }
    // From here on nothing goes into the pipe, neither this nor the client's own words.
    let stuffed = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&stuffed);
    std::thread::spawn(move || {
        while stuffing.write_all(b"\n").is_ok() {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let mut before = None;
    while before != Some(stuffed.load(Ordering::Relaxed)) {
        before = Some(stuffed.load(Ordering::Relaxed));
        std::thread::sleep(Duration::from_secs(1));
    }
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = bob.try_wait().unwrap() {
            break status;
        }
        assert!(begin.elapsed() < PATIENCE);
        signal(bob.id(), "TERM");
        std::thread::sleep(Duration::from_millis(100));
    };
    assert_eq!(status.signal(), Some(15), "{status:?}");
    drop(reader);
}

/// What `nohup` asks for, and the background of a script.
#[test]
fn h89_signals_that_were_ignored_stay_ignored() {
    let home = furnished();
    let mut command = home.command("sh");
    command.args(["-c", "trap '' HUP INT; exec \"$@\"", "sh"]);
    command.arg(home.server().get_program()).args(["-sp", "0"]);
    let server = Server::spawn(&mut command);
    for name in ["HUP", "INT"] {
        signal(server.id(), name);
    }
    serves(&home, server);
}
