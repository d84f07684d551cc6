use core::ops::RangeInclusive;
use std::collections::VecDeque;

use super::{SentFrame, Snapshot};
use crate::Instant;

/// A packet in the ring.
#[derive(Clone, Copy, Debug)]
pub(super) struct SentPacket {
    pub(super) at: Instant,
    /// Where its frames begin, counted over all frames ever noted.
    first_frame: u32,
    /// How many entries of the frame queue are its own.
    pub(super) frames: u16,
    /// Bytes that count as in flight; 0 for a packet that elicits no acknowledgement.
    pub(super) size: u16,
    /// 0: outstanding. Otherwise it is of no further interest, and so are those from here down to
    /// the one that is so many numbers below, without that one.
    skip: u32,
    pub(super) delivery: Snapshot,
}

impl SentPacket {
    fn is_outstanding(&self) -> bool {
        self.skip == 0
    }
}

/// Packets by number, and what they carried.
///
/// Two rings: packets, and their frames in the same order. Nothing is allocated per packet. The first
/// packet of the ring is outstanding, and losses come in the order of sending, so they are found at the
/// front; those that have met their fate are skipped in runs, so that an acknowledgement costs what it
/// newly tells, whatever holes the window has.
#[derive(Debug, Default)]
pub(super) struct Ring {
    packets: VecDeque<SentPacket>,
    frames: VecDeque<SentFrame>,
    /// Number of the first packet in the ring.
    base: u64,
    /// How many frames have left the front of their ring.
    frames_base: u32,
    /// Packets that are outstanding.
    outstanding: u32,
}

impl Ring {
    /// Number of the first packet.
    pub(super) fn base(&self) -> u64 {
        self.base
    }

    /// Number of the packet that comes next.
    pub(super) fn next(&self) -> u64 {
        self.base + self.packets.len() as u64
    }

    pub(super) fn outstanding(&self) -> usize {
        self.outstanding as usize
    }

    /// Packets that are kept though they are of no further interest.
    pub(super) fn settled(&self) -> usize {
        self.packets.len() - self.outstanding()
    }

    /// How many are outstanding, counted one by one, and their bytes.
    #[cfg(feature = "danger-checking")]
    pub(super) fn count_outstanding(&self) -> (usize, u64) {
        let outstanding = self.packets.iter().filter(|p| p.is_outstanding());
        outstanding.fold((0, 0), |(n, sum), p| (n + 1, sum + u64::from(p.size)))
    }

    /// The first packet, which is the oldest outstanding one.
    pub(super) fn front(&self) -> Option<&SentPacket> {
        self.packets.front()
    }

    /// What it carried.
    pub(super) fn front_frames(&self) -> impl Iterator<Item = &SentFrame> {
        let count = self.packets.front().map_or(0, |packet| packet.frames);
        self.frames.iter().take(usize::from(count))
    }

    /// A frame of the packet that comes next.
    pub(super) fn note(&mut self, frame: SentFrame) {
        self.frames.push_back(frame);
    }

    /// The next packet was sent, with the `frames` last noted frames; `size` is 0 if it elicits no
    /// acknowledgement.
    pub(super) fn push(&mut self, at: Instant, size: u16, frames: usize, delivery: Snapshot) {
        let before = self.frames.len() - frames;
        let is_outstanding = size > 0;
        self.packets.push_back(SentPacket {
            at,
            first_frame: self.frames_base.wrapping_add(before as u32),
            frames: frames as u16,
            size,
            // Nobody answers one that does not elicit, so it must not hold the ring.
            skip: u32::from(!is_outstanding),
            delivery,
        });
        self.outstanding += u32::from(is_outstanding);
    }

    /// Those of these numbers that are outstanding have met their fate, of which `tell` hears for each
    /// of their frames, and `each` of the packets, from the highest down.
    pub(super) fn settle(
        &mut self,
        numbers: &RangeInclusive<u64>,
        tell: &mut impl FnMut(SentFrame),
        mut each: impl FnMut(u64, &SentPacket),
    ) {
        let Some(last) = numbers.end().checked_sub(self.base) else {
            return;
        };
        let (first, last) = (
            numbers.start().saturating_sub(self.base) as usize,
            last as usize,
        );
        let first = first.saturating_sub(usize::from(planted!(AckRetiresTooMuch)));
        let mut next = self.outstanding_within(first, last);
        while let Some(place) = next {
            let packet = self.settle_at(place, tell);
            each(self.base + place as u64, &packet);
            next = place
                .checked_sub(1)
                .and_then(|below| self.outstanding_within(first, below));
        }
        // All of the range is done: who comes here again passes it in one step.
        if let Some(packet) = self.packets.get_mut(last) {
            packet.skip = packet.skip.max((last - first + 1) as u32);
        }
    }

