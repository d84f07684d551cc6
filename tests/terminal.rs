//! The client in a pseudo-terminal, as a person sees it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "these tests run in real time")]
#![cfg(unix)]

mod common;
#[path = "common/fixtures.rs"]
mod fixtures;

use chat::Username;
use client::Event;
use common::{Client, Home, PATIENCE, Server, ignores};
use rexpect::process::{Signal, WaitStatus};
use rexpect::session::{Options, PtySession, spawn_with_options};
use rustix::termios::{Action, LocalModes, Winsize, tcflow, tcgetattr, tcgetpgrp, tcsetwinsize};
use undertone::cli::line::{Console, Input};

fn open(home: &Home, arguments: &[&str]) -> PtySession {
    let mut command = home.client();
    command.args(arguments).env("TERM", "xterm");
    spawn_with_options(command, options()).unwrap()
}

fn options() -> Options {
    Options::new()
        .timeout_ms(Some(PATIENCE.as_millis() as u64))
        .strip_ansi_escape_codes(false)
}

/// Waits for the program's end and asserts that it was a good one.
fn ends_well(session: &PtySession) {
    let status = format!("{:?}", session.process().wait().unwrap());
    assert!(
        status.starts_with("Exited(") && status.ends_with(", 0)"),
        "{status}"
    );
}

