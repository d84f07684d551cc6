//! The real server when the kernel refuses it what it asks for.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "these tests run in real time")]
#![allow(clippy::print_stdout, reason = "figures")]
#![cfg(target_os = "linux")]

mod common;
#[path = "common/fixtures.rs"]
mod fixtures;
#[path = "common/people.rs"]
mod people;
#[path = "common/tracer.rs"]
mod tracer;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use chat::message::MessageId;
use common::{Home, PATIENCE, Server, ended, output};
use people::{Person, now};
use tracer::{Tracer, skip, survives};
use undertone::cli::folders::{read_secret, write_secret};

/// System calls that change what is on disk.
const WRITING: &str = "pwrite64,fsync,fdatasync,ftruncate,unlink";

/// Syncing, by whatever name.
const SYNCING: &str = "fsync,fdatasync";

/// What comes over the network and goes out to it. (By `recvfrom` nothing comes but the word that there was a signal.)
const SENDING: &str = "sendto,sendmsg,sendmmsg";
const RECEIVING: &str = "recvmsg,recvmmsg";

/// So many storage calls of three messages are the last one of a server's life. All of them by
/// `UNDERTONE_FAULTS`.
const CALLS: [u32; 8] = [1, 2, 3, 5, 7, 11, 16, 23];
const CALLS_MAX: u32 = 60;

/// The same of one kind of them.
const ERROR_CALLS_MAX: u32 = 30;

fn furnished() -> Home {
    let home = Home::new();
    fixtures::furnish(&home, &["Alice", "Bob", "Carla"]);
    home
}

#[test]
fn h79_a_sync_that_fails_acknowledges_nothing_and_ends_the_real_server() {
    let home = furnished();
    let server = Server::start(&home);
    let port = server.port;
    let bob = Person::login("Bob", port);
    bob.until_stored(bob.send("Carla", "before"));
    let Some(tracer) = Tracer::attach(&home, server.id(), SYNCING, "error=EIO") else {
        return;
    };
    let unsafe_yet = bob.send("Carla", "while it fails");
    let (status, words) = server.ended();
    assert_eq!(status.code(), Some(1), "{words}");
    assert!(words.contains("error: the disk failed"), "{words}");
    assert_eq!(
        tracer.injected(),
        1,
        "a sync that failed is not tried again"
    );
    assert!(!bob.heard().is_stored(unsafe_yet));
    drop(tracer);
    let _server = Server::start_on(&home, port);
    bob.until_stored(unsafe_yet);
    let carla = Person::login("Carla", port);
    carla.until("both", |heard| heard.messages.len() >= 2);
    assert_eq!(carla.heard().texts("Bob"), ["before", "while it fails"]);
}

#[test]
fn h80_on_a_full_disk_the_real_server_refuses_reads_on_and_recovers() {
    refuses_reads_on_and_recovers("ENOSPC");
}

#[test]
fn h80_at_its_quota_the_real_server_refuses_reads_on_and_recovers() {
    refuses_reads_on_and_recovers("EDQUOT");
}

