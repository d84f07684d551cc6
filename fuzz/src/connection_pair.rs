//! Two endpoints, and a tape that is their network, their users and their clock. What one end reads
//! is the beginning of what the other wrote; and once the network behaves, everything arrives and
//! everything ends.

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crypto::Secret;
use sim::Rng;
use sim::null::NullSessions;
use transport::{
    Accept, AddressGate, CloseReason, Config, ConnectionHandle, Endpoint, Event, Gate, Instant,
    Meta, Mode, OpenGate, StreamError, StreamId,
};

/// More steps of a tape are not looked at.
const STEPS_MAX: usize = 2_000;

/// More datagrams at one moment, or on one wire, mean that somebody talks without end.
const DATAGRAMS_MAX: usize = 2_000;

/// How long a network that behaves takes at most to bring what is left, and an end to be over.
const PATIENCE: Duration = Duration::from_secs(120);

const LISTENED: u16 = 7;
const CLOSED: u16 = 8;

/// The byte at `offset` of what one side writes to a stream.
fn byte(side: usize, stream: StreamId, offset: usize) -> u8 {
    let mixed = (offset as u64).wrapping_mul(0x9e37_79b9) ^ stream.as_u64() << 3 ^ side as u64;
    (mixed ^ mixed >> 8 ^ mixed >> 16) as u8
}

/// One direction of a stream, as its writer knows it.
#[derive(Default)]
struct Written {
    bytes: usize,
    /// Ends of messages, in message mode.
    ends: Vec<usize>,
    finished: bool,
    /// Reset, or the peer does not want it.
    given_up: bool,
}

/// One direction of a stream, as its reader knows it.
#[derive(Default)]
struct Read {
    bytes: usize,
    messages: usize,
    /// Messages that were read in another order than they were written.
    out_of_order: BTreeSet<usize>,
    ended: bool,
}

impl Read {
    /// A message of an unordered stream: one that was written, and only once.
    fn take(&mut self, peer: &End, stream: StreamId, message: &[u8]) {
        let mut start = 0;
        let mut ends = peer.written[&stream].ends.iter().enumerate();
        let found = ends.find_map(|(index, &end)| {
            let range = core::mem::replace(&mut start, end)..end;
            let is_it = range.len() == message.len()
                && !self.out_of_order.contains(&index)
                && range
                    .zip(message)
                    .all(|(at, &got)| got == byte(peer.side, stream, at));
            is_it.then_some(index)
        });
        self.out_of_order
            .insert(found.expect("a message that was written"));
        self.bytes += message.len();
    }
}

/// Whether a network can end a connection of two honest ends like this: it can only keep them apart.
fn is_possible(reason: &CloseReason) -> bool {
    matches!(
        reason,
        CloseReason::Local
            | CloseReason::Peer { .. }
            // The same before the handshake is done, when an application may say no more.
            | CloseReason::PeerError { code: 0x0c, .. }
            | CloseReason::IdleTimeout
            | CloseReason::HandshakeTimeout
            | CloseReason::StatelessReset
    )
}

struct End {
    side: usize,
    endpoint: Endpoint,
    handle: Option<ConnectionHandle>,
    connected: bool,
    closed: bool,
    streams: Vec<StreamId>,
    written: BTreeMap<StreamId, Written>,
    read: BTreeMap<StreamId, Read>,
    given_up: BTreeSet<StreamId>,
    /// Streams whose messages come in any order. Both ends know.
    unordered: BTreeSet<StreamId>,
}

impl End {
    fn new(side: usize, endpoint: Endpoint) -> Self {
        Self {
            side,
            endpoint,
            handle: None,
            connected: false,
            closed: false,
            streams: Vec::new(),
            written: BTreeMap::new(),
            read: BTreeMap::new(),
            given_up: BTreeSet::new(),
            unordered: BTreeSet::new(),
        }
    }

    fn drain_events(&mut self) {
        while let Some((handle, event)) = self.endpoint.poll_event() {
            match event {
                Event::Connected => {
                    assert!(!self.connected, "one connection, one handshake");
                    self.connected = true;
                    self.handle = Some(handle);
                }
                Event::Opened { stream, port } => {
                    assert_eq!(port, LISTENED);
                    assert!(!self.streams.contains(&stream));
                    self.streams.push(stream);
                }
                Event::Reset { stream, .. } => {
                    self.given_up.insert(stream);
                }
                Event::Stopped { stream, .. } => {
                    self.written.entry(stream).or_default().given_up = true;
                }
                Event::Finished { stream } => {
                    assert!(self.written.get(&stream).is_some_and(|w| w.finished));
                }
                Event::Closed(reason) => {
                    assert!(is_possible(&reason), "between honest ends: {reason}");
                    if self.handle.is_none_or(|ours| ours == handle) {
                        self.closed |= self.connected || self.side == 0;
                    }
                }
                _ => {}
            }
        }
    }

