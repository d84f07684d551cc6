use transport::{Instant, Transmit};

use super::*;

/// Keeps the lengths of what it hears.
#[derive(Default)]
struct Ear(Vec<usize>);

impl Machine for Ear {
    fn handle_datagram(&mut self, _: Instant, _: Meta, datagram: &mut [u8]) {
        self.0.push(datagram.len());
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_transmit(&mut self, _: Instant, _: usize, _: &mut Vec<u8>) -> Option<Transmit> {
        None
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        None
    }
}

/// Feeds a train of `len` bytes in datagrams of `stride`. What is heard, and the budget's cost.
fn heard(port: u16, len: usize, stride: usize) -> (Vec<usize>, usize, SocketStats) {
    let mut meta = RecvMeta::default();
    meta.addr.set_port(port);
    (meta.len, meta.stride) = (len, stride);
    let (mut ear, mut stats) = (Ear::default(), SocketStats::default());
    let mut train = vec![0; len];
    let cost = feed(&mut ear, Instant::ZERO, &meta, &mut train, &mut stats);
    (ear.0, cost, stats)
}

#[test]
fn h11_ragged_trains_are_split_where_they_were_joined() {
    let (lens, cost, stats) = heard(9, 3_001, 1_000);
    assert_eq!(lens, [1_000, 1_000, 1_000, 1]);
    assert_eq!((cost, stats.received, stats.received_bytes), (4, 4, 3_001));
    assert_eq!(heard(9, 700, 1_000).0, [700]);
    assert_eq!(heard(9, 3, 0).0, [1, 1, 1], "a stride that cannot be");
}

#[test]
fn what_nobody_can_answer_is_dropped_at_a_cost() {
    for (port, len) in [(0, 1_200), (9, 0)] {
        let (lens, cost, stats) = heard(port, len, len);
        assert!(lens.is_empty());
        assert_eq!((cost, stats.dropped, stats.received), (1, 1, 0));
    }
}

#[test]
fn mapped_addresses_are_shown_as_what_they_are() {
    let mapped: SocketAddr = "[::ffff:192.0.2.7]:80".parse().unwrap();
    assert_eq!(canonical(mapped), "192.0.2.7:80".parse().unwrap());
    let global: SocketAddr = "[2001:db8::7]:80".parse().unwrap();
    assert_eq!(canonical(global), global);
}
