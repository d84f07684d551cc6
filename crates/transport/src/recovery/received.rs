use core::time::Duration;

use internet::ReplayWindow;

use super::{GRANULARITY, MAX_ACK_DELAY};
use crate::Instant;
use crate::frame::RANGES_MAX;
use crate::ranges::RangeSet;

/// So many ack-eliciting packets are acknowledged at once, and more of them the faster they come. A
/// batch of datagrams is taken in before anything is sent, so larger bursts cost one acknowledgement
/// too.
const ACK_EVERY_MIN: u32 = 10;
const ACK_EVERY_MAX: u32 = 128;

/// With more ranges than this an acknowledgement asks to be acknowledged itself, now and then.
const RANGES_LONG: usize = 8;

/// So long after a packet arrived late the path counts as one that reorders, in times of a hold.
const REORDERING_LASTS: u32 = 8;

/// So many ranges are told again after a rest. Each was told when it was new; what a peer that only
/// hears acknowledgements never confirms would pile up.
const RESTING_RANGES_MAX: usize = 2;

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
    /// It is owed sooner than a hold would have it.
    is_urgent: bool,
    /// When one was sent that was.
    urgent_sent: Option<Instant>,
    /// The number behind the newest gap.
    behind_gap: Option<u64>,
    /// When a packet last arrived behind its successors.
    late_at: Option<Instant>,
    arrivals: Arrivals,
}

/// How many ack-eliciting packets arrive in a quarter of a round trip.
#[derive(Debug, Default)]
struct Arrivals {
    since: Instant,
    count: u32,
    /// So many packets are acknowledged at once: an eighth of what arrives in a round trip.
    every: u32,
}

impl Arrivals {
    fn on_packet(&mut self, now: Instant, srtt: Duration) {
        if now.since(self.since) >= srtt / 4 {
            self.every = (self.count / 2).clamp(ACK_EVERY_MIN, ACK_EVERY_MAX);
            (self.since, self.count) = (now, 0);
        }
        self.count = self.count.saturating_add(1);
    }
}

/// What a packet that has arrived says about acknowledging it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// It asks for an acknowledgement.
    pub(crate) eliciting: bool,
    /// It is not full: the sender had no more to say.
    pub(crate) ends: bool,
    /// The smoothed round-trip time. `None`: nothing is held back.
    pub(crate) srtt: Option<Duration>,
}

impl Received {
    pub(crate) fn new() -> Self {
        Self {
            window: ReplayWindow::new(),
            ranges: RangeSet::default(),
            largest_at: Instant::ZERO,
            unacknowledged: 0,
            due: None,
            is_urgent: false,
            urgent_sent: None,
            behind_gap: None,
            late_at: None,
            arrivals: Arrivals {
                every: ACK_EVERY_MIN,
                ..Arrivals::default()
            },
        }
    }

    /// The largest number that has arrived, taken in or not.
    pub(crate) fn largest(&self) -> Option<u64> {
        self.window.largest()
    }

    /// Whether a number has neither arrived nor is too old to tell.
    pub(crate) fn is_new(&self, packet_number: u64) -> bool {
        self.window.is_new(packet_number)
    }

    /// A packet that authenticated and for whose frames there was no room: it is not acknowledged,
    /// and a copy of it is not new.
    pub(crate) fn on_refused(&mut self, packet_number: u64) {
        self.window.insert(packet_number);
    }

