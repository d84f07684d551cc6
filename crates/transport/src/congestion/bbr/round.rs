use core::time::Duration;

use super::model::Model;
use crate::congestion::{Acked, Lost};

/// Without a queue, only so great a share of loss beyond the base is congestion: a path with hardly
/// any buffer.
const UNQUEUED_LOSS: f64 = 0.3;
/// And only if it is so many packets.
const UNQUEUED_PACKETS: f64 = 16.0;

/// What a round trip has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Fine,
    Congested,
}

/// One round trip: it ends when something is acknowledged that was sent after it began.
#[derive(Debug)]
pub(super) struct Round {
    /// Bytes delivered when it began.
    began: u64,
    acked: u64,
    lost: u64,
    /// Those of them that were sent into a long queue.
    acked_long: u64,
    lost_long: u64,
    marked: bool,
    min_rtt: Duration,
    /// The most that was in flight in this round, and in the one before.
    inflight: [u64; 2],
    /// The shortest round trip of the last round.
    min_rtt_before: Duration,
}

impl Default for Round {
    fn default() -> Self {
        Self {
            began: 0,
            acked: 0,
            lost: 0,
            acked_long: 0,
            lost_long: 0,
            marked: false,
            min_rtt: Duration::MAX,
            inflight: [0; 2],
            min_rtt_before: Duration::MAX,
        }
    }
}

impl Round {
    /// Bytes delivered when it began.
    pub(super) fn began_at(&self) -> u64 {
        self.began
    }

    pub(super) fn min_rtt(&self) -> Duration {
        self.min_rtt
    }

    /// The most that was in flight when what this round tells about was sent.
    pub(super) fn inflight_before(&self) -> u64 {
        self.inflight[1]
    }

    /// The shortest round trip of the last round.
    pub(super) fn min_rtt_before(&self) -> Duration {
        self.min_rtt_before
    }

    pub(super) fn on_sent(&mut self, in_flight: u64) {
        self.inflight[0] = self.inflight[0].max(in_flight);
    }

    /// Tells whether the round ends.
    pub(super) fn on_ack(&mut self, acked: &Acked, model: &Model) -> bool {
        self.acked += acked.bytes;
        if acked.rtt.is_some_and(|rtt| model.is_long(rtt)) {
            self.acked_long += acked.bytes;
        }
        if let Some(rtt) = acked.rtt {
            self.min_rtt = self.min_rtt.min(rtt);
        }
        let ends = acked.rate.prior_delivered >= self.began;
        if ends {
            self.began = acked.delivered;
        }
        ends
    }

    pub(super) fn on_loss(&mut self, lost: &Lost, model: &Model) {
        self.lost += lost.bytes;
        if model.is_long(lost.rtt) {
            self.lost_long += lost.bytes;
        }
    }

    pub(super) fn on_late(&mut self, bytes: u64) {
        self.lost = self.lost.saturating_sub(bytes);
        self.lost_long = self.lost_long.min(self.lost);
    }

    /// What was lost has been answered.
    pub(super) fn forgive(&mut self) {
        (self.lost, self.lost_long, self.marked) = (0, 0, false);
    }

    pub(super) fn on_marked(&mut self) {
        self.marked = true;
    }

    /// Whether more was lost to a long queue than chance explains.
    /// So many packets more: none where others are known to fill queues, who answer every loss.
    pub(super) fn is_congested(&self, model: &Model, mss: u64, more: f64) -> bool {
        let excess = |lost: u64, acked: u64| {
            let lost = lost as f64 / mss as f64;
            let all = lost + acked as f64 / mss as f64;
            let expected = all * f64::from(model.base_loss());
            // Chance has no memory: twice its deviation is still chance.
            (lost, all, lost - expected - 2.0 * expected.sqrt())
        };
        let (lost, all, beyond) = excess(self.lost, self.acked);
        let heavy = lost >= UNQUEUED_PACKETS && beyond > all * UNQUEUED_LOSS;
        let (.., beyond) = excess(self.lost_long, self.acked_long);
        self.marked || heavy || beyond > more
    }

    /// Judges the round, and begins the next.
    pub(super) fn end(&mut self, model: &Model, mss: u64, more: f64) -> Verdict {
        let congested = self.is_congested(model, mss, more);
        self.inflight = [0, self.inflight[0]];
        (self.acked, self.lost, self.marked) = (0, 0, false);
        (self.acked_long, self.lost_long) = (0, 0);
        self.min_rtt_before = self.min_rtt;
        self.min_rtt = Duration::MAX;
        if congested {
            Verdict::Congested
        } else {
            Verdict::Fine
        }
    }
}
