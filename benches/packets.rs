//! Layer 1: headers, and sealing and opening packets with the keys of a real handshake.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a benchmark whose set-up fails has nothing to measure"
)]

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use crypto::fixtures::rsa3072_pkcs8;
use internet::{ConnectionId, PacketBuilder, PartialPacket, initial_keys, open};
use sim::Rng;
use tls::{ClientSessions, Lifetime, NodeCertificate, ServerSessions, Trust, WallClock};
use transport::{Epoch, Keys, Session, Sessions as _};

/// 2026-11-21T00:00:00Z, when the certificate is issued.
const NOW_S: u64 = 1_795_219_200;

/// Datagrams of a chat message, of a handshake, of Ethernet and of a jumbo frame.
const SIZES: [usize; 4] = [64, 1200, 1452, 8192];

const NUMBER: u64 = 1_000_000;

fn headers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("header");
    let ids = ids();
    let data = sealed_data(&data_keys().0, ids.0, 1200);
    let initial = sealed_initial(ids);
    group.bench_function("parse data", |bencher| {
        bencher.iter(|| PartialPacket::parse(black_box(&data)).unwrap());
    });
    group.bench_function("parse initial", |bencher| {
        bencher.iter(|| PartialPacket::parse(black_box(&initial)).unwrap());
    });
    let mut out = Vec::with_capacity(1500);
    group.bench_function("encode data", |bencher| {
        bencher.iter(|| {
            let builder = begin_data(black_box(ids.0), &mut out);
            black_box(&out);
            builder.abandon(&mut out);
        });
    });
    group.bench_function("encode initial", |bencher| {
        bencher.iter(|| {
            let (dcid, scid) = black_box(ids);
            let builder = PacketBuilder::initial(&mut out, dcid, scid, &[7; 32], 0, None);
            black_box(&out);
            builder.abandon(&mut out);
        });
    });
}

fn protection(criterion: &mut Criterion) {
    let (sender, receiver) = data_keys();
    let dcid = ids().0;
    let mut group = criterion.benchmark_group("seal");
    for size in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            let mut out = Vec::with_capacity(size);
            bencher.iter(|| {
                out.clear();
                seal_data(black_box(&sender), dcid, size, &mut out)
            });
        });
    }
    group.finish();
    let mut group = criterion.benchmark_group("open");
    for size in SIZES {
        let sealed = sealed_data(&sender, dcid, size);
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            let copy = || sealed.clone();
            let open = |packet: &mut Vec<u8>| open_data(&receiver, packet);
            bencher.iter_batched_ref(copy, open, BatchSize::SmallInput);
        });
    }
}

/// What an Initial costs whoever takes it in before anything is known of its sender's honesty.
fn first_packet(criterion: &mut Criterion) {
    let ids = ids();
    let sealed = sealed_initial(ids);
    let mut group = criterion.benchmark_group("initial");
    group.bench_function("keys", |bencher| {
        bencher.iter(|| initial_keys(black_box(ids.0)));
    });
    let keys = initial_keys(ids.0);
    group.bench_function("open", |bencher| {
        let open = |bytes: &mut Vec<u8>| {
            let packet = PartialPacket::parse(bytes).unwrap();
            open(&packet, &keys.0, None, bytes).unwrap()
        };
        bencher.iter_batched_ref(|| sealed.clone(), open, BatchSize::SmallInput);
    });
}

fn ids() -> (ConnectionId, ConnectionId) {
    let mut rng = Rng::new(1);
    (
        ConnectionId::random(&mut rng),
        ConnectionId::random(&mut rng),
    )
}

fn begin_data(dcid: ConnectionId, out: &mut Vec<u8>) -> PacketBuilder {
    PacketBuilder::data(out, dcid, false, NUMBER, Some(NUMBER - 100))
}

/// Builds and seals a packet of `size` bytes behind what is in `out`.
fn seal_data(keys: &Keys, dcid: ConnectionId, size: usize, out: &mut Vec<u8>) -> usize {
    let end = out.len() + size;
    let builder = begin_data(dcid, out);
    builder.pad_to(out, end);
    builder.finish(out, &*keys.local)
}

fn sealed_data(keys: &Keys, dcid: ConnectionId, size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    assert_eq!(seal_data(keys, dcid, size, &mut out), size);
    out
}

fn open_data(keys: &Keys, bytes: &mut [u8]) -> usize {
    let packet = PartialPacket::parse(bytes).unwrap();
    let opened = open(&packet, &*keys.remote, Some(NUMBER - 1), bytes).unwrap();
    opened.payload.len()
}

fn sealed_initial((dcid, scid): (ConnectionId, ConnectionId)) -> Vec<u8> {
    let mut out = Vec::new();
    let builder = PacketBuilder::initial(&mut out, dcid, scid, &[7; 32], 0, None);
    builder.pad_to(&mut out, 1200);
    builder.finish(&mut out, &initial_keys(dcid).0);
    out
}

/// The 1-RTT keys that a client and a server agree on.
fn data_keys() -> (Keys, Keys) {
    let clock = WallClock::new(NOW_S);
    let certificate = NodeCertificate::issue(rsa3072_pkcs8(0), NOW_S, Lifetime::Online).unwrap();
    let trust = Trust::Pinned(certificate.identity());
    let mut client = ClientSessions::new(trust, &clock)
        .unwrap()
        .session(vec![1])
        .unwrap();
    let mut server = ServerSessions::new(certificate, &clock)
        .unwrap()
        .session(vec![2])
        .unwrap();
    let (mut clients, mut servers) = (None, None);
    let mut epochs = (Epoch::Initial, Epoch::Initial);
    while clients.is_none() || servers.is_none() {
        carry(&mut *client, &mut epochs.0, &mut *server, &mut clients);
        carry(&mut *server, &mut epochs.1, &mut *client, &mut servers);
    }
    (clients.expect("a client"), servers.expect("a server"))
}

/// Hands everything that one session has to say to the other, and keeps its data keys.
fn carry(from: &mut dyn Session, epoch: &mut Epoch, to: &mut dyn Session, keys: &mut Option<Keys>) {
    loop {
        let mut bytes = Vec::new();
        let change = from.write(&mut bytes);
        if bytes.is_empty() && change.is_none() {
            return;
        }
        to.read(*epoch, &bytes).expect("an honest peer");
        if let Some(change) = change {
            *epoch = change.epoch;
            if change.epoch == Epoch::Data {
                *keys = Some(change.keys);
            }
        }
    }
}

criterion_group!(benches, headers, protection, first_packet);
criterion_main!(benches);
