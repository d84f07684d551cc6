//! The real programs under load, ended by the kernel at moments of nobody's choosing.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "these tests run in real time")]
#![allow(clippy::print_stdout, reason = "figures")]
#![cfg(unix)]

mod common;
#[path = "common/fixtures.rs"]
mod fixtures;
#[path = "common/people.rs"]
mod people;

use std::ops::Range;
use std::process::Stdio;
use std::time::Duration;

use chat::message::MessageId;
use common::{Client, Home, PATIENCE, Server};
use people::{Heard, Person, now};
use serde_json::Value;
use sim::Rng;

/// How often the server is killed, unless `UNDERTONE_KILLS` says otherwise.
const KILLS: u64 = 50;

/// The same for the client, where each kill has a login to wait for.
const CLIENT_KILLS: u64 = 8;

/// Messages that one life of the client is to send.
const COMMANDS: u64 = 12;

/// Messages of one person that are on their way at a time.
const UNDER_WAY_MAX: usize = 8;

/// People who are not there, so that what is said to them has nowhere to be but on the server's disk.
/// Of each there is talk in so many lives of the server.
const ABSENT: [&str; 10] = [
    "Carla", "Dora", "Emil", "Fritz", "Gina", "Hugo", "Ines", "Jens", "Karl", "Lena",
];
const LIVES_EACH: u64 = 100;

/// One direction of a conversation, and how many messages were said in it.
struct Talk<'a> {
    from: &'a Person,
    name: &'static str,
    to: &'static str,
    said: usize,
    ids: Vec<MessageId>,
}

/// Everybody who talks.
struct Load<'a> {
    talks: Vec<Talk<'a>>,
    people: [&'a Person; 2],
}

