//! Two people, a server, and what can come between them: the real programs over real sockets.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::time::Duration;

use common::{Client, Home, Server};
use serde_json::json;

/// A conversation as the README shows it.
#[test]
fn u03_u04_u05_alice_and_bob_chat() {
    let home = Home::new();
    home.seed();
    let server = Server::start(&home);
    let mut alice = Client::start(&home, "Alice", server.port);
    let connected = alice.event("connected");
    assert_eq!(connected["server"], format!("127.0.0.1:{}", server.port));
    assert_eq!(connected["fingerprint"], server.fingerprint());
    assert_eq!(alice.event("logged_in")["user"], "Alice");
    let mut bob = Client::login(&home, "Bob", server.port);
    bob.say("list");
    assert_eq!(
        bob.event("online"),
        json!({"event": "online", "users": ["Alice", "Bob"]})
    );
    let id = bob.send("Alice", "hello there");
    let message = alice.message();
    assert_eq!(message["text"], "hello there");
    assert_eq!(
        (&message["from"], &message["to"]),
        (&json!("Bob"), &json!("Alice"))
    );
    assert_eq!(message["id"], id);
    let time = message["time"].as_str().unwrap();
    assert!(time.ends_with('Z') && time.contains('T'), "{time}");
    let stored = bob.status(&id, "stored");
    assert_eq!(stored["to"], "Alice");
    bob.status(&id, "delivered");
    alice.say(r#"{"command":"send","to":"Bob","text":"two\nlines"}"#);
    assert_eq!(bob.message()["text"], "two\nlines");
    assert_eq!(bob.quit().0, Some(0));
    alice.say("list");
    assert_eq!(alice.event("online")["users"], json!(["Alice"]));
    assert_eq!(alice.quit().0, Some(0));
    assert_eq!(server.interrupt().code(), Some(0));
}

#[test]
fn u05_texts_arrive_byte_for_byte() {
    let home = Home::new();
    home.seed();
    let server = Server::start(&home);
    let mut alice = Client::login(&home, "Alice", server.port);
    let mut bob = Client::login(&home, "Bob", server.port);
    let long = "ü".repeat((1 << 20) / 2);
    let texts = [
        "  leading, inner   and trailing spaces  ",
        "\ttabs\tand \u{1b}[31mescapes\u{7}",
        "🦀 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 \u{202e}right to left\u{202c} e\u{301}",
        "{not json}",
        &long,
    ];
    for text in texts {
        bob.send("Alice", text);
        assert_eq!(alice.message()["text"], text);
    }
    bob.say(&format!("send Alice {long}x"));
    let error = bob.event("error");
    assert_eq!(error["code"], "text_too_long");
    bob.send("Alice", "and still here");
    assert_eq!(alice.message()["text"], "and still here");
}

#[test]
fn u16_who_is_offline_gets_it_at_login_and_later_sends_work() {
    let home = Home::new();
    home.seed();
    let server = Server::start(&home);
    let mut bob = Client::login(&home, "Bob", server.port);
    let first = bob.send("Alice", "are you there?");
    bob.status(&first, "stored");
    let to_charlie = bob.send("Charlie", "and you?");
    bob.status(&to_charlie, "stored");
    let mut charlie = Client::login(&home, "Charlie", server.port);
    assert_eq!(charlie.message()["text"], "and you?");
    let second = bob.send("Alice", "well then");
    bob.status(&second, "stored");
    let mut alice = Client::login(&home, "Alice", server.port);
    assert_eq!(alice.message()["text"], "are you there?");
    assert_eq!(alice.message()["text"], "well then");
    bob.status(&first, "delivered");
    bob.status(&second, "delivered");
}

#[test]
fn h77_what_was_stored_survives_kill_9_of_the_server() {
    let home = Home::new();
    home.seed();
    let server = Server::start(&home);
    let port = server.port;
    let mut bob = Client::login(&home, "Bob", port);
    let id = bob.send("Alice", "keep this");
    bob.status(&id, "stored");
    server.kill();
    let server = Server::start_on(&home, port);
    let mut alice = Client::login(&home, "Alice", server.port);
    assert_eq!(alice.message()["text"], "keep this");
    // Bob's client finds back by itself, and sends nothing twice.
    let later = bob.send("Alice", "and this");
    bob.status(&later, "stored");
    assert_eq!(alice.message()["text"], "and this");
    alice.never(Duration::from_secs(1), |value| value["event"] == "message");
}

#[test]
fn h90_the_outbox_survives_the_clients_restart() {
    let home = Home::new();
    home.seed();
    let server = Server::start(&home);
    let port = server.port;
    let mut bob = Client::login(&home, "Bob", port);
    let mut alice = Client::login(&home, "Alice", port);
    let first = bob.send("Alice", "one");
    bob.status(&first, "delivered");
    server.kill();
    bob.send("Alice", "two");
    bob.send("Alice", "three");
    bob.kill();
    let _server = Server::start_on(&home, port);
    let mut bob = Client::login(&home, "Bob", port);
    bob.find("stored", |value| value["state"] == "stored");
    assert_eq!(alice.message()["text"], "one");
    assert_eq!(alice.message()["text"], "two");
    assert_eq!(alice.message()["text"], "three");
    alice.never(Duration::from_secs(1), |value| value["event"] == "message");
}

/// The same server, from another port on: whoever has its key goes on with what was queued for it.
#[test]
fn what_was_queued_for_a_server_is_sent_where_it_has_moved_to() {
    let home = Home::new();
    home.seed();
    let server = Server::start(&home);
    let mut bob = Client::login(&home, "Bob", server.port);
    let first = bob.send("Alice", "one");
    bob.status(&first, "stored");
    assert!(server.terminate().success());
    bob.event("disconnected");
    bob.send("Alice", "two");
    assert_eq!(bob.quit().0, Some(0));
    // Whether it is named by its key, or found to have it: the second time, by a third name, there is no pin of it.
    let server = Server::start(&home);
    let mut command = home.client();
    command.args(["-u", "Bob", "-p", "Bob", "--server", &server.url]);
    let mut bob = Client::spawn(command);
    bob.find("stored", |value| value["state"] == "stored");
    assert!(server.terminate().success());
    bob.event("disconnected");
    bob.send("Alice", "three");
    assert_eq!(bob.quit().0, Some(0));
    let server = Server::start(&home);
    let mut bob = Client::login(&home, "Bob", server.port);
    bob.find("stored", |value| value["state"] == "stored");
    let (code, notes) = bob.quit();
    assert_eq!(code, Some(0));
    assert!(notes.contains("this server is the one known as"), "{notes}");
    let mut alice = Client::login(&home, "Alice", server.port);
    for text in ["one", "two", "three"] {
        assert_eq!(alice.message()["text"], text);
    }
    let servers = home.path().join("data/undertone/client/servers");
    let used: Vec<_> = (std::fs::read_dir(servers).unwrap())
        .filter(|server| server.as_ref().unwrap().path().join("bob").exists())
        .collect();
    assert_eq!(used.len(), 1, "{used:?}");
}

#[test]
fn u07_u08_wrong_password_and_unknown_user_look_the_same() {
    let home = Home::new();
    home.seed();
    let server = Server::start(&home);
    let mut outcomes = Vec::new();
    for (user, password) in [("Bob", "wrong"), ("Nobody", "wrong")] {
        let mut command = home.client();
        let port = server.port.to_string();
        command.args(["-u", user, "-p", password, "-sp", &port]);
        let mut client = Client::spawn(command);
        let mut error = client.event("error");
        assert_eq!(error["code"], "login_failed");
        let (code, _) = client.finish();
        assert_eq!(code, Some(4));
        error["message"] = error["message"]
            .as_str()
            .unwrap()
            .replace(user, "USER")
            .into();
        outcomes.push(error);
    }
    assert_eq!(outcomes[0], outcomes[1]);
}

#[test]
fn a_swapped_server_key_behind_a_pin_stops_the_client() {
    let home = Home::new();
    home.seed();
    let server = Server::start(&home);
    let (port, old) = (server.port, server.fingerprint().to_owned());
    assert_eq!(Client::login(&home, "Bob", port).quit().0, Some(0));
    server.kill();
    std::fs::remove_dir_all(home.server_data()).unwrap();
    home.seed();
    let server = Server::start_on(&home, port);
    let new = server.fingerprint().to_owned();
    assert_ne!(old, new);
    let mut client = Client::start(&home, "Bob", port);
    let error = client.event("error");
    assert_eq!(error["code"], "server_key_changed");
    let text = error["message"].as_str().unwrap();
    assert!(text.contains(&old) && text.contains(&new), "{text}");
    let (code, words) = client.finish();
    assert_eq!(code, Some(5));
    assert!(words.contains("known_servers"), "what to do: {words}");
}

#[test]
fn who_cannot_be_reached_is_said_so_with_exit_3() {
    let home = Home::new();
    for host in ["127.0.0.1", "no-such-host.invalid"] {
        let mut command = home.client();
        // Nobody listens on the discard port of this host.
        command.args(["-u", "Bob", "-p", "Bob", "-sip", host, "-sp", "9"]);
        let mut client = Client::spawn(command);
        let error = client.event("error");
        assert_eq!(error["code"], "unreachable", "{error}");
        let (code, _) = client.finish();
        assert_eq!(code, Some(3));
    }
}

#[test]
fn two_clients_of_one_account_both_receive() {
    let home = Home::new();
    home.seed();
    let server = Server::start(&home);
    let mut first = Client::login(&home, "Alice", server.port);
    let mut second = Client::login(&home, "Alice", server.port);
    let mut bob = Client::login(&home, "Bob", server.port);
    for text in ["one", "two"] {
        bob.send("Alice", text);
        assert_eq!(first.message()["text"], text);
        assert_eq!(second.message()["text"], text);
    }
    bob.say("list");
    assert_eq!(bob.event("online")["users"], json!(["Alice", "Bob"]));
}

#[test]
fn at_the_end_of_input_everything_said_is_stored_first() {
    let home = Home::new();
    home.seed();
    let server = Server::start(&home);
    let mut bob = Client::start(&home, "Bob", server.port);
    bob.write(b"send Alice one\nsend Alice two\nsend Alice three\n");
    bob.end_input();
    bob.event("bye");
    assert_eq!(bob.finish().0, Some(0));
    let mut alice = Client::login(&home, "Alice", server.port);
    for text in ["one", "two", "three"] {
        assert_eq!(alice.message()["text"], text);
    }
}

#[test]
fn a_message_to_nobody_fails_and_says_why() {
    let home = Home::new();
    home.seed();
    let server = Server::start(&home);
    let mut bob = Client::login(&home, "Bob", server.port);
    bob.say("send Zoe hello");
    let failed = bob.find("failed", |value| value["state"] == "failed");
    assert_eq!(failed["to"], "Zoe");
    assert!(!failed["reason"].as_str().unwrap().is_empty());
    let id = bob.send("Alice", "still works");
    bob.status(&id, "stored");
    bob.say("sned Alice typo");
    assert_eq!(bob.event("error")["code"], "unknown_command");
    bob.say("{broken json");
    assert_eq!(bob.event("error")["code"], "bad_json");
    assert_eq!(bob.quit().0, Some(0));
}

#[test]
fn a_new_account_registers_and_chats() {
    let home = Home::new();
    home.seed();
    let server = Server::start(&home);
    let port = server.port.to_string();
    let mut command = home.client();
    command.args([
        "register",
        "-u",
        "Dora",
        "-p",
        "correct horse",
        "-sp",
        &port,
    ]);
    let mut dora = Client::spawn(command);
    dora.event("registered");
    dora.event("logged_in");
    let mut bob = Client::login(&home, "Bob", server.port);
    dora.send("Bob", "I am new here");
    assert_eq!(bob.message()["from"], "Dora");
    bob.send("Dora", "welcome");
    assert_eq!(dora.message()["text"], "welcome");
    assert_eq!(dora.quit().0, Some(0));
    let mut command = home.client();
    command.args(["register", "-u", "dora", "-p", "another", "-sp", &port]);
    let mut again = Client::spawn(command);
    assert_eq!(again.event("error")["code"], "name_taken");
    assert_eq!(again.finish().0, Some(1));
}

/// The server's files and output, searched after a conversation.
#[test]
fn the_server_holds_no_text_no_password_and_no_private_key() {
    let home = Home::new();
    home.seed();
    let mut server = Server::start_with(&home, &["-sp", "0", "-v"]);
    let port = server.port.to_string();
    let password = "swordfish-canary-password";
    let text = "xylophone canary text";
    let mut command = home.client();
    command.args(["register", "-u", "Dora", "-p", password, "-sp", &port]);
    let mut dora = Client::spawn(command);
    dora.event("logged_in");
    let id = dora.send("Alice", text);
    dora.status(&id, "stored");
    let mut alice = Client::login(&home, "Alice", server.port);
    assert_eq!(alice.message()["text"], text);
    dora.quit();
    alice.quit();
    let mut seen = server.rest();
    let mut files = vec![home.server_data()];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(
                std::fs::read_dir(path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else {
            seen.extend(std::fs::read(path).unwrap());
        }
    }
    assert!(seen.len() > 10_000, "the server's files were not found");
    for canary in [password, text] {
        let found = seen
            .windows(canary.len())
            .any(|window| window == canary.as_bytes());
        assert!(!found, "{canary:?} is in the server's files or log");
    }
    // The server's own key is there once; no user's RSA key is (PKCS#8's algorithm, then its octets).
    let pkcs8 = [
        0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00, 0x04, 0x82,
    ];
    let keys = seen
        .windows(pkcs8.len())
        .filter(|window| *window == pkcs8)
        .count();
    assert!(keys <= 1, "{keys} private RSA keys in the server's files");
}