/// The server's disk takes nothing, for this reason.
fn refuses_reads_on_and_recovers(error: &str) {
    let home = furnished();
    let server = Server::start(&home);
    let (alice, bob) = (
        Person::login("Alice", server.port),
        Person::login("Bob", server.port),
    );
    bob.send("Alice", "hello");
    alice.until("hello", |heard| heard.messages.len() == 1);
    // It waits in the mailbox, to be read from a disk that takes nothing more.
    alice.deaf(true);
    bob.until_stored(bob.send("Alice", "waiting"));
    let fault = format!("error={error}");
    let Some(tracer) = Tracer::attach(&home, server.id(), "pwrite64", &fault) else {
        return;
    };
    let refused = bob.send("Carla", "too much");
    let tracer_fires = || tracer.injected() > 0;
    for _ in 0..1_000 {
        if tracer_fires() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    alice.deaf(false);
    alice.until("waiting", |heard| heard.messages.len() == 2);
    alice.list();
    alice.until("a list", |heard| heard.lists == 1);
    bob.list();
    bob.until("a list", |heard| heard.lists == 1);
    assert!(tracer_fires(), "nothing was written");
    assert!(!bob.heard().is_stored(refused));
    tracer.detach();
    bob.until_stored(refused);
    let carla = Person::login("Carla", server.port);
    carla.until("too much", |heard| heard.messages.len() == 1);
    let later = alice.send("Bob", "there is room again");
    alice.until_stored(later);
    bob.until("an answer", |heard| heard.messages.len() == 1);
    assert_eq!(alice.heard().texts("Bob"), ["hello", "waiting"]);
    assert_eq!(server.interrupt().code(), Some(0));
}

/// What Bob says to Carla over the lives of a server.
struct Letters {
    home: Home,
    port: u16,
    bob: Person,
    said: Vec<MessageId>,
    logins: usize,
}

impl Letters {
    fn new(login: fn(&str, u16) -> Person) -> Self {
        let home = furnished();
        let server = Server::start(&home);
        let port = server.port;
        let bob = login("Bob", port);
        server.kill();
        let logins = bob.heard().logins;
        Self {
            home,
            port,
            bob,
            said: Vec::new(),
            logins,
        }
    }

    /// A server's next life, with Bob logged in.
    fn live(&mut self) -> Server {
        let server = Server::start_on(&self.home, self.port);
        let logins = self.logins;
        self.bob.until("the login", |heard| heard.logins > logins);
        self.logins = self.bob.heard().logins;
        server
    }

    fn say(&mut self) {
        let text = self.said.len().to_string();
        self.said.push(self.bob.send("Carla", &text));
    }

    /// Whether Bob knows that the last one is stored.
    fn is_stored(&self) -> bool {
        self.bob.heard().is_stored(*self.said.last().unwrap())
    }

    /// What a server that is gone has kept: at least what Bob was told, and nothing else.
    fn compare(&self, life: &str) {
        let is_told = |&&id: &&MessageId| self.bob.heard().is_stored(id);
        let told = self.said.iter().filter(is_told).count();
        let kept = fixtures::mailbox(&self.home, "carla");
        assert!(kept.len() >= told, "{life}: {} of {told}", kept.len());
        assert_eq!(kept, self.said[..kept.len()], "{life}");
    }

    /// In the last life everything arrives, once and in order.
    fn arrive(self) {
        let _server = Server::start_on(&self.home, self.port);
        self.bob.until_stored(*self.said.last().unwrap());
        let carla = Person::login("Carla", self.port);
        let count = self.said.len();
        carla.until("everything", |heard| heard.messages.len() >= count);
        let texts: Vec<_> = (0..count).map(|number| number.to_string()).collect();
        assert_eq!(carla.heard().texts("Bob"), texts);
    }
}

#[test]
fn h77_killed_at_its_nth_storage_call_the_real_server_keeps_what_it_acknowledged() {
    let all = std::env::var_os("UNDERTONE_FAULTS").is_some();
    let calls = if all {
        (1..=CALLS_MAX).collect()
    } else {
        CALLS.to_vec()
    };
    let mut letters = Letters::new(Person::login);
    let mut deaths = 0;
    for &call in &calls {
        let server = letters.live();
        let fault = format!("signal=KILL:when={call}");
        let Some(mut tracer) = Tracer::attach(&letters.home, server.id(), WRITING, &fault) else {
            return;
        };
        for _ in 0..3 {
            letters.say();
        }
        // The server dies at this call, or has stored all of it with fewer.
        let begin = now();
        while !letters.is_stored() && !tracer.is_over() {
            assert!(begin.elapsed() < PATIENCE, "{fault}: neither");
            std::thread::sleep(Duration::from_millis(5));
        }
        deaths += usize::from(!letters.is_stored());
        drop(tracer);
        server.kill();
        letters.compare(&format!("call {call}"));
    }
    println!("{deaths} deaths at {} calls", calls.len());
    assert!(deaths >= CALLS.len() / 2, "{deaths}");
    letters.arrive();
}

/// A life of the server in which so many-th of these calls fails so.
struct Life {
    calls: &'static str,
    error: &'static str,
    at: u32,
}

/// The calls by which the server's store changes what is on disk, an error of each that is to be expected of a
/// disk, and which ones fail by default.
const ERRORS: [(&str, &str, &[u32]); 6] = [
    ("pwrite64", "ENOSPC", &[1, 2, 7]),
    ("pwrite64", "EIO", &[1, 6]),
    (SYNCING, "ENOSPC", &[1]),
    (SYNCING, "EIO", &[2]),
    ("ftruncate", "ENOSPC", &[1]),
    ("openat", "ENOSPC", &[1]),
];

fn lives() -> Vec<Life> {
    let all = std::env::var_os("UNDERTONE_FAULTS").is_some();
    let mut lives = Vec::new();
    for (calls, error, few) in ERRORS {
        let many: Vec<_> = (1..=ERROR_CALLS_MAX).collect();
        let at = if all { &many } else { few };
        lives.extend(at.iter().map(|&at| Life { calls, error, at }));
    }
    lives
}

/// Nothing acknowledged is lost; the server refuses and goes on, or ends and says why.
#[test]
fn h79_h80_errors_at_the_nth_storage_call_cost_the_real_server_nothing_acknowledged() {
    let mut letters = Letters::new(Person::login_impatient);
    let (mut refused, mut ended, mut unhurt) = (0, 0, 0);
    for Life { calls, error, at } in lives() {
        let server = letters.live();
        let fault = format!("error={error}:when={at}");
        let Some(mut tracer) = Tracer::attach(&letters.home, server.id(), calls, &fault) else {
            return;
        };
        for _ in 0..3 {
            letters.say();
        }
        let begin = now();
        while !letters.is_stored() && !tracer.is_over() {
            assert!(begin.elapsed() < PATIENCE, "{calls} {fault}: neither");
            std::thread::sleep(Duration::from_millis(5));
        }
        let failed = tracer.injected() > 0;
        if letters.is_stored() {
            // A disk that failed once is not trusted again; one that was full has room again.
            assert!(!failed || error == "ENOSPC", "{calls} {fault}");
            (refused, unhurt) = (refused + u32::from(failed), unhurt + u32::from(!failed));
            drop(tracer);
            // On its way when the server goes; without it Bob would not notice for a while.
            letters.say();
            server.kill();
        } else {
            let (status, words) = server.ended();
            assert_eq!(status.code(), Some(1), "{calls} {fault}: {words}");
            assert!(
                words.contains("error: the disk failed"),
                "{calls} {fault}: {words}"
            );
            ended += 1;
        }
        letters.compare(&format!("{calls} {fault}"));
    }
    println!("{refused} times refused, {ended} times ended, {unhurt} times there was no such call");
    // Where three messages come at once there may be no second call.
    assert!(refused >= 3 && ended >= 2);
    letters.arrive();
}

#[test]
fn h74_what_the_network_refuses_the_real_server_costs_time_and_no_message() {
    let home = furnished();
    let server = Server::start(&home);
    let (alice, bob) = (
        Person::login("Alice", server.port),
        Person::login("Bob", server.port),
    );
    let faults = [
        (SENDING, "error=ENOBUFS:when=1+2"),
        (SENDING, "error=EMSGSIZE:when=2+3"),
        (SENDING, "error=EPERM:when=1+3"),
        (RECEIVING, "error=ECONNREFUSED:when=1+2"),
    ];
    for (round, (calls, fault)) in faults.into_iter().enumerate() {
        let Some(tracer) = Tracer::attach(&home, server.id(), calls, fault) else {
            return;
        };
        for number in 0..4 {
            alice.send("Bob", &format!("{round}.{number}"));
            bob.send("Alice", &format!("{round}.{number}"));
        }
        for person in [&alice, &bob] {
            let all = 4 * (round + 1);
            person.until(fault, |heard| heard.messages.len() == all);
        }
        assert!(tracer.injected() > 0, "{fault} never came");
        // Then nobody says anything, and no call is made again and again.
        let before = tracer.calls().len();
        std::thread::sleep(Duration::from_secs(1));
        let quiet = tracer.calls().len() - before;
        assert!(quiet < 200, "{fault}: {quiet} calls in a second of silence");
    }
    let texts: Vec<_> = (0..16)
        .map(|all| format!("{}.{}", all / 4, all % 4))
        .collect();
    assert_eq!(alice.heard().texts("Bob"), texts);
    assert_eq!(bob.heard().texts("Alice"), texts);
    assert_eq!(server.interrupt().code(), Some(0));
}

/// Sets a limit of a running process: of memory it already has, that is the end at the next need.
fn limit(process: u32, limit: &str) -> bool {
    let set = Command::new("prlimit")
        .args(["--pid", &process.to_string(), limit])
        .status();
    let set = set.is_ok_and(|status| status.success());
    if !set {
        skip("there is no prlimit");
    }
    set
}

/// A number from `/proc/PID/status`.
fn status(process: u32, name: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap();
    let digits = line.trim_start_matches(':').trim().trim_end_matches(" kB");
    digits.parse().unwrap()
}

#[test]
fn h73_a_server_without_memory_ends_and_keeps_what_it_acknowledged() {
    let home = furnished();
    let server = Server::start(&home);
    let port = server.port;
    let bob = Person::login("Bob", port);
    let mut said = vec![bob.send("Carla", "small")];
    bob.until_stored(said[0]);
    let address_space = status(server.id(), "VmSize") * 1024;
    if !limit(server.id(), &format!("--as={address_space}")) {
        return;
    }
    // As long as messages may be: the server has to ask for memory to hold them.
    let long = "x".repeat(1 << 20);
    for _ in 0..24 {
        said.push(bob.send("Carla", &long));
    }
    let (status, words) = server.ended();
    assert!(status.signal().is_some(), "{status:?} {words}");
    let told = said.iter().filter(|&&id| bob.heard().is_stored(id)).count();
    let kept = fixtures::mailbox(&home, "carla");
    assert!(
        kept.len() >= told && told < said.len(),
        "{} {told}",
        kept.len()
    );
    assert_eq!(kept, said[..kept.len()]);
    let _server = Server::start_on(&home, port);
    bob.until_stored(*said.last().unwrap());
    let carla = Person::login("Carla", port);
    carla.until("everything", |heard| heard.messages.len() >= said.len());
    assert_eq!(carla.heard().messages.len(), said.len());
}

/// How much time of processors a process has had: ticks of 1/100 s, as on every Linux of today.
fn cpu_time(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let behind_name = stat.rsplit(')').next().unwrap();
    let fields: Vec<&str> = behind_name.split_whitespace().collect();
    let ticks: u64 = [fields[11], fields[12]]
        .map(|ticks| ticks.parse::<u64>().unwrap())
        .iter()
        .sum();
    Duration::from_millis(10 * ticks)
}

#[test]
fn h74_a_server_without_file_descriptors_goes_on_and_tells_its_metrics_later() {
    let home = furnished();
    let server = Server::start_with(&home, &["-sp", "0", "--metrics", "0"]);
    let authority = server.metrics();
    let bob = Person::login("Bob", server.port);
    assert!(common::http_get(&authority, "/metrics").starts_with("HTTP/1.1 200 "));
    if !limit(server.id(), "--nofile=4:1024") {
        return;
    }
    // Two ask now. The first may find a descriptor that was there for it, the other gets nothing; messages are
    // taken as ever, and logins too.
    let (begin, before) = (now(), cpu_time(server.id()));
    let asking = [(); 2].map(|()| {
        let authority = authority.clone();
        std::thread::spawn(move || common::http_get(&authority, "/metrics"))
    });
    let alice = Person::login("Alice", server.port);
    bob.send("Alice", "still here");
    alice.until("the message", |heard| heard.messages.len() == 1);
    // Whoever tries again and again does nothing else.
    std::thread::sleep(Duration::from_secs(2).saturating_sub(begin.elapsed()));
    let (busy, passed) = (cpu_time(server.id()) - before, begin.elapsed());
    assert!(busy < passed / 2, "{busy:?} of {passed:?}");
    let answered = asking.iter().filter(|who| who.is_finished()).count();
    assert!(answered < asking.len(), "the limit kept nobody out");
    assert!(limit(server.id(), "--nofile=1024:1024"));
    assert!(common::http_get(&authority, "/metrics").starts_with("HTTP/1.1 200 "));
    for who in asking {
        who.join().unwrap();
    }
    assert_eq!(server.interrupt().code(), Some(0));
}

/// A file that another process writes anew.
const SECRET: &str = "UNDERTONE_TEST_SECRET";

#[test]
#[ignore = "run by another test as a process of its own"]
fn writes_a_secret() {
    if let Some(path) = std::env::var_os(SECRET) {
        write_secret(Path::new(&path), &[2; 3_000]).unwrap();
    }
}

#[test]
fn h82_a_secret_that_is_being_written_is_the_old_one_or_the_new_one() {
    let home = Home::new();
    let path = home.path().join("secret");
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", "writes_a_secret", "--ignored"])
        .env(SECRET, &path);
    // What it holds when the first sync fails to come, then the rename, then the folder's sync.
    for (calls, call, expected) in [("fsync", 1, 1), ("/^rename", 1, 1), ("fsync", 2, 2)] {
        write_secret(&path, &[1; 3_000]).unwrap();
        let Some(survived) = survives(&child, calls, call) else {
            return;
        };
        assert!(!survived, "{calls} {call}");
        let secret = read_secret(&path).unwrap().unwrap();
        assert!(secret.expose() == [expected; 3_000], "{calls} {call}");
    }
    // What was begun and is not the secret stays for its owner alone.
    let files = std::fs::read_dir(home.path()).unwrap();
    let modes = files.map(|file| file.unwrap().metadata().unwrap().permissions().mode() & 0o777);
    assert_eq!(modes.collect::<Vec<_>>(), [0o600; 3]);
}

/// Files that the server has made, by their bytes, and where they are.
fn whereabouts(folder: &Path) -> BTreeMap<Vec<u8>, PathBuf> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(whereabouts(&path));
        } else if path.extension().is_none_or(|extension| extension != "lock") {
            let before = found.insert(std::fs::read(&path).unwrap(), path);
            assert_eq!(before, None);
        }
    }
    found
}

