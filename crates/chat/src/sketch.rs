use crypto::{Secret, hmac_sha256};

const ROWS: usize = 4;
/// A power of two, at most 2^16.
const BLOCKS: usize = 512;
/// A power of two, at most 2^16.
const BLOCK_COLUMNS: usize = 64;

/// Counts events by key in a fixed 1 MiB, whatever the number of keys: a count-min sketch
/// (Cormode and Muthukrishnan, 2005) of leaky buckets.
///
/// A count never reads lower than it is. It reads higher when a key shares each of its four buckets
/// with busy ones, which nobody can arrange, since the places come from a keyed hash; and which
/// nobody can bring about with few first fields, as the first field of a key chooses the block of
/// buckets, in each row, in which the key counts. So whoever invents names behind one address fills
/// its own blocks, and no others' counts rise. A bucket
/// holds the time at which it will be empty (the theoretical arrival time of the GCRA), so nothing
/// has to be swept.
pub(crate) struct Sketch {
    key: Secret<32>,
    empty_at_ns: Vec<u64>,
    drain_ns: u64,
}

impl Sketch {
    /// A sketch whose counts fall by one every `drain_ns`.
    pub(crate) fn new(key: Secret<32>, drain_ns: u64) -> Self {
        Self {
            key,
            empty_at_ns: vec![0; ROWS * BLOCKS * BLOCK_COLUMNS],
            drain_ns: drain_ns.max(1),
        }
    }

    /// How many events of `key` have not drained yet; a part of one counts as one.
    pub(crate) fn count(&self, now_ns: u64, key: &[&[u8]]) -> u64 {
        self.count_at(now_ns, &self.places(key))
    }

    /// Adds one event if fewer than `limit` are there. Whether it was added.
    pub(crate) fn add_below(&mut self, now_ns: u64, key: &[&[u8]], limit: u64) -> bool {
        let places = self.places(key);
        let is_below = self.count_at(now_ns, &places) < limit;
        if is_below {
            self.add_at(now_ns, &places, 1);
        }
        is_below
    }

    /// Adds `events` at once.
    pub(crate) fn add(&mut self, now_ns: u64, key: &[&[u8]], events: u64) {
        self.add_at(now_ns, &self.places(key), events);
    }

    /// Takes back `events` that were added at once at `added_ns`.
    ///
    /// What may have drained of it since then stays: so much of the bucket belongs to others.
    pub(crate) fn take_back(&mut self, now_ns: u64, added_ns: u64, key: &[&[u8]], events: u64) {
        let drained_ns = now_ns.saturating_sub(added_ns);
        let left_ns = self
            .drain_ns
            .saturating_mul(events)
            .saturating_sub(drained_ns);
        for place in self.places(key) {
            if let Some(bucket) = self.empty_at_ns.get_mut(place) {
                *bucket = bucket.saturating_sub(left_ns);
            }
        }
    }

    fn count_at(&self, now_ns: u64, places: &[usize; ROWS]) -> u64 {
        let buckets = places.iter().map(|&place| self.empty_at_ns.get(place));
        let empty_at_ns = buckets.flatten().copied().min().unwrap_or(u64::MAX);
        empty_at_ns.saturating_sub(now_ns).div_ceil(self.drain_ns)
    }

    fn add_at(&mut self, now_ns: u64, places: &[usize; ROWS], events: u64) {
        let added_ns = self.drain_ns.saturating_mul(events);
        for &place in places {
            if let Some(bucket) = self.empty_at_ns.get_mut(place) {
                *bucket = (*bucket).max(now_ns).saturating_add(added_ns);
            }
        }
    }

    /// One bucket in each row. Fields are hashed behind each other: the caller's are of fixed
    /// length, but for the last.
    fn places(&self, key: &[&[u8]]) -> [usize; ROWS] {
        let block = hmac_sha256(self.key.expose(), key.get(..1).unwrap_or_default());
        let whole = hmac_sha256(self.key.expose(), key);
        let mut places = [0; ROWS];
        let blocks = block.chunks_exact(2).map(number);
        // Other bytes than the block's, should the first field be the only one.
        let columns = whole.chunks_exact(2).map(number).skip(ROWS);
        for (row, (place, (block, column))) in
            places.iter_mut().zip(blocks.zip(columns)).enumerate()
        {
            *place = (row * BLOCKS + block % BLOCKS) * BLOCK_COLUMNS + column % BLOCK_COLUMNS;
        }
        places
    }
}

fn number(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .fold(0, |value, &byte| value << 8 | usize::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn sketch() -> Sketch {
        Sketch::new(Secret::from([7; 32]), SECOND)
    }

    #[test]
    fn counts_rise_by_events_and_drain_with_time() {
        let mut sketch = sketch();
        for _ in 0..3 {
            assert!(sketch.add_below(10 * SECOND, &[b"a"], 3));
        }
        assert!(!sketch.add_below(10 * SECOND, &[b"a"], 3));
        assert_eq!(sketch.count(10 * SECOND, &[b"a"]), 3);
        assert_eq!(sketch.count(10 * SECOND, &[b"b"]), 0);
        assert_eq!(sketch.count(12 * SECOND, &[b"a"]), 1);
        assert!(sketch.add_below(11 * SECOND, &[b"a"], 3));
        sketch.take_back(11 * SECOND, 11 * SECOND, &[b"a"], 1);
        assert_eq!(sketch.count(11 * SECOND, &[b"a"]), 2);
    }

    #[test]
    fn what_drained_cannot_be_taken_back_from_others() {
        let mut sketch = sketch();
        sketch.add_below(0, &[b"a"], 9);
        // The first event has drained; this one shares the bucket by being of the same key.
        sketch.add_below(SECOND, &[b"a"], 9);
        sketch.take_back(SECOND, 0, &[b"a"], 1);
        assert_eq!(sketch.count(SECOND, &[b"a"]), 1);
    }

    #[test]
    fn h72_invented_keys_cost_no_memory_and_hide_nobody() {
        let mut sketch = sketch();
        let size = sketch.empty_at_ns.len();
        for _ in 0..9 {
            sketch.add_below(SECOND, &[b"guessed"], 100);
        }
        for name in 0..2000u32 {
            sketch.add_below(SECOND, &[&name.to_be_bytes()], 100);
        }
        assert_eq!(sketch.empty_at_ns.len(), size);
        assert!(sketch.count(SECOND, &[b"guessed"]) >= 9);
        let clean =
            (0..1000u32).filter(|name| sketch.count(SECOND, &[b"new", &name.to_be_bytes()]) == 0);
        assert!(clean.count() > 900, "others are not counted for it");
    }

    #[test]
    fn h50_one_address_with_many_names_does_not_count_for_others() {
        let mut sketch = sketch();
        for name in 0..100_000u32 {
            sketch.add_below(SECOND, &[&[1; 16], &name.to_be_bytes()], 16);
        }
        assert_eq!(sketch.count(SECOND, &[&[1; 16], b"any"]), 16, "its own");
        let hit = (2..=255u8)
            .filter(|source| sketch.count(SECOND, &[&[*source; 16], b"owner"]) > 0)
            .count();
        assert_eq!(hit, 0);
    }

    #[test]
    fn h31_times_at_the_end_of_the_clock_do_not_overflow() {
        let mut sketch = sketch();
        for _ in 0..3 {
            sketch.add_below(u64::MAX, &[b"a"], 100);
        }
        assert_eq!(sketch.count(u64::MAX, &[b"a"]), 0);
    }
}
