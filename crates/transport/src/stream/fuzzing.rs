//! A peer that says anything about messages, and what its receiver makes of it.
#![allow(clippy::panic, reason = "that is how a fuzz target speaks")]

use std::collections::BTreeSet;

use codec::Writer;

use super::*;
use crate::Config;
use crate::frame;
use crate::violation::{Refused, code};

const PORT: u16 = 7;

/// So many bytes of each stream there are, enough for some to be too long for the window.
const PLACES: usize = 1 << 13;

/// More steps of a tape are not looked at.
const STEPS_MAX: usize = 1_000;

/// From so many bytes on, a message says where it stands.
const UNIQUE: usize = 8;

/// What has arrived of one stream.
struct Model {
    id: StreamId,
    /// The first that came counts; nobody knows what a skip left.
    bytes: Vec<Option<u8>>,
    /// Messages that were delivered begin there.
    delivered: BTreeSet<usize>,
}

impl Model {
    fn new(id: u64) -> Self {
        Self {
            id: StreamId(id),
            bytes: vec![None; PLACES],
            delivered: BTreeSet::new(),
        }
    }

    /// A message is one that was said, in one piece, and was not delivered before.
    fn deliver(&mut self, message: &[u8]) {
        let mut said = Vec::with_capacity(8 + message.len());
        Writer::new(&mut said).prefixed(message);
        let said: Vec<_> = said.into_iter().map(Some).collect();
        let start = self.bytes.windows(said.len()).position(|at| at == said);
        assert!(start.is_some(), "{} bytes that nobody said", message.len());
        if let Some(start) = start.filter(|_| message.len() >= UNIQUE) {
            assert!(self.delivered.insert(start), "twice, from {start}");
        }
    }
}

/// Any byte of a stream: such that a few in a row are nowhere else, and a short message's length.
fn byte(at: usize) -> u8 {
    let mixed = (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 31).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed >> 40 & 0x3f) as u8
}

/// Two streams of unordered messages, of which one has not said yet that it is one, and one of
/// messages in order.
struct Liar {
    streams: Streams,
    models: [Model; 3],
}

impl Liar {
    fn new() -> Self {
        let mut config = Config::default();
        config.ports.insert(PORT);
        config.message_bytes_max = 5_000;
        config.stream_window_bytes = 6_000;
        config.connection_window_bytes = 10_000;
        config.connection_window_bytes_max = 12_000;
        let mut liar = Self {
            streams: Streams::new(Side::Server, &config),
            models: [0, 2, 4].map(Model::new),
        };
        assert!(liar.greet(0, Mode::Unordered) && liar.greet(1, Mode::Messages));
        liar
    }

    fn greet(&mut self, index: usize, mode: Mode) -> bool {
        let preamble = Preamble { port: PORT, mode };
        self.say(index, 0, false, &preamble.encode())
    }

    /// How much the peer may say at `start`.
    fn allowed(&self, index: usize, start: usize) -> usize {
        let receive = self.streams.streams.get(self.models[index].id);
        let (highest, max) = receive.map_or((0, 0), |stream| {
            (stream.receive.highest, stream.receive.max_data)
        });
        let credit = self.streams.max_data - self.streams.data_received;
        let end = max.min(highest + credit).min(PLACES as u64);
        (end as usize).saturating_sub(start)
    }

    /// Whether the connection goes on.
    fn goes_on(&self, result: Result<(), Refused>) -> bool {
        match result {
            Ok(()) | Err(Refused::NoRoom) => true,
            Err(Refused::Violation(violation)) => {
                assert_eq!(violation.code, code::MESSAGE, "{}", violation.reason);
                false
            }
        }
    }

    fn say(&mut self, index: usize, start: usize, begins: bool, data: &[u8]) -> bool {
        let model = &mut self.models[index];
        let frame = frame::Stream {
            id: model.id.0,
            offset: start as u64,
            fin: false,
            begins,
            data,
        };
        let result = self.streams.on_stream(&frame);
        if result.is_ok() {
            let slots = model.bytes.iter_mut().skip(start);
            for (slot, &byte) in slots.zip(data) {
                slot.get_or_insert(byte);
            }
        }
        self.goes_on(result)
    }

