use core::ops::Range;

/// The least that is allocated at once.
pub(super) const CAPACITY_MIN: usize = 256;

/// A ring with fewer of its bytes in use than one of so many wastes its memory.
const WASTE: usize = 8;

/// Bytes that come in at the back and leave at the front, in one buffer that grows.
///
/// Whatever is asked of it moves at most two slices. An empty ring keeps its buffer, so that what
/// flows does not allocate; [`Ring::trim`] gives it back.
#[derive(Debug, Default)]
pub(super) struct Ring {
    /// As long as it is, a power of two or nothing.
    buffer: Vec<u8>,
    /// Where the first byte stands.
    head: usize,
    len: usize,
}

impl Ring {
    /// How many bytes are held.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How much memory it has.
    pub(super) fn capacity(&self) -> usize {
        self.buffer.len()
    }

    /// Appends bytes.
    pub(super) fn push(&mut self, data: &[u8]) {
        let at = self.len;
        self.extend(data.len());
        self.put(at, data);
    }

    /// Appends `len` bytes of any value.
    pub(super) fn extend(&mut self, len: usize) {
        let len = self.len + len;
        if len > self.buffer.len() {
            self.resize(len.next_power_of_two().max(CAPACITY_MIN));
        }
        self.len = len;
    }

    /// Writes over the bytes that begin at `index`.
    pub(super) fn put(&mut self, index: usize, data: &[u8]) {
        debug_assert!(index + data.len() <= self.len);
        let start = self.wrap(self.head + index);
        let split = data.len().min(self.buffer.len() - start);
        let (left, right) = data.split_at(split);
        self.buffer[start..start + split].copy_from_slice(left);
        self.buffer[..right.len()].copy_from_slice(right);
    }

    /// The bytes at a range of indices, in two halves.
    pub(super) fn slices(&self, range: Range<usize>) -> (&[u8], &[u8]) {
        debug_assert!(range.start <= range.end && range.end <= self.len);
        let start = self.wrap(self.head + range.start);
        let len = range.end - range.start;
        let split = len.min(self.buffer.len() - start);
        (
            &self.buffer[start..start + split],
            &self.buffer[..len - split],
        )
    }

    /// Drops bytes from the front.
    pub(super) fn consume(&mut self, len: usize) {
        debug_assert!(len <= self.len);
        self.len -= len.min(self.len);
        // What is used again and again stays in the cache.
        self.head = match self.len {
            0 => 0,
            _ => self.wrap(self.head + len),
        };
    }

    /// Whether it has much more memory than it needs.
    pub(super) fn is_wasteful(&self) -> bool {
        self.buffer.len() > self.len.max(CAPACITY_MIN / WASTE) * WASTE
    }

    /// Gives back memory that it does not need.
    pub(super) fn trim(&mut self) {
        if self.len == 0 {
            *self = Self::default();
        } else if self.is_wasteful() {
            self.resize(self.len.next_power_of_two().max(CAPACITY_MIN));
        }
    }

    /// Moves everything to a buffer of another size, a power of two that holds it all.
    fn resize(&mut self, capacity: usize) {
        let mut buffer = vec![0; capacity];
        let (left, right) = self.slices(0..self.len);
        buffer[..left.len()].copy_from_slice(left);
        buffer[left.len()..self.len].copy_from_slice(right);
        self.buffer = buffer;
        self.head = 0;
    }

    fn wrap(&self, index: usize) -> usize {
        index & self.buffer.len().wrapping_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::Ring;

    fn contents(ring: &Ring) -> Vec<u8> {
        let (front, back) = ring.slices(0..ring.len());
        [front, back].concat()
    }

    #[test]
    fn an_empty_ring_gives_its_memory_back_when_asked() {
        let mut ring = Ring::default();
        ring.push(&[1; 1000]);
        ring.consume(1000);
        assert_eq!(ring.capacity(), 1024);
        ring.trim();
        assert_eq!(ring.capacity(), 0);
        ring.push(&[2; 5000]);
        ring.consume(4990);
        assert!(ring.is_wasteful());
        ring.trim();
        assert_eq!((ring.capacity(), contents(&ring)), (256, vec![2; 10]));
    }

    proptest! {
        #[test]
        fn behaves_as_a_queue(steps in proptest::collection::vec((0u8..4, 0usize..700), 1..100)) {
            let (mut ring, mut model) = (Ring::default(), VecDeque::new());
            for (index, (step, amount)) in steps.into_iter().enumerate() {
                match step {
                    0 => {
                        let data: Vec<u8> = (0..amount).map(|at| (at ^ index) as u8).collect();
                        ring.push(&data);
                        model.extend(data);
                    }
                    1 => {
                        let amount = amount.min(model.len());
                        ring.consume(amount);
                        model.drain(..amount);
                    }
                    2 => ring.trim(),
                    _ => {
                        let at = amount.min(model.len());
                        let len = (model.len() - at).min(50);
                        ring.put(at, &[index as u8; 50][..len]);
                        model.iter_mut().skip(at).take(len).for_each(|byte| *byte = index as u8);
                    }
                }
                prop_assert_eq!(contents(&ring), model.iter().copied().collect::<Vec<_>>());
                prop_assert!(ring.capacity() <= 1 << 16);
                let half = model.len() / 2;
                let (front, back) = ring.slices(half..model.len());
                prop_assert_eq!(front.len() + back.len(), model.len() - half);
            }
        }
    }
}
