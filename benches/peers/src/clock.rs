//! Time that both processes agree on, and time that this process has spent.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of the monotonic clock, the same for all processes of a machine.
pub fn now_ns() -> u64 {
    read(ClockId::Monotonic)
}

/// CPU time of all threads of this process, in user and in kernel mode, in nanoseconds.
pub fn cpu_ns() -> u64 {
    read(ClockId::ProcessCPUTime)
}

/// From now until `at_ns`; nothing if that is over.
pub fn until(at_ns: u64) -> Duration {
    Duration::from_nanos(at_ns.saturating_sub(now_ns()))
}

fn read(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