/// Killed while it moves the old files away, again and again, then let be.
#[test]
fn h82_a_server_whose_files_are_being_replaced_loses_none_and_starts_with_no_half_of_them() {
    let home = furnished();
    let folder = home.server_data();
    let replace = || {
        let mut command = home.server();
        command.args(["-n", "--force"]);
        command
    };
    let before = whereabouts(&folder);
    assert_eq!(before.len(), 4, "{before:?}");
    let mut refused = 0;
    // Nothing is moved at first, then one file more each time.
    for call in [1, 2, 2, 2, 2] {
        let Some(survived) = survives(&replace(), "/^rename", call) else {
            return;
        };
        assert!(!survived);
        let now = whereabouts(&folder);
        assert!(now.keys().eq(before.keys()), "call {call}: {now:?}");
        if folder.join("server.sqlite").exists() && !folder.join("identity.pk8").exists() {
            let (code, _, words) = ended(home.server().arg("fingerprint"));
            assert_eq!(code, Some(1), "{words}");
            assert!(words.contains("is missing"), "{words}");
            assert!(whereabouts(&folder).keys().eq(before.keys()), "{words}");
            refused += 1;
        }
    }
    assert!(refused >= 3, "{refused}");
    let done = output(&mut replace());
    assert!(done.status.success(), "{done:?}");
    let now = whereabouts(&folder);
    let old: Vec<_> = before.keys().map(|bytes| now[bytes].parent()).collect();
    assert!(old.windows(2).all(|pair| pair[0] == pair[1]), "{old:?}");
    assert_ne!(old[0], Some(&*folder));
    assert!(now.len() >= 8, "all of it anew: {now:?}");
}
