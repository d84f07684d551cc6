//! What strangers can make a gated endpoint do: next to nothing, whether its gate asks for an address
//! or for work.
//!
//! `UNDERTONE_STRANGERS` says how many, 100,000 by default; ten million of them are a release build's.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
#![allow(clippy::print_stdout, reason = "figures")]

mod harness;

use core::net::SocketAddr;
use std::alloc::System;
use std::cell::Cell;

use chat::puzzle::{AdmissionConfig, solve};
use crypto::Random;
use harness::{PORT, SERVER, after, client, client_address, config, connect, drain, messages};
use server::AdmissionPolicy;
use sim::{NodeId, Rng, World};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use transport::{AddressGate, Completion, Endpoint, Event, Gate, Instant, Meta, Mode, Request};

/// Counts what the whole process allocates; so this program has one test. The thread that waits for
/// it allocates too, in its own time, but only [`OTHERS`] times.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How often the thread that waits for the test may leave something behind: as it begins to wait.
const OTHERS: i32 = 3;

/// Strangers before counting begins: queues have then grown to what they keep.
const WARM_UP: u64 = 2_000;

/// Makes datagrams as strangers do: out of nothing, or out of what they have overheard.
struct Strangers {
    rng: Rng,
    overheard: Vec<Vec<u8>>,
    client: SocketAddr,
    datagram: Vec<u8>,
}

impl Strangers {
    /// The next datagram, and where it claims to come from.
    fn next(&mut self) -> SocketAddr {
        let kind = self.rng.below(8);
        let index = self.rng.below(self.overheard.len() as u64) as usize;
        self.datagram.clear();
        self.datagram.extend_from_slice(&self.overheard[index]);
        match kind {
            0 => self.noise(),
            1 => self.noise_behind_a_header(),
            2 => {
                let len = self.rng.below(self.datagram.len() as u64) as usize;
                self.datagram.truncate(len);
            }
            3 | 4 => self.flip_bits(),
            5 => self.datagram.resize(1_400, 0),
            // As it was.
            _ => {}
        }
        // Some claim to be the client, and some are even sent from where the server is.
        match self.rng.below(16) {
            0 => self.client,
            1 => SERVER,
            _ => {
                let bits = self.rng.next_u64().to_be_bytes();
                let port = u16::from_be_bytes([bits[6], bits[7]]).max(1);
                SocketAddr::from(([bits[0] | 64, bits[1], bits[2], bits[3]], port))
            }
        }
    }

    fn noise(&mut self) {
        let len = self.rng.below(1_500) as usize;
        self.datagram.resize(len, 0);
        self.rng.fill(&mut self.datagram);
    }

    /// A first packet of our version or another, with a token or not, and nonsense in it.
    fn noise_behind_a_header(&mut self) {
        self.datagram.resize(1_200, 0);
        let from = self.rng.below(40) as usize;
        self.rng.fill(&mut self.datagram[from..]);
    }

    fn flip_bits(&mut self) {
        for _ in 0..=self.rng.below(4) {
            let bit = self.rng.below(self.datagram.len() as u64 * 8);
            self.datagram[(bit / 8) as usize] ^= 1 << (bit % 8);
        }
    }
}

/// A client that is connected to a gated server, and what was overheard meanwhile.
fn stage(gate: Box<dyn Gate>) -> (World<Endpoint>, NodeId, NodeId, Vec<Vec<u8>>) {
    let mut world = World::new(1);
    world.start_capture();
    let server = world.add(SERVER, harness::server(1, config(), gate));
    let client = world.add(client_address(0), client(1, 0, config()));
    connect(&mut world, 1, client);
    let heard = Cell::new(0);
    let done = world.run(after(5), talk(client, &heard), |_| heard.get() == 20);
    assert!(done.unwrap(), "no conversation to overhear");
    let captured = world.take_capture();
    // Until nobody has anything left to say or to give back.
    let quiet = world.run(after(10), talk(client, &heard), |_| false);
    assert_eq!(quiet, Ok(false));
    let overheard: Vec<Vec<u8>> = captured
        .into_iter()
        .map(|datagram| datagram.bytes)
        .collect();
    assert!(overheard.iter().any(|bytes| bytes.len() == 1_200));
    (world, server, client, overheard)
}

/// The client says something when it can, and counts what comes back.
fn talk(client: NodeId, heard: &Cell<usize>) -> impl FnMut(NodeId, &mut Endpoint, Instant) {
    move |node, endpoint, now| {
        while let Some((handle, request)) = endpoint.poll_request() {
            if let Request::Solve { challenge, hello } = request {
                let solved = Completion::Solved(solve(&challenge, &hello).unwrap());
                endpoint.handle_completion(now, handle, solved);
            }
        }
        drain(endpoint, |endpoint, handle, event| match event {
            Event::Connected if node == client => {
                let connection = endpoint.connection(handle).unwrap();
                let stream = connection.open(PORT, Mode::Messages).unwrap();
                for _ in 0..20 {
                    connection.send(stream, &[5; 400]).unwrap();
                }
            }
            Event::Readable { stream } => {
                for message in messages(endpoint, handle, stream) {
                    if node == client {
                        heard.set(heard.get() + 1);
                        continue;
                    }
                    let connection = endpoint.connection(handle).unwrap();
                    connection.send(stream, &message).unwrap();
                }
            }
            Event::Closed(reason) => panic!("{reason}"),
            _ => {}
        });
    }
}

