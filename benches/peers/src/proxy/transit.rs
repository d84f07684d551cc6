//! Packets under way through a link: when each leaves, and which leave together. No sockets and no
//! clock: time is an argument.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;

use super::pipe::Pipe;
use crate::job::Link;

/// What one call sends at most.
pub(super) const BATCH_BYTES: usize = 60_000;
const BATCH_PACKETS: usize = 32;

/// Buffers that are kept for the next packets.
const SPARE_MAX: usize = 4096;

/// Both directions of a link.
pub(super) struct Transit {
    /// Towards servers, and back.
    pipes: [Pipe; 2],
    under_way: BinaryHeap<Reverse<Packet>>,
    number: u64,
    /// Buffers of packets that have left.
    spare: Vec<Vec<u8>>,
}

/// Which way packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// From clients.
    ToServer,
    /// To clients.
    ToClient,
}

/// Where a packet goes behind the link. Only packets of one hop leave together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hop {
    /// The socket that sends it on.
    pub(super) way: usize,
    /// Where to.
    pub(super) to: SocketAddr,
    /// Its ECN bits.
    pub(super) ecn: Option<u8>,
}

/// What there is to send.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// A batch: packets of `segment` bytes, the last one perhaps shorter.
    Batch {
        /// Where it goes.
        hop: Hop,
        /// The length of each packet but the last.
        segment: usize,
    },
    /// Nothing before this time.
    At(u64),
    /// Nothing is under way.
    Nothing,
}

/// A packet on its way. Ordered by time, then as they came.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Packet {
    due_ns: u64,
    number: u64,
    hop: Hop,
    data: Vec<u8>,
}

impl Transit {
    pub(super) fn new(link: Link, seed: u64) -> Self {
        Self {
            pipes: [0, 1].map(|direction| Pipe::new(link, seed * 2 + direction)),
            under_way: BinaryHeap::new(),
            number: 0,
            spare: Vec::new(),
        }
    }

    /// An empty buffer for a packet.
    pub(super) fn buffer(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    /// A packet has arrived. It leaves when the link lets it, or never.
    pub(super) fn take_in(&mut self, now_ns: u64, direction: Direction, hop: Hop, data: Vec<u8>) {
        match self.pipes[direction as usize].pass(now_ns, data.len()) {
            Ok(due_ns) => {
                self.number += 1;
                self.under_way.push(Reverse(Packet {
                    due_ns,
                    number: self.number,
                    hop,
                    data,
                }));
            }
            Err(_) => self.give_back(data),
        }
    }

    /// Fills `batch` with packets that are due and go the same way, and tells of each how late it
    /// is, in nanoseconds, and how long, in bytes.
    pub(super) fn leave(
        &mut self,
        now_ns: u64,
        batch: &mut Vec<u8>,
        mut each: impl FnMut(u64, usize),
    ) -> Due {
        batch.clear();
        let Some(Reverse(first)) = self.under_way.peek() else {
            return Due::Nothing;
        };
        if first.due_ns > now_ns {
            return Due::At(first.due_ns);
        }
        let (hop, segment) = (first.hop, first.data.len());
        for count in 0..BATCH_PACKETS {
            let fits = |packet: &Packet| {
                packet.due_ns <= now_ns
                    && packet.hop == hop
                    && packet.data.len() <= segment
                    && batch.len() == count * segment
                    && (count == 0 || batch.len() + packet.data.len() <= BATCH_BYTES)
            };
            if !self.under_way.peek().is_some_and(|next| fits(&next.0)) {
                break;
            }
            let Some(Reverse(packet)) = self.under_way.pop() else {
                break;
            };
            batch.extend_from_slice(&packet.data);
            each(now_ns - packet.due_ns, packet.data.len());
            self.give_back(packet.data);
        }
        Due::Batch { hop, segment }
    }

    /// Keeps a buffer for the next packet.
    fn give_back(&mut self, mut data: Vec<u8>) {
        if self.spare.len() < SPARE_MAX {
            data.clear();
            self.spare.push(data);
        }
    }
}

#[cfg(test)]
mod tests;
