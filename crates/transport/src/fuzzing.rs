//! What fuzz targets see of the parsers inside. No part of the interface.
//!
//! Each function takes any bytes, and panics when something does not hold that always has to.
#![allow(missing_docs, reason = "each is a fuzz target of its name")]
#![allow(clippy::panic, reason = "that is how a fuzz target speaks")]

use core::ops::Range;
use core::time::Duration;

use codec::{Reader, Writer};

use crate::frame::{Ack, Frame, RANGES_MAX, encode_ack};
use crate::parameters::Parameters;
use crate::ranges::RangeSet;
use crate::stream::{Assembler, GAPS_MAX};

/// Of so many numbers or bytes the models know: enough for gaps of every kind, and dense enough for
/// steps to meet.
const PLACES: usize = 1 << 12;

/// A packet's payload: every frame consumes something, and has one encoding.
pub fn frames(payload: &[u8]) {
    let mut reader = Reader::new(payload);
    let mut again = Vec::new();
    while !reader.is_empty() {
        let start = reader.position();
        let Ok(frame) = Frame::decode(&mut reader) else {
            return;
        };
        let consumed = payload.get(start..reader.position()).unwrap_or_default();
        assert!(!consumed.is_empty());
        again.clear();
        frame.encode(&mut Writer::new(&mut again));
        let kind = consumed.first().copied().unwrap_or_default();
        match &frame {
            Frame::Ack(ack) => check_ack(ack),
            // One without a length is written with one.
            Frame::Stream(stream) if kind & 2 == 0 => {
                assert!(again.len() > consumed.len());
                let decoded = Frame::decode(&mut Reader::new(&again));
                assert_eq!(decoded, Ok(Frame::Stream(stream.clone())));
            }
            _ => assert_eq!(again, consumed),
        }
    }
}

/// What a frame says that an application or its user hears of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told<'a> {
    /// Bytes of a stream: its number, and where they begin.
    Bytes(u64, u64, &'a [u8]),
    /// A datagram of a stream.
    Datagram(u64, &'a [u8]),
    /// The connection is over, with this code.
    Close(u64),
}

/// What a packet's payload says, up to the first frame that does not decode.
pub fn told(payload: &[u8]) -> Vec<Told<'_>> {
    let mut reader = Reader::new(payload);
    let mut told = Vec::new();
    while let Ok(frame) = Frame::decode(&mut reader) {
        told.extend(match frame {
            Frame::Stream(frame) => Some(Told::Bytes(frame.id, frame.offset, frame.data)),
            Frame::Datagram(frame) => Some(Told::Datagram(frame.id, frame.data)),
            Frame::Close(frame) => Some(Told::Close(frame.code)),
            _ => None,
        });
    }
    told
}

/// What arrived, in any order: ranges behave as a set does, and survive the wire.
///
/// The input is steps of four bytes: add or remove, where (2), how many.
pub fn ack_ranges(steps: &[u8]) {
    let mut set = RangeSet::default();
    let mut model = [false; PLACES];
    let mut room = 0;
    for step in steps.chunks_exact(4).take(512) {
        let (range, adds) = (step_range(step), step[0] & 1 == 0);
        room = usize::from(step[0]) * 16;
        let slots = &mut model[range.start as usize..range.end as usize];
        if adds {
            assert_eq!(set.insert(range), slots.contains(&false));
        } else {
            set.remove(range);
        }
        slots.fill(adds);
    }
    let expected = runs(&model);
    assert!(set.iter().eq(expected.iter().cloned()));
    let mut out = Vec::new();
    let written = encode_ack(&set, Duration::ZERO, None, room, &mut Writer::new(&mut out));
    assert!(out.len() <= room);
    let decoded = Frame::decode(&mut Reader::new(&out));
    let Ok(Frame::Ack(ack)) = decoded else {
        return assert!(!written);
    };
    check_ack(&ack);
    let newest = expected.iter().rev().map(|run| run.start..=run.end - 1);
    let decoded: Vec<_> = ack.ranges().collect();
    assert!(decoded.len() <= RANGES_MAX && newest.take(decoded.len()).eq(decoded));
}

