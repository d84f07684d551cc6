//! What people notice while the real server is flooded, on loopback: `cargo bench --bench flood`.
//!
//! It takes the arguments that criterion's benchmarks take: words, of which one has to occur in the name of
//! what runs (`cargo bench --bench flood -- passwords`); `--list`, which only tells the names; and `--test`,
//! with which everything runs once and for a moment, to see that it does.
//!
//! Quiet and flooded seconds take turns, so that the ratio between them means something on a machine
//! that has other work. Floods come from threads that get what others leave of the processors: in earnest they
//! would come from other machines. Accounts are those of the tests: their passwords cost nothing to stretch, which
//! is work of clients alone, so a login's time is that of the server, the puzzle and the way.
//!
//! A row takes about seven seconds: three hundred requests and as many messages, quiet and flooded, so that the
//! 99th percentile is not just the longest, and twelve logins. README.md beside it has figures, and how they were
//! made. `UNDERTONE_FLOOD_S` (default 0.8) is the length of each turn in seconds, without its logins,
//! `UNDERTONE_FLOOD_TICK_MS` (default 8) the time from one message to the next, and
//! `UNDERTONE_FLOOD_PACKETS` (default 100,000) how many first packets, and how many wrong solutions, are sent as
//! fast as they go, to see what one costs the server.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark whose set-up fails has nothing to measure"
)]
#![allow(clippy::print_stdout, reason = "figures")]
#![allow(clippy::disallowed_methods, reason = "it runs in real time")]

#[path = "../tests/common/attack.rs"]
mod attack;
#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/common/fixtures.rs"]
mod fixtures;
#[path = "../tests/common/guest.rs"]
mod guest;
#[path = "../tests/common/people.rs"]
mod people;

use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use attack::{Crowd, address};
use common::{Home, Server, http_get};
use guest::Guest;
use people::{Person, now};
use store::relay::DEVICES_PER_ACCOUNT_MAX;

/// How often each of the two turns comes at most.
const TURNS: usize = 3;

/// Between two messages of a person, none of whom writes as fast, in milliseconds. A server takes 256 a second
/// from each connection in the long run.
const TICK_MS: f64 = 8.0;

/// Logins in each turn.
const LOGINS: usize = 4;

/// People who log in, each as often as an account may have devices.
const NEWCOMERS: usize = 2 * TURNS * LOGINS * PARTS.len() / DEVICES_PER_ACCOUNT_MAX + 1;

/// Who is always there, and where Mallory stands among them.
const NAMES: [&str; 4] = ["Alice", "Bob", "Mallory", "Victim"];
const MALLORY: usize = 2;

/// The kernel's unit of a process's time: 1/100 s on every Linux of today.
const TICK_US: f64 = 10_000.0;

/// What can be measured: its name, and what does it.
type Part = (&'static str, fn(&mut Scene, &Options));

const PARTS: [Part; 8] = [
    ("cost of strangers", cost_of_strangers),
    ("first packets", first_packets),
    ("wrong solutions", wrong_solutions),
    ("half-open handshakes", half_open_handshakes),
    ("wrong passwords", wrong_passwords),
    ("streams opened and reset", streams_opened_and_reset),
    (
        "messages to somebody who reads nothing",
        messages_to_the_deaf,
    ),
    ("messages to many who take none", messages_to_the_full),
];

/// What was asked for.
struct Options {
    /// Only parts in whose name one of them occurs, if there are any.
    words: Vec<String>,
    /// Only names.
    list: bool,
    /// The length of each turn, and how many there are of each kind.
    time: Duration,
    turns: usize,
    /// Logins in each.
    logins: usize,
    /// Between two messages.
    tick: Duration,
    /// Packets of strangers that are sent as fast as they go.
    packets: usize,
}

impl Options {
    /// `cargo bench` adds `--bench`; without it, and with `--test`, it is enough that everything runs, as
    /// with criterion. Other options are criterion's.
    fn new(arguments: impl Iterator<Item = String>) -> Self {
        let (options, words): (Vec<_>, Vec<_>) =
            arguments.partition(|argument| argument.starts_with('-'));
        let has = |name| options.iter().any(|option| option == name);
        let variable = |name| std::env::var(name).ok().map(|text| text.parse().unwrap());
        let tick_ms = variable("UNDERTONE_FLOOD_TICK_MS").unwrap_or(TICK_MS);
        let (seconds, packets, turns, logins) = if has("--test") || !has("--bench") {
            (0.06, 1000.0, 1, 1)
        } else {
            let seconds = variable("UNDERTONE_FLOOD_S").unwrap_or(0.8);
            let packets = variable("UNDERTONE_FLOOD_PACKETS").unwrap_or(1e5);
            (seconds, packets, TURNS, LOGINS)
        };
        Self {
            words,
            list: has("--list"),
            time: Duration::from_secs_f64(seconds),
            turns,
            logins,
            tick: Duration::from_secs_f64(tick_ms / 1e3),
            packets: packets as usize,
        }
    }

    fn wants(&self, name: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| name.contains(word))
    }
}

