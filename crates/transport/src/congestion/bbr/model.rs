use core::time::Duration;

use crate::Instant;
use crate::congestion::{Acked, Lost};

/// A round trip is timed no finer: acknowledgements, timers and batches are as coarse as this, and
/// a shorter product of bandwidth and round trip would starve a path that is faster than they are.
const RTT_FLOOR: Duration = Duration::from_millis(1);

/// So many bytes sent below the path's rate tell its base loss.
const QUIET_PACKETS: u64 = 60;
/// Of so many packets it is remembered.
const BASE_PACKETS: u64 = 1000;
/// Before it is known (BBR.LossThresh of draft-ietf-ccwg-bbr).
const BASE_LOSS_FIRST: f32 = 0.02;
/// More than this is not taken for base loss.
const BASE_LOSS_MAX: f32 = 0.5;

/// A queue's length is remembered for so long, and up to twice that.
const MAX_RTT_AGE: Duration = Duration::from_secs(8);

/// Rounds for which a burst of acknowledgements is remembered, at least.
const AGGREGATION_ROUNDS: u8 = 5;

/// What is known of the path.
#[derive(Debug)]
pub(super) struct Model {
    /// The highest bandwidth in this cycle of probing, and in the one before, in bytes per second.
    bandwidth: [u64; 2],
    min_rtt: Duration,
    /// When `min_rtt` was last seen.
    min_rtt_at: Instant,
    /// The shortest round trip since it began to be probed.
    probed_rtt: Duration,
    /// The longest round trip of late, and before that; since when it is late.
    max_rtt: [Duration; 2],
    max_rtt_at: Instant,
    /// The share of packets that is lost whatever we do.
    base_loss: f32,
    /// Bytes lost and bytes sent that it was counted from; the older, the less they weigh.
    base: [f32; 2],
    /// Packets sent between these times were sent slower than the path can take.
    quiet: (Instant, Instant),
    quiet_acked: u64,
    quiet_lost: u64,
    /// The most that was acknowledged beyond what the bandwidth explains, in these rounds and in
    /// those before.
    extra: [u64; 2],
    extra_rounds: u8,
    /// Since then so many bytes were acknowledged.
    burst_at: Instant,
    burst_bytes: u64,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            bandwidth: [0; 2],
            min_rtt: Duration::MAX,
            min_rtt_at: Instant::ZERO,
            probed_rtt: Duration::MAX,
            max_rtt: [Duration::ZERO; 2],
            max_rtt_at: Instant::ZERO,
            base_loss: 0.0,
            base: [0.0; 2],
            quiet: (Instant::ZERO, Instant::ZERO),
            quiet_acked: 0,
            quiet_lost: 0,
            extra: [0; 2],
            extra_rounds: 0,
            burst_at: Instant::ZERO,
            burst_bytes: 0,
        }
    }
}

impl Model {
    /// What can be sent, in bytes per second.
    pub(super) fn bandwidth(&self) -> u64 {
        self.bandwidth[0].max(self.bandwidth[1])
    }

    /// The share that is lost without congestion.
    pub(super) fn base_loss(&self) -> f32 {
        if self.base[1] == 0.0 {
            return BASE_LOSS_FIRST;
        }
        self.base_loss
    }

    /// `gain` times the product of bandwidth and round trip, in bytes.
    pub(super) fn product(&self, gain: f64) -> u64 {
        if self.min_rtt == Duration::MAX {
            return u64::MAX / 4;
        }
        let rtt = self.min_rtt.max(RTT_FLOOR);
        (self.bandwidth() as f64 * rtt.as_secs_f64() * gain) as u64
    }

    /// What may be in flight on top, because acknowledgements come in bursts.
    pub(super) fn aggregation(&self) -> u64 {
        self.extra[0].max(self.extra[1])
    }

    /// Whether packets of a round whose shortest round trip was this have waited in a queue.
    pub(super) fn is_queued(&self, rtt: Duration) -> bool {
        rtt != Duration::MAX
            && rtt
                > self
                    .min_rtt
                    .saturating_add((self.min_rtt / 8).max(RTT_FLOOR))
    }

    /// The round trip of the empty path.
    pub(super) fn min_rtt(&self) -> Duration {
        self.min_rtt
    }

    pub(super) fn min_rtt_age(&self, now: Instant) -> Duration {
        now.since(self.min_rtt_at)
    }

    /// The round trip begins to be probed.
    pub(super) fn begin_min_rtt(&mut self) {
        self.probed_rtt = Duration::MAX;
    }

    /// The round trip has been probed. A path that has become longer keeps packets in flight for
    /// longer, and not in a queue; what jitter adds to the shortest of a few is left out.
    pub(super) fn end_min_rtt(&mut self, now: Instant) {
        if self.is_queued(self.probed_rtt) {
            self.min_rtt = self.probed_rtt;
        }
        self.min_rtt_at = now;
    }

    pub(super) fn on_restart(&mut self, now: Instant) {
        self.burst_at = now;
        self.burst_bytes = 0;
    }

