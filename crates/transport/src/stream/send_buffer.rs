use core::ops::Range;

use super::ring::Ring;
use crate::ranges::RangeSet;

/// Bytes on their way out, indexed by their offset in the stream.
///
/// Bytes stay until the peer has acknowledged them; what was lost is sent again before what is new.
#[derive(Debug, Default)]
pub(crate) struct SendBuffer {
    /// Bytes from offset `base` on.
    ring: Ring,
    /// Everything below is acknowledged and gone.
    base: u64,
    /// Everything from here on was never sent.
    unsent: u64,
    /// Acknowledged beyond `base`.
    acked: RangeSet,
    /// Sent and lost, to be sent again.
    lost: RangeSet,
}

impl SendBuffer {
    /// Empty, and everything before `offset` is over.
    pub(crate) fn starting_at(offset: u64) -> Self {
        Self {
            base: offset,
            unsent: offset,
            ..Self::default()
        }
    }

    /// Offset behind the last byte written.
    pub(crate) fn end(&self) -> u64 {
        self.base + self.ring.len() as u64
    }

    /// Offset of the first byte that is held.
    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    /// Bytes that are held.
    pub(crate) fn len(&self) -> usize {
        self.ring.len()
    }

    /// Offset of the first byte that was never sent.
    pub(crate) fn unsent(&self) -> u64 {
        self.unsent
    }

    /// Where the next range to send begins.
    pub(crate) fn next_offset(&self) -> u64 {
        self.lost.first().map_or(self.unsent, |lost| lost.start)
    }

    /// How many bytes the next range to send has at most, with nothing new from offset `limit` on.
    pub(crate) fn available(&self, limit: u64) -> u64 {
        match self.lost.first() {
            Some(lost) => lost.end - lost.start,
            None => self.end().min(limit).saturating_sub(self.unsent),
        }
    }

    /// Whether everything written was acknowledged.
    pub(crate) fn is_acked(&self) -> bool {
        self.ring.is_empty()
    }

    /// Whether anything waits to be sent, new or again.
    pub(crate) fn is_pending(&self) -> bool {
        !self.lost.is_empty() || self.unsent < self.end()
    }

    /// Whether something waits to be sent again.
    pub(crate) fn has_lost(&self) -> bool {
        !self.lost.is_empty()
    }

    /// How much memory it has.
    pub(crate) fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    /// Gives back memory that it does not need.
    pub(crate) fn trim(&mut self) {
        self.ring.trim();
        for set in [&mut self.acked, &mut self.lost] {
            if set.is_empty() {
                *set = RangeSet::default();
            }
        }
    }

    pub(crate) fn write(&mut self, data: &[u8]) {
        self.ring.push(data);
    }

    /// Takes the next range to send, at most `len` bytes of it and nothing new from offset `limit` on.
    pub(crate) fn take(&mut self, len: usize, limit: u64) -> Option<Range<u64>> {
        let len = len as u64;
        if len == 0 {
            return None;
        }
        if let Some(lost) = self.lost.first() {
            let range = lost.start..lost.end.min(lost.start + len);
            self.lost.remove(range.clone());
            return Some(range);
        }
        let range = self.unsent..self.end().min(limit).min(self.unsent + len);
        if range.is_empty() {
            return None;
        }
        self.unsent = range.end;
        Some(range)
    }

    /// As if all of `range` had been taken.
    pub(crate) fn take_all(&mut self, range: &Range<u64>) {
        self.lost.remove(range.clone());
        self.unsent = self.unsent.max(range.end);
    }

    /// Appends the bytes of a range that [`SendBuffer::take`] gave to `out`.
    pub(crate) fn copy(&self, range: &Range<u64>, out: &mut Vec<u8>) {
        let start = (range.start - self.base) as usize;
        let end = (range.end - self.base) as usize;
        let (front, back) = self.ring.slices(start..end);
        out.extend_from_slice(front);
        out.extend_from_slice(back);
    }

