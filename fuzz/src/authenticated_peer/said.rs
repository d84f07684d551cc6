//! What the peer has said, to be compared with what is read.

use std::collections::BTreeMap;

use transport::fuzzing::{Told, told};
use transport::{Side, StreamId};

/// Where the bytes of the application begin in a stream that the peer has opened.
const PREAMBLE: usize = 3;

#[derive(Default)]
pub(super) struct Said {
    /// Pieces of streams, with their offsets.
    pieces: BTreeMap<u64, Vec<(u64, Vec<u8>)>>,
    datagrams: Vec<(u64, Vec<u8>)>,
    /// How much of each stream of bytes was read.
    read: BTreeMap<u64, usize>,
}

impl Said {
    pub(super) fn hear(&mut self, payload: &[u8]) {
        for frame in told(payload) {
            match frame {
                Told::Bytes(stream, offset, data) if !data.is_empty() => {
                    let pieces = self.pieces.entry(stream).or_default();
                    pieces.push((offset, data.to_vec()));
                }
                Told::Datagram(stream, data) => self.datagrams.push((stream, data.to_vec())),
                Told::Bytes(..) | Told::Close(_) => {}
            }
        }
    }

    fn is_said(&self, stream: u64, at: u64, byte: u8) -> bool {
        let pieces = self.pieces.get(&stream).into_iter().flatten();
        pieces
            .filter_map(|(offset, data)| data.get(usize::try_from(at.checked_sub(*offset)?).ok()?))
            .any(|&said| said == byte)
    }

    /// The next bytes of a stream of bytes.
    pub(super) fn check_bytes(&mut self, side: Side, stream: StreamId, bytes: &[u8]) {
        let number = stream.as_u64();
        let opened_here = number & 1 == side as u64;
        let first = if opened_here { 0 } else { PREAMBLE };
        let read = self.read.get(&number).copied().unwrap_or(first);
        for (at, &byte) in (read..).zip(bytes) {
            assert!(self.is_said(number, at as u64, byte), "{byte} at {at}");
        }
        self.read.insert(number, read + bytes.len());
    }

    /// A message: it stands somewhere in its stream, or in a datagram.
    pub(super) fn check_message(&self, stream: StreamId, message: &[u8]) {
        let number = stream.as_u64();
        let Some(&first) = message.first() else {
            return;
        };
        let is_datagram = self
            .datagrams
            .iter()
            .any(|(of, data)| *of == number && data == message);
        let pieces = self.pieces.get(&number).into_iter().flatten();
        let mut starts = pieces.flat_map(|(offset, data)| {
            let begins = (*offset..).zip(data);
            begins.filter_map(|(at, &byte)| (byte == first).then_some(at))
        });
        let is_there = |start: u64| {
            let mut rest = (start..).zip(message);
            rest.all(|(at, &byte)| self.is_said(number, at, byte))
        };
        assert!(is_datagram || starts.any(is_there), "{message:02x?}");
    }
}
