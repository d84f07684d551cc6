//! Two endpoints, and a tape that is their network, their users and their clock. What one end reads
//! is the beginning of what the other wrote; and once the network behaves, everything arrives and
//! everything ends.

mod end;

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::VecDeque;

use crypto::Secret;
use sim::Rng;
use sim::null::NullSessions;
use transport::{
    Accept, AddressGate, Config, Endpoint, Gate, Instant, Meta, Mode, OpenGate, StreamId,
};

use end::End;

/// More steps of a tape are not looked at.
const STEPS_MAX: usize = 2_000;

/// More datagrams at one moment, or on one wire, mean that somebody talks without end.
const DATAGRAMS_MAX: usize = 2_000;

/// How long a network that behaves takes at most to bring what is left, and an end to be over.
const PATIENCE: Duration = Duration::from_secs(120);

const LISTENED: u16 = 7;
const CLOSED: u16 = 8;

struct Pair {
    ends: [End; 2],
    /// Datagrams on their way to each end.
    wires: [VecDeque<Vec<u8>>; 2],
    now: Instant,
    /// What is being sent.
    buffer: Vec<u8>,
}

fn address(side: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, side as u8], 5000))
}

impl Pair {
    fn new(gated: bool) -> Self {
        let mut config = Config::default();
        config.ports.insert(LISTENED);
        config.stream_window_bytes = 20_000;
        config.connection_window_bytes = 40_000;
        config.stream_window_bytes_max = 80_000;
        config.connection_window_bytes_max = 100_000;
        config.send_buffer_bytes = 30_000;
        config.streams_max = 8;
        let gate: Box<dyn Gate> = if gated {
            Box::new(AddressGate::new(Secret::from([7; 32])))
        } else {
            Box::new(OpenGate)
        };
        let accept = Accept {
            sessions: Box::new(NullSessions::server(Rng::new(1))),
            gate,
            secret: Secret::from([9; 32]),
        };
        let mut client = Endpoint::client(config.clone(), Box::new(Rng::new(2)));
        let server = Endpoint::server(config, accept, Box::new(Rng::new(3)));
        let mut sessions = NullSessions::client(Rng::new(4));
        let handle = client.connect(Instant::ZERO, address(1), &mut sessions);
        let mut pair = Self {
            ends: [End::new(0, client), End::new(1, server)],
            wires: [VecDeque::new(), VecDeque::new()],
            now: Instant::ZERO,
            buffer: Vec::new(),
        };
        pair.ends[0].handle = Some(handle.expect("a session"));
        pair.settle(0);
        pair
    }

    /// Takes out what an end has to send and to tell.
    fn settle(&mut self, side: usize) {
        self.transmit(side);
        self.ends[side].drain_events();
        self.transmit(side);
    }

    fn transmit(&mut self, side: usize) {
        for count in 0.. {
            assert!(count < DATAGRAMS_MAX, "an end that never stops talking");
            let (endpoint, buffer) = (&mut self.ends[side].endpoint, &mut self.buffer);
            buffer.clear();
            let transmit = endpoint.poll_transmit(self.now, 4, buffer);
            let Some(transmit) = transmit else { break };
            assert_eq!(transmit.len, buffer.len());
            let segment = transmit.segment_len.unwrap_or(transmit.len);
            let datagrams = buffer.chunks(segment).map(<[u8]>::to_vec);
            self.wires[1 - side].extend(datagrams);
            self.wires[1 - side].truncate(DATAGRAMS_MAX);
        }
    }

    fn deliver(&mut self, side: usize, mut datagram: Vec<u8>) {
        let meta = Meta {
            remote: address(1 - side),
            local: None,
            ecn: None,
        };
        self.ends[side]
            .endpoint
            .handle_datagram(self.now, meta, &mut datagram);
        self.settle(side);
    }

    fn next_timeout(&mut self) -> Option<Instant> {
        let ends = self.ends.iter_mut();
        ends.filter_map(|end| end.endpoint.poll_timeout()).min()
    }

    fn read(&mut self, side: usize, stream: StreamId) {
        let [client, server] = &mut self.ends;
        match side {
            0 => client.read(stream, server),
            _ => server.read(stream, client),
        }
    }

    /// One step of the tape: who and what, and how much of it.
    fn step(&mut self, what: u8, amount: u8) {
        let side = usize::from(what & 1);
        // What one end's network or user does changes that end alone.
        match (what >> 1) % 16 {
            what @ 0..=8 => {
                self.network(side, what, usize::from(amount));
                self.check(side);
            }
            9 => self.pass(self.now + Duration::from_millis(u64::from(amount).pow(2) / 16)),
            10 => {
                let due = self.next_timeout().unwrap_or_default();
                self.pass(due);
            }
            what => {
                self.user(side, what, amount);
                self.check(side);
            }
        }
    }

