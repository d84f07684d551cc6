use core::time::Duration;

use super::{Bbr, Phase};
use crate::Instant;
use crate::congestion::Acked;
use crate::congestion::cubic::Growing;

/// It goes on at least for so long; whenever it was right to go on, for twice as long the next time,
/// but no longer than that.
const LASTS_MIN: Duration = Duration::from_secs(4);
const LASTS_MAX: Duration = Duration::from_secs(32);

/// While there is a queue of our own, it sends slower for so many rounds at a time.
const TRIM_ROUNDS: u8 = 4;

/// A little faster than a window a round trip (RFC 9002 §7.7).
const CONTEST_GAIN: f64 = 1.25;
/// To see whether they are still there, it keeps to this share of what it had.
const LOOK_SHARE: f64 = 0.85;

/// Out of a short queue it begins with this share of what was in flight, as with a reduction of CUBIC's
/// more: two windows that are reduced together and grow together come close only in many epochs,
/// of seven seconds each at 50 Mbit/s and 100 ms.
const SHORT_QUEUE_SHARE: f64 = 0.7;
/// A path on which less than this is lost without congestion does not lose by itself.
const CLEAN_LOSS_MAX: f32 = 0.005;

/// A probe by a quarter beside a flow that has a quarter of the link takes a twentieth of one's own from
/// it. Noise is less than this.
const TAKEN_SHARE: u64 = 33;

/// The window of a flow beside others that fill queues until packets are lost (RFC 9438): whoever
/// keeps to what it finds free is left nothing by them, and whoever does not care leaves them nothing.
///
/// The two ways to be, and changing between them, are Copa's (Arun and Balakrishnan, NSDI 2018, §2.2).
/// Only what a full queue has lost makes this window smaller: what a path loses anyway would make it
/// collapse. Whether the others are still there does not show while it keeps up the queue itself. So it
/// stops now and then after a reduction, and holds still for longer than the queue took to fill: if it
/// fills again, it was not we.
///
/// Measured in virtual time at 50 Mbit/s: of a link with a queue of a fifth of the round trip a CUBIC flow
/// keeps 42 to 53 % at round trips of 10 to 100 ms, where keeping to one's own estimate left it 4 to 13 %; with
/// a queue of four round trips 44 to 79 %, where it took 49 to 94 %.
#[derive(Debug)]
pub(super) struct Contest {
    growth: Growing,
    began: Instant,
    lasts: Duration,
    /// Losses of what was sent before belong to the last reduction.
    reduced: Instant,
    /// The time between the last two.
    epoch: Duration,
}

impl Contest {
    /// With so much in flight.
    pub(super) fn new(now: Instant, window: u64) -> Self {
        Self {
            growth: Growing::new(window),
            began: now,
            lasts: LASTS_MIN,
            reduced: now,
            epoch: Duration::ZERO,
        }
    }

    /// It was left, and should not have been.
    pub(super) fn resume(&mut self, now: Instant, window: u64) {
        let lasts = (self.lasts * 2).min(LASTS_MAX);
        *self = Self {
            lasts,
            ..Self::new(now, window)
        };
    }

    pub(super) fn on_ack(&mut self, acked: &Acked, mss: u64) {
        if !acked.limited {
            // RFC 9438 §5.8.
            self.growth.pause();
        } else if acked.newest_sent > self.reduced {
            (self.growth).avoid(acked.now, acked.bytes, acked.srtt, mss);
        }
    }

    /// Packets sent at `sent` met a full queue, and that is not known yet.
    pub(super) fn is_news(&self, sent: Instant) -> bool {
        sent > self.reduced
    }

    /// A full queue. Tells whether it is time to look whether the others are still there.
    pub(super) fn reduce(&mut self, now: Instant, min: u64) -> bool {
        self.growth.reduce(min);
        self.epoch = now.since(self.reduced);
        self.reduced = now;
        now.since(self.began) >= self.lasts
    }

    /// The others would fill the queue within so long.
    pub(super) fn epoch(&self) -> Duration {
        self.epoch
    }

    /// Bytes that may be in flight.
    pub(super) fn window(&self) -> u64 {
        self.growth.window()
    }

    /// Bytes per second.
    pub(super) fn rate(&self, srtt: Duration) -> u64 {
        let rtt = srtt.as_secs_f64().max(1e-6);
        (self.window() as f64 * CONTEST_GAIN / rtt) as u64
    }
}

impl Bbr {
    /// The estimate is the highest of many, and so a little high. What that queues up in the course
    /// of a cruise has to go; but a queue that does not shrink then is that of others, who would take
    /// all that is left to them.
    pub(super) fn trim(&mut self, now: Instant) {
        let rtt = self.round.min_rtt_before();
        if !self.queued {
            self.trimmed = 0;
        } else if self.trimmed == 0 {
            self.trimmed = 1;
            self.trimmed_rtt = rtt;
        } else {
            self.trimmed += 1;
            if self.trimmed > TRIM_ROUNDS {
                self.trimmed = 0;
                if rtt.saturating_add(self.model.min_rtt() / 50) > self.trimmed_rtt {
                    self.contend(now, false);
                }
            }
        }
    }

    /// There are others who fill the queue; it is `full`, or they only keep it up.
    pub(super) fn contend(&mut self, now: Instant, full: bool) {
        let mut window = self.round.inflight_before();
        if full && self.is_queue_short() {
            window = (window as f64 * SHORT_QUEUE_SHARE) as u64;
        }
        let window = window.max(self.min_window());
        match &mut self.contest {
            Some(contest) => contest.resume(now, window),
            None => self.contest = Some(Box::new(Contest::new(now, window))),
        }
        self.enter(Phase::Contest, now);
    }

    /// Whether the queue is short, on a path that does not lose by itself. If it is full, what is in flight is
    /// nearly all that the path holds, and the others have hardly anything.
    fn is_queue_short(&self) -> bool {
        let min_rtt = self.model.min_rtt();
        let is_short = self.round.min_rtt_before() < min_rtt.saturating_add(min_rtt / 4);
        is_short && self.model.base_loss() < CLEAN_LOSS_MAX
    }

    /// So many packets more than chance explains have to be lost to be a sign of congestion.
    pub(super) fn more(&self) -> f64 {
        if self.contest.is_some() { 0.0 } else { 1.0 }
    }

    /// Beside others, and a queue was full.
    pub(super) fn give_way(&mut self, now: Instant) {
        let min = self.min_window();
        self.round.forgive();
        let Some(contest) = &mut self.contest else {
            return;
        };
        let is_time_to_look = contest.reduce(now, min);
        self.model.advance_bandwidth();
        if is_time_to_look {
            self.enter(Phase::Cruise, now);
            self.bandwidth_low = (self.model.bandwidth() as f64 * LOOK_SHARE) as u64;
        }
    }

    /// Beside others, what became of packets sent then has not been answered yet.
    pub(super) fn is_news(&self, sent: Instant) -> bool {
        let contest = self
            .contest
            .as_ref()
            .filter(|_| self.phase == Phase::Contest);
        contest.is_some_and(|contest| contest.is_news(sent))
    }

    /// The probe has found bandwidth.
    pub(super) fn has_taken(&self) -> bool {
        self.model.bandwidth()
            > self
                .full_bandwidth
                .saturating_add(self.full_bandwidth / TAKEN_SHARE)
    }
}