    fn open(&mut self, port: u16, mode: Mode) {
        if let Some(connection) = self.handle.and_then(|h| self.endpoint.connection(h))
            && let Ok(stream) = connection.open(port, mode)
        {
            self.streams.push(stream);
            if mode == Mode::Unordered {
                self.unordered.insert(stream);
            }
            // Nobody reads what goes to a port on which nobody listens.
            self.written.entry(stream).or_default().given_up = port == CLOSED;
        }
    }

    fn write(&mut self, stream: StreamId, len: usize) {
        let written = self.written.entry(stream).or_default();
        let start = written.bytes;
        let data: Vec<u8> = (start..start + len)
            .map(|at| byte(self.side, stream, at))
            .collect();
        let Some(connection) = self.handle.and_then(|h| self.endpoint.connection(h)) else {
            return;
        };
        match connection.send(stream, &data) {
            Ok(()) => {
                written.bytes += len;
                written.ends.push(written.bytes);
            }
            Err(StreamError::WrongMode) => {
                written.bytes += connection.write(stream, &data).unwrap_or(0);
            }
            Err(_) => {}
        }
    }

    /// Reads what is there, and compares it with what the other end wrote.
    fn read(&mut self, stream: StreamId, peer: &End) {
        let read = self.read.entry(stream).or_default();
        let Some(connection) = self.handle.and_then(|h| self.endpoint.connection(h)) else {
            return;
        };
        loop {
            let data = match connection.receive(stream) {
                Ok(None) => return read.ended = true,
                Ok(Some(message)) if peer.unordered.contains(&stream) => {
                    assert!(!read.ended, "a message behind the end");
                    read.take(peer, stream, &message);
                    continue;
                }
                Ok(Some(message)) => {
                    let end = peer.written[&stream].ends.get(read.messages);
                    assert_eq!(end, Some(&(read.bytes + message.len())));
                    read.messages += 1;
                    message
                }
                Err(StreamError::WrongMode) => {
                    let mut buffer = [0; 4096];
                    match connection.read(stream, &mut buffer) {
                        Ok(0) => return read.ended = true,
                        Ok(len) => buffer[..len].to_vec(),
                        Err(_) => return,
                    }
                }
                Err(_) => return,
            };
            assert!(!read.ended, "bytes behind the end");
            for (at, &got) in (read.bytes..).zip(&data) {
                assert_eq!(got, byte(peer.side, stream, at));
            }
            read.bytes += data.len();
            assert!(read.bytes <= peer.written[&stream].bytes);
        }
    }

    fn change(&mut self, stream: StreamId, what: u8) {
        let written = self.written.entry(stream).or_default();
        let Some(connection) = self.handle.and_then(|h| self.endpoint.connection(h)) else {
            return;
        };
        match what % 3 {
            0 => written.finished |= connection.finish(stream).is_ok(),
            1 => written.given_up |= connection.reset(stream, 1).is_ok(),
            _ => {
                if connection.stop(stream, 2).is_ok() {
                    self.given_up.insert(stream);
                }
            }
        }
    }
}

struct Pair {
    ends: [End; 2],
    /// Datagrams on their way to each end.
    wires: [VecDeque<Vec<u8>>; 2],
    now: Instant,
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
        let mut buffer = Vec::new();
        for count in 0.. {
            assert!(count < DATAGRAMS_MAX, "an end that never stops talking");
            buffer.clear();
            let transmit = self.ends[side]
                .endpoint
                .poll_transmit(self.now, 4, &mut buffer);
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
        match (what >> 1) % 16 {
            what @ 0..=8 => self.network(side, what, usize::from(amount)),
            9 => self.pass(self.now + Duration::from_millis(u64::from(amount).pow(2) / 16)),
            10 => {
                let due = self.next_timeout().unwrap_or_default();
                self.pass(due);
            }
            what => self.user(side, what, amount),
        }
        for end in &self.ends {
            assert_eq!(end.endpoint.check(), Ok(()));
        }
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
