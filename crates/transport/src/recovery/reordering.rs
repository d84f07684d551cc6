use core::time::Duration;

use super::{GRANULARITY, PACKET_THRESHOLD, Rtt};

/// So many round trips with losses, none of them spurious, and the window is as at first (RFC 8985
/// §7.1).
const CALM_ROUNDS: u8 = 16;

/// How long a packet may be overtaken by others before it counts as lost (RFC 8985 §6.2).
///
/// Until the path is seen to reorder, a packet is also lost when one three numbers later has
/// arrived. After that only time counts: a quarter of the smallest round-trip time, and twice
/// as much whenever a loss turns out to be spurious, up to a whole round trip.
#[derive(Debug)]
pub(crate) struct Reordering {
    /// Something has arrived behind what was sent later.
    seen: bool,
    /// The window, in quarters of the smallest round-trip time.
    quarters: u32,
    /// Rounds with losses until the window shrinks again.
    calm_in: u8,
    /// Numbers below it belong to a round that has been counted.
    round: u64,
}

impl Default for Reordering {
    fn default() -> Self {
        Self {
            seen: false,
            quarters: 1,
            calm_in: 0,
            round: 0,
        }
    }
}

impl Reordering {
    /// A packet was acknowledged behind one that was sent later.
    pub(super) fn on_late(&mut self) {
        self.seen = true;
    }

    /// Packets from `number` on had been declared lost and were not; `next` is the next packet's
    /// number. Once a round trip it widens the window.
    pub(super) fn on_spurious(&mut self, number: u64, next: u64) {
        self.seen = true;
        self.calm_in = CALM_ROUNDS;
        if number >= self.round {
            self.round = next;
            self.quarters = self.quarters.saturating_mul(2);
        }
    }

    /// Packets up to `number` were declared lost.
    pub(super) fn on_lost(&mut self, number: u64, next: u64) {
        if self.calm_in == 0 || number < self.round {
            return;
        }
        self.round = next;
        self.calm_in -= 1;
        if self.calm_in == 0 {
            self.quarters = 1;
        }
    }

    /// A packet is lost when one so many numbers later has arrived (RFC 9002 §6.1.1).
    pub(super) fn packet_threshold(&self) -> Option<u64> {
        (!self.seen).then_some(PACKET_THRESHOLD)
    }

    /// How much longer than a round trip a packet may take once a later one has arrived.
    pub(super) fn window(&self, rtt: &Rtt) -> Duration {
        let window = rtt.min().unwrap_or(rtt.smoothed()) / 4 * self.quarters.min(64);
        window.min(rtt.smoothed()).max(GRANULARITY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_window_widens_once_a_round_and_shrinks_after_calm_ones() {
        let mut rtt = Rtt::default();
        rtt.update(crate::Instant::ZERO, 40 * MS, Duration::ZERO);
        let mut reordering = Reordering::default();
        assert_eq!(reordering.packet_threshold(), Some(3));
        assert_eq!(reordering.window(&rtt), 10 * MS);
        reordering.on_spurious(5, 20);
        reordering.on_spurious(7, 22);
        assert_eq!(reordering.packet_threshold(), None);
        assert_eq!(reordering.window(&rtt), 20 * MS, "one round trip");
        reordering.on_spurious(20, 40);
        reordering.on_spurious(40, 60);
        assert_eq!(
            reordering.window(&rtt),
            40 * MS,
            "no more than a round trip"
        );
        for round in 0..15 {
            reordering.on_lost(60 + round * 10, 70 + round * 10);
            reordering.on_lost(61 + round * 10, 70 + round * 10);
        }
        assert_eq!(reordering.window(&rtt), 40 * MS);
        reordering.on_lost(210, 220);
        assert_eq!(reordering.window(&rtt), 10 * MS);
    }
}
