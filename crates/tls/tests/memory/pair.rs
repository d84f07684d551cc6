//! A server's endpoint and a client's with the wire between them, and what the server's holds.

use core::net::SocketAddr;
use core::time::Duration;
use std::alloc::System;

use crypto::Random;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use transport::{
    Accept, Config, ConnectionHandle, Endpoint, Event, Instant, Meta, OpenGate, Sessions,
};

/// Counts what the whole process allocates.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

pub(crate) const PORT: u16 = 7;

/// Bytes that are allocated now.
fn held() -> i64 {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated as i64 - stats.bytes_deallocated as i64
}

/// Allocations and reallocations so far.
fn allocations() -> u64 {
    let stats = ALLOCATOR.stats();
    (stats.allocations + stats.reallocations) as u64
}

/// Reproducible bytes (splitmix64).
struct Stream(u64);

impl Random for Stream {
    fn fill(&mut self, out: &mut [u8]) {
        for byte in out {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            *byte = (mixed ^ mixed >> 27) as u8;
        }
    }
}

fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 4433))
}

/// One end, and what it told.
pub(crate) struct End {
    pub(crate) endpoint: Endpoint,
    pub(crate) connected: Vec<ConnectionHandle>,
    pub(crate) readable: Vec<(ConnectionHandle, transport::StreamId)>,
    pub(crate) closed: usize,
    /// Bytes that calls of it have allocated and not freed.
    pub(crate) held: i64,
    /// How often calls of it have allocated.
    pub(crate) allocations: u64,
    address: SocketAddr,
}

impl End {
    fn new(endpoint: Endpoint, last: u8) -> Self {
        Self {
            endpoint,
            connected: Vec::new(),
            readable: Vec::new(),
            closed: 0,
            held: 0,
            allocations: 0,
            address: address(last),
        }
    }

    /// Calls the endpoint and books what that allocates.
    pub(crate) fn call<T>(&mut self, call: impl FnOnce(&mut Endpoint) -> T) -> T {
        let before = (held(), allocations());
        let result = call(&mut self.endpoint);
        self.held += held() - before.0;
        self.allocations += allocations() - before.1;
        result
    }

    fn drain_events(&mut self) {
        // What an event holds is dropped within the call, so that it is not booked as kept.
        let next = |endpoint: &mut Endpoint| {
            let (handle, event) = endpoint.poll_event()?;
            Some(match event {
                Event::Connected => (handle, Told::Connected),
                Event::Readable { stream } => (handle, Told::Readable(stream)),
                Event::Closed(_) => (handle, Told::Closed),
                _ => (handle, Told::Other),
            })
        };
        while let Some((handle, told)) = self.call(next) {
            match told {
                Told::Connected => self.connected.push(handle),
                Told::Readable(stream) => self.readable.push((handle, stream)),
                Told::Closed => self.closed += 1,
                Told::Other => {}
            }
        }
    }
}

enum Told {
    Connected,
    Readable(transport::StreamId),
    Closed,
    Other,
}

/// Two ends in virtual time. Datagrams arrive half a millisecond after they were sent.
pub(crate) struct Pair {
    pub(crate) now: Instant,
    pub(crate) server: End,
    pub(crate) client: End,
    buffer: Vec<u8>,
    /// Datagrams carried.
    pub(crate) datagrams: u64,
    /// Nothing that the server sends arrives.
    pub(crate) deaf: bool,
}

const HALF_RTT: Duration = Duration::from_micros(500);

impl Pair {
    pub(crate) fn new(sessions: Box<dyn Sessions>, config: &Config) -> Self {
        let before = held();
        let accept = Accept {
            sessions,
            gate: Box::new(OpenGate),
            secret: crypto::Secret::from([7; 32]),
        };
        let server = Endpoint::server(config.clone(), accept, Box::new(Stream(1)));
        let held = held() - before;
        let client = Endpoint::client(config.clone(), Box::new(Stream(2)));
        let mut server = End::new(server, 1);
        server.held = held;
        Self {
            now: Instant::from_nanos(1_000_000_000),
            server,
            client: End::new(client, 2),
            buffer: Vec::with_capacity(1 << 17),
            datagrams: 0,
            deaf: false,
        }
    }

    pub(crate) fn connect(&mut self, sessions: &mut dyn Sessions) -> ConnectionHandle {
        let (now, to) = (self.now, self.server.address);
        self.client
            .call(|endpoint| endpoint.connect(now, to, sessions))
            .unwrap()
    }

    /// Delivers everything until nobody has anything to send; time passes with every turn.
    pub(crate) fn settle(&mut self) {
        loop {
            let now = self.now;
            let (client, server) = (&mut self.client, &mut self.server);
            let sent = carry(now, client, server, &mut self.buffer, false)
                + carry(now, server, client, &mut self.buffer, self.deaf);
            self.datagrams += sent;
            if sent == 0 {
                return;
            }
            self.now += HALF_RTT;
        }
    }

    /// Lets time pass until `deadline`, doing what is due.
    pub(crate) fn run_until(&mut self, deadline: Instant) {
        loop {
            self.settle();
            let next = [&mut self.client, &mut self.server]
                .into_iter()
                .filter_map(|end| end.call(|endpoint| endpoint.poll_timeout()))
                .min();
            let Some(next) = next.filter(|&next| next <= deadline) else {
                break;
            };
            self.now = self.now.max(next);
            let now = self.now;
            for end in [&mut self.client, &mut self.server] {
                end.call(|endpoint| endpoint.handle_timeout(now));
            }
        }
        self.now = self.now.max(deadline);
    }

    pub(crate) fn run_for(&mut self, time: Duration) {
        self.run_until(self.now + time);
    }
}

/// Carries everything that `from` has to send over to `to`. Returns how many datagrams.
fn carry(now: Instant, from: &mut End, to: &mut End, buffer: &mut Vec<u8>, lost: bool) -> u64 {
    let mut sent = 0;
    let meta = Meta {
        remote: from.address,
        local: None,
        ecn: None,
    };
    loop {
        buffer.clear();
        let Some(transmit) = from.call(|endpoint| endpoint.poll_transmit(now, 40, buffer)) else {
            break;
        };
        let segment = transmit.segment_len.unwrap_or(transmit.len);
        for datagram in buffer[..transmit.len].chunks_mut(segment) {
            sent += 1;
            if !lost {
                to.call(|endpoint| endpoint.handle_datagram(now, meta, datagram));
            }
        }
    }
    from.drain_events();
    to.drain_events();
    sent
}
