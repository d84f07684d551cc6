//! How long a peer is waited for that nobody holds a connection to any more.

use std::time::Duration;

use transport::Instant;

/// How long it gets for each [`STEP_BYTES`] of what was written, or for what is left: as slow as a path may be,
/// but whoever does not read holds neither the connection nor what it was to be sent.
pub(super) const STEP: Duration = Duration::from_secs(60);

const STEP_BYTES: u64 = 64 << 10;

pub(super) struct Farewell {
    step: Duration,
    deadline: Instant,
    /// What has to have been sent by then.
    bytes: u64,
}

impl Farewell {
    pub(super) fn begin(now: Instant, sent: u64, step: Duration) -> Self {
        Self {
            step,
            deadline: now + step,
            bytes: sent.saturating_add(STEP_BYTES),
        }
    }

    /// When it is to be asked again.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether too little was sent. Flow control lets out no more than what a peer makes room for.
    pub(super) fn is_over(&mut self, now: Instant, sent: u64) -> bool {
        if now < self.deadline {
            return false;
        }
        if sent < self.bytes {
            return true;
        }
        *self = Self::begin(now, sent, self.step);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h32_whoever_reads_slowly_is_waited_for_and_whoever_does_not_read_is_not() {
        let mut now = Instant::from_nanos(0);
        let mut sent = 5;
        let mut farewell = Farewell::begin(now, sent, STEP);
        for _ in 0..100 {
            assert!(!farewell.is_over(now + STEP / 2, sent));
            now = farewell.deadline();
            sent += STEP_BYTES;
            assert!(!farewell.is_over(now, sent));
        }
        assert_eq!(farewell.deadline(), now + STEP);
        assert!(farewell.is_over(now + STEP, sent + STEP_BYTES - 1));
    }
}
