use core::ops::Range;

use super::ring::Ring;
use crate::ranges::RangeSet;

/// More gaps than this are not kept (docs/PROTOCOL.md §9).
pub(crate) const GAPS_MAX: usize = 1024;

/// The data would leave more gaps than [`GAPS_MAX`]. Nothing was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooManyGaps;

/// Puts a stream's bytes back in order.
///
/// One ring holds what has arrived from the read position on, gaps included, so memory is bounded
/// by the flow-control window whatever the sizes of the pieces. Of overlapping pieces the first wins.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    /// Bytes from offset `base` on; gaps hold anything.
    ring: Ring,
    /// Offset of the next byte to read.
    base: u64,
    /// Everything below has arrived.
    ready: u64,
    /// What has arrived beyond, with a gap before each piece.
    pieces: RangeSet,
}

impl Assembler {
    /// Empty, and everything before `offset` was read.
    pub(crate) fn starting_at(offset: u64) -> Self {
        Self {
            base: offset,
            ready: offset,
            ..Self::default()
        }
    }

    /// Offset of the next byte to read.
    pub(crate) fn position(&self) -> u64 {
        self.base
    }

    /// How many bytes can be read now.
    pub(crate) fn readable(&self) -> usize {
        (self.ready - self.base) as usize
    }

    /// Whether anything has arrived that was not read.
    pub(crate) fn holds_any(&self) -> bool {
        self.ready > self.base || !self.pieces.is_empty()
    }

    /// How many gaps are held open.
    #[cfg(any(test, feature = "danger-fuzzing", feature = "danger-checking"))]
    pub(crate) fn gaps(&self) -> usize {
        self.pieces.len()
    }

    /// From the read position to the last byte that has arrived.
    #[cfg(feature = "danger-checking")]
    pub(crate) fn span(&self) -> usize {
        self.ring.len()
    }

    /// How much memory it has.
    pub(crate) fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    /// Gives back memory that it does not need.
    pub(crate) fn trim(&mut self) {
        self.ring.trim();
        if self.pieces.is_empty() {
            self.pieces = RangeSet::default();
        }
    }

    /// Takes in bytes at `offset`. The caller has checked the flow-control limit. Returns whether any
    /// of them had not arrived.
    pub(crate) fn insert(&mut self, offset: u64, data: &[u8]) -> Result<bool, TooManyGaps> {
        let end = offset + data.len() as u64;
        let start = offset.max(self.ready);
        if start >= end {
            return Ok(false);
        }
        let data = &data[(start - offset) as usize..];
        if start == self.ready && self.pieces.is_empty() {
            // In order, which is nearly always.
            self.ring.push(data);
            self.ready = end;
            return Ok(true);
        }
        self.make_room(start, end)?;
        let mut is_new = false;
        for gap in self.pieces.missing(start..end) {
            let piece = &data[(gap.start - start) as usize..(gap.end - start) as usize];
            self.ring.put((gap.start - self.base) as usize, piece);
            is_new = true;
        }
        if planted!(OverlapLastWins) {
            self.ring.put((start - self.base) as usize, data);
        }
        self.add(start..end);
        Ok(is_new)
    }

    /// As if bytes had arrived at `start..end`; whichever.
    pub(crate) fn skip(&mut self, start: u64, end: u64) -> Result<(), TooManyGaps> {
        let start = start.max(self.ready);
        if start < end {
            self.make_room(start, end)?;
            self.add(start..end);
        }
        Ok(())
    }

    /// Where the bytes end that have arrived from `offset` on, without a gap.
    pub(crate) fn arrived_from(&self, offset: u64) -> u64 {
        if offset < self.ready {
            return self.ready;
        }
        let next = self.pieces.missing(offset..u64::MAX).next();
        next.map_or(offset, |gap| gap.start)
    }

    /// The bytes of a range that has arrived, in two halves; `None` if some of it was read.
    pub(crate) fn slices(&self, range: Range<u64>) -> Option<(&[u8], &[u8])> {
        let start = usize::try_from(range.start.checked_sub(self.base)?).ok()?;
        let end = usize::try_from(range.end.checked_sub(self.base)?).ok()?;
        let is_held = start <= end && end <= self.ring.len();
        is_held.then(|| self.ring.slices(start..end))
    }

    /// Makes the ring hold everything up to `end`.
    fn make_room(&mut self, start: u64, end: u64) -> Result<(), TooManyGaps> {
        let full = self.pieces.len() >= GAPS_MAX && !planted!(GapsUnbounded);
        if start > self.ready && full && self.is_apart(start, end) {
            return Err(TooManyGaps);
        }
        let held = self.base + self.ring.len() as u64;
        if end > held {
            self.ring.extend((end - held) as usize);
        }
        Ok(())
    }

