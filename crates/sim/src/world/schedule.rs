use core::cmp::Ordering;
use core::net::SocketAddr;
use std::collections::BinaryHeap;

use transport::{Ecn, Instant};

use super::NodeId;

/// Something that will happen.
pub(super) enum What {
    /// A datagram arrives.
    Deliver {
        from: SocketAddr,
        to: SocketAddr,
        bytes: Vec<u8>,
        ecn: Option<Ecn>,
        /// Addresses at which it shows its sender to be, or to have been.
        proven: Vec<SocketAddr>,
    },
    /// A node's timer is due, unless it was set anew since.
    Timer(NodeId),
    /// The caller has done something to a node.
    Touch(NodeId),
}

/// Everything that will happen, soonest first; what is due at the same time in the order in which it
/// was scheduled.
#[derive(Default)]
pub(super) struct Schedule {
    heap: BinaryHeap<Entry>,
    sequence: u64,
}

struct Entry {
    at: Instant,
    sequence: u64,
    what: What,
}

impl Schedule {
    pub(super) fn push(&mut self, at: Instant, what: What) {
        self.sequence += 1;
        self.heap.push(Entry {
            at,
            sequence: self.sequence,
            what,
        });
    }

    pub(super) fn pop(&mut self) -> Option<(Instant, What)> {
        self.heap.pop().map(|entry| (entry.at, entry.what))
    }

    pub(super) fn next_at(&self) -> Option<Instant> {
        self.heap.peek().map(|entry| entry.at)
    }
}

/// The heap gives its greatest first, so the soonest is the greatest.
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.sequence).cmp(&(self.at, self.sequence))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}
