//! A controller that models the path (BBR: draft-ietf-ccwg-bbr), with answers of its own to loss.
//!
//! It estimates how fast the path delivers and how long an empty path takes, sends at that rate, and
//! keeps about one product of both in flight. Now and then it sends faster for a round trip, to see
//! whether there is more, and then slower, until the queue that this made has drained.
//!
//! Loss alone is no congestion: wireless links lose at any rate. What is lost of packets that were
//! sent slower than the path can take them is the *base loss* of the path. It is added to what was
//! delivered when the bandwidth is estimated, so that the path is filled in spite of it. A round trip
//! is congested when more is lost than that, and packets wait in a queue.

mod model;
mod round;
#[cfg(test)]
mod tests;

use core::time::Duration;

use super::{Acked, Controller, Lost};
use crate::Instant;
use model::Model;
use round::{Round, Verdict};

/// Doubles the delivery rate each round trip (draft-ietf-ccwg-bbr §5.6).
const STARTUP_GAIN: f64 = 2.77;
const DRAIN_GAIN: f64 = 0.5;
const UP_GAIN: f64 = 1.25;
const DOWN_GAIN: f64 = 0.9;
/// While there is a queue of our own, for so many rounds at a time.
const TRIM_GAIN: f64 = 0.93;
const TRIM_ROUNDS: u8 = 4;

/// Products of bandwidth and round trip that may be in flight, beside what aggregation takes.
const WINDOW_GAIN: f64 = 2.0;

/// So many packets at first. They are paced, and a round trip's worth of acknowledgements tells what
/// the path takes; what RFC 6928 allows would cost two round trips more.
const INITIAL_PACKETS: u64 = 32;
/// Fewer packets in flight would leave losses to be found by probe timeouts.
const PACKETS_MIN: u64 = 4;

/// Startup ends after so many rounds without a quarter more.
const FULL_ROUNDS: u8 = 3;

/// How long it keeps to the estimate between probes: at least and at most.
const CRUISE_MIN: Duration = Duration::from_millis(1500);
const CRUISE_MORE: Duration = Duration::from_millis(1000);
/// Or as many rounds as a loss-based flow takes to get its window back, if that is less.
const CRUISE_ROUNDS: u64 = 63;

/// Only so many rounds after startup.
const FRESH_ROUNDS: u64 = 3;

/// The estimate of the empty path's round trip is renewed when it is so old.
const MIN_RTT_AGE: Duration = Duration::from_secs(10);
/// For which so little is kept in flight for so long.
const PROBE_RTT_GAIN: f64 = 0.5;
const PROBE_RTT_TIME: Duration = Duration::from_millis(200);

/// What a congested round leaves of the window.
const BETA: f64 = 0.7;

/// Beside others who keep up the queue, as much is in flight as keeps the rate while the round trip
/// is no longer than this share of what it is when the queue is full.
const CONTESTED_SHARE: f64 = 0.87;
const CONTESTED_GAIN_MAX: f64 = 6.0;

/// What it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Finds the bandwidth.
    Startup,
    /// Lets the queue of startup drain.
    Drain,
    /// Lets the queue of a probe drain.
    Down,
    /// Keeps to the estimate.
    Cruise,
    /// Fills the path for a round trip, so that what a probe shows is the probe's.
    Refill,
    /// Probes for more bandwidth.
    Up,
    /// Probes for a shorter round trip.
    ProbeRtt,
}

/// The controller.
#[derive(Debug)]
pub(crate) struct Bbr {
    mss: u64,
    phase: Phase,
    /// When the phase began, and how many rounds it has seen.
    since: Instant,
    rounds: u64,
    model: Model,
    round: Round,
    /// The bandwidth at which startup last saw growth, and how many rounds ago.
    full_bandwidth: u64,
    full_rounds: u8,
    /// Startup has found the bandwidth.
    full: bool,
    /// It has not probed since.
    is_fresh: bool,
    /// The last round found a queue.
    queued: bool,
    /// For so many rounds of the cruise it has sent slower, because of a queue; with this round trip
    /// at first.
    trimmed: u8,
    trimmed_rtt: Duration,
    /// That did not help: the queue is others'.
    contested: bool,
    /// That was found out in this cruise.
    tried: bool,
    /// The round trip when the queue was full.
    full_rtt: Duration,
    /// More than this in flight has led to congestion; probes may raise it.
    inflight_high: u64,
    /// The same, until the next probe.
    inflight_low: u64,
    bandwidth_low: u64,
    cwnd: u64,
    /// The window before something that took it away for a time.
    cwnd_before: u64,
    /// Bytes per second.
    rate: u64,
}

