//! What micro-benchmarks see of the parts inside. No part of the interface.
#![allow(missing_docs, reason = "each is a step of a benchmark")]

use core::time::Duration;

use codec::{Reader, Writer};

use crate::frame::{Frame, StreamHeader, encode_ack};
use crate::ranges::RangeSet;
use crate::stream::Assembler;

/// Decodes a packet's payload, and returns how many frames it holds.
pub fn decode_frames(payload: &[u8]) -> usize {
    let mut reader = Reader::new(payload);
    let mut count = 0;
    while !reader.is_empty() && Frame::decode(&mut reader).is_ok() {
        count += 1;
    }
    count
}

/// Appends a STREAM frame with offset and length.
pub fn encode_stream(id: u64, offset: u64, data: &[u8], out: &mut Vec<u8>) {
    let header = StreamHeader {
        id,
        offset,
        len: Some(data.len()),
        fin: false,
        begins: false,
    };
    let mut writer = Writer::new(out);
    header.encode(&mut writer);
    writer.bytes(data);
}

/// What has arrived, to be acknowledged.
#[derive(Default)]
pub struct Arrived(RangeSet);

impl Arrived {
    pub fn insert(&mut self, packet_number: u64) {
        self.0.insert(packet_number..packet_number + 1);
    }

    /// Appends an ACK frame of at most `room` bytes.
    pub fn encode(&self, room: usize, out: &mut Vec<u8>) -> bool {
        encode_ack(&self.0, Duration::ZERO, None, room, &mut Writer::new(out))
    }
}

/// A stream's bytes on their way back into order.
#[derive(Default)]
pub struct Reassembly(Assembler);

impl Reassembly {
    /// Whether there was room for another gap.
    pub fn insert(&mut self, offset: u64, data: &[u8]) -> bool {
        self.0.insert(offset, data).is_ok()
    }

    pub fn read(&mut self, out: &mut [u8]) -> usize {
        self.0.read_slice(out)
    }

    pub fn position(&self) -> u64 {
        self.0.position()
    }
}