    fn check(&self, side: usize) {
        assert_eq!(self.ends[side].endpoint.check(), Ok(()));
    }

    /// What becomes of the datagrams on their way to an end.
    fn network(&mut self, side: usize, what: u8, amount: usize) {
        let wire = &mut self.wires[side];
        match what {
            4 => drop(wire.pop_front()),
            5 => {
                let copy = wire.get(amount % 8).cloned();
                wire.extend(copy);
            }
            6 => {
                if let Some(datagram) = wire.front_mut() {
                    let at = amount * 5 % datagram.len();
                    datagram[at] ^= 1 << (amount % 8);
                }
            }
            7 => {
                if let Some(datagram) = wire.front_mut() {
                    datagram.truncate(1 + amount * 4);
                }
            }
            8 => {
                if let Some(overtaking) = wire.remove(amount % 16) {
                    self.deliver(side, overtaking);
                }
            }
            _ => {
                let count = (amount % 4 + 1).min(wire.len());
                for datagram in wire.drain(..count).collect::<Vec<_>>() {
                    self.deliver(side, datagram);
                }
            }
        }
    }

    /// What the user of an end does.
    fn user(&mut self, side: usize, what: u8, amount: u8) {
        let end = &mut self.ends[side];
        let picked = usize::from(amount) % end.streams.len().max(1);
        let stream = end.streams.get(picked).copied();
        match (what, stream) {
            (11, _) => {
                let port = if amount < 240 { LISTENED } else { CLOSED };
                let modes = [Mode::Bytes, Mode::Messages, Mode::Unordered];
                end.open(port, modes[usize::from(amount % 3)]);
                let unordered = end.unordered.clone();
                self.ends[1 - side].unordered.extend(unordered);
            }
            (12, Some(stream)) => end.write(stream, usize::from(amount).pow(2) / 4),
            (13, Some(stream)) => self.read(side, stream),
            (14, Some(stream)) => end.change(stream, amount / 8),
            (15, _) if amount == 255 => self.close(side),
            _ => {}
        }
        self.settle(side);
    }

    /// Lets time pass until `then`.
    fn pass(&mut self, then: Instant) {
        self.now = self.now.max(then);
        for side in 0..2 {
            self.ends[side].endpoint.handle_timeout(self.now);
            self.settle(side);
            self.check(side);
        }
    }

    fn close(&mut self, side: usize) {
        let (now, end) = (self.now, &mut self.ends[side]);
        if let Some(connection) = end
            .handle
            .and_then(|handle| end.endpoint.connection(handle))
        {
            connection.close(now, 0, "bye");
            end.closed = true;
        }
        self.settle(side);
    }

    /// Lets the network behave until `done`. False when that takes too long.
    fn heal(&mut self, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let deadline = self.now + PATIENCE;
        while !done(self) {
            for side in 0..2 {
                while let Some(datagram) = self.wires[side].pop_front() {
                    self.deliver(side, datagram);
                }
                for stream in self.ends[side].streams.clone() {
                    self.read(side, stream);
                }
                self.settle(side);
            }
            if self.wires.iter().all(VecDeque::is_empty) {
                let Some(due) = self.next_timeout() else {
                    return done(self);
                };
                if due > deadline {
                    return done(self);
                }
                self.pass(due);
            }
        }
        true
    }

    /// Whether everything that was finished has been read, or the connection is over.
    fn is_complete(&self) -> bool {
        let [client, server] = &self.ends;
        if client.closed || server.closed {
            return true;
        }
        [(client, server), (server, client)]
            .iter()
            .all(|(from, to)| {
                from.written.iter().all(|(stream, written)| {
                    let read = to.read.get(stream);
                    !written.finished
                        || written.given_up
                        || to.given_up.contains(stream)
                        || read.is_some_and(|read| read.ended && read.bytes == written.bytes)
                })
            })
    }

    fn is_over(&self) -> bool {
        self.ends
            .iter()
            .all(|end| end.endpoint.connections().next().is_none())
    }
}

/// Checks one input: whether the server is gated, then steps of two bytes, what and how much.
pub fn check(tape: &[u8]) {
    let Some((&first, steps)) = tape.split_first() else {
        return;
    };
    let mut pair = Pair::new(first & 1 == 1);
    for step in steps.chunks_exact(2).take(STEPS_MAX) {
        pair.step(step[0], step[1]);
    }
    let arrived = pair.heal(|pair| pair.is_complete());
    assert!(arrived, "what was finished did not arrive");
    // The end of one is the end of both.
    pair.close(0);
    assert!(
        pair.heal(|pair| pair.is_over()),
        "a connection that does not end"
    );
}
