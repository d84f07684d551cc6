//! What it costs in allocations to move datagrams.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests of the crate that may"
)]

use std::alloc::System;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crypto::Secret;
use net::{BindOptions, Driver};
use sim::Rng;
use sim::null::NullSessions;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use transport::{
    Accept, Config, ConnectionHandle, Endpoint, Event, Instant, Machine, Meta, Mode, OpenGate,
    StreamId, Transmit,
};

/// Counts what the whole process allocates: there is one test, so nobody else does.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const PORT: u16 = 7;

/// Bytes of a datagram that is made up.
const LEN: usize = 1_200;

/// Datagrams on their way in each direction.
const WINDOW: usize = 64;

/// A machine that has one more to say for each datagram that it hears.
struct Volley {
    remote: SocketAddr,
    due: usize,
    heard: u64,
}

impl Machine for Volley {
    fn handle_datagram(&mut self, _: Instant, _: Meta, datagram: &mut [u8]) {
        assert_eq!(datagram.len(), LEN);
        self.heard += 1;
        self.due += 1;
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_transmit(&mut self, _: Instant, most: usize, out: &mut Vec<u8>) -> Option<Transmit> {
        let count = self.due.min(most);
        self.due -= count;
        out.resize(count * LEN, 7);
        (count > 0).then_some(Transmit {
            remote: self.remote,
            local: None,
            len: out.len(),
            segment_len: (count > 1).then_some(LEN),
            ecn: None,
        })
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        None
    }
}

fn loopback() -> Driver {
    Driver::bind((Ipv4Addr::LOCALHOST, 0).into(), &BindOptions::default()).unwrap()
}

/// Lets two machines exchange datagrams, and each do something in between, until either has sent so many
/// more. Gives the number of allocations, and of datagrams.
fn exchange<M: Machine>(
    drivers: &mut [Driver; 2],
    machines: &mut [M; 2],
    count: u64,
    mut between: impl FnMut(usize, &mut M),
) -> [u64; 2] {
    let sent = |drivers: &[Driver; 2]| drivers.each_ref().map(|driver| driver.stats().sent);
    let before = sent(drivers);
    let more = |now: [u64; 2]| [now[0] - before[0], now[1] - before[1]];
    let region = Region::new(ALLOCATOR);
    let mut idle = 0;
    while more(sent(drivers)).iter().any(|more| *more < count) {
        let mut received = false;
        for (index, machine) in machines.iter_mut().enumerate() {
            let driver = &mut drivers[index];
            received |= driver
                .turn(machine, Some(Duration::from_millis(1)))
                .unwrap()
                .received;
            between(index, machine);
        }
        idle = if received { 0 } else { idle + 1 };
        assert!(idle < 5_000, "nothing comes any more");
    }
    let change = region.change();
    let allocations = change.allocations + change.reallocations;
    [allocations as u64, more(sent(drivers)).iter().sum()]
}

/// The driver by itself.
fn volleys() -> [u64; 2] {
    let mut drivers = [loopback(), loopback()];
    let addresses = drivers.each_ref().map(Driver::local_addr);
    let mut machines = [addresses[1], addresses[0]].map(|remote| Volley {
        remote,
        due: WINDOW,
        heard: 0,
    });
    exchange(&mut drivers, &mut machines, 1_000, |_, _| ());
    let counted = exchange(&mut drivers, &mut machines, 20_000, |_, _| ());
    assert!(machines.iter().all(|machine| machine.heard > 20_000));
    counted
}

/// One side of a connection that says and hears as much as goes through.
#[derive(Default)]
struct Talker {
    handle: Option<ConnectionHandle>,
    stream: Option<StreamId>,
    heard: u64,
}

impl Talker {
    fn act(&mut self, endpoint: &mut Endpoint, data: &[u8], buffer: &mut [u8]) {
        while let Some((handle, event)) = endpoint.poll_event() {
            match event {
                Event::Connected => self.handle = Some(handle),
                Event::Opened { stream, .. } => self.stream = Some(stream),
                Event::Closed(reason) => panic!("{reason}"),
                _ => {}
            }
        }
        let (Some(handle), Some(stream)) = (self.handle, self.stream) else {
            return;
        };
        let connection = endpoint.connection(handle).unwrap();
        while let Ok(len @ 1..) = connection.read(stream, buffer) {
            self.heard += len as u64;
        }
        // As much as there is room for.
        while connection.write(stream, data).is_ok() {}
    }
}

/// The driver with the transport, a stream full both ways.
fn bulk() -> [u64; 2] {
    let mut drivers = [loopback(), loopback()];
    let mut config = Config::default();
    config.ports.insert(PORT);
    let accept = Accept {
        sessions: Box::new(NullSessions::server(Rng::new(2))),
        gate: Box::new(OpenGate),
        secret: Secret::from([7; 32]),
    };
    let mut machines = [
        Endpoint::client(config.clone(), Box::new(Rng::new(3))),
        Endpoint::server(config, accept, Box::new(Rng::new(4))),
    ];
    let (now, remote) = (drivers[0].now(), drivers[1].local_addr());
    let mut sessions = NullSessions::client(Rng::new(1));
    let handle = machines[0].connect(now, remote, &mut sessions).unwrap();
    let (data, mut buffer) = (vec![7; 16 << 10], vec![0; 64 << 10]);
    let mut talkers = [Talker::default(), Talker::default()];
    let mut act = |index: usize, endpoint: &mut Endpoint| {
        let talker: &mut Talker = &mut talkers[index];
        talker.act(endpoint, &data, &mut buffer);
        if index == 0 && talker.handle.is_some() && talker.stream.is_none() {
            let connection = endpoint.connection(handle).unwrap();
            talker.stream = Some(connection.open(PORT, Mode::Bytes).unwrap());
        }
    };
    exchange(&mut drivers, &mut machines, 20_000, &mut act);
    let counted = exchange(&mut drivers, &mut machines, 20_000, &mut act);
    assert!(talkers.iter().all(|talker| talker.heard > 20_000 * 1_000));
    counted
}

#[test]
fn moving_datagrams_allocates_nothing() {
    let [allocations, datagrams] = volleys();
    assert_eq!(allocations, 0, "in {datagrams} datagrams");
    let [allocations, datagrams] = bulk();
    assert!(
        allocations * 100 <= datagrams,
        "{allocations} in {datagrams} datagrams"
    );
}
