use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustls::time_provider::TimeProvider;
use rustls_pki_types::UnixTime;

/// The wall time by which certificates and tickets are judged. Clones share it.
///
/// Nothing here reads the system's clock: whoever drives the sessions calls [`WallClock::set`], at
/// least before every connection and once a minute.
#[derive(Clone, Debug)]
pub struct WallClock(Arc<AtomicU64>);

impl WallClock {
    /// A clock that shows `unix_s`, in seconds since 1970-01-01 UTC.
    #[must_use]
    pub fn new(unix_s: u64) -> Self {
        Self(Arc::new(AtomicU64::new(unix_s)))
    }

    /// Moves it, forward or back.
    pub fn set(&self, unix_s: u64) {
        self.0.store(unix_s, Ordering::Relaxed);
    }

    /// What it shows, in seconds since 1970-01-01 UTC.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl TimeProvider for WallClock {
    fn current_time(&self) -> Option<UnixTime> {
        let since_epoch = Duration::from_secs(self.now());
        Some(UnixTime::since_unix_epoch(since_epoch))
    }
}