    fn skip(&mut self, index: usize, start: usize, len: usize) -> bool {
        let skip = frame::Skip {
            id: self.models[index].id.0,
            offset: start as u64,
            len: len as u64,
        };
        let result = self.streams.on_skip(&skip);
        self.goes_on(result)
    }

    fn receive(&mut self, index: usize) -> bool {
        let model = &mut self.models[index];
        let mut message = Vec::new();
        while let Ok(Some(_)) = self.streams.receive_into(model.id, &mut message) {
            model.deliver(&message);
            message.clear();
        }
        self.streams.take_violation().is_none()
    }

    /// Something of one byte, and another behind it, many times over.
    fn scatter(&mut self, index: usize, from: usize, times: usize, skips: bool) -> bool {
        let begins = index != 1;
        (from..).step_by(2).take(times).all(|at| {
            let first = match self.allowed(index, at) {
                0 | 1 => return true,
                _ if skips => self.skip(index, at, 1),
                _ => self.say(index, at, begins, &[0]) && self.receive(index),
            };
            first && self.say(index, at + 1, false, &[byte(at + 1)])
        })
    }

    /// What, where (2), how much, how long. Whether the connection goes on.
    fn step(&mut self, step: &[u8]) -> bool {
        let index = usize::from(step[0] >> 6) % 3;
        let at = 3 + usize::from(u16::from_be_bytes([step[1], step[2]])) % (PLACES - 3);
        let few = usize::from(step[3]).min(self.allowed(index, at));
        let many = (usize::from(step[3]) * 16).min(self.allowed(index, at));
        // Unless it is in order by chance, a small step is as near as that.
        let next = self.streams.streams.get(self.models[index].id);
        let next = next.map_or(3, |stream| stream.receive.assembler.position()) as usize;
        let near = next.max(3) + usize::from(step[2]);
        let mut data: Vec<u8> = (at..at + many).map(byte).collect();
        match step[0] & 0x0f {
            0..=2 if few > 0 => {
                // A length first: short, or longer than can wait.
                let len = usize::from(step[4]) * if step[0] & 0x10 == 0 { 1 } else { 16 };
                let field = (0x4000 | len as u16).to_be_bytes();
                let head = if len < 64 { &[len as u8][..] } else { &field };
                data.truncate(few);
                for (slot, &byte) in data.iter_mut().zip(head) {
                    *slot = byte;
                }
                self.say(index, at, index != 1, &data)
            }
            3..=6 if many > 0 => self.say(index, at, false, &data),
            7 if few > 0 => self.skip(index, at, few),
            8..=10 if self.allowed(index, near) > 0 => {
                let len = usize::from(step[3]).clamp(1, self.allowed(index, near));
                let mut data: Vec<u8> = (near..near + len).map(byte).collect();
                data[0] = step[4];
                let begins = index != 1 && step[0] & 0x10 != 0;
                match step[0] & 0x0f {
                    10 => self.skip(index, near, len),
                    _ => self.say(index, near, begins, &data),
                }
            }
            11 if self.allowed(2, 0) > Preamble::LEN => self.greet(2, Mode::Unordered),
            12 => self.scatter(index, at, few, step[4] & 1 == 0),
            13 if step[4] & 1 == 0 => {
                self.streams
                    .write_frames(1000, &mut Vec::new(), &mut |_| {});
                true
            }
            13 => {
                self.streams.release_memory();
                true
            }
            _ => self.receive(index),
        }
    }
}

/// Checks one input: steps of five bytes.
pub(crate) fn messages(tape: &[u8]) {
    let mut liar = Liar::new();
    for step in tape.chunks_exact(5).take(STEPS_MAX) {
        if !liar.step(step) {
            // Whoever is still reading reads what was said.
            for index in 0..liar.models.len() {
                liar.receive(index);
            }
            return;
        }
        while liar.streams.poll_event().is_some() {}
        assert_eq!(liar.streams.check(), Ok(()));
    }
}
