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
    marked: bool,
    min_rtt: Duration,
    /// The most that was in flight in this round, and in the one before.
    inflight: [u64; 2],
    /// What the last round delivered, and its shortest round trip.
    delivered: u64,
    min_rtt_before: Duration,
    /// The highest rate at which anything was delivered.
    bandwidth: u64,
}

impl Default for Round {
    fn default() -> Self {
        Self {
            began: 0,
            acked: 0,
            lost: 0,
            marked: false,
            min_rtt: Duration::MAX,
            inflight: [0; 2],
            delivered: 0,
            min_rtt_before: Duration::MAX,
            bandwidth: 0,
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

    /// What the last round delivered.
    pub(super) fn delivered_before(&self) -> u64 {
        self.delivered
    }

    /// The shortest round trip of the last round.
    pub(super) fn min_rtt_before(&self) -> Duration {
        self.min_rtt_before
    }

    /// The highest rate at which this round delivered, in bytes per second.
    pub(super) fn bandwidth(&self) -> u64 {
        self.bandwidth
    }

    pub(super) fn on_sent(&mut self, in_flight: u64) {
        self.inflight[0] = self.inflight[0].max(in_flight);
    }

    /// Tells whether the round ends.
    pub(super) fn on_ack(&mut self, acked: &Acked) -> bool {
        self.acked += acked.bytes;
        self.bandwidth = self.bandwidth.max(acked.rate.rate());
        if let Some(rtt) = acked.rtt {
            self.min_rtt = self.min_rtt.min(rtt);
        }
        let ends = acked.rate.prior_delivered >= self.began;
        if ends {
            self.began = acked.delivered;
        }
        ends
    }

    pub(super) fn on_loss(&mut self, lost: &Lost) {
        self.lost += lost.bytes;
    }

    pub(super) fn on_late(&mut self, bytes: u64) {
        self.lost = self.lost.saturating_sub(bytes);
    }

    pub(super) fn on_marked(&mut self) {
        self.marked = true;
    }

    /// Judges the round, and begins the next.
    pub(super) fn end(&mut self, model: &Model, mss: u64, queued: bool) -> Verdict {
        let lost = self.lost as f64 / mss as f64;
        let all = (self.lost + self.acked) as f64 / mss as f64;
        let expected = all * f64::from(model.base_loss());
        // Chance has no memory: twice its deviation is still chance.
        let excess = lost - expected - 2.0 * expected.sqrt();
        let heavy = lost >= UNQUEUED_PACKETS && excess > all * UNQUEUED_LOSS;
        let congested = self.marked || queued && excess > 1.0 || heavy;
        self.delivered = self.acked;
        self.inflight = [0, self.inflight[0]];
        (self.acked, self.lost, self.marked) = (0, 0, false);
        self.min_rtt_before = self.min_rtt;
        self.min_rtt = Duration::MAX;
        self.bandwidth = 0;
        if congested {
            Verdict::Congested
        } else {
            Verdict::Fine
        }
    }
}
