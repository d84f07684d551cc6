//! When the estimate is probed, and what a probe has found.

use core::time::Duration;

use super::{Bbr, Phase, UP_GAIN};
use crate::Instant;
use crate::congestion::Acked;

/// How long it keeps to the estimate between probes: at least and at most.
const CRUISE_MIN: Duration = Duration::from_millis(1500);
const CRUISE_MORE: Duration = Duration::from_millis(1000);
/// Or as many rounds as a loss-based flow takes to get its window back, if that is less.
const CRUISE_ROUNDS: u64 = 63;

/// Only so many rounds after startup.
const FRESH_ROUNDS: u64 = 3;

impl Bbr {
    pub(super) fn is_time_to_probe(&self, now: Instant) -> bool {
        // Flows that share a queue should not probe in step: whatever was delivered spreads them.
        let spread = CRUISE_MORE / 256 * (self.round.began_at() / self.mss % 256) as u32;
        let packets = self.model.product(1.0) / self.mss;
        let look = (self.contest.as_ref()).map_or(Duration::ZERO, |contest| contest.epoch());
        if now.since(self.since) < look * 5 / 4 {
            return false;
        }
        // What startup found was found in a hurry.
        if self.is_fresh && self.rounds > FRESH_ROUNDS {
            return true;
        }
        now.since(self.since) >= CRUISE_MIN + spread || self.rounds > packets.min(CRUISE_ROUNDS)
    }

    pub(super) fn has_probed(&self, in_flight: u64) -> bool {
        self.has_met_end
            || self.rounds > 0 && in_flight >= self.model.product(UP_GAIN).min(self.inflight_high)
            || self.rounds > 6
    }

    pub(super) fn is_drained(&self, in_flight: u64) -> bool {
        let headroom = self.inflight_high / 20 * 17;
        in_flight <= self.model.product(1.0).min(headroom.max(self.min_window())) || self.rounds > 5
    }

    /// Whether this round tells what a probe has found: that is known a round trip after it, when its queue
    /// may be gone already.
    pub(super) fn is_after_probe(&self) -> bool {
        match self.phase {
            Phase::Up | Phase::Down => true,
            Phase::Cruise => self.rounds <= 1,
            _ => false,
        }
    }

    /// A probe that found a fifth more, and no queue, has not found the end.
    pub(super) fn check_growth(&mut self, acked: &Acked) {
        let bandwidth = self.model.bandwidth();
        if bandwidth > self.full_bandwidth.saturating_add(self.full_bandwidth / 5) {
            self.full = false;
            self.full_bandwidth = bandwidth;
            self.full_rounds = 0;
            self.inflight_high = u64::MAX;
            self.enter(Phase::Startup, acked.now);
        }
    }
}