/// Transport parameters: what decodes has one encoding, unknown parameters aside.
pub fn transport_parameters(bytes: &[u8]) {
    let Ok(parameters) = Parameters::decode(bytes) else {
        return;
    };
    let again = parameters.encode();
    assert_eq!(Parameters::decode(&again), Ok(parameters));
    assert_eq!(again, known_parameters(bytes).unwrap_or_default());
}

/// The parameters whose ids mean something, as they stand there.
fn known_parameters(bytes: &[u8]) -> Option<Vec<u8>> {
    let (mut known, mut reader) = (Vec::new(), Reader::new(bytes));
    while !reader.is_empty() {
        let start = reader.position();
        let id = reader.varint().ok()?;
        let len = reader.varint().ok()?;
        reader.bytes(usize::try_from(len).ok()?).ok()?;
        if (1..=0x0b).contains(&id) {
            known.extend(bytes.get(start..reader.position())?);
        }
    }
    Some(known)
}

/// Pieces of a stream in any order, with any overlap: as an array of bytes in which the first wins.
///
/// The input is steps of four bytes: insert or read, where (2), how many.
pub fn reassembly(steps: &[u8]) {
    let mut assembler = Assembler::default();
    let mut model = [None; PLACES];
    let mut position = 0;
    let byte = |model: &[_], at: u64| model.get(at as usize).copied().flatten();
    for (index, step) in steps.chunks_exact(4).enumerate() {
        let range = step_range(step);
        if step[0] & 3 == 3 {
            let wanted = (range.end - range.start) as usize;
            let mut read = Vec::new();
            let count = if step[0] & 4 == 0 {
                assembler.read(&mut read, wanted)
            } else {
                read.resize(wanted, 0);
                let count = assembler.read_slice(&mut read);
                read.truncate(count);
                count
            };
            assert_eq!(count, read.len());
            for got in read {
                assert_eq!(byte(&model, position), Some(got));
                position += 1;
            }
            assert!(count == wanted || byte(&model, position).is_none());
        } else {
            let data: Vec<u8> = range.clone().map(|at| (at ^ index as u64) as u8).collect();
            match assembler.insert(range.start, &data) {
                Ok(is_new) => {
                    let slots = &mut model[range.start as usize..range.end as usize];
                    assert_eq!(is_new, slots.contains(&None));
                    for (slot, byte) in slots.iter_mut().zip(data) {
                        slot.get_or_insert(byte);
                    }
                }
                Err(_) => assert_eq!(assembler.gaps(), GAPS_MAX),
            }
        }
        assert_eq!(assembler.position(), position);
        assert!(assembler.gaps() <= GAPS_MAX);
    }
    let readable = (position..)
        .take_while(|&at| byte(&model, at).is_some())
        .count();
    assert_eq!(assembler.readable(), readable);
}

/// What a peer says of messages: in order, in any order, skipped, overlapping, never whole. What is
/// delivered was said, in one piece and once, and what is held is within its bounds.
pub fn messages(tape: &[u8]) {
    crate::stream::fuzzing::messages(tape);
}

fn check_ack(ack: &Ack<'_>) {
    let ranges: Vec<_> = ack.ranges().collect();
    assert!(ranges.len() <= RANGES_MAX);
    assert_eq!(
        ranges.first().map(|range| *range.end()),
        Some(ack.largest())
    );
    assert!(ranges.iter().all(|range| range.start() <= range.end()));
    assert!(
        ranges
            .windows(2)
            .all(|pair| pair[1].end() + 1 < *pair[0].start())
    );
    let mut again = Vec::new();
    ack.encode(&mut Writer::new(&mut again));
    let Ok(Frame::Ack(decoded)) = Frame::decode(&mut Reader::new(&again)) else {
        panic!("what we write decodes");
    };
    assert!(decoded.ranges().eq(ranges));
}

fn step_range(step: &[u8]) -> Range<u64> {
    let start = u64::from(u16::from_be_bytes([step[1], step[2]])) % PLACES as u64;
    start..(start + u64::from(step[3])).min(PLACES as u64)
}

fn runs(model: &[bool]) -> Vec<Range<u64>> {
    let mut runs: Vec<Range<u64>> = Vec::new();
    for at in (0..model.len()).filter(|&at| model[at]) {
        let at = at as u64;
        match runs.last_mut() {
            Some(run) if run.end == at => run.end += 1,
            _ => runs.push(at..at + 1),
        }
    }
    runs
}