    /// The peer has `range`. Returns how many bytes were given back.
    pub(crate) fn on_acked(&mut self, range: Range<u64>) -> usize {
        let range = range.start.max(self.base)..range.end;
        if range.is_empty() {
            return 0;
        }
        if !self.lost.is_empty() {
            self.lost.remove(range.clone());
        }
        if range.start > self.base {
            self.acked.insert(range);
            return 0;
        }
        // In order, which is nearly always.
        let mut end = range.end;
        while let Some(next) = self.acked.first().filter(|next| next.start <= end) {
            end = end.max(next.end);
            self.acked.pop_first();
        }
        let freed = (end - self.base) as usize;
        self.ring.consume(freed);
        self.base = end;
        freed
    }

    /// A packet with `range` was lost: what of it is not acknowledged is sent again.
    pub(crate) fn on_lost(&mut self, range: Range<u64>) {
        let range = range.start.max(self.base)..range.end.min(self.unsent);
        for missing in self.acked.missing(range) {
            self.lost.insert(missing);
        }
    }

    /// Whether all of `range` was sent, and none of it is acknowledged or waits to be sent again.
    pub(crate) fn is_on_its_way(&self, range: &Range<u64>) -> bool {
        let untouched = |set: &RangeSet| {
            range.is_empty() || set.missing(range.clone()).next().as_ref() == Some(range)
        };
        let is_held = range.start >= self.base && range.end <= self.unsent;
        is_held && untouched(&self.acked) && untouched(&self.lost)
    }

    /// Sends everything that was not acknowledged again.
    pub(crate) fn resend_all(&mut self) {
        self.on_lost(self.base..self.unsent);
    }

    /// Forgets all bytes; what was sent will not be sent again.
    pub(crate) fn discard(&mut self) {
        self.base = self.end();
        self.unsent = self.base;
        self.ring = Ring::default();
        self.acked.clear();
        self.lost.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::SendBuffer;

    #[test]
    fn lost_bytes_go_before_new_ones() {
        let mut buffer = SendBuffer::default();
        buffer.write(b"abcdefgh");
        assert_eq!(buffer.take(4, u64::MAX), Some(0..4));
        buffer.on_lost(0..4);
        buffer.on_acked(1..2);
        assert_eq!(buffer.take(100, u64::MAX), Some(0..1));
        assert_eq!(buffer.take(100, u64::MAX), Some(2..4));
        assert_eq!(buffer.take(100, 6), Some(4..6));
        assert_eq!(buffer.take(100, 6), None, "the limit holds for new bytes");
    }

    proptest! {
        /// Whatever is lost and acknowledged in whatever order, the receiver gets every byte.
        #[test]
        fn every_byte_arrives(writes in proptest::collection::vec(1usize..50, 1..20), fates in proptest::collection::vec((0u8..3, 1usize..30), 1..400)) {
            let mut buffer = SendBuffer::default();
            let mut sent: Vec<u8> = Vec::new();
            let mut arrived = vec![None; writes.iter().sum()];
            let mut writes = writes.into_iter();
            let mut in_flight = Vec::new();
            let mut fates = fates.into_iter().chain(core::iter::repeat((0, 1000)));
            loop {
                if let Some(len) = writes.next() {
                    let chunk: Vec<u8> = (0..len).map(|i| (sent.len() + i) as u8).collect();
                    buffer.write(&chunk);
                    sent.extend(chunk);
                }
                let (fate, len) = fates.next().expect("endless");
                if let Some(range) = buffer.take(len, u64::MAX) {
                    let mut out = Vec::new();
                    buffer.copy(&range, &mut out);
                    in_flight.push(range.clone());
                    if fate != 1 {
                        for (offset, byte) in range.zip(out) {
                            arrived[offset as usize] = Some(byte);
                        }
                    }
                }
                match fate {
                    0 => while let Some(range) = in_flight.pop() { buffer.on_acked(range); },
                    1 => if let Some(range) = in_flight.pop() { buffer.on_lost(range) },
                    _ => {}
                }
                if writes.len() == 0 && buffer.is_acked() { break; }
            }
            prop_assert_eq!(arrived.into_iter().collect::<Option<Vec<u8>>>(), Some(sent));
        }
    }
}
