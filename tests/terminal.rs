//! The client in a pseudo-terminal, as a person sees it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "these tests run in real time")]
#![cfg(unix)]

mod common;

use common::{Client, Home, PATIENCE, Server};
use rexpect::session::{Options, PtySession, spawn_with_options};

fn open(home: &Home, arguments: &[&str]) -> PtySession {
    let mut command = home.client();
    command.args(arguments).env("TERM", "xterm");
    let options = Options::new()
        .timeout_ms(Some(PATIENCE.as_millis() as u64))
        .strip_ansi_escape_codes(false);
    spawn_with_options(command, options).unwrap()
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
    let port = server.port.to_string();
    let mut bob = open(&home, &["-u", "Bob", "-p", "Bob", "-sp", &port]);
    bob.exp_string("logged in").unwrap();
    bob.send_control('d').unwrap();
    bob.exp_eof().unwrap();
    ends_well(&bob);
}
