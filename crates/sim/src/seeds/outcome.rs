use core::time::Duration;
use std::collections::BTreeMap;

use transport::Instant;

/// Something that must never happen has happened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("seed {seed}, {} ms: {what}", at.as_nanos() / 1_000_000)]
pub struct Failure {
    /// The plan's seed.
    pub seed: u64,
    /// When.
    pub at: Instant,
    /// What.
    pub what: String,
    /// A sum of everything that happened before.
    pub trace: u64,
}

/// What came of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// A sum of everything that happened.
    pub trace: u64,
    /// Virtual time.
    pub time: Duration,
    /// Datagrams that were sent.
    pub datagrams: u64,
    /// Records that arrived.
    pub records: u64,
    /// How often each kind of fault had an effect: all kinds of its world, and more that is counted.
    pub fired: BTreeMap<&'static str, u64>,
}
