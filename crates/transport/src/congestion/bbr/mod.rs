//! A controller that models the path (BBR: draft-ietf-ccwg-bbr), with answers of its own to loss.
//!
//! It estimates how fast the path delivers and how long an empty path takes, sends at that rate, and
//! keeps about one product of both in flight. Now and then it sends faster for a round trip, to see
//! whether there is more, and then slower, until the queue that this made has drained.
//!
//! Loss alone is no congestion: wireless links lose at any rate. What is lost of packets that were
//! sent slower than the path can take them is the *base loss* of the path. It is added to what was
//! delivered when the bandwidth is estimated, so that the path is filled in spite of it. A round trip
//! is congested when more is lost than that, of packets that came to a long queue: chance takes them at
//! any length, a full queue only when it is full.
//!
//! Flows that fill queues, as CUBIC does, are met in their own way: see [`contest`].

mod contest;
mod model;
mod probe;
mod round;
#[cfg(test)]
mod tests;
mod train;

use core::time::Duration;

use super::{Acked, Controller, Lost};
use crate::Instant;
use contest::Contest;
use model::Model;
use round::{Round, Verdict};
use train::Train;

/// Doubles the delivery rate each round trip (draft-ietf-ccwg-bbr §5.6).
const STARTUP_GAIN: f64 = 2.77;
/// The first flight goes out in this fraction of a round trip: close enough together for most
/// bottlenecks to spread it, and so to tell their rate.
const FIRST_FLIGHT_GAIN: f64 = 8.0;
/// While so much of what the path is then known to take is not in flight yet, the window trebles each
/// round trip instead of doubling (after SUSS: Arghavani et al., SIGCOMM 2024).
const TRAIN_GAIN: f64 = 0.5;
/// In startup the window goes out in this fraction of a round trip at least, or the bandwidth that is
/// measured is that of its own pace.
const STARTUP_WINDOW_GAIN: f64 = 2.0;
const DRAIN_GAIN: f64 = 0.5;
const UP_GAIN: f64 = 1.25;
const DOWN_GAIN: f64 = 0.9;
/// While there is a queue of our own.
const TRIM_GAIN: f64 = 0.93;

/// Products of bandwidth and round trip that may be in flight, beside what aggregation takes.
const WINDOW_GAIN: f64 = 2.0;

/// So many packets at first. They are paced, and a round trip's worth of acknowledgements tells what
/// the path takes; what RFC 6928 allows would cost two round trips more (docs/PROTOCOL.md §4.5). In the
/// simulator's ten seconds with 5 % loss and 100 ms 10 packets make 2.12 MB/s and 32 make 2.20, with 50 ms
/// and 1 % 11.47 and 11.64. What they cost is on a link of 1 Mbit/s, whose queue of 25 KB the first flight
/// overflows: 4.5 % of ten seconds' packets, and no goodput.
const INITIAL_PACKETS: u64 = 32;
/// Fewer packets in flight would leave losses to be found by probe timeouts.
const PACKETS_MIN: u64 = 4;

/// Startup ends after so many rounds without a quarter more.
const FULL_ROUNDS: u8 = 3;

/// The estimate of the empty path's round trip is renewed when it is so old.
const MIN_RTT_AGE: Duration = Duration::from_secs(10);
/// For which so little is kept in flight for so long.
const PROBE_RTT_GAIN: f64 = 0.5;
const PROBE_RTT_TIME: Duration = Duration::from_millis(200);

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
    /// Beside flows that fill queues, as they do.
    Contest,
}

