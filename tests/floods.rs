//! The real server, flooded: those who are there go on talking, who has a right to come in does, and
//! memory stays within bounds.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "these tests run in real time")]
#![allow(clippy::print_stdout, reason = "figures")]
#![cfg(target_os = "linux")]

#[path = "common/attack.rs"]
mod attack;
mod common;
#[path = "common/fixtures.rs"]
mod fixtures;
#[path = "common/guest.rs"]
mod guest;
#[path = "common/people.rs"]
mod people;

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use attack::{Crowd, address};
use client::Failure;
use common::{Home, PATIENCE, Server, http_get};
use guest::Guest;
use people::{Person, now};
use transport::CloseReason;
use undertone::cli::folders::{Program, data_folder};
use undertone::cli::server::LogLevel;
use undertone::run::log::{Form, Log};
use undertone::run::server::{Host, Settings, Stop};

const MIB: u64 = 1 << 20;

/// Who has an account. The last is up to no good.
const NAMES: [&str; 4] = ["Alice", "Bob", "Carla", "Mallory"];
const MALLORY: usize = 3;

/// Half-open connections for which the server of one test has room; by default there are 4,096.
const HALF_OPEN_MAX: usize = 32;

/// What one of them costs at most, in bytes.
const HALF_OPEN_BYTES: u64 = 32 * 1024;

/// Two people who know each other, at a server that others flood.
struct Scene {
    /// Removed when it is over.
    _home: Home,
    server: Server,
    alice: Person,
    bob: Person,
    said: usize,
    memory: u64,
}

impl Scene {
    fn new() -> Self {
        Self::with(Home::new(), Server::start)
    }

    fn with(home: Home, start: impl FnOnce(&Home) -> Server) -> Self {
        fixtures::furnish(&home, &NAMES);
        let server = start(&home);
        let alice = Person::login("Alice", server.port);
        let bob = Person::login("Bob", server.port);
        let mut scene = Self {
            _home: home,
            server,
            alice,
            bob,
            said: 0,
            memory: 0,
        };
        scene.talk(5);
        scene.memory = scene.resident();
        scene
    }

    /// Alice and Bob say something to each other so many times, and hear it.
    fn talk(&mut self, times: usize) {
        for _ in 0..times {
            self.alice.send("Bob", &self.said.to_string());
            self.bob.send("Alice", &self.said.to_string());
            self.said += 1;
        }
        for (person, other) in [(&self.alice, "Bob"), (&self.bob, "Alice")] {
            person.until("the conversation", |heard| {
                heard.texts(other).len() == self.said
            });
        }
    }

    /// Floods while Alice and Bob talk, and while Carla logs in: `flood` is called again and again, at
    /// least so often.
    fn flooded(&mut self, times: usize, mut flood: impl FnMut() + Send) {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let flooding = scope.spawn(|| {
                let mut left = times;
                while left > 0 || !over.load(Ordering::Relaxed) {
                    flood();
                    left = left.saturating_sub(1);
                }
            });
            self.talk(5);
            Person::login("Carla", self.server.port).leave();
            self.talk(5);
            over.store(true, Ordering::Relaxed);
            flooding.join().unwrap();
        });
        // Whoever is here has been all the time.
        assert_eq!(self.alice.heard().logins + self.bob.heard().logins, 2);
    }

    /// Bytes of the server's memory.
    fn resident(&self) -> u64 {
        let status = format!("/proc/{}/status", self.server.id());
        let status = std::fs::read_to_string(status).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.unwrap().trim().trim_end_matches(" kB");
        kib.parse::<u64>().unwrap() * 1024
    }

    fn assert_grew_at_most(&self, bytes: u64) {
        let grown = self.resident().saturating_sub(self.memory);
        println!("grew by {} KiB", grown >> 10);
        assert!(grown <= bytes, "{grown} bytes more than before");
    }
}

/// What a server's metrics say of this.
fn counted(metrics: &str, name: &str) -> usize {
    let page = http_get(metrics, "/metrics");
    let mut lines = page.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value
        .unwrap_or_else(|| panic!("no {name}"))
        .parse()
        .unwrap()
}

#[test]
fn h40_first_packets_from_everywhere_disturb_nobody() {
    let mut scene = Scene::new();
    let mut crowd = Crowd::new(200, scene.server.port);
    scene.flooded(50, || {
        crowd.first_packets();
        crowd.challenges();
    });
    assert!(crowd.sent > 1_000, "{} datagrams are no flood", crowd.sent);
    scene.assert_grew_at_most(4 * MIB);
}

