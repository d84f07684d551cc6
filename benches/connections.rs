//! Layer 2: frames, reassembly, and what passes between two endpoints in memory whose channel is
//! the null session, so that the figures are the transport's own.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a benchmark whose set-up fails has nothing to measure"
)]

use std::cell::RefCell;
use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use crypto::Secret;
use sim::Rng;
use sim::null::NullSessions;
use transport::measuring::{Arrived, Reassembly, decode_frames, encode_stream};
use transport::{
    Accept, Config, ConnectionHandle, Endpoint, Event, Instant, Meta, Mode, OpenGate, StreamId,
};

const PORT: u16 = 7;

/// What one iteration carries in bulk.
const BULK: usize = 1 << 20;

fn frames(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frames");
    let mut scattered = Arrived::default();
    // Every second packet is missing: as many ranges as a frame may have.
    (0..512).for_each(|number| scattered.insert(2 * number));
    let mut whole = Arrived::default();
    (0..1000).for_each(|number| whole.insert(number));
    for (name, arrived) in [("one range", whole), ("256 ranges", scattered)] {
        let mut ack = Vec::new();
        assert!(arrived.encode(1200, &mut ack));
        group.bench_function(format!("decode ack of {name}"), |bencher| {
            bencher.iter(|| decode_frames(black_box(&ack)));
        });
        group.bench_function(format!("encode ack of {name}"), |bencher| {
            let mut out = Vec::with_capacity(1200);
            bencher.iter(|| {
                out.clear();
                arrived.encode(1200, &mut out)
            });
        });
    }
    // STREAM with id, offset and length: 20 of them, of 56 bytes each.
    let stream: Vec<u8> = [&[0x0e, 4, 0x44, 0, 56][..], &[b'x'; 56]].concat();
    let payload = stream.repeat(20);
    assert_eq!(decode_frames(&payload), 20);
    group.bench_function("decode 20 small stream frames", |bencher| {
        bencher.iter(|| decode_frames(black_box(&payload)));
    });
    let encode = |out: &mut Vec<u8>| {
        out.clear();
        for _ in 0..20 {
            encode_stream(black_box(4), black_box(0x400), black_box(&[b'x'; 56]), out);
        }
    };
    let mut out = Vec::with_capacity(payload.len());
    encode(&mut out);
    assert_eq!(out, payload);
    group.bench_function("encode 20 small stream frames", |bencher| {
        bencher.iter(|| encode(black_box(&mut out)));
    });
}

fn assembler(criterion: &mut Criterion) {
    const PIECE: usize = 1400;
    const PIECES: usize = 700;
    let mut group = criterion.benchmark_group("assembler");
    group.throughput(Throughput::Bytes((PIECE * PIECES) as u64));
    let piece = [7; PIECE];
    let in_order: Vec<_> = (0..PIECES).collect();
    // Each eighth piece arrives after the other seven.
    let late: Vec<_> = (in_order.chunks(8))
        .flat_map(|chunk| [&chunk[1..], &chunk[..1]].concat())
        .collect();
    for (name, order) in [("in order", in_order), ("each eighth late", late)] {
        let mut out = vec![0; 1 << 16];
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut assembly = Reassembly::default();
                for index in &order {
                    assert!(assembly.insert((index * PIECE) as u64, &piece));
                    while assembly.read(&mut out) > 0 {}
                }
                assert_eq!(assembly.position(), (PIECE * PIECES) as u64);
            });
        });
    }
}

fn handshake(criterion: &mut Criterion) {
    criterion.bench_function("handshake, null session", |bencher| {
        bencher.iter(|| Pair::connected(Mode::Bytes));
    });
}

fn acknowledgements(criterion: &mut Criterion) {
    let mut pair = Pair::connected(Mode::Bytes);
    pair.transfer(16 * BULK);
    let pair = RefCell::new(pair);
    criterion.bench_function("acknowledgements of a flight", |bencher| {
        let flight = || pair.borrow_mut().acknowledged_flight();
        let take_in = |acks: &mut Datagrams| pair.borrow_mut().client.take_in(acks);
        bencher.iter_batched_ref(flight, take_in, BatchSize::PerIteration);
    });
}

fn streams(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("streams");
    let mut pair = Pair::connected(Mode::Bytes);
    pair.transfer(16 * BULK);
    group.throughput(Throughput::Bytes(BULK as u64));
    group.bench_function("1 MiB of bytes", |bencher| {
        bencher.iter(|| pair.transfer(BULK));
    });
    for (name, len, count) in [
        ("1000 messages of 64 B", 64, 1000),
        ("1000 messages of 1 KiB", 1024, 1000),
    ] {
        let mut pair = Pair::connected(Mode::Messages);
        (0..16).for_each(|_| pair.say(len, count));
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(name, |bencher| bencher.iter(|| pair.say(len, count)));
    }
}

/// Datagrams of one direction, one behind the other.
#[derive(Default)]
struct Datagrams {
    bytes: Vec<u8>,
    lens: Vec<usize>,
    at: Instant,
}

/// An endpoint with one connection.
struct End {
    endpoint: Endpoint,
    handle: Option<ConnectionHandle>,
    peer: SocketAddr,
}