impl Bbr {
    pub(crate) fn new(mss: u64) -> Self {
        Self {
            mss,
            phase: Phase::Startup,
            since: Instant::ZERO,
            rounds: 0,
            model: Model::default(),
            round: Round::default(),
            full_bandwidth: 0,
            full_rounds: 0,
            full: false,
            is_fresh: false,
            queued: false,
            trimmed: 0,
            trimmed_rtt: Duration::ZERO,
            contested: false,
            tried: false,
            full_rtt: Duration::ZERO,
            inflight_high: u64::MAX,
            inflight_low: u64::MAX,
            bandwidth_low: u64::MAX,
            cwnd: INITIAL_PACKETS * mss,
            cwnd_before: 0,
            rate: 0,
        }
    }

    fn enter(&mut self, phase: Phase, now: Instant) {
        match phase {
            Phase::Refill => {
                self.inflight_low = u64::MAX;
                self.bandwidth_low = u64::MAX;
                self.full_bandwidth = self.model.bandwidth();
            }
            Phase::Down | Phase::Drain => self.model.begin_quiet(now),
            // What the probe has shown is in: the cycle before the last is forgotten.
            Phase::Cruise => {
                self.model.advance_bandwidth();
                self.tried = false;
                self.trimmed = 0;
            }
            Phase::ProbeRtt => self.cwnd_before = self.cwnd,
            Phase::Up => self.is_fresh = false,
            Phase::Startup => {}
        }
        if phase == Phase::Drain {
            self.is_fresh = true;
        }
        if matches!(self.phase, Phase::Down | Phase::Drain) {
            self.model.end_quiet(now);
        }
        self.phase = phase;
        self.since = now;
        self.rounds = 0;
    }

    fn pacing_gain(&self) -> f64 {
        match self.phase {
            Phase::Startup => STARTUP_GAIN,
            Phase::Drain => DRAIN_GAIN,
            Phase::Down => DOWN_GAIN,
            Phase::Up => UP_GAIN,
            Phase::Cruise if self.trimmed > 0 => TRIM_GAIN,
            Phase::Cruise | Phase::Refill | Phase::ProbeRtt => 1.0,
        }
    }

    fn window_gain(&self) -> f64 {
        match self.phase {
            Phase::Startup | Phase::Drain => STARTUP_GAIN,
            Phase::ProbeRtt => PROBE_RTT_GAIN,
            _ if self.contested && self.full_rtt > Duration::ZERO => {
                let full = self.full_rtt.as_secs_f64() / self.model.min_rtt().as_secs_f64();
                (full * CONTESTED_SHARE).clamp(UP_GAIN, CONTESTED_GAIN_MAX)
            }
            Phase::Up => WINDOW_GAIN + UP_GAIN - 1.0,
            Phase::Down | Phase::Cruise | Phase::Refill => WINDOW_GAIN,
        }
    }

    fn bandwidth(&self) -> u64 {
        self.model.bandwidth().min(self.bandwidth_low)
    }

    fn min_window(&self) -> u64 {
        PACKETS_MIN * self.mss
    }

    /// Looks back at a round that has ended.
    fn on_round(&mut self, acked: &Acked) {
        self.rounds += 1;
        let queued = self.model.is_queued(self.round.min_rtt());
        self.queued = queued;
        let bandwidth = self.round.bandwidth();
        let verdict = self.round.end(&self.model, self.mss, queued);
        if !self.full {
            self.check_full(acked, queued, verdict);
        }
        if self.full && verdict == Verdict::Congested {
            self.on_congested_round(bandwidth);
        }
        if self.phase == Phase::Cruise {
            self.trim();
        }
        if matches!(self.phase, Phase::Up | Phase::Down) && verdict == Verdict::Fine && !queued {
            self.check_growth(acked);
        }
        if verdict == Verdict::Fine && self.phase == Phase::Up && self.inflight_high < u64::MAX {
            let step = (self.model.product(1.0) / 8) << self.rounds.min(4);
            self.inflight_high = self.inflight_high.saturating_add(step);
        }
    }

