use crypto::{Secret, hmac_sha256};

const ROWS: usize = 4;
const COLUMNS: usize = 4096;

/// Counts events by key in a fixed 128 KiB, whatever the number of keys: a count-min sketch
/// (Cormode and Muthukrishnan, 2005) of leaky buckets.
///
/// A count never reads lower than it is. It reads higher when a key shares all four of its buckets
/// with busy ones, which nobody can arrange, since the places come from a keyed hash. Each bucket
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
            empty_at_ns: vec![0; ROWS * COLUMNS],
            drain_ns: drain_ns.max(1),
        }
    }

    #[cfg(test)]
    /// How many events of `key` have not drained yet; a part of one counts as one.
    pub(crate) fn count(&self, now_ns: u64, key: &[&[u8]]) -> u64 {
        let places = self.places(key);
        self.empty_at(&places)
            .saturating_sub(now_ns)
            .div_ceil(self.drain_ns)
    }

    /// Adds one event if fewer than `limit` are there. Whether it was added.
    pub(crate) fn add_below(&mut self, now_ns: u64, key: &[&[u8]], limit: u64) -> bool {
        let places = self.places(key);
        let level_ns = self.empty_at(&places).saturating_sub(now_ns);
        if level_ns.div_ceil(self.drain_ns) >= limit {
            return false;
        }
        self.raise(&places, now_ns, self.drain_ns);
        true
    }

    #[cfg(test)]
    /// Adds one event, up to a level of `ceiling`.
    pub(crate) fn add(&mut self, now_ns: u64, key: &[&[u8]], ceiling: u64) {
        self.add_below(now_ns, key, ceiling);
    }

    #[cfg(test)]
    /// Takes one event back.
    pub(crate) fn take_back(&mut self, key: &[&[u8]]) {
        for place in self.places(key) {
            if let Some(bucket) = self.empty_at_ns.get_mut(place) {
                *bucket = bucket.saturating_sub(self.drain_ns);
            }
        }
    }

    /// Raises the key's lowest buckets alone (conservative update): the others are there for keys
    /// that share them.
    fn raise(&mut self, places: &[usize; ROWS], now_ns: u64, by_ns: u64) {
        let target = self.empty_at(places).max(now_ns).saturating_add(by_ns);
        for &place in places {
            if let Some(bucket) = self.empty_at_ns.get_mut(place) {
                *bucket = (*bucket).max(target);
            }
        }
    }

    fn empty_at(&self, places: &[usize; ROWS]) -> u64 {
        let buckets = places.iter().map(|&place| self.empty_at_ns.get(place));
        buckets.flatten().copied().min().unwrap_or(u64::MAX)
    }

    /// One bucket in each row. Fields are hashed behind each other: the caller's are of fixed
    /// length, but for the last.
    fn places(&self, key: &[&[u8]]) -> [usize; ROWS] {
        let hash = hmac_sha256(self.key.expose(), key);
        let mut places = [0; ROWS];
        for (row, (place, bytes)) in places.iter_mut().zip(hash.chunks_exact(2)).enumerate() {
            let column = bytes
                .iter()
                .fold(0usize, |value, &byte| value << 8 | usize::from(byte));
            *place = row * COLUMNS + column % COLUMNS;
        }
        places
    }
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
        sketch.take_back(&[b"a"]);
        assert_eq!(sketch.count(11 * SECOND, &[b"a"]), 2);
    }

    #[test]
    fn h72_invented_keys_cost_no_memory_and_hide_nobody() {
        let mut sketch = sketch();
        let size = sketch.empty_at_ns.len();
        for _ in 0..9 {
            sketch.add(SECOND, &[b"guessed"], 100);
        }
        for name in 0..2000u32 {
            sketch.add(SECOND, &[&name.to_be_bytes()], 100);
        }
        assert_eq!(sketch.empty_at_ns.len(), size);
        assert!(sketch.count(SECOND, &[b"guessed"]) >= 9);
        let clean =
            (0..1000u32).filter(|name| sketch.count(SECOND, &[b"new", &name.to_be_bytes()]) == 0);
        assert!(clean.count() > 900, "others are not counted for it");
    }

    #[test]
    fn h31_times_at_the_end_of_the_clock_do_not_overflow() {
        let mut sketch = sketch();
        for _ in 0..3 {
            sketch.add(u64::MAX, &[b"a"], 100);
        }
        assert_eq!(sketch.count(u64::MAX, &[b"a"]), 0);
    }
}