#[test]
fn h01_empty_datagrams_disturb_nobody() {
    let mut scene = Scene::new();
    let mut crowd = Crowd::new(50, scene.server.port);
    scene.flooded(50, || crowd.burst(|_| Vec::new()));
    assert!(crowd.sent > 1_000, "{} datagrams are no flood", crowd.sent);
    scene.assert_grew_at_most(2 * MIB);
}

/// The process of the next test: a server with room for few half-open connections.
#[test]
#[ignore = "run by another test as a process of its own"]
fn serves_few_half_open() {
    let mut config = server::Config::default();
    config.transport.half_open_max = HALF_OPEN_MAX;
    let settings = Settings {
        folder: data_folder(Program::Server, None).unwrap(),
        bind: (Ipv4Addr::LOCALHOST, 0).into(),
        allow_demo_accounts: false,
        metrics: Some((Ipv4Addr::LOCALHOST, 0).into()),
        config,
    };
    let (host, listening) = Host::open(settings, Stop::Signals).unwrap();
    let form = Form {
        level: LogLevel::Error,
        json: false,
    };
    Log::new(form).listening(&listening);
    host.run(&mut |_| {}).unwrap();
}

/// The bound is one of the server's own, and not of what is sent to it: twice the attack fits in it as well.
#[test]
fn h39_h44_half_open_handshakes_disturb_nobody() {
    let home = Home::new();
    let mut command = home.command(std::env::current_exe().unwrap().to_str().unwrap());
    let name = "serves_few_half_open";
    command.args(["--exact", name, "--ignored", "--nocapture"]);
    let mut scene = Scene::with(home, |_| Server::spawn(&mut command));
    let (port, metrics) = (scene.server.port, scene.server.metrics());
    let (mut gone, mut half_open_most) = (0, 0);
    for _ in 0..2 {
        scene.flooded(4 * HALF_OPEN_MAX, || {
            gone += 1;
            assert!(Guest::new(address(gone), port).hello_and_gone());
            if gone % 16 == 0 {
                half_open_most = half_open_most.max(counted(&metrics, "undertone_half_open"));
            }
        });
        scene.assert_grew_at_most(2 * MIB + HALF_OPEN_MAX as u64 * HALF_OPEN_BYTES);
    }
    println!("{gone} came and went, {half_open_most} were half-open at most");
    // Most of them have been put out for later ones.
    assert!(
        half_open_most > HALF_OPEN_MAX / 2,
        "{half_open_most} half-open"
    );
    assert!(
        half_open_most <= HALF_OPEN_MAX,
        "{half_open_most} half-open"
    );
}

#[test]
fn h43_work_that_was_not_done_disturbs_nobody() {
    /// A full buffer drops more of them the slower the machine is.
    const ANSWERED_MIN: usize = 500;
    let mut scene = Scene::new();
    let mut crowd = Crowd::new(200, scene.server.port);
    assert!(crowd.ask(), "a stranger got no challenge");
    let (asked, mut answered) = (crowd.sent, 0);
    scene.flooded(50, || {
        crowd.wrong_solutions();
        answered += crowd.challenges();
    });
    let sent = crowd.sent - asked;
    // What the server has not read yet it reads now.
    let begin = Instant::now();
    while answered < ANSWERED_MIN && begin.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(10));
        answered += crowd.challenges();
    }
    println!("{sent} wrong solutions, {answered} of them answered");
    assert!(sent > 1_000, "{sent} datagrams are no flood");
    // A right one would be answered otherwise than by another challenge.
    assert!(answered >= ANSWERED_MIN, "{answered} of {sent} answered");
    scene.assert_grew_at_most(4 * MIB);
}

#[test]
fn h50_who_guesses_a_password_keeps_its_owner_from_nothing() {
    let mut scene = Scene::new();
    let port = scene.server.port;
    let mut guesses = 0;
    // Carla's own password is right, and what others guess meanwhile does not keep her out.
    scene.flooded(8, || {
        guesses += 1;
        let from = Ipv4Addr::new(127, 99, 0, 1);
        let guess = format!("guess {guesses}");
        let guesser = Person::start_from(from, "Carla", &guess, port);
        guesser.until("a refusal", |heard| heard.failure.is_some());
        assert_eq!(guesser.heard().logins, 0);
        let failure = guesser.heard().failure.clone();
        assert!(
            matches!(
                failure,
                Some(Failure::LoginFailed | Failure::Refused { .. })
            ),
            "{failure:?}"
        );
    });
    scene.assert_grew_at_most(8 * MIB);
}