    fn check_full(&mut self, acked: &Acked, queued: bool, verdict: Verdict) {
        if acked.rate.app_limited {
            return;
        }
        let bandwidth = self.model.bandwidth();
        if bandwidth >= self.full_bandwidth.saturating_add(self.full_bandwidth / 4) {
            self.full_bandwidth = bandwidth;
            self.full_rounds = 0;
        } else {
            self.full_rounds = self.full_rounds.saturating_add(1);
        }
        let enough = if queued { 1 } else { FULL_ROUNDS };
        self.full = self.full_rounds >= enough || verdict == Verdict::Congested;
    }

    /// A probe that found a fifth more, and no queue, has not found the end.
    fn check_growth(&mut self, acked: &Acked) {
        let bandwidth = self.model.bandwidth();
        if bandwidth > self.full_bandwidth.saturating_add(self.full_bandwidth / 5) {
            self.full = false;
            self.full_bandwidth = bandwidth;
            self.full_rounds = 0;
            self.inflight_high = u64::MAX;
            self.enter(Phase::Startup, acked.now);
        }
    }

    /// The estimate is the highest of many, and so a little high. What that queues up in the course
    /// of a cruise has to go; but a queue that does not shrink then is that of others, who would take
    /// all that is left to them.
    fn trim(&mut self) {
        let rtt = self.round.min_rtt_before();
        if !self.queued {
            self.trimmed = 0;
            self.contested = false;
        } else if self.tried {
            self.trimmed = 0;
        } else if self.trimmed == 0 {
            self.trimmed = 1;
            self.trimmed_rtt = rtt;
        } else {
            self.trimmed += 1;
            if self.trimmed > TRIM_ROUNDS {
                self.contested = rtt.saturating_add(self.model.min_rtt() / 50) > self.trimmed_rtt;
                self.tried = self.contested;
                self.trimmed = 0;
            }
        }
    }

    fn on_congested_round(&mut self, bandwidth: u64) {
        let (before, product) = (self.round.inflight_before(), self.model.product(1.0));
        if self.queued {
            self.full_rtt = self.round.min_rtt_before();
        }
        match self.phase {
            // What was lost when it sent slower again was sent before that.
            Phase::Cruise if self.rounds < 3 => {}
            Phase::Up | Phase::Startup => {
                self.inflight_high = ((before as f64 * 0.85) as u64).max(product);
                self.rounds = u64::MAX;
            }
            Phase::Down | Phase::Cruise | Phase::Refill => {
                let reached = self.round.delivered_before();
                let less = (self.cwnd.min(before) as f64 * BETA) as u64;
                self.inflight_low = less.max(reached.min(product));
                let less = (self.bandwidth() as f64 * BETA) as u64;
                self.bandwidth_low = less.max(bandwidth);
            }
            Phase::Drain | Phase::ProbeRtt => {}
        }
    }

    fn advance(&mut self, acked: &Acked) {
        let Acked { now, in_flight, .. } = *acked;
        match self.phase {
            Phase::Startup if self.full => self.enter(Phase::Drain, now),
            Phase::Drain if in_flight <= self.model.product(1.0) || self.rounds > 3 => {
                self.enter(Phase::Cruise, now);
            }
            Phase::Down if self.is_drained(in_flight) => self.enter(Phase::Cruise, now),
            Phase::Cruise if self.is_time_to_probe(now) => self.enter(Phase::Refill, now),
            Phase::Refill if self.rounds > 0 => self.enter(Phase::Up, now),
            Phase::Up if self.has_probed(in_flight) => self.enter(Phase::Down, now),
            _ => {}
        }
        self.check_min_rtt(acked);
    }

    fn is_drained(&self, in_flight: u64) -> bool {
        let headroom = self.inflight_high / 20 * 17;
        in_flight <= self.model.product(1.0).min(headroom.max(self.min_window())) || self.rounds > 5
    }

    fn is_time_to_probe(&self, now: Instant) -> bool {
        // Flows that share a queue should not probe in step: whatever was delivered spreads them.
        let spread = CRUISE_MORE / 256 * (self.round.began_at() / self.mss % 256) as u32;
        let packets = self.model.product(1.0) / self.mss;
        // What startup found was found in a hurry.
        if self.is_fresh && self.rounds > FRESH_ROUNDS {
            return true;
        }
        now.since(self.since) >= CRUISE_MIN + spread || self.rounds > packets.min(CRUISE_ROUNDS)
    }

