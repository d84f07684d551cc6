use core::time::Duration;

use transport::Instant;

use super::crew::Pace;
use super::journal::DiskFault;
use crate::Rng;
use crate::seeds::{Fault, Fired};

/// 2026-11-20T12:00:00Z, in milliseconds since 1970-01-01 UTC: when worlds begin.
const START_MS: u64 = 1_795_176_000_000;

/// How often which conditions were met.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Met {
    slow_jobs: u64,
    failed_jobs: u64,
    slow_transactions: u64,
    full_disks: u64,
    disk_errors: u64,
    /// Messages for which a mailbox had no room.
    pub(super) full_mailboxes: u64,
}

impl Met {
    pub(super) fn add_to(self, fired: &mut Fired) {
        let all = [
            (Fault::SlowWork, self.slow_jobs),
            (Fault::FailedWork, self.failed_jobs),
            (Fault::SlowDisk, self.slow_transactions),
            (Fault::DiskFull, self.full_disks),
            (Fault::DiskError, self.disk_errors),
            (Fault::FullMailbox, self.full_mailboxes),
        ];
        for (fault, count) in all {
            fired.add(fault.name(), count);
        }
    }
}

/// What a machine has done by itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pulse {
    /// How often its time had come.
    pub(super) timeouts: u64,
    pub(super) datagrams: u64,
}

/// What a process runs on: a machine with a clock, a disk and some cores, each of which may be bad.
#[derive(Debug)]
pub(super) struct Conditions {
    /// How far its clock is off.
    pub(super) skew_ms: i64,
    pub(super) pace: Pace,
    /// How often a worker fails at a job.
    pub(super) job_failure: f64,
    /// Until then there is no room on the disk.
    pub(super) full_until: Instant,
    /// What the next transaction that writes meets.
    pub(super) disk_fault: Option<DiskFault>,
    /// What it was like for those who worked on it.
    pub(super) met: Met,
    pub(super) pulse: Pulse,
    rng: Rng,
}

impl Conditions {
    pub(super) fn new(rng: Rng) -> Self {
        Self {
            skew_ms: 0,
            pace: Pace::DEFAULT,
            job_failure: 0.0,
            full_until: Instant::ZERO,
            disk_fault: None,
            met: Met::default(),
            pulse: Pulse::default(),
            rng,
        }
    }

    /// Everything is as it should be.
    pub(super) fn heal(&mut self) {
        self.pace = Pace::DEFAULT;
        self.job_failure = 0.0;
        self.full_until = Instant::ZERO;
        self.disk_fault = None;
    }

    /// What its clock shows, in milliseconds since 1970-01-01 UTC.
    pub(super) fn wall_ms(&self, now: Instant) -> u64 {
        let since = u64::try_from(now.since(Instant::ZERO).as_millis()).unwrap_or(0);
        (START_MS + since).saturating_add_signed(self.skew_ms)
    }

    /// Whether the next job fails.
    pub(super) fn fails(&mut self) -> bool {
        let fails = self.rng.chance(self.job_failure);
        self.met.failed_jobs += u64::from(fails);
        self.met.slow_jobs += u64::from(self.pace.job > Pace::DEFAULT.job);
        fails
    }

    /// What a transaction that writes now meets.
    pub(super) fn meets(&mut self, now: Instant, writes: bool) -> Option<DiskFault> {
        self.met.slow_transactions += u64::from(self.pace.commit > Pace::DEFAULT.commit);
        if !writes {
            return None;
        }
        if now < self.full_until {
            self.met.full_disks += 1;
            return Some(DiskFault::Full);
        }
        let fault = self.disk_fault.take();
        self.met.disk_errors += u64::from(fault.is_some());
        fault
    }
}

/// How long whoever looks after a process takes to start it again.
pub(super) const AGAIN: Duration = Duration::from_secs(1);