/// Times that people waited, in microseconds.
#[derive(Default)]
struct Waits {
    lists: Vec<f64>,
    messages: Vec<f64>,
    logins: Vec<f64>,
}

fn percentile(times: &mut [f64], share: f64) -> f64 {
    times.sort_by(f64::total_cmp);
    let index = (times.len() as f64 * share) as usize;
    times
        .get(index.min(times.len().saturating_sub(1)))
        .copied()
        .unwrap_or(0.0)
}

fn newcomer(index: usize) -> String {
    format!("newcomer{index}")
}

struct Scene {
    server: Server,
    metrics: String,
    alice: Person,
    bob: Person,
    said: usize,
    came: usize,
    _home: Home,
}

impl Scene {
    fn new() -> Self {
        let home = Home::new();
        // Each newcomer once: an account has only so many devices.
        let newcomers: Vec<String> = (0..NEWCOMERS).map(newcomer).collect();
        let mut names = NAMES.to_vec();
        names.extend(newcomers.iter().map(String::as_str));
        fixtures::furnish(&home, &names);
        let server = Server::start_with(&home, &["-sp", "0", "--metrics", "0"]);
        let metrics = server.metrics();
        let alice = Person::login("Alice", server.port);
        let bob = Person::login("Bob", server.port);
        alice.send("Bob", "first");
        bob.until("the first message", |heard| heard.messages.len() == 1);
        Self {
            server,
            metrics,
            alice,
            bob,
            said: 1,
            came: 0,
            _home: home,
        }
    }

    /// Alice asks and says something for so long, and meanwhile others log in.
    fn live(&mut self, options: &Options, waits: &mut Waits) {
        for _ in 0..options.logins {
            self.talk(options.time / options.logins as u32, options.tick, waits);
            let begin = now();
            let somebody = newcomer(self.came / DEVICES_PER_ACCOUNT_MAX);
            let somebody = Person::login(&somebody, self.server.port);
            waits.logins.push(begin.elapsed().as_secs_f64() * 1e6);
            self.came += 1;
            somebody.leave();
        }
    }

    /// For so long Alice asks something at every tick, and says something, whether what she said before has
    /// come or not.
    fn talk(&mut self, time: Duration, tick: Duration, waits: &mut Waits) {
        let (begin, first) = (now(), self.said);
        let mut sent = Vec::new();
        while begin.elapsed() < time {
            let (asked, lists) = (now(), self.alice.heard().lists);
            self.alice.list();
            self.alice.until("a list", |heard| heard.lists > lists);
            let listed = self.alice.heard().listed.unwrap();
            waits.lists.push((listed - asked).as_secs_f64() * 1e6);
            sent.push(now());
            self.alice.send("Bob", &self.said.to_string());
            self.said += 1;
            std::thread::sleep(tick.saturating_sub(asked.elapsed()));
        }
        let said = self.said;
        let bob = &self.bob;
        bob.until("the messages", |heard| heard.messages.len() == said);
        let heard = bob.heard();
        let shown = heard.messages[first..].iter().map(|(.., shown)| *shown);
        let times = shown.zip(sent).map(|(shown, sent)| shown - sent);
        waits
            .messages
            .extend(times.map(|time| time.as_secs_f64() * 1e6));
    }