    fn has_probed(&self, in_flight: u64) -> bool {
        self.rounds == u64::MAX
            || self.rounds > 0 && in_flight >= self.model.product(UP_GAIN).min(self.inflight_high)
            || self.rounds > 6
    }

    fn check_min_rtt(&mut self, acked: &Acked) {
        let Acked { now, .. } = *acked;
        if self.phase == Phase::ProbeRtt {
            if now.since(self.since) >= PROBE_RTT_TIME && self.rounds > 0 {
                self.model.end_min_rtt(now);
                self.cwnd = self.cwnd.max(self.cwnd_before);
                self.enter(
                    if self.full {
                        Phase::Cruise
                    } else {
                        Phase::Startup
                    },
                    now,
                );
            }
        } else if self.full && self.model.min_rtt_age(now) > MIN_RTT_AGE {
            self.enter(Phase::ProbeRtt, now);
            self.model.begin_min_rtt();
        }
    }

    fn set_window(&mut self, acked: &Acked) {
        let mut target = self.model.product(self.window_gain());
        if self.full && self.phase != Phase::ProbeRtt {
            target += self.model.aggregation();
        }
        let target = target.max(self.min_window());
        if self.full {
            self.cwnd = (self.cwnd + acked.bytes).min(target);
        } else if self.cwnd < target || acked.delivered < INITIAL_PACKETS * self.mss {
            self.cwnd += acked.bytes;
        }
        let headroom = match self.phase {
            Phase::Cruise | Phase::Down => self.inflight_high / 20 * 17,
            _ => self.inflight_high,
        };
        let bound = headroom.min(self.inflight_low).max(self.min_window());
        self.cwnd = self.cwnd.min(bound);
    }

    fn set_rate(&mut self, acked: &Acked) {
        let rate = (self.bandwidth() as f64 * self.pacing_gain()) as u64;
        if self.full {
            // The smallest window may always go out within a round trip: a path that let nearly
            // nothing through would otherwise be tried too rarely to notice that it has healed.
            let nanos = acked.srtt.as_nanos().max(1);
            let least = u128::from(self.min_window()) * 1_000_000_000 / nanos;
            self.rate = rate.max(u64::try_from(least).unwrap_or(u64::MAX));
            return;
        }
        if self.rate == 0 {
            self.rate = self.pacing_rate(acked.srtt);
        }
        self.rate = self.rate.max(rate);
    }
}

impl Controller for Bbr {
    fn on_sent(&mut self, now: Instant, bytes: u64, in_flight: u64) {
        self.round.on_sent(in_flight + bytes);
        if in_flight == 0 {
            self.model.on_restart(now);
        }
    }

    fn on_ack(&mut self, acked: &Acked) {
        self.model.on_ack(acked, self.cwnd);
        if self.round.on_ack(acked) {
            self.on_round(acked);
            self.model.on_round();
        }
        self.advance(acked);
        self.set_rate(acked);
        self.set_window(acked);
    }

    fn on_loss(&mut self, lost: &Lost) {
        self.round.on_loss(lost);
        self.model.on_loss(lost);
        if lost.persistent {
            self.cwnd = self.min_window();
        }
    }

    fn on_congestion_experienced(&mut self, _: Instant, _: Instant) {
        self.round.on_marked();
    }

    fn on_spurious_loss(&mut self, _: Instant, sent: Instant, bytes: u64) {
        self.round.on_late(bytes);
        self.model.on_late(sent, bytes);
    }

    fn on_mtu(&mut self, mss: u64) {
        let packets = self.cwnd / self.mss;
        self.mss = mss;
        if self.rate == 0 {
            self.cwnd = packets * mss;
        }
        self.cwnd = self.cwnd.max(self.min_window());
    }

    fn window(&self) -> u64 {
        self.cwnd
    }

    fn pacing_rate(&self, srtt: Duration) -> u64 {
        if self.rate > 0 {
            return self.rate;
        }
        let nanos = srtt.as_nanos().max(1);
        let rate = u128::from(self.cwnd) * 1_000_000_000 / nanos;
        (rate as f64 * STARTUP_GAIN) as u64
    }
}
