//! Windows that grow, and what they grow from.

use core::time::Duration;

use super::credit::{Clock, Window};
use super::*;
use crate::{Config, Instant, frame};

const RTT: Duration = Duration::from_millis(10);
const PORT: u16 = 7;

#[test]
fn a_window_that_is_read_fast_doubles_up_to_its_maximum() {
    let mut window = Window::new(1000);
    let mut clock = Clock::new(Instant::ZERO, RTT);
    let first = window.on_credit(clock, 1000, 3000);
    assert_eq!(first, 1000, "nothing to compare with");
    for (rounds, gain, bytes) in [
        (3, 500, 2000),
        (4, 1000, 2000),
        // A loss held up all of it, and for longer.
        (7, 2000, 3000),
        (1, 1500, 3000),
    ] {
        clock = Clock::new(clock.now + RTT * rounds, RTT);
        window.bytes = window.on_credit(clock, gain, 3000);
        assert_eq!(window.bytes, bytes);
    }
}

#[test]
fn a_window_grows_with_its_first_credit() {
    let mut window = Window::new(1000);
    window.begin(Clock::new(Instant::ZERO, RTT));
    let later = Clock::new(Instant::ZERO + RTT * 2, RTT);
    window.begin(later);
    assert_eq!(window.on_credit(later, 500, 3000), 2000);
}

#[test]
fn a_window_above_its_maximum_stays() {
    let mut window = Window::new(1000);
    let clock = Clock::new(Instant::ZERO, RTT);
    window.on_credit(clock, 500, 500);
    assert_eq!(window.on_credit(clock, 500, 500), 1000);
}

/// A receiver, and a peer that sends all it may in each round trip.
struct Greedy {
    streams: Streams,
    now: Instant,
    offset: u64,
}

impl Greedy {
    fn new(config: &Config) -> Self {
        let mut streams = Streams::new(Side::Server, config);
        let preamble = Preamble {
            port: PORT,
            mode: Mode::Bytes,
        };
        let first = preamble.encode();
        streams.on_stream(&data(0, &first)).unwrap();
        Self {
            streams,
            now: Instant::ZERO,
            offset: first.len() as u64,
        }
    }

    /// All that is allowed arrives. Returns how much that is.
    fn arrive(&mut self) -> u64 {
        let stream = self.streams.streams.get(StreamId(0)).unwrap();
        let len = stream.receive.max_data.min(self.streams.max_data) - self.offset;
        let bytes = vec![7; len as usize];
        self.streams.on_stream(&data(self.offset, &bytes)).unwrap();
        self.offset += len;
        len
    }

    /// It arrives and is read, and credit goes out, a round trip later.
    fn turn(&mut self) -> u64 {
        self.now += RTT;
        let len = self.arrive();
        let mut read = vec![0; len as usize];
        if len > 0 {
            let id = StreamId(0);
            assert_eq!(self.streams.read(id, &mut read), Ok(read.len()));
        }
        self.streams.on_clock(self.now, RTT, 10_000, 1000);
        self.streams
            .write_frames(1000, &mut Vec::new(), &mut |_| {});
        len
    }

    fn turns(&mut self, turns: usize) -> u64 {
        (0..turns).map(|_| self.turn()).last().unwrap()
    }
}

fn data(offset: u64, data: &[u8]) -> frame::Stream<'_> {
    frame::Stream {
        id: 0,
        offset,
        fin: false,
        begins: false,
        data,
    }
}

/// Windows of 1,500 bytes at first and 50,000 at most, of a budget.
fn config(budget: u64) -> Config {
    let mut config = Config::default();
    config.ports.insert(PORT);
    config.stream_window_bytes = 1000;
    config.stream_window_bytes_max = 64_000;
    config.connection_window_bytes = 1500;
    config.connection_window_bytes_max = 50_000;
    config.receive_budget = ReceiveBudget::new(budget);
    config
}

#[test]
fn windows_grow_while_they_hold_the_peer_back() {
    let mut greedy = Greedy::new(&config(1 << 20));
    assert_eq!(greedy.turns(30), 50_000, "the connection's maximum");
    // Nobody reads: nothing grows, and what was granted is the bound.
    greedy.arrive();
    greedy.streams.on_clock(greedy.now + RTT, RTT, 10_000, 1000);
    assert!(!greedy.streams.wants_to_send());
}

#[test]
fn windows_grow_further_once_they_may() {
    let mut config = config(1 << 20);
    config.stream_window_bytes_max = 1000;
    config.connection_window_bytes_max = 1500;
    let mut greedy = Greedy::new(&config);
    assert_eq!(greedy.turns(30), 1000);
    greedy.streams.raise_windows(64_000, 50_000);
    assert_eq!(greedy.turns(30), 50_000);
}

#[test]
fn connections_share_what_their_windows_grow_from() {
    let config = config(60_000);
    let budget = config.receive_budget.clone();
    let mut first = Greedy::new(&config);
    assert_eq!(first.turns(30), 50_000);
    assert_eq!(budget.left(), 60_000 - 48_500);
    let mut second = Greedy::new(&config);
    let rate = second.turns(30);
    assert!(
        (1500..=13_000).contains(&rate),
        "{rate} bytes: what is left, and never less than at first"
    );
    drop(first);
    assert_eq!(second.turns(30), 50_000, "what came back");
    drop(second);
    assert_eq!(budget.left(), 60_000);
}

#[test]
fn a_quiet_connection_pays_back_what_its_peer_has_used_up() {
    let config = config(60_000);
    let budget = config.receive_budget.clone();
    let mut greedy = Greedy::new(&config);
    greedy.turns(30);
    greedy.streams.release_memory();
    assert_eq!(budget.left(), 60_000 - 48_500, "it was granted");
    greedy.turn();
    assert_eq!(budget.left(), 60_000 - 1500, "one doubling anew");
    assert_eq!(greedy.turns(30), 50_000, "it grows again");
}