    /// User and system time of the server's process, in microseconds.
    fn cpu_us(&self) -> (f64, f64) {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.server.id())).unwrap();
        let behind_name = stat.rsplit(')').next().unwrap();
        let fields: Vec<&str> = behind_name.split_whitespace().collect();
        let ticks = |index: usize| fields[index].parse::<f64>().unwrap() * TICK_US;
        (ticks(11), ticks(12))
    }

    fn resident_kib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.server.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.unwrap()
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .unwrap()
    }

    fn counted(&self, name: &str) -> f64 {
        let page = http_get(&self.metrics, "/metrics");
        let mut lines = page.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value
            .unwrap_or_else(|| panic!("no {name}"))
            .parse()
            .unwrap()
    }
}

/// Processor time of the server, and how long that was.
#[derive(Clone, Copy, Default)]
struct Busy {
    server_us: f64,
    seconds: f64,
}

impl Busy {
    fn add(&mut self, scene: &mut Scene, turn: impl FnOnce(&mut Scene)) {
        let cpu_us = |scene: &Scene| {
            let (user, system) = scene.cpu_us();
            user + system
        };
        let (begin, before) = (now(), cpu_us(scene));
        turn(scene);
        self.server_us += cpu_us(scene) - before;
        self.seconds += begin.elapsed().as_secs_f64();
    }
}

/// This thread, and those that it starts from now on, get what others leave of the processors.
fn give_way() {
    let own = std::fs::read_link("/proc/thread-self").unwrap();
    let status = Command::new("chrt")
        .args(["--idle", "--pid", "0"])
        .arg(own.file_name().unwrap())
        .stdout(Stdio::null())
        .status();
    assert!(status.is_ok_and(|status| status.success()), "chrt failed");
}

/// Quiet and flooded turns of one kind of flood, and what they say.
fn compare(scene: &mut Scene, options: &Options, mut flood: impl FnMut() -> usize + Send) {
    let (mut quiet, mut flooded) = (Waits::default(), Waits::default());
    let (mut attacks, mut seconds) = (0, 0.0);
    let mut busy = [Busy::default(); 2];
    let resident = scene.resident_kib();
    for _ in 0..options.turns {
        busy[0].add(scene, |scene| scene.live(options, &mut quiet));
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let flooding = scope.spawn(|| {
                give_way();
                let mut count = 0;
                while !over.load(Ordering::Relaxed) {
                    count += flood();
                }
                count
            });
            // A turn is longer than told by what its last login takes.
            let begin = now();
            busy[1].add(scene, |scene| scene.live(options, &mut flooded));
            over.store(true, Ordering::Relaxed);
            attacks += flooding.join().unwrap();
            seconds += begin.elapsed().as_secs_f64();
        });
    }
    let grown = scene.resident_kib().saturating_sub(resident);
    let rate = attacks as f64 / seconds;
    let line = |quiet: &mut [f64], flooded: &mut [f64]| {
        let counts = [quiet.len(), flooded.len()];
        let [before, after] =
            [quiet, flooded].map(|times| (percentile(times, 0.5), percentile(times, 0.99)));
        let ratio = after.1 / before.1;
        format!(
            "p50 {:7.0} -> {:7.0} us, p99 {:7.0} -> {:7.0} us, ratio {ratio:.2}, of {} and {}",
            before.0, after.0, before.1, after.1, counts[0], counts[1]
        )
    };
    println!("{rate:.0} a second, the server grew by {grown} KiB");
    let [before, after] = busy.map(|busy| 1e-4 * busy.server_us / busy.seconds);
    println!("  server   {before:.0} -> {after:.0} % of a processor");
    println!("  list     {}", line(&mut quiet.lists, &mut flooded.lists));
    println!(
        "  message  {}",
        line(&mut quiet.messages, &mut flooded.messages)
    );
    let [before, after] = [&quiet, &flooded].map(|waits| {
        let (sum, most) = (waits.logins.iter()).fold((0.0, 0.0_f64), |(sum, most), &time| {
            (sum + time, most.max(time))
        });
        format!(
            "{:.0} ms ({:.0} at most)",
            sum / waits.logins.len() as f64 / 1e3,
            most / 1e3
        )
    });
    let count = flooded.logins.len();
    println!("  login    {before} -> {after} on average of {count}");
}

/// Packets of strangers as fast as they go, and what one of them costs the server.
fn cost_of_strangers(scene: &mut Scene, options: &Options) {
    let packets = options.packets;
    let mut crowd = Crowd::new(250, scene.server.port);
    cost(scene, &mut crowd, "first packets", |crowd| {
        crowd.first_packets_unpaced(packets);
    });
    assert!(crowd.ask(), "a stranger got no challenge");
    cost(scene, &mut crowd, "wrong solutions", |crowd| {
        crowd.wrong_solutions_unpaced(packets);
    });
}

