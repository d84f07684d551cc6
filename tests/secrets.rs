//! What a client leaves behind in its own memory when it has left: what a core dump would show.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "these tests run in real time")]
#![allow(clippy::print_stdout, reason = "one process tells the other")]
#![cfg(target_os = "linux")]

mod common;
#[path = "common/fixtures.rs"]
mod fixtures;
#[path = "common/people.rs"]
mod people;

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::process::{Command, Stdio};

use common::{Home, Server};
use crypto::SecretBytes;
use crypto::fixtures::rsa3072_pkcs8;
use people::Person;

/// The password, as it is told to the other process: no byte of it is itself.
const MASK: u8 = 0xa5;

/// Whose password is its name, and a text that is found nowhere by accident.
const USER: &str = "zwiebelkuchenrezeptbuch";

/// No secret: the process has it in memory, masked, and there it has to be found.
const KNOWN: &[u8] = b"something that anybody may read";

const PORT: &str = "UNDERTONE_TEST_PORT";

/// The process that is looked at: logs in, leaves, and waits.
#[test]
#[ignore = "run by another test as a process of its own"]
fn comes_and_goes() {
    let Ok(port) = std::env::var(PORT) else {
        return;
    };
    // Read and unmasked in one place, which the client then owns and wipes.
    let mut password = vec![0; USER.len()];
    File::open("/dev/stdin")
        .unwrap()
        .read_exact(&mut password)
        .unwrap();
    password.iter_mut().for_each(|byte| *byte ^= MASK);
    let password = SecretBytes::new(password);
    let person = Person::start_secret("Bob", password, port.parse().unwrap()).logged_in();
    person.leave();
    let known: Vec<u8> = KNOWN.iter().map(|byte| byte ^ MASK).collect();
    println!("left");
    std::thread::sleep(common::PATIENCE);
    drop(std::hint::black_box(known));
}

/// Whether a process has these bytes in memory that it may write to.
fn has(process: u32, needle: &[u8]) -> bool {
    let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    let memory = File::open(format!("/proc/{process}/mem")).unwrap();
    maps.lines()
        .filter(|line| line.contains(" rw"))
        .any(|line| {
            let range = line.split_whitespace().next().unwrap();
            let (from, to) = range.split_once('-').unwrap();
            let [from, to] = [from, to].map(|digits| u64::from_str_radix(digits, 16).unwrap());
            let mut bytes = vec![0; (to - from) as usize];
            let mut read = 0;
            // A range may have pages that nobody can read, as the kernel's own.
            while let Ok(more @ 1..) = memory.read_at(&mut bytes[read..], from + read as u64) {
                read += more;
            }
            bytes[..read]
                .windows(needle.len())
                .any(|window| window == needle)
        })
}

/// 32 bytes in the middle of each prime, exponent and coefficient of a key, as its encoding has them.
/// The numbers that ring and rsa make of them are theirs, and not erased.
fn parts_of(index: usize) -> Vec<&'static [u8]> {
    let key = rsa3072_pkcs8(index);
    // Integers of 192 bytes and a zero before each: DER's `02 81 c1 00`.
    let heads = key.windows(4).enumerate();
    heads
        .filter(|(_, head)| head == b"\x02\x81\xc1\x00")
        .map(|(at, _)| &key[at + 80..at + 112])
        .collect()
}

#[test]
fn h66_who_has_left_leaves_no_password_and_no_encoded_key_in_memory() {
    let home = Home::new();
    fixtures::furnish_with(&home, &[("Alice", "Alice"), ("Bob", USER)]);
    let server = Server::start(&home);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "comes_and_goes", "--ignored", "--nocapture"])
        .env(PORT, server.port.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let masked: Vec<u8> = USER.bytes().map(|byte| byte ^ MASK).collect();
    child.stdin.as_mut().unwrap().write_all(&masked).unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let left = lines
        .map_while(Result::ok)
        .any(|line| line.ends_with("left"));
    assert!(left, "it did not come so far");
    let process = child.id();
    let mut found = Vec::new();
    if has(process, USER.as_bytes()) {
        found.push("the password".to_owned());
    }
    // Bob's keys: the second account signs with the second key and decrypts with the third.
    for index in [1, 2] {
        let parts = parts_of(index);
        assert!(!parts.is_empty());
        let there = parts.iter().filter(|part| has(process, part)).count();
        if there > 0 {
            found.push(format!("{there} of {} parts of key {index}", parts.len()));
        }
    }
    // What is looked for is found where it is: the server needs its key's encoding.
    let known: Vec<u8> = KNOWN.iter().map(|byte| byte ^ MASK).collect();
    let seen = has(process, &known) && parts_of(0).iter().any(|part| has(server.id(), part));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(seen, "the search finds nothing anywhere");
    assert_eq!(found, Vec::<String>::new());
}
