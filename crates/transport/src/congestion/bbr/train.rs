use core::time::Duration;

use crate::Instant;
use crate::congestion::Acked;

/// Packets that make a train.
const PACKETS: u64 = 10;

/// The rate at which packets that were sent close together arrive: long before a round trip is full of
/// them, how far apart a bottleneck has spread them tells what it takes. It only ever hastens startup: acknowledgements that come
/// compressed look faster than the path is.
#[derive(Debug, Default)]
pub(super) struct Train {
    began: Option<Instant>,
    last: Option<Instant>,
    bytes: u64,
    rate: u64,
}

impl Train {
    /// Bytes per second; 0 before the first train.
    pub(super) fn rate(&self) -> u64 {
        self.rate
    }

    pub(super) fn on_ack(&mut self, acked: &Acked, min_rtt: Duration, mss: u64) {
        let now = acked.now;
        let goes_on = self.last.is_some_and(|last| now.since(last) < min_rtt / 2);
        self.last = Some(now);
        let Some(began) = self.began.filter(|_| goes_on) else {
            // What came before the first acknowledgement is not known.
            (self.began, self.bytes) = (Some(now), 0);
            return;
        };
        self.bytes += acked.bytes;
        let took = now.since(began);
        if self.bytes >= PACKETS * mss && took > Duration::ZERO {
            let rate = (self.bytes as f64 / took.as_secs_f64()) as u64;
            self.rate = self.rate.max(rate);
        }
    }
}
