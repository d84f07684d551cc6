//! What a peer leaves behind in the memory of a node.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests of the crate that may"
)]

use std::alloc::System;
use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};

use net::blocking::Node;
use sim::Rng;
use sim::null::NullSessions;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use transport::{Accept, Config, Mode, OpenGate, StreamError, StreamId};

use rogue::{PATIENCE, Rogue};

mod rogue;

/// Counts what the whole process allocates: there is one test, so nobody else does.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const PORT: u16 = 7;

/// Streams that are open at once.
const STREAMS: usize = 1_000;

/// In so many rounds buffers have grown as far as they do.
const ROUNDS_BEFORE: usize = 5;

const ROUNDS: usize = 40;

/// What may be held more after all rounds: buffers that are there one moment and not the next. It is eight bytes
/// a stream.
const MORE_MAX: usize = ROUNDS * STREAMS * 8;

/// Bytes that the whole process has.
fn held() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

fn server() -> Node {
    let mut config = Config::default();
    config.ports.insert(PORT);
    let accept = Accept {
        sessions: Box::new(NullSessions::server(Rng::new(2))),
        gate: Box::new(OpenGate),
        secret: crypto::Secret::from([7; 32]),
    };
    Node::server((Ipv4Addr::LOCALHOST, 0).into(), config, accept).unwrap()
}

/// Opens streams and resets them. The server ends its direction of each; before the client hears of
/// that, it says that it does not read them.
fn round(rogue: &mut Rogue) {
    let streams = open(rogue);
    settle(rogue);
    rogue.say(|connection| {
        for stream in &streams {
            connection.reset(*stream, 1).unwrap();
        }
    });
    thread::sleep(Duration::from_millis(20));
    rogue.say(|connection| {
        for stream in &streams {
            connection.stop(*stream, 1).unwrap();
        }
    });
    settle(rogue);
}

/// As soon as the server lets it.
fn open(rogue: &mut Rogue) -> Vec<StreamId> {
    let begin = Instant::now();
    let mut streams = Vec::new();
    while streams.len() < STREAMS {
        match rogue.connection().open(PORT, Mode::Bytes) {
            Ok(stream) => {
                rogue.connection().write(stream, b"never mind").unwrap();
                streams.push(stream);
            }
            Err(error) => {
                assert_eq!(error, StreamError::TooMany);
                assert!(begin.elapsed() < PATIENCE, "no credit comes back");
                rogue.turn();
            }
        }
    }
    streams
}

/// Until the server has acknowledged all that was said.
fn settle(rogue: &mut Rogue) {
    let begin = Instant::now();
    rogue.say(|_| ());
    while rogue.connection().stats().bytes_in_flight > 0 {
        assert!(begin.elapsed() < PATIENCE, "nothing is acknowledged");
        rogue.turn();
    }
}

#[test]
fn h20_streams_opened_reset_and_stopped_leave_nothing_behind() {
    let server = server();
    let (mut rogue, _far) = Rogue::at(&server);
    for _ in 0..ROUNDS_BEFORE {
        round(&mut rogue);
    }
    let before = held();
    for _ in 0..ROUNDS {
        round(&mut rogue);
    }
    let begin = Instant::now();
    while held() > before + MORE_MAX {
        assert!(begin.elapsed() < PATIENCE, "much more is held than before");
        rogue.turn();
    }
}
