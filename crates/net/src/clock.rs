use transport::Instant;

/// The monotonic clock that machines are told the time of: nanoseconds since it was made.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: std::time::Instant,
}

impl Clock {
    /// A clock that begins now.
    #[allow(
        clippy::disallowed_methods,
        reason = "the one place that reads a clock"
    )]
    pub fn start() -> Self {
        Self {
            start: std::time::Instant::now(),
        }
    }

    /// What time it is.
    pub fn now(&self) -> Instant {
        // 2^64 nanoseconds are 584 years.
        Instant::from_nanos(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}

/// The wall time in milliseconds since 1970-01-01 UTC; 0 when the clock stands before that.
#[allow(
    clippy::disallowed_methods,
    reason = "the one place that reads a clock"
)]
pub fn unix_time_ms() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
}

/// The wall time in seconds since 1970-01-01 UTC; 0 when the clock stands before that.
pub fn unix_time_s() -> u64 {
    unix_time_ms() / 1000
}
