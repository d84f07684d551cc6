//! Messages that are longer than the windows, and what an end holds of them.

use std::collections::BTreeSet;

use super::delivery_tests::deliver;
use super::*;
use crate::event::Event;
use crate::frame;
use crate::violation::{Refused, code};
use crate::{Config, MESSAGE_TOO_LONG};

const PORT: u16 = 7;
const WINDOW: u64 = 64 << 10;
const MESSAGE: usize = 200_000;

fn config(window_max: u64) -> Config {
    let mut config = Config::default();
    config.ports.insert(PORT);
    config.message_bytes_max = MESSAGE;
    config.stream_window_bytes = WINDOW / 2;
    config.connection_window_bytes = WINDOW;
    config.connection_window_bytes_max = window_max;
    config.receive_budget = ReceiveBudget::new(10 << 20);
    config.send_buffer_bytes = MESSAGE + 100;
    config
}

/// A client that says more than fits, and a server.
struct Pair {
    client: Streams,
    server: Streams,
    config: Config,
    whole: BTreeSet<u64>,
    ended: BTreeSet<u64>,
    most_held: u64,
}

impl Pair {
    fn new(window_max: u64) -> Self {
        let config = config(window_max);
        let mut client = Streams::new(Side::Client, &config);
        client.on_peer_limits(Limits {
            stream_data: config.stream_window_bytes,
            data: config.connection_window_bytes,
            streams: config.streams_max,
            message: MESSAGE as u64,
        });
        Self {
            client,
            server: Streams::new(Side::Server, &config),
            config,
            whole: BTreeSet::new(),
            ended: BTreeSet::new(),
            most_held: 0,
        }
    }

    /// A message on each of so many streams.
    fn say(&mut self, streams: u64) {
        for _ in 0..streams {
            let id = self.client.open(PORT, Mode::Messages).unwrap();
            self.client.send(id, &vec![7; MESSAGE], NEVER).unwrap();
        }
    }

    /// A packet goes over, and what is said to it comes back; `false` when there is nothing to send.
    fn turn(&mut self) -> bool {
        let mut packet = Vec::new();
        self.client.write_frames(1200, &mut packet, &mut |_| {});
        deliver(&mut self.server, &packet).unwrap();
        self.watch();
        let mut answer = Vec::new();
        self.server.write_frames(1200, &mut answer, &mut |_| {});
        deliver(&mut self.client, &answer).unwrap();
        !packet.is_empty() || !answer.is_empty()
    }

    fn watch(&mut self) {
        while let Some(event) = self.server.poll_event() {
            match event {
                Event::Readable { stream } => _ = self.whole.insert(stream.0),
                Event::Reset { stream, code } => {
                    assert_eq!(code, MESSAGE_TOO_LONG);
                    self.ended.insert(stream.0);
                }
                _ => {}
            }
        }
        let waiting = self.server.data_received - self.server.data_read;
        let held = waiting + self.server.held.messages as u64;
        self.most_held = self.most_held.max(held);
        let left = self.config.receive_budget.left();
        assert_eq!(left, (10 << 20) - self.server.loan.bytes);
        let most = WINDOW + self.server.loan.bytes + MESSAGE as u64;
        assert!(held <= most, "{held} of {most}");
    }

    fn receive(&mut self) {
        for id in core::mem::take(&mut self.whole) {
            let message = self.server.receive(StreamId(id)).unwrap().unwrap();
            assert_eq!(message, vec![7; MESSAGE]);
        }
    }
}

#[test]
fn long_messages_at_once_all_arrive_where_the_window_may_grow() {
    let mut pair = Pair::new(4 << 20);
    pair.say(10);
    let mut whole = 0;
    while pair.turn() {
        whole += pair.whole.len();
        pair.receive();
    }
    assert_eq!((whole, pair.ended.len()), (10, 0));
    assert_eq!(pair.server.held.messages, 0);
    pair.server.release_memory();
    drop(pair.server);
    assert_eq!(pair.config.receive_budget.left(), 10 << 20, "paid back");
}

#[test]
fn h18_of_more_long_messages_than_there_is_room_for_some_end_and_the_others_arrive() {
    for count in [2, 3, 20] {
        let mut pair = Pair::new(WINDOW);
        pair.say(count);
        let mut whole = 0;
        while pair.turn() {
            whole += pair.whole.len() as u64;
            pair.receive();
        }
        let ended = pair.ended.len() as u64;
        assert!(whole > 0 && ended > 0, "{whole} whole, {ended} ended");
        assert_eq!(whole + ended, count, "none is stuck");
        assert!(pair.most_held <= WINDOW + MESSAGE as u64);
    }
}

#[test]
fn h18_messages_that_wait_to_be_received_hold_up_the_peer_and_end_nothing() {
    let mut pair = Pair::new(WINDOW);
    // One after the other, so that they are whole.
    for _ in 0..5 {
        pair.say(1);
        while pair.turn() {}
    }
    let told = (pair.whole.len(), pair.ended.len());
    assert_eq!(told, (1, 0), "what there is room for");
    let mut whole = 0;
    while !pair.whole.is_empty() {
        whole += pair.whole.len();
        pair.receive();
        while pair.turn() {}
    }
    assert_eq!(whole + pair.ended.len(), 5, "{:?}", pair.ended);
    assert!(whole >= 2 && pair.most_held <= WINDOW + MESSAGE as u64);
}

/// Each message lacks its last byte.
#[test]
fn h18_messages_that_are_never_whole_count_against_the_window() {
    let window_max = 1 << 20;
    let mut pair = Pair::new(window_max);
    let chunk = vec![7; 10_000];
    let refused = (0..200u64).find_map(|index| {
        let id = index * 2;
        let preamble = Preamble {
            port: PORT,
            mode: Mode::Messages,
        };
        let mut first = preamble.encode().to_vec();
        first.extend((MESSAGE as u32 | 2 << 30).to_be_bytes());
        let mut offset = 0;
        while offset < MESSAGE as u64 {
            let data = if offset == 0 { &first } else { &chunk };
            let data = data.get(..MESSAGE + 6 - offset as usize).unwrap_or(data);
            let frame = frame::Stream {
                id,
                offset,
                fin: false,
                begins: false,
                data,
            };
            // Nothing keeps this peer from sending but the violation.
            if let Err(refused) = pair.server.on_stream(&frame) {
                return Some(refused);
            }
            pair.watch();
            let mut answer = Vec::new();
            pair.server.write_frames(1200, &mut answer, &mut |_| {});
            offset += data.len() as u64;
        }
        None
    });
    let Some(Refused::Violation(violation)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(violation.code, code::FLOW_CONTROL);
    assert!(pair.most_held <= window_max + MESSAGE as u64);
    assert!(pair.most_held > window_max, "{}", pair.most_held);
}
