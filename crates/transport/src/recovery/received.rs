use core::time::Duration;

use internet::ReplayWindow;

use super::{GRANULARITY, MAX_ACK_DELAY};
use crate::Instant;
use crate::frame::RANGES_MAX;
use crate::ranges::RangeSet;

/// So many ack-eliciting packets are acknowledged at once. A batch of datagrams is taken in before
/// anything is sent, so larger bursts cost one acknowledgement too.
const ACK_EVERY: u32 = 10;

/// What has arrived in one packet number space, and what acknowledgement is owed for it.
#[derive(Debug)]
pub(crate) struct Received {
    window: ReplayWindow,
    /// Numbers to acknowledge; the newest ranges of them.
    ranges: RangeSet,
    /// When the largest number arrived.
    largest_at: Instant,
    /// Ack-eliciting packets since the last acknowledgement.
    unacknowledged: u32,
    /// An acknowledgement is owed at this time.
    due: Option<Instant>,
}

impl Received {
    pub(crate) fn new() -> Self {
        Self {
            window: ReplayWindow::new(),
            ranges: RangeSet::default(),
            largest_at: Instant::ZERO,
            unacknowledged: 0,
            due: None,
        }
    }

    /// The largest number that has arrived.
    pub(crate) fn largest(&self) -> Option<u64> {
        self.window.largest()
    }

    /// Whether a number has neither arrived nor is too old to tell.
    pub(crate) fn is_new(&self, packet_number: u64) -> bool {
        self.window.is_new(packet_number)
    }

    /// A packet that authenticated and whose frames were taken in. `hold` is how long an
    /// acknowledgement may wait.
    pub(crate) fn on_packet(
        &mut self,
        now: Instant,
        packet_number: u64,
        ack_eliciting: bool,
        hold: Duration,
    ) {
        let largest = self.window.largest();
        self.window.insert(packet_number);
        self.ranges.insert(packet_number..packet_number + 1);
        if self.ranges.len() > RANGES_MAX {
            self.ranges.pop_first();
        }
        if largest.is_none_or(|largest| packet_number > largest) {
            self.largest_at = now;
        }
        if !ack_eliciting {
            return;
        }
        self.unacknowledged += 1;
        // RFC 9000 §13.2.1: at once when packets are missing or out of order.
        let in_order = largest.map_or(packet_number == 0, |largest| packet_number == largest + 1);
        let at = if !in_order || self.unacknowledged >= ACK_EVERY {
            now
        } else {
            now + hold
        };
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// How long to hold an acknowledgement back on a path with this round-trip time: a quarter of
    /// it, so that a lone packet's sender does not wait.
    pub(crate) fn hold(srtt: Duration) -> Duration {
        (srtt / 4).clamp(GRANULARITY, MAX_ACK_DELAY)
    }

    /// When an acknowledgement is owed.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether there is anything that an acknowledgement could tell anew.
    pub(crate) fn has_news(&self) -> bool {
        self.due.is_some()
    }

    /// Gives back memory that is not used.
    pub(crate) fn rest(&mut self) {
        self.ranges.shrink();
    }

    /// What to acknowledge.
    pub(crate) fn ranges(&self) -> &RangeSet {
        &self.ranges
    }

    /// How long ago the largest number arrived.
    pub(crate) fn delay(&self, now: Instant) -> Duration {
        now.since(self.largest_at)
    }

    /// An acknowledgement was sent. Returns the largest number that it told.
    pub(crate) fn on_ack_sent(&mut self) -> u64 {
        self.unacknowledged = 0;
        self.due = None;
        self.ranges.max().unwrap_or(0)
    }

    /// The peer has an acknowledgement that told everything up to `largest`: no need to tell it
    /// again (RFC 9000 §13.2.4).
    pub(crate) fn on_ack_acked(&mut self, largest: u64) {
        // The largest stays, so that there is always something to acknowledge.
        let keep = self.ranges.max().unwrap_or(0);
        self.ranges.remove(0..largest.saturating_add(1).min(keep));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLD: Duration = Duration::from_millis(5);

    #[test]
    fn acknowledges_at_once_on_gaps_and_every_tenth() {
        let mut received = Received::new();
        let now = Instant::from_nanos(1_000_000);
        received.on_packet(now, 0, true, HOLD);
        assert_eq!(received.due(), Some(now + HOLD));
        received.on_packet(now, 2, true, HOLD);
        assert_eq!(received.due(), Some(now), "a gap");
        received.on_ack_sent();
        received.on_packet(now, 1, true, HOLD);
        assert_eq!(received.due(), Some(now), "out of order");
        received.on_ack_sent();
        for number in 3..12 {
            received.on_packet(now, number, true, HOLD);
            assert_eq!(received.due(), Some(now + HOLD));
        }
        received.on_packet(now, 12, true, HOLD);
        assert_eq!(received.due(), Some(now), "the tenth");
    }

    #[test]
    fn h35_packets_that_only_acknowledge_are_not_acknowledged() {
        let mut received = Received::new();
        for number in 0..100 {
            received.on_packet(Instant::ZERO, number * 2, false, HOLD);
        }
        assert_eq!(received.due(), None);
    }

    #[test]
    fn memory_is_bounded_by_the_newest_ranges() {
        let mut received = Received::new();
        for number in 0..10_000 {
            received.on_packet(Instant::ZERO, number * 2, true, HOLD);
        }
        assert_eq!(received.ranges().len(), RANGES_MAX);
        assert_eq!(received.ranges().max(), Some(19_998));
        received.on_ack_acked(19_998);
        assert_eq!(received.ranges().len(), 1);
    }
}