    fn add(&mut self, range: Range<u64>) {
        self.pieces.insert(range);
        if let Some(first) = self.pieces.first()
            && first.start == self.ready
        {
            self.ready = first.end;
            self.pieces.pop_first();
        }
    }

    /// Whether bytes at `start..end` touch no piece, so that there is one more gap.
    fn is_apart(&self, start: u64, end: u64) -> bool {
        let around = start - 1..end + 1;
        self.pieces.missing(around.clone()).next() == Some(around)
    }

    /// The readable bytes, in two halves.
    pub(crate) fn peek(&self) -> (&[u8], &[u8]) {
        self.ring.slices(0..self.readable())
    }

    /// Drops the first `len` readable bytes.
    pub(crate) fn consume(&mut self, len: usize) {
        debug_assert!(len <= self.readable());
        let len = len.min(self.readable());
        self.ring.consume(len);
        self.base += len as u64;
    }

    /// Appends up to `max` readable bytes to `out`. Returns how many.
    pub(crate) fn read(&mut self, out: &mut Vec<u8>, max: usize) -> usize {
        let len = self.readable().min(max);
        let (left, right) = self.ring.slices(0..len);
        out.extend_from_slice(left);
        out.extend_from_slice(right);
        self.consume(len);
        len
    }

    /// Copies readable bytes into `out`. Returns how many.
    pub(crate) fn read_slice(&mut self, out: &mut [u8]) -> usize {
        let len = self.readable().min(out.len());
        let (left, right) = self.ring.slices(0..len);
        out[..left.len()].copy_from_slice(left);
        out[left.len()..len].copy_from_slice(right);
        self.consume(len);
        len
    }

    /// Forgets everything that was not read.
    pub(crate) fn discard(&mut self) {
        self.ring = Ring::default();
        self.ready = self.base;
        self.pieces.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Assembler, GAPS_MAX, TooManyGaps};

    #[test]
    fn h17_of_overlapping_pieces_the_first_wins() {
        let mut assembler = Assembler::default();
        assembler.insert(2, b"CD").unwrap();
        assembler.insert(0, b"abcdef").unwrap();
        let mut out = Vec::new();
        assembler.read(&mut out, 100);
        assert_eq!(out, b"abCDef");
        assembler.insert(0, b"xxxxxxgh").unwrap();
        assembler.read(&mut out, 100);
        assert_eq!(out, b"abCDefgh", "what was read cannot change");
    }

    #[test]
    fn h16_one_byte_fragments_with_gaps_stay_within_the_window() {
        let mut assembler = Assembler::default();
        for index in 0..GAPS_MAX as u64 {
            assembler.insert(index * 2 + 1, b"x").unwrap();
        }
        assert_eq!(assembler.insert(9_999, b"x"), Err(TooManyGaps));
        assert_eq!(
            assembler.ring.len(),
            GAPS_MAX * 2,
            "memory is what spans the pieces"
        );
        assert_eq!(assembler.readable(), 0);
    }

    #[test]
    fn h16_fragments_between_others_make_no_more_gaps_than_those_behind() {
        let mut assembler = Assembler::default();
        assembler.insert(9_999, b"x").unwrap();
        for index in 0..GAPS_MAX as u64 - 1 {
            assembler.insert(index * 2 + 1, b"x").unwrap();
        }
        assert_eq!(assembler.insert(5_000, b"x"), Err(TooManyGaps));
        assert_eq!(assembler.gaps(), GAPS_MAX);
        assembler.insert(9_998, b"x").unwrap();
        assembler.insert(2, b"x").unwrap();
        assert_eq!(assembler.gaps(), GAPS_MAX - 1, "what touches others");
        assembler.insert(5_000, b"x").unwrap();
        assembler.insert(0, b"x").unwrap();
        assert_eq!(assembler.readable(), 4, "what can be read at once");
    }

    proptest! {
        #[test]
        fn any_order_gives_the_same_bytes(len in 1usize..2000, cuts in proptest::collection::vec((0usize..2000, 1usize..300), 0..80), reads in 1usize..500) {
            let bytes: Vec<u8> = (0..len).map(|i| (i * 7 + i / 256) as u8).collect();
            let mut assembler = Assembler::default();
            let mut out = Vec::new();
            for (start, size) in cuts {
                let start = start.min(len);
                let end = (start + size).min(len);
                assembler.insert(start as u64, &bytes[start..end]).unwrap();
                if start % 3 == 0 {
                    let mut chunk = vec![0; reads];
                    let read = assembler.read_slice(&mut chunk);
                    out.extend_from_slice(&chunk[..read]);
                }
            }
            assembler.insert(0, &bytes).unwrap();
            assembler.read(&mut out, usize::MAX);
            prop_assert_eq!(out, bytes);
            prop_assert_eq!(assembler.position(), len as u64);
        }
    }
}