/// The controller.
#[derive(Debug)]
pub(crate) struct Bbr {
    mss: u64,
    phase: Phase,
    /// When the phase began, and how many rounds it has seen.
    since: Instant,
    rounds: u64,
    /// A queue was full: the phase has found all that it can.
    has_met_end: bool,
    model: Model,
    round: Round,
    train: Train,
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
    /// Beside others, or looking whether they are still there.
    contest: Option<Box<Contest>>,
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
            has_met_end: false,
            model: Model::default(),
            round: Round::default(),
            train: Train::default(),
            full_bandwidth: 0,
            full_rounds: 0,
            full: false,
            is_fresh: false,
            queued: false,
            trimmed: 0,
            trimmed_rtt: Duration::ZERO,
            contest: None,
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
                self.trimmed = 0;
                if !matches!(self.phase, Phase::Down | Phase::Drain) {
                    // Nothing was tried that could have found more.
                    self.full_bandwidth = u64::MAX;
                }
            }
            Phase::ProbeRtt => self.cwnd_before = self.cwnd,
            Phase::Up => {
                self.is_fresh = false;
                self.contest = None;
            }
            Phase::Startup | Phase::Contest => {}
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
        self.has_met_end = false;
    }

    fn pacing_gain(&self) -> f64 {
        match self.phase {
            Phase::Startup => STARTUP_GAIN,
            Phase::Drain => DRAIN_GAIN,
            // Below what is delivered: were it ourselves who make the path lose, that would end it.
            Phase::Down => DOWN_GAIN.min(0.98 - f64::from(self.model.base_loss())),
            Phase::Up => UP_GAIN,
            Phase::Cruise if self.trimmed > 0 => TRIM_GAIN,
            Phase::Cruise | Phase::Refill | Phase::ProbeRtt | Phase::Contest => 1.0,
        }
    }

    fn window_gain(&self) -> f64 {
        match self.phase {
            Phase::Startup | Phase::Drain => STARTUP_GAIN,
            Phase::ProbeRtt => PROBE_RTT_GAIN,
            Phase::Up => WINDOW_GAIN + UP_GAIN - 1.0,
            Phase::Down | Phase::Cruise | Phase::Refill | Phase::Contest => WINDOW_GAIN,
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
        let verdict = self.round.end(&self.model, self.mss, self.more());
        if !self.full {
            self.check_full(acked, queued, verdict);
        }
        if self.full && verdict == Verdict::Congested {
            self.on_congested_round(acked.now);
        }
        if self.phase == Phase::Cruise {
            self.trim(acked.now);
        }
        if self.is_after_probe() && verdict == Verdict::Fine && !queued {
            self.check_growth(acked);
        }
        if verdict == Verdict::Fine && self.phase == Phase::Up && self.inflight_high < u64::MAX {
            let step = (self.model.product(1.0) / 8) << self.rounds.min(4);
            self.inflight_high = self.inflight_high.saturating_add(step);
        }
    }

    fn check_full(&mut self, acked: &Acked, queued: bool, verdict: Verdict) {
        if acked.rate.app_limited {
            // Whatever else holds the sender back, a queue that overflows between its rests is full.
            self.full = queued && verdict == Verdict::Congested;
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
        self.full = self.full_rounds >= enough || queued && verdict == Verdict::Congested;
    }

    fn on_congested_round(&mut self, now: Instant) {
        let (before, product) = (self.round.inflight_before(), self.model.product(1.0));
        match self.phase {
            // What was lost when it sent slower again was sent before that.
            Phase::Cruise if self.rounds < 3 => {}
            // More than before, out of a full queue: others had it.
            Phase::Up | Phase::Down if self.has_taken() => {
                self.contend(now, true);
                self.give_way(now);
            }
            Phase::Up | Phase::Startup => {
                self.inflight_high = ((before as f64 * 0.85) as u64).max(product);
                self.has_met_end = true;
            }
            Phase::Cruise | Phase::Refill => {
                self.contend(now, true);
                self.give_way(now);
            }
            Phase::Down | Phase::Drain | Phase::ProbeRtt | Phase::Contest => {}
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
        } else if self.full
            && self.phase != Phase::Contest
            && self.model.min_rtt_age(now) > MIN_RTT_AGE
        {
            self.enter(Phase::ProbeRtt, now);
            self.model.begin_min_rtt();
        }
    }

    fn set_window(&mut self, acked: &Acked) {
        if let (Phase::Contest, Some(contest)) = (self.phase, &self.contest) {
            self.cwnd = contest.window();
            return;
        }
        let mut target = self.model.product(self.window_gain());
        if self.full && self.phase != Phase::ProbeRtt {
            target += self.model.aggregation();
        }
        let target = target.max(self.min_window());
        if self.full {
            self.cwnd = (self.cwnd + acked.bytes).min(target);
        } else if self.cwnd < self.spread() && !self.queued {
            self.cwnd += 2 * acked.bytes;
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

    /// So much in flight is still far from what the path takes.
    fn spread(&self) -> u64 {
        let rtt = self.model.min_rtt().as_secs_f64();
        (self.train.rate() as f64 * rtt * TRAIN_GAIN) as u64
    }

    fn set_rate(&mut self, acked: &Acked) {
        if let (Phase::Contest, Some(contest)) = (self.phase, &self.contest) {
            self.rate = contest.rate(acked.srtt);
            return;
        }
        let rate = (self.bandwidth() as f64 * self.pacing_gain()) as u64;
        if self.full {
            // The smallest window may always go out within a round trip: a path that let nearly
            // nothing through would otherwise be tried too rarely to notice that it has healed.
            let nanos = acked.srtt.as_nanos().max(1);
            let least = u128::from(self.min_window()) * 1_000_000_000 / nanos;
            self.rate = rate.max(u64::try_from(least).unwrap_or(u64::MAX));
            return;
        }
        // What is acknowledged tells of the round before the last. The window is ahead of that.
        let nanos = acked.srtt.as_nanos().max(1);
        let window = u128::from(self.cwnd) * 1_000_000_000 / nanos;
        let window = u64::try_from(window).unwrap_or(u64::MAX);
        let ahead = (window as f64 * STARTUP_WINDOW_GAIN) as u64;
        if acked.delivered < INITIAL_PACKETS * self.mss {
            self.rate = (window as f64 * FIRST_FLIGHT_GAIN) as u64;
        } else {
            self.rate = self.rate.max(rate).max(ahead);
        }
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
        if !self.full {
            self.train.on_ack(acked, self.model.min_rtt(), self.mss);
        }
        if self.round.on_ack(acked, &self.model) {
            self.on_round(acked);
            self.model.on_round();
        }
        if let (Phase::Contest, Some(contest)) = (self.phase, &mut self.contest) {
            contest.on_ack(acked, self.mss);
        }
        self.advance(acked);
        self.set_rate(acked);
        self.set_window(acked);
    }

    fn on_loss(&mut self, lost: &Lost) {
        self.round.on_loss(lost, &self.model);
        self.model.on_loss(lost);
        if self.is_news(lost.newest_sent)
            && self.round.is_congested(&self.model, self.mss, self.more())
        {
            self.give_way(lost.now);
        }
        if lost.persistent {
            self.cwnd = self.min_window();
        }
    }

    fn on_congestion_experienced(&mut self, now: Instant, sent: Instant) {
        self.round.on_marked();
        if self.is_news(sent) {
            self.give_way(now);
        }
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
        (rate as f64 * FIRST_FLIGHT_GAIN) as u64
    }
}