    /// The first packet has met its fate, and leaves; [`Ring::forget_settled`] is to follow.
    pub(super) fn take_front(
        &mut self,
        tell: &mut impl FnMut(SentFrame),
    ) -> Option<(u64, SentPacket)> {
        self.packets
            .front()
            .filter(|front| front.is_outstanding())?;
        let number = self.base;
        let packet = self.settle_at(0, tell);
        self.packets.pop_front();
        self.base += 1;
        self.drop_frames(usize::from(packet.frames));
        Some((number, packet))
    }

    /// Drops what is done from the front of both rings. Tells whether any of it was acknowledged.
    pub(super) fn forget_settled(&mut self) -> bool {
        let (mut frames, mut acked) = (0, false);
        while let Some(packet) = self.packets.front()
            && !packet.is_outstanding()
        {
            frames += usize::from(packet.frames);
            // What was lost has left the ring, and what does not elicit has no size.
            acked |= packet.size > 0;
            self.packets.pop_front();
            self.base += 1;
        }
        self.drop_frames(frames);
        acked
    }

    /// Forgets all packets, but not their numbers. Returns how many bytes were outstanding.
    pub(super) fn clear(&mut self) -> u64 {
        let outstanding = self.packets.iter().filter(|p| p.is_outstanding());
        let bytes = outstanding.map(|packet| u64::from(packet.size)).sum();
        self.base = self.next();
        self.packets = VecDeque::new();
        self.frames = VecDeque::new();
        self.outstanding = 0;
        bytes
    }

    /// Gives back memory that is not used.
    pub(super) fn rest(&mut self) {
        self.packets.shrink_to_fit();
        self.frames.shrink_to_fit();
    }

    /// The last outstanding packet of the ring's places `first` to `last`. On the way it shortens
    /// the way for the next search (path halving), so that a search costs a logarithm at most, in
    /// the mean.
    fn outstanding_within(&mut self, first: usize, last: usize) -> Option<usize> {
        let mut at = last;
        while at >= first {
            let skip = self.packets.get(at)?.skip;
            if skip == 0 {
                return Some(at);
            }
            let below = at.checked_sub(skip as usize)?;
            let further = self.packets.get(below).map_or(0, |packet| packet.skip);
            if let Some(packet) = self.packets.get_mut(at) {
                packet.skip = skip.saturating_add(further);
            }
            at = below;
        }
        None
    }

    fn settle_at(&mut self, place: usize, tell: &mut impl FnMut(SentFrame)) -> SentPacket {
        let packet = &mut self.packets[place];
        packet.skip = 1;
        let packet = *packet;
        self.outstanding -= 1;
        let first = packet.first_frame.wrapping_sub(self.frames_base) as usize;
        for frame in self.frames.range(first..first + usize::from(packet.frames)) {
            tell(frame.clone());
        }
        packet
    }

    fn drop_frames(&mut self, count: usize) {
        self.frames.drain(..count);
        self.frames_base = self.frames_base.wrapping_add(count as u32);
    }
}

#[cfg(test)]
impl Ring {
    /// How many packets and frames there are.
    pub(super) fn len(&self) -> (usize, usize) {
        (self.packets.len(), self.frames.len())
    }

    /// The most steps that it takes to pass a run of packets that are done.
    pub(super) fn longest_way(&self) -> usize {
        let way = |place: usize| {
            let skip = |at: usize| self.packets.get(at).map(|packet| packet.skip);
            let next = |at: &usize| {
                let skip = skip(*at).filter(|&skip| skip > 0)?;
                at.checked_sub(skip as usize)
            };
            let places = core::iter::successors(Some(place), next);
            places.filter(|&at| skip(at) > Some(0)).count()
        };
        (0..self.packets.len()).map(way).max().unwrap_or(0)
    }
}