impl Load<'_> {
    /// Both talk to somebody else from now on, as well as to each other.
    fn talk_to(&mut self, absent: &'static str) {
        let begin = |from, name, to| Talk {
            from,
            name,
            to,
            said: 0,
            ids: Vec::new(),
        };
        for (from, name) in [(self.people[0], "Alice"), (self.people[1], "Bob")] {
            self.talks.push(begin(from, name, absent));
        }
    }

    fn stored(&self) -> usize {
        self.people.iter().map(|person| person.heard().stored).sum()
    }

    fn said(&self) -> usize {
        self.talks.iter().map(|talk| talk.said).sum()
    }

    fn said_by(&self, name: &str) -> usize {
        let of_them = |talk: &&Talk<'_>| talk.name == name;
        self.talks
            .iter()
            .filter(of_them)
            .map(|talk| talk.said)
            .sum()
    }

    /// Everybody goes on talking, as long as not too much is on its way.
    fn talk(&mut self) {
        let last = self.talks.len();
        for index in [0, 1, last - 2, last - 1] {
            let said = self.said_by(self.talks[index].name);
            let talk = &mut self.talks[index];
            let heard = talk.from.heard();
            assert_eq!(heard.failure, None, "{}", talk.name);
            let under_way = said - heard.stored;
            drop(heard);
            if under_way < UNDER_WAY_MAX
                && let Some(id) = talk.from.try_send(talk.to, &talk.said.to_string())
            {
                talk.said += 1;
                talk.ids.push(id);
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }

    /// Everybody talks until the server has stored so many more, or for so long.
    fn talk_until(&mut self, stored: usize, time: Duration) {
        let (begin, enough) = (now(), self.stored().saturating_add(stored));
        while self.stored() < enough && begin.elapsed() < time {
            self.talk();
        }
    }

    /// Talks until the server has stored something of somebody; then who that is says one last word to
    /// somebody who is not there, and hears that it is stored.
    fn talk_until_last_words(&mut self, stored: usize) {
        let before = self.people.map(|person| person.heard().stored);
        self.talk_until(stored, PATIENCE);
        let after = self.people.map(|person| person.heard().stored);
        let index = usize::from(after[0] == before[0]);
        let last = self.talks.len() - 2 + index;
        let said = self.said_by(self.talks[last].name);
        let talk = &mut self.talks[last];
        (talk.from).until("what was said before", |heard| heard.stored == said);
        let id = talk.from.send(talk.to, &talk.said.to_string());
        talk.said += 1;
        talk.ids.push(id);
        talk.from.until_stored(id);
    }
}

/// Lets a server begin and kills it before it says that it is there, or shortly after.
fn kill_while_starting(home: &Home, port: u16, rng: &mut Rng) {
    let mut child = (home.server())
        .args(["-sp", &port.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_micros(rng.below(120_000)));
    child.kill().unwrap();
    child.wait().unwrap();
}

/// A server that talks to everybody for a while, and is killed.
fn kill_under_load(home: &Home, port: u16, rng: &mut Rng, load: &mut Load<'_>) {
    let server = Server::start_on(home, port);
    match rng.below(3) {
        // While people find back to it, or soon after.
        0 => load.talk_until(usize::MAX, Duration::from_millis(rng.below(700))),
        // At the very moment at which somebody was told that the last words are stored.
        1 => load.talk_until_last_words(1 + rng.below(24) as usize),
        // In the midst of what they say.
        _ => {
            load.talk_until(1 + rng.below(24) as usize, PATIENCE);
            load.talk_until(usize::MAX, Duration::from_micros(rng.below(30_000)));
        }
    }
    server.kill();
}

/// What the dead server has told somebody to be stored is in the mailbox that nobody reads, once each
/// and in order. Clients would send again what a server has lost, so the disk itself is asked.
fn all_is_kept(home: &Home, load: &Load<'_>, name: &str) {
    let kept = fixtures::mailbox(home, &name.to_lowercase());
    for talk in load.talks.iter().filter(|talk| talk.to == name) {
        let heard = talk.from.heard();
        let told = talk.ids.iter().filter(|&&id| heard.is_stored(id)).count();
        let theirs: Vec<_> = kept.iter().filter(|id| talk.ids.contains(id)).collect();
        assert!(
            theirs.len() >= told,
            "{} of {told} messages that were stored for {name}",
            theirs.len()
        );
        assert!(
            theirs
                .iter()
                .copied()
                .eq(talk.ids.iter().take(theirs.len()))
        );
    }
}

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

/// Waits until everything that was said to `name` is shown: once each, in order.
fn all_is_heard(load: &Load<'_>, name: &str, person: &Person) {
    let to_them = |talk: &&Talk<'_>| talk.to == name;
    let count: usize = load
        .talks
        .iter()
        .filter(to_them)
        .map(|talk| talk.said)
        .sum();
    loop {
        let before = person.heard().messages.len();
        let more = |heard: &Heard| heard.messages.len() >= count.min(before + 100);
        if before >= count || !person.within(PATIENCE, more) {
            break;
        }
    }
    let heard = person.heard();
    for talk in load.talks.iter().filter(to_them) {
        assert_eq!(
            heard.texts(talk.name),
            numbers(talk.said),
            "from {} to {name}",
            talk.name
        );
    }
    assert_eq!(heard.messages.len(), count);
    assert_eq!(heard.oddities, Vec::<String>::new(), "{name}");
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[test]
fn h77_a_server_killed_again_and_again_under_load_loses_doubles_and_reorders_nothing() {
    let kills = variable("UNDERTONE_KILLS").unwrap_or(KILLS);
    let mut rng = Rng::new(variable("UNDERTONE_SEED").unwrap_or(77));
    let home = Home::new();
    fixtures::furnish(&home, &[["Alice", "Bob"].as_slice(), &ABSENT].concat());
    let server = Server::start(&home);
    let port = server.port;
    let (alice, bob) = (
        Person::login_impatient("Alice", port),
        Person::login_impatient("Bob", port),
    );
    server.kill();
    let talk = |from, name, to| Talk {
        from,
        name,
        to,
        said: 0,
        ids: Vec::new(),
    };
    let mut load = Load {
        talks: vec![talk(&alice, "Alice", "Bob"), talk(&bob, "Bob", "Alice")],
        people: [&alice, &bob],
    };
    for kill in 0..kills {
        let absent = ABSENT[(kill / LIVES_EACH) as usize % ABSENT.len()];
        if kill % LIVES_EACH == 0 {
            load.talk_to(absent);
        }
        match rng.below(8) {
            0 => kill_while_starting(&home, port, &mut rng),
            _ => kill_under_load(&home, port, &mut rng, &mut load),
        }
        all_is_kept(&home, &load, absent);
    }
    let _server = Server::start_on(&home, port);
    let stored = load.stored();
    for (name, person) in [("Alice", &alice), ("Bob", &bob)] {
        let said = load.said_by(name);
        person.until("everything stored", |heard| heard.stored == said);
    }
    all_is_heard(&load, "Alice", &alice);
    all_is_heard(&load, "Bob", &bob);
    for absent in ABSENT.into_iter().take(kills.div_ceil(LIVES_EACH) as usize) {
        all_is_heard(&load, absent, &Person::login(absent, port));
    }
    let logins = alice.heard().logins + bob.heard().logins;
    let said = load.said();
    println!("{kills} kills: {said} messages, {stored} stored at the last kill, {logins} logins");
    assert!(said as u64 > kills, "there was no load");
}

/// A client is told to send these numbers to Alice, and killed while it does. How many it said were queued.
fn kill_while_sending(
    home: &Home,
    server: &mut Option<Server>,
    rng: &mut Rng,
    numbers: Range<u64>,
) -> usize {
    let port = server.as_ref().unwrap().port;
    let mut bob = Client::start(home, "Bob", port);
    if rng.below(3) == 0 {
        // Without a server all stays where it is queued.
        bob.event("logged_in");
        server.take().unwrap().kill();
    }
    for number in numbers {
        bob.say(&format!("send Alice {number}"));
    }
    // With a reason it is one that the server had no room for.
    let is_queued = |event: &Value| event["state"] == "queued" && event["reason"].is_null();
    let mut queued = 0;
    if rng.below(2) == 0 {
        // At any time: while it starts, logs in, queues, sends, or has nothing more to do.
        std::thread::sleep(Duration::from_micros(rng.below(600_000)));
    } else {
        // In the midst of queueing, or just when it said that all is queued.
        for _ in 0..1 + rng.below(COMMANDS) {
            bob.find("a queued message", is_queued);
            queued += 1;
        }
        std::thread::sleep(Duration::from_micros(rng.below(3_000)));
    }
    queued + bob.killed().iter().filter(|event| is_queued(event)).count()
}

#[test]
fn h90_a_client_killed_again_and_again_while_it_sends_loses_and_doubles_nothing() {
    let kills = variable("UNDERTONE_KILLS").unwrap_or(CLIENT_KILLS);
    let mut rng = Rng::new(variable("UNDERTONE_SEED").unwrap_or(90));
    let home = Home::new();
    fixtures::furnish(&home, &["Alice", "Bob"]);
    let mut server = Some(Server::start(&home));
    let port = server.as_ref().unwrap().port;
    let alice = Person::login_impatient("Alice", port);
    // They know each other: from here on Bob may write whether the server is there or not.
    let mut bob = Client::login(&home, "Bob", port);
    let id = bob.send("Alice", "0");
    bob.status(&id, "delivered");
    assert_eq!(bob.quit().0, Some(0));
    let mut queued = vec![0];
    for kill in 0..kills {
        let first = 1 + kill * COMMANDS;
        let count = kill_while_sending(&home, &mut server, &mut rng, first..first + COMMANDS);
        queued.extend((first..).take(count));
        server.get_or_insert_with(|| Server::start_on(&home, port));
    }
    // At the end of its input it waits until everything is stored.
    let mut bob = Client::login(&home, "Bob", port);
    bob.end_input();
    assert_eq!(bob.finish().0, Some(0));
    let last = queued.last().unwrap().to_string();
    let has_come = |heard: &Heard| heard.texts("Bob").contains(&last.as_str());
    // Whose sessions all were so short tries twice a minute by now, and on a busy machine not always with success.
    alice.within(3 * PATIENCE, has_come);
    alice.until("the last one", has_come);
    let heard = alice.heard();
    let texts = heard.texts("Bob");
    let shown: Vec<u64> = texts.iter().map(|text| text.parse().unwrap()).collect();
    println!(
        "{kills} kills: {} said to be queued, {} shown",
        queued.len(),
        shown.len()
    );
    // Once each, in order, and all that were said to be queued; the others may have been, or not.
    assert!(shown.is_sorted_by(|one, next| one < next), "{shown:?}");
    for number in &queued {
        assert!(shown.contains(number), "{number} of {queued:?}: {shown:?}");
    }
    assert!(queued.len() as u64 > kills, "nothing was queued");
    assert_eq!(heard.oddities, Vec::<String>::new());
}
