use core::ops::RangeInclusive;
use core::time::Duration;
use std::collections::VecDeque;

use crate::Instant;

/// So many packets are remembered after they were declared lost; the oldest go first.
const REMEMBERED_MAX: usize = 512;

/// A packet that was declared lost, and may yet be acknowledged.
#[derive(Clone, Copy, Debug)]
struct LostPacket {
    number: u64,
    at: Instant,
    size: u16,
}

/// What turned out not to be lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spurious {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    /// When the newest of them was sent.
    pub(crate) newest_sent: Option<Instant>,
    /// The lowest number of them.
    pub(crate) lowest: Option<u64>,
}

/// Packets that were declared lost of late, by number: a late acknowledgement of one shows that it
/// was only overtaken.
#[derive(Debug, Default)]
pub(crate) struct LostPackets {
    packets: VecDeque<LostPacket>,
}

impl LostPackets {
    /// Declared lost. Packets come in the order of their numbers.
    pub(super) fn push(&mut self, number: u64, at: Instant, size: u16) {
        if self.packets.len() == REMEMBERED_MAX {
            self.packets.pop_front();
        }
        self.packets.push_back(LostPacket { number, at, size });
    }

    /// The lowest number that is remembered.
    pub(super) fn lowest(&self) -> Option<u64> {
        self.packets.front().map(|packet| packet.number)
    }

    /// Numbers of this range were acknowledged.
    pub(super) fn on_acked(&mut self, range: &RangeInclusive<u64>, spurious: &mut Spurious) {
        let highest = self.packets.back().map(|packet| packet.number);
        if highest.is_none_or(|highest| highest < *range.start()) {
            return;
        }
        let from = (self.packets).partition_point(|packet| packet.number < *range.start());
        let to = (self.packets).partition_point(|packet| packet.number <= *range.end());
        for packet in self.packets.drain(from..to) {
            spurious.packets += 1;
            spurious.bytes += u64::from(packet.size);
            spurious.newest_sent = spurious.newest_sent.max(Some(packet.at));
            let lowest = spurious
                .lowest
                .map_or(packet.number, |n| n.min(packet.number));
            spurious.lowest = Some(lowest);
        }
    }

    /// Nothing is heard any more of what was sent so long ago.
    pub(super) fn forget(&mut self, now: Instant, age: Duration) {
        while self
            .packets
            .front()
            .is_some_and(|packet| packet.at + age < now)
        {
            self.packets.pop_front();
        }
        if self.packets.is_empty() {
            self.packets = VecDeque::new();
        }
    }

    pub(super) fn clear(&mut self) {
        self.packets = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_packet_is_known_once_and_for_a_while() {
        let mut lost = LostPackets::default();
        for number in 0..1000 {
            lost.push(number * 2, Instant::from_nanos(number), 100);
        }
        assert_eq!(lost.packets.len(), REMEMBERED_MAX);
        let ask = |lost: &mut LostPackets, range| {
            let mut spurious = Spurious::default();
            lost.on_acked(&range, &mut spurious);
            (spurious.packets, spurious.bytes, spurious.lowest)
        };
        assert_eq!(ask(&mut lost, 0..=900), (0, 0, None), "too long ago");
        assert_eq!(ask(&mut lost, 1501..=1504), (2, 200, Some(1502)));
        assert_eq!(ask(&mut lost, 1501..=1504), (0, 0, None), "once");
        lost.forget(Instant::from_nanos(1500), Duration::from_nanos(501));
        assert_eq!(ask(&mut lost, 1000..=2000), (1, 100, Some(1998)));
        lost.forget(Instant::from_nanos(1501), Duration::from_nanos(501));
        assert_eq!(lost.packets.capacity(), 0);
    }
}
