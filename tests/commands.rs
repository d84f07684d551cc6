//! The command lines of both programs: what they print, what they leave on disk and how they end.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
#![allow(clippy::disallowed_types, reason = "a socket that never answers")]
#![cfg(unix)]

mod common;

use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{Client, Demo, Home, Server, ended, ignores, output};

fn fingerprint(home: &Home) -> String {
    let (code, out, _) = ended(home.server().arg("fingerprint"));
    assert_eq!(code, Some(0));
    out.split('#').nth(1).unwrap().trim().to_owned()
}

#[test]
fn wrong_usage_is_exit_2_and_says_what_is_right() {
    let home = Home::new();
    for (line, words) in [
        ("-sp", "-sp <PORT>"),
        ("-sp=x", "0 to 65535"),
        ("--force", "--new-demo-accounts"),
        ("--bind nowhere", "0.0.0.0 or ::"),
        ("dmeo", "demo"),
        ("-n demo", "chat-server -n"),
    ] {
        let (code, out, err) = ended(home.server().args(line.split(' ')));
        assert_eq!((code, out.as_str()), (Some(2), ""), "{line}");
        assert!(err.contains(words), "{line}: {err}");
    }
    for (line, words) in [
        ("-sp 5000", "-u NAME"),
        ("-u Bob -sp", "-sp <PORT>"),
        ("-u Bob -p Bob -sp 0", "1 to 65535"),
        ("-u Bob -sip 1.2.3.4:5000", "-sp PORT"),
        ("-u Bob -p a --password-file b", "only one of"),
        ("-u Bob --ca file", "--ca"),
    ] {
        let (code, out, err) = ended(home.client().args(line.split(' ')));
        assert_eq!((code, out.as_str()), (Some(2), ""), "{line}");
        assert!(err.contains(words), "{line}: {err}");
    }
    assert!(!home.path().join("data").exists(), "nothing was made");
}

#[test]
fn help_manuals_and_completions_show_what_people_type() {
    let home = Home::new();
    for (program, forms) in [
        (home.server(), &["-sp"][..]),
        (home.client(), &["-sp", "-sip"][..]),
    ] {
        let program = program.get_program().to_owned();
        let shown = |line: &str| {
            let mut command = home.command(program.to_str().unwrap());
            let (code, out, err) = ended(command.args(line.split(' ')));
            assert_eq!((code, err.as_str()), (Some(0), ""), "{line}");
            out
        };
        for form in forms {
            for line in ["--help", "-h", "completions bash", "completions zsh"] {
                assert!(shown(line).contains(form), "{line}: {form}");
            }
            let roff = form.replace('-', "\\-");
            assert!(shown("man").contains(&format!("{roff}\\fR, ")), "{form}");
            let fish = format!("-o {} ", form.trim_start_matches('-'));
            assert!(shown("completions fish").contains(&fish), "{form}");
        }
        assert!(shown("--version").starts_with("chat-"));
    }
}

#[test]
fn demo_accounts_are_made_once_and_overwritten_only_by_force() {
    let home = Home::new();
    let (code, out, _) = ended(home.server().arg("-n"));
    assert_eq!(code, Some(0));
    assert!(out.contains("made Alice, Bob, Charlie, Eve"), "{out}");
    let first = fingerprint(&home);
    let (code, out, _) = ended(home.server().arg("-n"));
    assert_eq!(code, Some(0));
    assert!(out.contains("kept Alice, Bob, Charlie, Eve"), "{out}");
    assert_eq!(fingerprint(&home), first);
    let (code, out, _) = ended(home.server().args(["-n", "--force"]));
    assert_eq!(code, Some(0));
    assert!(out.contains("made Alice, Bob, Charlie, Eve"), "{out}");
    assert_ne!(fingerprint(&home), first);
    // The old ones are set aside, not lost.
    let old = out.lines().find(|line| line.contains("is now in")).unwrap();
    let old = Path::new(old.split("is now in ").nth(1).unwrap());
    assert!(old.join("identity.pk8").exists() && old.join("server.sqlite").exists());
    // They are not taken from under a server that runs.
    let server = Server::start(&home);
    let (code, _, err) = ended(home.server().args(["-n", "--force"]));
    assert_eq!(code, Some(1));
    assert!(err.contains("end that one first"), "{err}");
    assert_eq!(server.fingerprint(), fingerprint(&home));
}