impl End {
    /// Everything that it has to say.
    fn flight(&mut self, now: Instant) -> Datagrams {
        let mut flight = Datagrams {
            at: now,
            ..Datagrams::default()
        };
        self.endpoint.handle_timeout(now);
        let mut batch = Vec::new();
        while let Some(transmit) = self.endpoint.poll_transmit(now, 40, &mut batch) {
            let segment = transmit.segment_len.unwrap_or(transmit.len);
            flight.lens.extend(batch.chunks(segment).map(<[u8]>::len));
            flight.bytes.append(&mut batch);
        }
        flight
    }

    fn take_in(&mut self, flight: &mut Datagrams) {
        let meta = Meta {
            remote: self.peer,
            local: None,
            ecn: None,
        };
        let mut rest = &mut *flight.bytes;
        for len in &flight.lens {
            let (datagram, behind) = rest.split_at_mut(*len);
            self.endpoint.handle_datagram(flight.at, meta, datagram);
            rest = behind;
        }
    }
}

/// Two ends, a millisecond apart, and a stream from the client to the server.
struct Pair {
    now: Instant,
    client: End,
    server: End,
    stream: Option<StreamId>,
    accepted: Option<StreamId>,
    buffer: Vec<u8>,
}

impl Pair {
    fn connected(mode: Mode) -> Self {
        let (here, there) = (([10, 0, 0, 1], 1).into(), ([10, 0, 0, 2], 2).into());
        let accept = Accept {
            sessions: Box::new(NullSessions::server(Rng::new(1))),
            gate: Box::new(OpenGate),
            secret: Secret::from([9; 32]),
        };
        let mut config = Config::default();
        config.ports.insert(PORT);
        let mut client = Endpoint::client(config.clone(), Box::new(Rng::new(2)));
        let server = Endpoint::server(config, accept, Box::new(Rng::new(3)));
        let mut sessions = NullSessions::client(Rng::new(4));
        let handle = client.connect(Instant::ZERO, there, &mut sessions).unwrap();
        let mut pair = Self {
            now: Instant::ZERO,
            client: End {
                endpoint: client,
                handle: Some(handle),
                peer: there,
            },
            server: End {
                endpoint: server,
                handle: None,
                peer: here,
            },
            stream: None,
            accepted: None,
            buffer: vec![0; 1 << 16],
        };
        while pair.stream.is_none() {
            pair.turn();
            let connection = pair.client.endpoint.connection(handle).unwrap();
            pair.stream = connection.open(PORT, mode).ok();
        }
        pair
    }

    /// Carries what there is to carry both ways.
    fn turn(&mut self) {
        let mut flight = self.client.flight(self.now);
        self.now += Duration::from_millis(1);
        flight.at = self.now;
        self.server.take_in(&mut flight);
        while let Some((handle, event)) = self.server.endpoint.poll_event() {
            self.server.handle = Some(handle);
            if let Event::Opened { stream, .. } = event {
                self.accepted = Some(stream);
            }
        }
        let mut answer = self.server.flight(self.now);
        answer.at = self.now;
        self.client.take_in(&mut answer);
        while self.client.endpoint.poll_event().is_some() {}
    }

    /// Writes so many bytes, and reads them at the other end.
    fn transfer(&mut self, len: usize) {
        let data = [7; 1 << 14];
        let (mut written, mut read) = (0, 0);
        while read < len {
            let connection = self.client.endpoint.connection(self.client.handle.unwrap());
            let connection = connection.unwrap();
            while written < len
                && let Ok(count) = connection.write(self.stream.unwrap(), &data)
            {
                written += count;
            }
            self.turn();
            read += self.read();
        }
    }

    fn read(&mut self) -> usize {
        let Some(stream) = self.accepted else {
            return 0;
        };
        let connection = self.server.endpoint.connection(self.server.handle.unwrap());
        let connection = connection.unwrap();
        let mut read = 0;
        while let Ok(count @ 1..) = connection.read(stream, &mut self.buffer) {
            read += count;
        }
        read
    }

    /// Sends so many messages of `len` bytes, and receives them at the other end.
    fn say(&mut self, len: usize, count: usize) {
        let message = vec![7; len];
        let (mut sent, mut received) = (0, 0);
        while received < count {
            let connection = self.client.endpoint.connection(self.client.handle.unwrap());
            let connection = connection.unwrap();
            while sent < count && connection.send(self.stream.unwrap(), &message).is_ok() {
                sent += 1;
            }
            self.turn();
            let Some(stream) = self.accepted else {
                continue;
            };
            let connection = self.server.endpoint.connection(self.server.handle.unwrap());
            let connection = connection.unwrap();
            while let Ok(Some(_)) = connection.receive(stream) {
                received += 1;
            }
        }
    }

    /// Sends what the window lets go, and gives the other end's acknowledgements of it.
    fn acknowledged_flight(&mut self) -> Datagrams {
        let connection = self.client.endpoint.connection(self.client.handle.unwrap());
        let data = [7; 1 << 14];
        let connection = connection.unwrap();
        while connection.write(self.stream.unwrap(), &data).is_ok() {}
        let mut flight = self.client.flight(self.now);
        self.now += Duration::from_millis(1);
        flight.at = self.now;
        self.server.take_in(&mut flight);
        self.read();
        self.server.flight(self.now)
    }
}

criterion_group!(
    benches,
    frames,
    assembler,
    handshake,
    acknowledgements,
    streams
);
criterion_main!(benches);
