use core::time::Duration;

use super::Faults;

/// What bounds a plan, whatever its seed asks for. What a shrinker turns down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Faults that may be active.
    pub faults: Faults,
    /// Clients, at least 1.
    pub clients: u64,
    /// Actions of phase 1: messages, faults, closes.
    pub actions: u64,
    /// Of so many messages one is said; at least 1.
    pub thinning: u64,
    /// Datagrams, after which phase 1 ends.
    pub datagrams: u64,
    /// Virtual time, after which phase 1 ends.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            faults: Faults::ALL,
            clients: u64::MAX,
            actions: u64::MAX,
            thinning: 1,
            datagrams: 20_000,
            time: Duration::from_secs(600),
        }
    }
}