/// A script that starts a server and asks for its key beside it.
#[test]
fn h85_whatever_starts_first_in_a_folder_all_have_one_key() {
    let home = Home::new();
    let (mut keys, server) = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..3).map(|_| scope.spawn(|| fingerprint(&home))).collect();
        let server = Server::start(&home);
        let keys: Vec<_> = asking.into_iter().map(|it| it.join().unwrap()).collect();
        (keys, server)
    });
    keys.push(fingerprint(&home));
    assert_eq!(keys, vec![server.fingerprint(); 4]);
}

#[test]
fn with_demo_accounts_only_this_machine_is_served() {
    let home = Home::new();
    home.seed();
    for address in ["0.0.0.0", "::", "::ffff:0.0.0.0"] {
        let (code, out, err) = ended(home.server().args(["-sp", "0", "--bind", address]));
        assert_eq!((code, out.as_str()), (Some(2), ""), "{address}");
        assert!(err.contains("--allow-demo-accounts"), "{address}: {err}");
    }
    let bind = ["-sp=0", "--bind", "0.0.0.0", "--allow-demo-accounts"];
    let server = Server::start_with(&home, &bind);
    assert_eq!(Client::login(&home, "Bob", server.port).quit().0, Some(0));
    drop(server);
    // Without demo accounts it asks nothing.
    let home = Home::new();
    let server = Server::start_with(&home, &["--port", "0", "--bind", "0.0.0.0"]);
    assert!(server.said.iter().any(|line| line.contains("0.0.0.0:")));
}

#[test]
fn both_loopbacks_are_served() {
    // Not every machine has IPv6.
    if UdpSocket::bind("[::1]:0").is_err() {
        return;
    }
    let home = Home::new();
    home.seed();
    let server = Server::start_with(&home, &["--server-port", "0", "--bind", "::1"]);
    assert!(
        server.url.starts_with("undertone://[::1]:"),
        "{}",
        server.url
    );
    let mut command = home.client();
    let port = format!("-sp={}", server.port);
    command.args(["-u", "Bob", "-p", "Bob", "-sip", "::1", &port]);
    let mut bob = Client::spawn(command);
    let place = format!("[::1]:{}", server.port);
    assert_eq!(bob.event("connected")["server"], place);
    assert_eq!(bob.quit().0, Some(0));
    // As the server prints it.
    let mut command = home.client();
    command.args(["-u", "Bob", "-p", "Bob", "--server", &server.url]);
    let mut bob = Client::spawn(command);
    bob.event("logged_in");
    assert_eq!(bob.quit().0, Some(0));
}