    pub(super) fn on_ack(&mut self, acked: &Acked, cwnd: u64) {
        if let Some(rtt) = acked.rtt {
            self.on_rtt(acked.now, rtt);
        }
        if acked.newest_sent >= self.quiet.0 && acked.newest_sent < self.quiet.1 {
            self.quiet_acked += acked.bytes;
        } else if self.quiet.1 < acked.newest_sent {
            self.judge_quiet();
        }
        self.on_rate(acked);
        self.on_burst(acked, cwnd);
    }

    fn on_rtt(&mut self, now: Instant, rtt: Duration) {
        // As good as the minimum: a queue that is empty now and then needs no probing.
        if rtt <= self.min_rtt.saturating_add(self.min_rtt / 32) {
            self.min_rtt_at = now;
        }
        self.min_rtt = self.min_rtt.min(rtt);
        self.probed_rtt = self.probed_rtt.min(rtt);
        if now.since(self.max_rtt_at) > MAX_RTT_AGE {
            self.max_rtt = [Duration::ZERO, self.max_rtt[0]];
            self.max_rtt_at = now;
        }
        self.max_rtt[0] = self.max_rtt[0].max(rtt);
    }

    /// Whether the queue was more than half as long as it has been of late: a full queue is what
    /// congestion loses packets to, and chance loses them at any length.
    pub(super) fn is_long(&self, rtt: Duration) -> bool {
        let longest = self.max_rtt[0].max(self.max_rtt[1]);
        let queue = rtt.saturating_sub(self.min_rtt);
        let floor = (self.min_rtt / 16).max(RTT_FLOOR);
        queue > floor && queue > longest.saturating_sub(self.min_rtt) / 2
    }

    fn on_rate(&mut self, acked: &Acked) {
        // draft-cheng-iccrg-delivery-rate-estimation §3.3: acknowledgements were compressed.
        if acked.rate.interval < self.min_rtt {
            return;
        }
        let rate = (acked.rate.rate() as f64 / f64::from(1.0 - self.base_loss)) as u64;
        if !acked.rate.app_limited || rate > self.bandwidth() {
            self.bandwidth[0] = self.bandwidth[0].max(rate);
        }
    }

    fn on_burst(&mut self, acked: &Acked, cwnd: u64) {
        let elapsed = acked.now.since(self.burst_at).as_secs_f64();
        let expected = (self.bandwidth() as f64 * elapsed) as u64;
        if self.burst_bytes <= expected {
            self.burst_at = acked.now;
            self.burst_bytes = acked.bytes;
            self.extra[0] = self.extra[0].max(acked.bytes);
            return;
        }
        self.burst_bytes += acked.bytes;
        let extra = (self.burst_bytes - expected).min(cwnd);
        self.extra[0] = self.extra[0].max(extra);
    }

    pub(super) fn on_loss(&mut self, lost: &Lost) {
        // What a queue of others has lost says nothing about the path.
        let by_chance = !self.is_long(lost.rtt);
        if by_chance && lost.oldest_sent >= self.quiet.0 && lost.newest_sent < self.quiet.1 {
            self.quiet_lost += lost.bytes;
        }
    }

    /// What was taken for lost has arrived.
    pub(super) fn on_late(&mut self, sent: Instant, bytes: u64) {
        if sent >= self.quiet.0 && sent < self.quiet.1 {
            self.quiet_lost = self.quiet_lost.saturating_sub(bytes);
            self.quiet_acked += bytes;
        }
    }

    pub(super) fn on_round(&mut self) {
        self.extra_rounds += 1;
        if self.extra_rounds >= AGGREGATION_ROUNDS {
            self.extra_rounds = 0;
            self.extra = [0, self.extra[0]];
        }
    }

    /// A cycle of probing ends.
    pub(super) fn advance_bandwidth(&mut self) {
        if self.bandwidth[0] > 0 {
            self.bandwidth = [0, self.bandwidth[0]];
        }
    }

    /// What is sent from now on is sent slower than the path can take it.
    pub(super) fn begin_quiet(&mut self, now: Instant) {
        self.quiet = (now, Instant::from_nanos(u64::MAX));
        self.quiet_acked = 0;
        self.quiet_lost = 0;
    }

    /// Up to here.
    pub(super) fn end_quiet(&mut self, now: Instant) {
        self.quiet.1 = now;
    }

    /// All of the quiet time is acknowledged, or lost.
    fn judge_quiet(&mut self) {
        let total = self.quiet_acked + self.quiet_lost;
        if total < QUIET_PACKETS * 1200 {
            return;
        }
        let [lost, all] = &mut self.base;
        *lost += self.quiet_lost as f32;
        *all += total as f32;
        self.base_loss = (*lost / *all).min(BASE_LOSS_MAX);
        let most = (BASE_PACKETS * 1200) as f32;
        if *all > most {
            (*lost, *all) = (*lost * most / *all, most);
        }
        self.quiet_acked = 0;
        self.quiet_lost = 0;
    }
}