/// Those who have logged in, and one who is about to, have their streams: they keep them, and open and reset
/// others, as fast as the server gives leave.
#[test]
fn h20_streams_opened_and_reset_disturb_nobody() {
    const EACH: usize = 50;
    let mut scene = Scene::new();
    let port = scene.server.port;
    let mut guests: Vec<_> = (0..4).map(|at| Guest::new(address(at), port)).collect();
    let (stranger, users) = guests.split_last_mut().unwrap();
    for (device, user) in (0..).zip(&mut *users) {
        user.log_in("Mallory", MALLORY, [device; 16]);
    }
    stranger.begin_login("Mallory");
    scene.memory = scene.resident();
    let (mut by_users, mut by_stranger) = (0, 0);
    scene.flooded(40, || {
        by_users += users
            .iter_mut()
            .map(|user| user.open_and_reset(EACH))
            .sum::<usize>();
        by_stranger += stranger.open_and_reset(EACH);
    });
    println!("{by_users} streams reset by users, {by_stranger} by a stranger");
    assert!(by_users >= 40 * EACH * users.len());
    for user in users {
        assert!(user.is_served(), "{:?}", user.closed);
    }
    // Who does not log in has to go in time, and no sooner.
    match &stranger.closed {
        None => assert!(by_stranger >= 40 * EACH, "{by_stranger}"),
        Some(CloseReason::Peer { code, .. }) => assert_eq!(*code, server::code::TOO_SLOW),
        other => panic!("{other:?}"),
    }
    // Not for each stream.
    scene.assert_grew_at_most(4 * MIB);
}

#[test]
fn h69_h32_a_guest_who_reads_nothing_disturbs_nobody_and_gets_everything_later() {
    let mut scene = Scene::new();
    let mallory = Person::login("Mallory", scene.server.port);
    mallory.deaf(true);
    let text = "x".repeat(40_000);
    let mut sent = 0;
    let bob = Person::login("Bob", scene.server.port);
    scene.flooded(150, || {
        let room = sent < 200 && bob.try_send("Mallory", &text).is_some();
        sent += usize::from(room);
        std::thread::sleep(Duration::from_millis(5));
    });
    bob.until("everything stored", |heard| heard.stored == sent);
    // It is on disk: the mailbox alone has more than this.
    assert!(sent as u64 * text.len() as u64 > 4 * MIB, "{sent} messages");
    scene.assert_grew_at_most(12 * MIB);
    mallory.deaf(false);
    let all = |heard: &people::Heard| heard.messages.len() == sent;
    assert!(
        mallory.within(PATIENCE, all),
        "{} of {sent}",
        mallory.heard().messages.len()
    );
}

/// Readers whose packets are acknowledged and whose application takes no message: they answer everything
/// that a transport answers, and leave their windows full.
#[test]
fn h69_h32_guests_who_take_no_message_disturb_nobody_and_get_everything_later() {
    let mut scene = Scene::new();
    let port = scene.server.port;
    let mut readers: Vec<_> = (0..5).map(|at| Guest::new(address(at), port)).collect();
    for (device, reader) in (0..).zip(&mut readers) {
        reader.log_in("Mallory", MALLORY, [device; 16]);
    }
    scene.memory = scene.resident();
    let bob = Person::login("Bob", port);
    let text = "x".repeat(40_000);
    let mut sent = Vec::new();
    scene.flooded(250, || {
        if sent.len() < 200 {
            sent.extend(bob.try_send("Mallory", &text));
        }
        for reader in &mut readers {
            assert!(reader.idle(), "{:?}", reader.closed);
        }
    });
    let begin = now();
    while bob.heard().stored < sent.len() {
        assert!(begin.elapsed() < PATIENCE, "not everything is stored");
        for reader in &mut readers {
            assert!(reader.idle(), "{:?}", reader.closed);
        }
    }
    // It is on disk: the mailbox alone has more than this, and it is as much again for each reader.
    assert!(
        sent.len() as u64 * text.len() as u64 > 4 * MIB,
        "{}",
        sent.len()
    );
    scene.assert_grew_at_most(12 * MIB);
    for reader in &mut readers {
        assert_eq!(reader.take_messages(sent.len()), sent);
    }
}