#[test]
fn passwords_come_from_where_they_are() {
    let home = Home::new();
    home.seed();
    let server = Server::start(&home);
    let port = server.port.to_string();
    let file = home.path().join("password");
    std::fs::write(&file, "Bob\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let file = file.to_str().unwrap();
    let client = |arguments: &[&str]| {
        let mut command = home.client();
        command.args(["-u", "Bob", "-sp", &port]).args(arguments);
        command
    };
    let warned = |err: &str| err.matches("process list").count();
    let ways: [&[&str]; 3] = [
        &["--password-file", file],
        &["--password-command", "echo Bob"],
        &[],
    ];
    for way in ways {
        let mut command = client(way);
        if way.is_empty() {
            command.env("UNDERTONE_PASSWORD", "Bob");
        }
        let (code, out, err) = ended(&mut command);
        assert_eq!(code, Some(0), "{way:?} {err}");
        assert!(out.contains("logged_in"), "{way:?} {out}");
        assert_eq!(warned(&err), 0, "{way:?} {err}");
    }
    // The rest of standard input are commands.
    let mut stdin = Client::spawn(client(&["--password-file", "-"]));
    stdin.write(b"Bob\nlist\n");
    assert_eq!(stdin.event("online")["users"], serde_json::json!(["Bob"]));
    assert_eq!(stdin.quit().0, Some(0));
    let (code, out, err) = ended(&mut client(&["-p", "Bob"]));
    assert_eq!((code, warned(&err)), (Some(0), 1), "{err}");
    assert!(!out.contains("process list"), "{out}");
    // A password of `-sp` is a password, if a wrong one.
    assert_eq!(ended(&mut client(&["-p", "-sp"])).0, Some(4));
    assert_eq!(ended(&mut client(&["--password-file", "/none"])).0, Some(2));
}

#[test]
fn an_invitation_opens_a_server_that_takes_nobody_else() {
    let home = Home::new();
    let invitation = |home: &Home| {
        let (code, out, err) = ended(home.server().arg("invite"));
        assert_eq!(code, Some(0), "{err}");
        out.trim().to_owned()
    };
    // In an empty folder: the keys are made before anybody is invited.
    let invitation = invitation(&home);
    let server = Server::start_with(&home, &["-sp", "0", "--registration", "invite"]);
    let port = server.port.to_string();
    let register = |name: &str, arguments: &[&str]| {
        let mut command = home.client();
        command.args(["register", "-u", name, "-p", "secret", "-sp", &port]);
        ended(command.args(arguments))
    };
    let (code, out, _) = register("Dora", &[]);
    assert_eq!(code, Some(1), "{out}");
    let (code, out, _) = register("Dora", &["--invite", &invitation]);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains(r#"{"event":"registered","user":"Dora"}"#));
    let (code, out, _) = register("Emil", &["--invite", &invitation]);
    assert_eq!(code, Some(1), "it was good for one account: {out}");
}

/// Files and folders below, with their modes.
fn modes(folder: &Path, found: &mut Vec<(PathBuf, u32)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        found.push((entry.path(), mode));
        if entry.path().is_dir() {
            modes(&entry.path(), found);
        }
    }
}

/// Runs a command as those do who care about nothing.
fn careless(command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", "umask 0; exec \"$@\"", "sh"]);
    shell.arg(command.get_program()).args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(key, value),
            None => shell.env_remove(key),
        };
    }
    shell
}

#[test]
fn files_are_their_owners_alone() {
    let home = Home::new();
    let (server_data, client_data) = (home.path().join("s"), home.path().join("c"));
    let at = server_data.to_str().unwrap();
    let mut seed = home.server();
    seed.args(["-n", "--data-dir", at]);
    assert!(output(&mut careless(&seed)).status.success());
    let mut serve = home.server();
    serve.args(["--data-dir", at, "-sp", "0"]);
    let server = Server::spawn(&mut careless(&serve));
    let mut command = home.client();
    let port = server.port.to_string();
    command.args(["-u", "Bob", "-p", "Bob", "-sp", &port, "--data-dir"]);
    command.arg(&client_data);
    let mut bob = Client::spawn(careless(&command));
    bob.event("logged_in");
    let id = bob.send("Alice", "hello");
    bob.status(&id, "stored");
    // While everything is in use, write-ahead logs included.
    for (folder, known) in [
        (&server_data, "identity.pk8"),
        (&client_data, "known_servers"),
    ] {
        let mut found = Vec::new();
        modes(folder, &mut found);
        assert!(found.iter().any(|(path, _)| path.ends_with(known)));
        for (path, mode) in found {
            let expected = if path.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(mode, expected, "{} {mode:o}", path.display());
        }
    }
    assert_eq!(bob.quit().0, Some(0));
    assert!(!home.path().join("data").exists(), "--data-dir overrides");
}