/// Hands one datagram over and takes the answers. Returns how long they are.
fn ask(
    endpoint: &mut Endpoint,
    now: Instant,
    remote: SocketAddr,
    datagram: &mut [u8],
    out: &mut Vec<u8>,
) -> usize {
    endpoint.handle_datagram(
        now,
        Meta {
            remote,
            local: None,
            ecn: None,
        },
        datagram,
    );
    let mut answered = 0;
    loop {
        out.clear();
        let Some(transmit) = endpoint.poll_transmit(now, 10, out) else {
            return answered;
        };
        assert_eq!(transmit.remote, remote, "somebody else is answered");
        answered += transmit.len;
    }
}

/// What this process has taken of a processor, in microseconds; 0 where nobody tells.
fn cpu_us() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or("").split_whitespace();
    let ticks = fields
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok());
    // The kernel's unit is 1/100 s.
    ticks.sum::<u64>() * 10_000
}

/// Prints what one stranger costs the machine, without what it costs to make one up.
fn report(what: &str, count: u64, began_us: u64, strangers: &mut Strangers) {
    let ended_us = cpu_us();
    strangers.rng = Rng::new(99);
    for _ in 0..count {
        strangers.next();
    }
    let making_us = cpu_us() - ended_us;
    let each = (ended_us - began_us).saturating_sub(making_us) as f64 / count as f64;
    println!("{count} strangers before the gate of {what}: {each:.2} us each");
}

/// Blocks and bytes that were allocated and are there still.
fn live(region: &Region<'_, System>) -> (i64, i64) {
    let change = region.change();
    (
        change.allocations as i64 - change.deallocations as i64,
        change.bytes_allocated as i64 - change.bytes_deallocated as i64,
    )
}

#[test]
fn h40_strangers_by_the_million_leave_no_trace() {
    let count: u64 =
        std::env::var("UNDERTONE_STRANGERS").map_or(100_000, |count| count.parse().unwrap());
    let address = AddressGate::new(crypto::Secret::from([3; 32]));
    let mut others = OTHERS;
    leave_no_trace("addresses", Box::new(address), count, &mut others);
    let work = AdmissionPolicy::Work(AdmissionConfig::default());
    let puzzle = server::gate(work, Box::new(Rng::new(7)));
    leave_no_trace("puzzles", puzzle, count, &mut others);
}

fn leave_no_trace(what: &str, gate: Box<dyn Gate>, count: u64, others: &mut i32) {
    let (mut world, server, client, overheard) = stage(gate);
    let mut strangers = Strangers {
        rng: Rng::new(99),
        overheard,
        client: client_address(0),
        datagram: Vec::with_capacity(4_096),
    };
    let began_us = cpu_us();
    let mut out = Vec::with_capacity(4_096);
    let (live, answers) = world
        .with(server, |endpoint, now| {
            let mut answers = 0u64;
            let mut region = Region::new(ALLOCATOR);
            for index in 0..count {
                if index == WARM_UP {
                    region.reset();
                }
                let remote = strangers.next();
                let len = strangers.datagram.len();
                let answer = ask(endpoint, now, remote, &mut strangers.datagram, &mut out);
                assert!(answer <= len, "{answer} bytes for {len}");
                answers += u64::from(answer > 0);
                if index >= WARM_UP && live(&region) != (0, 0) {
                    *others -= 1;
                    assert!(
                        *others >= 0,
                        "what outlives stranger {index}: {:?}",
                        live(&region)
                    );
                    region.reset();
                }
            }
            (live(&region), answers)
        })
        .unwrap();
    report(what, count, began_us, &mut strangers);
    assert_eq!(live, (0, 0), "what outlives the strangers");
    assert!(answers > count / 20, "only {answers} were answered at all");
    // Not even the client's own first packet, with its token and from its address: it was used.
    let stats = world.machine(server).unwrap().stats();
    assert_eq!((stats.connections, stats.half_open), (1, 0), "{stats:?}");
    // And whoever was there before has noticed nothing.
    let heard = Cell::new(0);
    let handle = world.machine(client).unwrap().connections().next().unwrap();
    world
        .with(client, |endpoint, _| {
            let connection = endpoint.connection(handle).unwrap();
            let stream = connection.open(PORT, Mode::Messages).unwrap();
            connection.send(stream, b"still there?").unwrap();
        })
        .unwrap();
    let deadline = world.now() + core::time::Duration::from_secs(2);
    let answered = world.run(deadline, talk(client, &heard), |_| heard.get() == 1);
    assert!(answered.unwrap());
    let deadline = world.now() + core::time::Duration::from_secs(11);
    let only_ours = |_: NodeId, endpoint: &mut Endpoint, _: Instant| drain(endpoint, |_, _, _| {});
    world.run(deadline, only_ours, |_| false).unwrap();
    assert_eq!(world.machine(server).unwrap().stats().connections, 1);
}