#[test]
fn b06_a_person_chats_at_the_prompt() {
    let home = Home::new();
    home.seed();
    let server = Server::start(&home);
    let port = server.port.to_string();
    let mut alice = Client::login(&home, "Alice", server.port);
    let mut bob = open(
        &home,
        &["-u", "Bob", "-p", "Bob", "-sip", "127.0.0.1", "-sp", &port],
    );
    bob.exp_string("process list").unwrap();
    bob.exp_string("Bob").unwrap();
    bob.send_line("help").unwrap();
    bob.exp_string("send").unwrap();
    bob.send_line("list").unwrap();
    bob.exp_string("Alice").unwrap();
    bob.send_line("send Alice  two  spaces").unwrap();
    assert_eq!(alice.message()["text"], " two  spaces");
    bob.exp_string("delivered").unwrap();
    alice.say(r#"{"command":"send","to":"Bob","text":"red \u001b[31m alert"}"#);
    let shown = bob.exp_string("alert").unwrap();
    assert!(!shown.contains("\u{1b}[31m"), "{shown:?}");
    bob.send_line("!exit").unwrap();
    bob.exp_eof().unwrap();
    ends_well(&bob);
    alice.say("list");
    assert_eq!(alice.event("online")["users"], serde_json::json!(["Alice"]));
}

#[test]
fn a_password_is_asked_for_without_echo() {
    let home = Home::new();
    home.seed();
    let server = Server::start(&home);
    let port = server.port.to_string();
    let mut bob = open(&home, &["-u", "Bob", "-sp", &port]);
    bob.exp_string("assword").unwrap();
    bob.send_line("Bob").unwrap();
    let between = bob.exp_string("logged in").unwrap();
    assert!(!between.trim_start().starts_with(": Bob"), "{between:?}");
    // Ctrl-C leaves in peace.
    bob.send_control('c').unwrap();
    bob.exp_eof().unwrap();
    ends_well(&bob);
}

#[test]
fn the_end_of_input_leaves() {
    let home = Home::new();
    home.seed();
    let server = Server::start(&home);
    let mut bob = at_the_prompt(&home, server.port);
    bob.send_control('d').unwrap();
    bob.exp_eof().unwrap();
    ends_well(&bob);
}

/// Whether the terminal hands over lines, as a shell wants it, or single keys.
fn takes_lines(session: &PtySession) -> bool {
    let terminal = session.process().get_file_handle().unwrap();
    let modes = tcgetattr(&terminal).unwrap().local_modes;
    modes.contains(LocalModes::ICANON)
}

/// Waits until the terminal is set so.
fn until_lines(session: &PtySession, lines: bool) {
    let begin = std::time::Instant::now();
    while takes_lines(session) != lines {
        assert!(begin.elapsed() < PATIENCE, "lines: {}", !lines);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// A client at its prompt, as the terminal's foreground job.
fn at_the_prompt(home: &Home, port: u16) -> PtySession {
    let port = port.to_string();
    let mut session = open(home, &["-u", "Bob", "-p", "Bob", "-sp", &port]);
    session.exp_string("logged in").unwrap();
    until_lines(&session, false);
    session
}

#[test]
fn h89_signals_that_end_it_leave_the_terminal_as_it_was() {
    let home = Home::new();
    fixtures::furnish(&home, &["Bob"]);
    let server = Server::start(&home);
    for signal in [Signal::SIGHUP, Signal::SIGTERM, Signal::SIGINT] {
        if ignores(signal.as_str()) {
            continue;
        }
        let mut bob = at_the_prompt(&home, server.port);
        bob.process_mut().signal(signal).unwrap();
        bob.exp_eof().unwrap();
        ends_well(&bob);
        assert!(takes_lines(&bob), "{signal:?}");
    }
}

/// Somebody has pressed Ctrl-S, and the client stands still in the middle of a word.
#[cfg(target_os = "linux")]
#[test]
fn h89_signals_that_end_a_client_that_stands_still_leave_the_terminal_as_it_was() {
    let home = Home::new();
    fixtures::furnish(&home, &["Alice", "Bob"]);
    let server = Server::start(&home);
    let mut alice = Client::login(&home, "Alice", server.port);
    let mut bob = at_the_prompt(&home, server.port);
    let tty = std::fs::File::open(format!("/proc/{}/fd/0", job(&bob))).unwrap();
    tcflow(&tty, Action::OOff).unwrap();
    // More than a terminal takes in.
    let text = "x".repeat(1 << 16);
    let sent = alice.send("Bob", &text);
    alice.status(&sent, "delivered");
    let begin = std::time::Instant::now();
    while let Some(WaitStatus::StillAlive) = bob.process().status() {
        assert!(begin.elapsed() < PATIENCE);
        let _ = bob.process_mut().signal(Signal::SIGTERM);
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert!(takes_lines(&bob));
    tcflow(&tty, Action::OOn).unwrap();
}

/// A shell that starts the client as a job, tells when it has stopped, and at an empty line has it go
/// on. It leaves the terminal's settings alone.
const SHELL: &str = r#"set -m; "$@"
    while [ $? -gt 128 ]; do echo stopped; read -r word; fg > /dev/null; done
    echo over"#;

/// A client as a job of a shell, which says something of its own before.
fn in_a_shell(home: &Home, before: &str, arguments: &[&str]) -> PtySession {
    let mut shell = home.command("sh");
    shell.args(["-c", &format!("{before}; {SHELL}"), "sh"]);
    shell.arg(home.client().get_program());
    shell.args(arguments).env("TERM", "xterm");
    spawn_with_options(shell, options()).unwrap()
}

/// A client at its prompt, as a job of a shell.
fn at_the_prompt_of_a_shell(home: &Home, before: &str, port: u16) -> PtySession {
    let port = port.to_string();
    let mut session = in_a_shell(home, before, &["-u", "Bob", "-p", "Bob", "-sp", &port]);
    session.exp_string("logged in").unwrap();
    until_lines(&session, false);
    session
}

/// Waits for the shell, which has to find the terminal as it was, and lets the client go on.
fn stops_and_goes_on(session: &mut PtySession) {
    session.exp_string("stopped").unwrap();
    assert!(takes_lines(session));
    session.send_line("").unwrap();
    until_lines(session, false);
}

/// The terminal's foreground job.
fn job(session: &PtySession) -> i32 {
    let terminal = session.process().get_file_handle().unwrap();
    tcgetpgrp(&terminal).unwrap().as_raw_nonzero().get()
}

/// Stops the terminal's foreground job by a signal.
fn stop(session: &PtySession) {
    let job = nix::unistd::Pid::from_raw(job(session));
    nix::sys::signal::kill(job, nix::sys::signal::SIGTSTP).unwrap();
}

#[test]
fn a_character_that_is_disabled_is_no_key() {
    let home = Home::new();
    fixtures::furnish(&home, &["Bob"]);
    let server = Server::start(&home);
    let mut bob = at_the_prompt_of_a_shell(&home, "stty susp undef intr undef", server.port);
    // Ctrl-Space, which is the code of a character that is disabled.
    bob.send("\u{0}").unwrap();
    bob.send_line("list").unwrap();
    let before = bob.exp_string("online").unwrap();
    assert!(!before.contains("stopped"), "{before:?}");
    bob.send_line("!exit").unwrap();
    bob.exp_string("over").unwrap();
}

/// Whoever was there before left it so, and a prompt has little or nothing to change.
#[test]
fn a_client_ends_also_where_the_terminal_took_single_keys_before() {
    let home = Home::new();
    fixtures::furnish(&home, &["Bob"]);
    let server = Server::start(&home);
    let port = server.port.to_string();
    for before in ["stty -icanon", "stty raw -echo"] {
        let mut bob = in_a_shell(&home, before, &["-u", "Bob", "-p", "Bob", "-sp", &port]);
        bob.exp_string("> ").unwrap();
        let job = nix::unistd::Pid::from_raw(job(&bob));
        nix::sys::signal::kill(job, nix::sys::signal::SIGTERM).unwrap();
        bob.exp_string("over").unwrap();
    }
}

#[test]
fn a_client_that_is_stopped_while_it_asks_for_the_password_leaves_the_terminal_as_it_was() {
    let home = Home::new();
    fixtures::furnish(&home, &["Bob"]);
    let server = Server::start(&home);
    let port = server.port.to_string();
    let mut bob = in_a_shell(&home, "true", &["-u", "Bob", "-sp", &port]);
    for _ in 0..5 {
        bob.exp_string("Password").unwrap();
        until_lines(&bob, false);
        stop(&bob);
        stops_and_goes_on(&mut bob);
    }
    bob.exp_string("Password").unwrap();
    bob.send_line("Bob").unwrap();
    bob.exp_string("logged in").unwrap();
    bob.send_line("!exit").unwrap();
    bob.exp_string("over").unwrap();
    assert!(takes_lines(&bob));
}

#[test]
fn a_client_that_ends_while_it_asks_for_the_password_leaves_the_terminal_as_it_was() {
    let home = Home::new();
    for signal in [None, Some(Signal::SIGTERM), Some(Signal::SIGHUP)] {
        if signal.is_some_and(|signal| ignores(signal.as_str())) {
            continue;
        }
        let mut bob = open(&home, &["-u", "Bob", "-sp", "1"]);
        bob.exp_string("Password").unwrap();
        until_lines(&bob, false);
        match signal {
            None => bob.send_control('c').unwrap(),
            Some(signal) => bob.process_mut().signal(signal).unwrap(),
        }
        bob.exp_eof().unwrap();
        let status = format!("{:?}", bob.process().wait().unwrap());
        // Who was started with Ctrl-C ignored, as a script's background job is, ends with an error instead.
        let fate = match signal {
            None if ignores(Signal::SIGINT.as_str()) => "Exited(",
            _ => "Signaled(",
        };
        assert!(status.starts_with(fate), "{signal:?}: {status}");
        assert!(takes_lines(&bob), "{signal:?}");
    }
}

#[test]
fn h89_a_client_that_is_stopped_leaves_the_terminal_as_it_was_and_takes_it_again() {
    let home = Home::new();
    fixtures::furnish(&home, &["Bob"]);
    let server = Server::start(&home);
    let mut bob = at_the_prompt_of_a_shell(&home, "true", server.port);
    for _ in 0..10 {
        bob.send("\u{1a}").unwrap();
        bob.flush().unwrap();
        stops_and_goes_on(&mut bob);
    }
    // By a signal, with half a line typed, which is shown again and finished.
    bob.send("lis").unwrap();
    bob.flush().unwrap();
    bob.exp_string("lis").unwrap();
    stop(&bob);
    stops_and_goes_on(&mut bob);
    bob.exp_string("> lis").unwrap();
    bob.send_line("t").unwrap();
    bob.exp_string("online").unwrap();
    bob.send_line("!exit").unwrap();
    bob.exp_string("over").unwrap();
    bob.exp_eof().unwrap();
    assert!(takes_lines(&bob));
}

/// Whether the process of the next test panics as soon as it has its line, or at its next prompt.
const AT_ONCE: &str = "UNDERTONE_TEST_AT_ONCE";

/// The process of the next test: a prompt, and then a panic.
#[test]
#[ignore = "run by another test as a process of its own"]
fn panics_at_its_prompt() {
    let mut console = Console::open(false, || {}).unwrap();
    let user = Username::parse("Bob").unwrap();
    console.output.event(&Event::LoggedIn { user }).unwrap();
    // The other test types this when it has seen the prompt.
    assert!(matches!(console.input.recv(), Ok(Input::Line(_))));
    let at_once = std::env::var_os(AT_ONCE).is_some();
    let is_at_prompt = || {
        let modes = tcgetattr(std::io::stdin()).unwrap().local_modes;
        !modes.contains(LocalModes::ICANON)
    };
    while !at_once && !is_at_prompt() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    panic!("on purpose");
}

#[test]
fn h89_a_panic_leaves_the_terminal_as_it_was() {
    let home = Home::new();
    for at_once in [false, true] {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args([
            "--exact",
            "panics_at_its_prompt",
            "--ignored",
            "--nocapture",
        ]);
        command.env("TERM", "xterm").env("HOME", home.path());
        if at_once {
            command.env(AT_ONCE, "");
        }
        let mut session = spawn_with_options(command, options()).unwrap();
        until_lines(&session, false);
        session.send_line("go").unwrap();
        session.exp_string("on purpose").unwrap();
        session.exp_eof().unwrap();
        assert!(takes_lines(&session), "at once: {at_once}");
    }
}

/// Gives the terminal another size. The kernel tells its foreground job by SIGWINCH.
fn resize(session: &PtySession, rows: u16, columns: u16) {
    let terminal = session.process().get_file_handle().unwrap();
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&terminal, size).unwrap();
}

#[test]
fn h88_a_terminal_that_changes_its_size_while_somebody_types_costs_nothing_of_the_line() {
    let home = Home::new();
    fixtures::furnish(&home, &["Alice", "Bob"]);
    let server = Server::start(&home);
    let mut alice = Client::login(&home, "Alice", server.port);
    let mut bob = at_the_prompt(&home, server.port);
    let most = u16::MAX;
    let sizes = [
        (24, 80),
        (1, 1),
        (0, 0),
        (2, 7),
        (most, most),
        (most, 0),
        (0, most),
    ];
    let text =
        "many words are typed by somebody whose terminal grows, shrinks, and is gone for a while ü";
    bob.send("send Alice ").unwrap();
    for (word, (rows, columns)) in text.split_inclusive(' ').zip(sizes.iter().cycle()) {
        bob.send(word).unwrap();
        bob.flush().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(10));
        resize(&bob, *rows, *columns);
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    bob.send_line("").unwrap();
    assert_eq!(alice.message()["text"], text);
    // What is told from here on fits the size of now.
    for (columns, breaks) in [(120, false), (50, true)] {
        resize(&bob, 24, columns);
        alice.say("send Bob FIRST of words that are too many for a small terminal, LAST");
        bob.exp_string("FIRST").unwrap();
        let shown = bob.exp_string("LAST").unwrap();
        assert_eq!(shown.contains('\n'), breaks, "{columns}: {shown:?}");
    }
    bob.send_line("!exit").unwrap();
    bob.exp_eof().unwrap();
    ends_well(&bob);
}

/// The server is away, and so much is written to somebody new that the client takes no more.
#[test]
fn ctrl_c_is_heard_behind_what_waits_for_room() {
    let home = Home::new();
    fixtures::furnish(&home, &["Alice", "Bob"]);
    let server = Server::start(&home);
    let mut bob = at_the_prompt(&home, server.port);
    assert!(server.terminate().success());
    bob.exp_string("stops").unwrap();
    for number in 0..=client::DRAFTS_MAX {
        bob.send_line(&format!("send Alice {number}")).unwrap();
    }
    bob.send("\u{3}").unwrap();
    bob.flush().unwrap();
    bob.exp_eof().unwrap();
    ends_well(&bob);
}