#[test]
fn a_demonstration_answers_and_leaves_nothing_running() {
    let home = Home::new();
    let mut demo = Demo::start(&home);
    // The very words that it prints, as a script would run them.
    let mut command = home.command("sh");
    command.args(["-c", &format!("exec {} \"$@\"", demo.client), "sh"]);
    let mut bob = Client::spawn(command);
    bob.event("logged_in");
    let id = bob.send("Alice", "hello there");
    bob.status(&id, "stored");
    let answer = bob.message();
    assert_eq!(answer["from"], "Alice");
    assert!(answer["text"].as_str().unwrap().contains("hello there"));
    assert_eq!(bob.quit().0, Some(0));
    // Another one beside it has a folder and a port of its own.
    let mut other = Demo::start(&home);
    assert_ne!(other.client, demo.client);
    assert_eq!(other.interrupt().code(), Some(0));
    assert_eq!(demo.interrupt().code(), Some(0));
}

#[test]
fn silence_is_exit_3_and_says_what_to_look_at() {
    let home = Home::new();
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port().to_string();
    let (code, out, _) = ended(home.client().args(["-u", "Bob", "-p", "Bob", "-sp", &port]));
    assert_eq!(code, Some(3), "{out}");
    assert!(out.contains(r#""code":"unreachable""#), "{out}");
    assert!(out.contains(&format!("127.0.0.1:{port}")), "{out}");
    assert!(out.contains("is it running"), "{out}");
}

#[test]
fn whoever_quits_in_a_script_has_said_everything_before() {
    let home = Home::new();
    home.seed();
    let server = Server::start(&home);
    let mut bob = Client::start(&home, "Bob", server.port);
    // Long before the login is done.
    bob.write(b"send Alice one\nlist\nsend Alice two\nquit\n");
    bob.end_input();
    bob.event("online");
    bob.event("bye");
    let stored = bob.raw.iter().filter(|line| line.contains("\"stored\""));
    assert_eq!(stored.count(), 2, "{:?}", bob.raw);
    assert_eq!(bob.finish().0, Some(0));
}

#[test]
fn signals_let_go_in_peace_with_everything_said() {
    let home = Home::new();
    home.seed();
    let server = Server::start(&home);
    let mut alice = Client::login(&home, "Alice", server.port);
    let endings = ["INT", "TERM", "HUP"].into_iter();
    for name in endings.filter(|name| !ignores(&format!("SIG{name}"))) {
        let mut bob = Client::login(&home, "Bob", server.port);
        bob.say(&format!("send Alice {name}"));
        // Taken, but perhaps not on disk yet.
        bob.say("no such command");
        bob.event("error");
        common::signal(bob.id(), name);
        bob.event("bye");
        assert_eq!(bob.finish().0, Some(0), "{name}");
        assert_eq!(alice.message()["text"], name);
        alice.say("list");
        let online = alice.event("online");
        assert_eq!(online["users"], serde_json::json!(["Alice"]), "{name}");
    }
}

#[test]
fn a_thousand_lines_arrive_in_order() {
    const LINES: usize = 1000;
    let home = Home::new();
    home.seed();
    let server = Server::start(&home);
    let mut alice = Client::login(&home, "Alice", server.port);
    let mut bob = Client::start(&home, "Bob", server.port);
    let lines: String = (0..LINES).map(|n| format!("send Alice {n}\n")).collect();
    bob.write(lines.as_bytes());
    bob.end_input();
    bob.event("bye");
    assert_eq!(bob.finish().0, Some(0));
    for number in 0..LINES {
        assert_eq!(alice.message()["text"], number.to_string());
    }
}

#[test]
fn who_stops_reading_ends_the_client() {
    let home = Home::new();
    home.seed();
    let server = Server::start(&home);
    let mut command = home.client();
    command.args(["-u", "Bob", "-p", "Bob", "-sp", &server.port.to_string()]);
    // Its input stays open; its output does not.
    let mut bob = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(bob.stdout.take());
    assert!(common::wait(&mut bob).code().is_some());
}
