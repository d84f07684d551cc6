//! What an end counts, and what its process has used.

use std::fs;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::{Deserialize, Serialize};

use crate::{alloc, clock};

/// Counters of one end. One thread counts, another looks.
#[derive(Debug, Default)]
pub struct Meter {
    bytes: AtomicU64,
    messages: AtomicU64,
    connections: AtomicU64,
    first_ns: AtomicU64,
    samples_ns: Mutex<Vec<u64>>,
}

impl Meter {
    /// Application data has arrived: so many bytes in so many messages.
    pub fn received(&self, bytes: usize, messages: u64) {
        if self.bytes.load(Relaxed) == 0 {
            self.first_ns.store(clock::now_ns(), Relaxed);
        }
        // There is one writer, so nothing has to be atomic as a whole, and a million a second is cheap.
        let total = self.bytes.load(Relaxed) + bytes as u64;
        self.bytes.store(total, Relaxed);
        let total = self.messages.load(Relaxed) + messages;
        self.messages.store(total, Relaxed);
    }

    /// Another connection is made.
    pub fn connected(&self) {
        self.connections.fetch_add(1, Relaxed);
    }

    /// Something took so long.
    pub fn took(&self, ns: u64) {
        self.samples().push(ns);
    }

    /// How things stand. Samples start anew.
    pub fn snapshot(&self) -> Snapshot {
        let mut samples = std::mem::take(&mut *self.samples());
        samples.sort_unstable();
        Snapshot {
            at_ns: clock::now_ns(),
            cpu_ns: clock::cpu_ns(),
            rss_bytes: rss_bytes(),
            allocated_bytes: alloc::bytes(),
            bytes: self.bytes.load(Relaxed),
            messages: self.messages.load(Relaxed),
            connections: self.connections.load(Relaxed),
            first_ns: self.first_ns.load(Relaxed),
            samples: samples.len() as u64,
            p50_ns: quantile(&samples, 0.5),
            p99_ns: quantile(&samples, 0.99),
        }
    }

    fn samples(&self) -> std::sync::MutexGuard<'_, Vec<u64>> {
        self.samples_ns
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// How things stand in one process.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// When.
    pub at_ns: u64,
    /// CPU time used since the process began.
    pub cpu_ns: u64,
    /// Resident memory.
    pub rss_bytes: u64,
    /// What the allocator has given out.
    pub allocated_bytes: i64,
    /// Bytes of application data received.
    pub bytes: u64,
    /// Messages received.
    pub messages: u64,
    /// Connections made.
    pub connections: u64,
    /// When the first byte of application data arrived; 0 if none has.
    pub first_ns: u64,
    /// Samples since the snapshot before.
    pub samples: u64,
    /// Their median.
    pub p50_ns: u64,
    /// What 99 of 100 of them do not exceed.
    pub p99_ns: u64,
}

/// The value that a share of sorted values does not exceed; 0 of none.
fn quantile(sorted: &[u64], share: f64) -> u64 {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted
        .get(rank.saturating_sub(1))
        .or(sorted.last())
        .copied()
        .unwrap_or_default()
}

/// Resident memory of this process.
fn rss_bytes() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0) * rustix::param::page_size() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_occurred() {
        let hundred: Vec<u64> = (1..=100).collect();
        assert_eq!(quantile(&hundred, 0.5), 50);
        assert_eq!(quantile(&hundred, 0.99), 99);
        assert_eq!(quantile(&[7], 0.99), 7);
        assert_eq!(quantile(&[], 0.5), 0);
    }

    #[test]
    fn a_snapshot_tells_what_was_counted_and_starts_samples_anew() {
        let meter = Meter::default();
        meter.received(10, 2);
        meter.received(5, 1);
        meter.took(3);
        let first = meter.snapshot();
        assert_eq!((first.bytes, first.messages, first.samples), (15, 3, 1));
        assert!(first.first_ns > 0 && first.rss_bytes > 0);
        assert_eq!(meter.snapshot().samples, 0);
    }
}