    /// A packet that authenticated and whose frames were taken in.
    pub(crate) fn on_packet(&mut self, now: Instant, packet_number: u64, packet: Arrival) {
        let largest = self.ranges.max();
        self.window.insert(packet_number);
        self.ranges.insert(packet_number..packet_number + 1);
        if self.ranges.len() > RANGES_MAX {
            self.ranges.pop_first();
        }
        let next = largest.map_or(0, |largest| largest + 1);
        if packet_number >= next {
            self.largest_at = now;
        }
        if !packet.eliciting && !planted!(AcksAcknowledged) {
            return;
        }
        self.unacknowledged += 1;
        let (at, is_urgent) = match packet.srtt {
            None => (now, false),
            Some(srtt) => {
                self.arrivals.on_packet(now, srtt);
                self.due_for(now, packet_number, next, packet.ends, Self::hold(srtt))
            }
        };
        self.is_urgent |= is_urgent;
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// When this packet wants an acknowledgement to go out, and whether that is a matter of urgency,
    /// of which there is only so much.
    fn due_for(
        &mut self,
        now: Instant,
        packet_number: u64,
        next: u64,
        ends: bool,
        hold: Duration,
    ) -> (Instant, bool) {
        let (is_late, is_ahead) = (packet_number < next, packet_number > next);
        if is_late {
            self.late_at = Some(now);
        }
        if is_ahead {
            self.behind_gap = Some(packet_number);
        }
        if self.unacknowledged >= self.arrivals.every {
            return (now, false);
        }
        // After its end the sender waits. First whoever it is for may answer: then the
        // acknowledgement goes along.
        let soon = if ends { now + hold / 8 } else { now };
        // The third behind a gap: now the sender knows that it was a loss (RFC 9002 §6.1.1).
        let reorders = (self.late_at).is_some_and(|at| now.since(at) < hold * REORDERING_LASTS);
        if self
            .behind_gap
            .is_some_and(|first| first + 2 == packet_number)
            && !reorders
        {
            return (soon, true);
        }
        if is_late || is_ahead || ends {
            // A path that goes on reordering does not get an acknowledgement for every packet.
            return (
                self.urgent_sent.map_or(soon, |at| soon.max(at + hold / 4)),
                true,
            );
        }
        (now + hold, false)
    }

    /// How long to hold an acknowledgement back on a path with this round-trip time: a quarter of
    /// it, so that a lone packet's sender does not wait.
    fn hold(srtt: Duration) -> Duration {
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

    /// Gives back memory: what has been on its way since before the connection went quiet counts as
    /// lost.
    pub(crate) fn rest(&mut self) {
        while self.ranges.len() > RESTING_RANGES_MAX {
            self.ranges.pop_first();
        }
        self.ranges.shrink();
        self.window.narrow();
    }

    /// Whether acknowledgements have become so long that the peer should tell which it has, so that
    /// what they told need not be told again (RFC 9000 §13.2.4).
    pub(crate) fn is_long(&self) -> bool {
        self.ranges.len() > RANGES_LONG
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
    pub(crate) fn on_ack_sent(&mut self, now: Instant) -> u64 {
        if self.is_urgent {
            self.is_urgent = false;
            self.urgent_sent = Some(now);
        }
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

    const MS: Duration = Duration::from_millis(1);
    const SRTT: Duration = Duration::from_millis(64);
    const HOLD: Duration = Duration::from_millis(16);

    fn at(ms: u64) -> Instant {
        Instant::from_nanos(ms * 1_000_000)
    }

    const FULL: Arrival = Arrival {
        eliciting: true,
        ends: false,
        srtt: Some(SRTT),
    };
    const END: Arrival = Arrival { ends: true, ..FULL };
    const ONLY_ACK: Arrival = Arrival {
        eliciting: false,
        ..FULL
    };

    #[test]
    fn acknowledges_at_once_on_gaps_and_every_tenth() {
        let mut received = Received::new();
        received.on_packet(at(1), 0, FULL);
        assert_eq!(received.due(), Some(at(1) + HOLD));
        received.on_packet(at(1), 2, FULL);
        assert_eq!(received.due(), Some(at(1)), "a gap");
        received.on_ack_sent(at(1));
        received.on_packet(at(2), 3, FULL);
        assert_eq!(received.due(), Some(at(2) + HOLD));
        received.on_packet(at(3), 4, FULL);
        assert_eq!(received.due(), Some(at(3)), "it was a loss");
        received.on_ack_sent(at(3));
        for number in 5..14 {
            received.on_packet(at(4), number, FULL);
            assert_eq!(received.due(), Some(at(4) + HOLD));
        }
        received.on_packet(at(4), 14, FULL);
        assert_eq!(received.due(), Some(at(4)), "the tenth");
        received.on_ack_sent(at(4));
        received.on_packet(at(10), 1, FULL);
        assert_eq!(received.due(), Some(at(10)), "out of order");
    }

    #[test]
    fn the_end_of_what_is_said_leaves_time_to_answer_and_no_more() {
        let mut received = Received::new();
        received.on_packet(at(1), 0, FULL);
        received.on_packet(at(1), 1, END);
        assert_eq!(received.due(), Some(at(3)));
        received.on_ack_sent(at(3));
        received.on_packet(at(4), 2, END);
        assert_eq!(received.due(), Some(at(7)), "not for each of many ends");
    }

    #[test]
    fn a_path_that_reorders_does_not_get_an_acknowledgement_for_each_packet() {
        let mut received = Received::new();
        let mut acks = 0;
        for step in 0..1000u64 {
            // Two packets a millisecond, each pair the wrong way round.
            for number in [2 * step + 1, 2 * step] {
                received.on_packet(at(step), number, FULL);
                if received.due().is_some_and(|due| due <= at(step)) {
                    acks += 1;
                    received.on_ack_sent(at(step));
                }
            }
        }
        assert!(
            (240..260).contains(&acks),
            "one in four milliseconds: {acks}"
        );
    }

    #[test]
    fn what_comes_fast_is_acknowledged_in_larger_pieces() {
        let mut received = Received::new();
        let mut acks = 0;
        // 1,000 in a round trip of 64 ms.
        for number in 0..10_000 {
            let now = at(0) + MS * 64 * number as u32 / 1000;
            received.on_packet(now, number, FULL);
            if received.due().is_some_and(|due| due <= now) {
                acks += 1;
                received.on_ack_sent(now);
            }
        }
        assert!((75..125).contains(&acks), "eight in a round trip: {acks}");
    }

    #[test]
    fn h35_packets_that_only_acknowledge_are_not_acknowledged() {
        let mut received = Received::new();
        for number in 0..100 {
            received.on_packet(Instant::ZERO, number * 2, ONLY_ACK);
        }
        assert_eq!(received.due(), None);
    }

    #[test]
    fn memory_is_bounded_by_the_newest_ranges() {
        let mut received = Received::new();
        for number in 0..10_000 {
            received.on_packet(Instant::ZERO, number * 2, FULL);
        }
        assert_eq!(received.ranges().len(), RANGES_MAX);
        assert_eq!(received.ranges().max(), Some(19_998));
        assert!(received.is_long());
        received.on_ack_acked(19_998);
        assert_eq!(received.ranges().len(), 1);
        assert!(!received.is_long());
    }
}