/// Each that reaches the server is answered with a challenge.
fn cost(scene: &Scene, crowd: &mut Crowd, what: &str, send: impl FnOnce(&mut Crowd)) {
    let (sent, (user, system)) = (crowd.sent, scene.cpu_us());
    let answered = scene.counted("undertone_challenges_total");
    send(crowd);
    std::thread::sleep(Duration::from_millis(300));
    let answered = scene.counted("undertone_challenges_total") - answered;
    let (user, system) = (scene.cpu_us().0 - user, scene.cpu_us().1 - system);
    println!(
        "{} {what} sent, {answered} reached the server and were answered: {:.2} us of user \
         and {:.2} us of system time each",
        crowd.sent - sent,
        user / answered,
        system / answered
    );
}

fn first_packets(scene: &mut Scene, options: &Options) {
    let mut crowd = Crowd::new(250, scene.server.port);
    compare(scene, options, || {
        let before = crowd.sent;
        crowd.first_packets();
        crowd.challenges();
        crowd.sent - before
    });
}

fn wrong_solutions(scene: &mut Scene, options: &Options) {
    let mut crowd = Crowd::new(250, scene.server.port);
    assert!(crowd.ask(), "a stranger got no challenge");
    compare(scene, options, || {
        let before = crowd.sent;
        crowd.wrong_solutions();
        crowd.challenges();
        crowd.sent - before
    });
}

fn half_open_handshakes(scene: &mut Scene, options: &Options) {
    let (port, mut index) = (scene.server.port, 0);
    compare(scene, options, || {
        index += 1;
        usize::from(Guest::new(address(index), port).hello_and_gone())
    });
}

fn wrong_passwords(scene: &mut Scene, options: &Options) {
    let (port, mut guess) = (scene.server.port, 0u32);
    compare(scene, options, || {
        guess += 1;
        let [.., high, low] = guess.to_be_bytes();
        let from = Ipv4Addr::new(127, 200, high, low.max(1));
        let guesser = Person::start_from(from, "Victim", "wrong", port);
        guesser.until("a refusal", |heard| heard.failure.is_some());
        1
    });
}

/// Mallory is there so many times.
fn mallories(count: u8, port: u16) -> Vec<Guest> {
    let guest = |device| {
        let mut guest = Guest::new(address(usize::from(device)), port);
        guest.log_in("Mallory", MALLORY, [device; 16]);
        guest
    };
    (0..count).map(guest).collect()
}

fn streams_opened_and_reset(scene: &mut Scene, options: &Options) {
    let mut guests = mallories(4, scene.server.port);
    compare(scene, options, || {
        let resets = guests.iter_mut().map(|guest| guest.open_and_reset(10));
        resets.sum()
    });
}

fn messages_to_the_deaf(scene: &mut Scene, options: &Options) {
    let mallory = Person::login("Mallory", scene.server.port);
    mallory.deaf(true);
    let bob = Person::login("Bob", scene.server.port);
    let text = "x".repeat(10_000);
    compare(scene, options, || {
        std::thread::sleep(Duration::from_millis(5));
        usize::from(bob.try_send("Mallory", &text).is_some())
    });
}

/// Their transports answer; their applications take nothing.
fn messages_to_the_full(scene: &mut Scene, options: &Options) {
    let mut readers = mallories(5, scene.server.port);
    let bob = Person::login("Bob", scene.server.port);
    let text = "x".repeat(10_000);
    compare(scene, options, || {
        for reader in &mut readers {
            reader.idle();
        }
        std::thread::sleep(Duration::from_millis(5));
        usize::from(bob.try_send("Mallory", &text).is_some())
    });
}

fn main() {
    let options = Options::new(std::env::args().skip(1));
    let wanted = PARTS.iter().filter(|(name, _)| options.wants(name));
    if options.list {
        wanted.for_each(|(name, _)| println!("{name}: benchmark"));
        return;
    }
    // Nobody needs a server of whom nothing is wanted.
    let mut scene = None;
    for (name, part) in wanted {
        print!("{name}: ");
        part(scene.get_or_insert_with(Scene::new), &options);
    }
}
