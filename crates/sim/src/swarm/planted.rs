//! The harness tests itself: bugs are switched on, and have to be found.

use internet::planted::{Bug, plant};

use super::{Limits, Plan, run};

/// Where a bug was found, and what gave it away.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Found {
    /// The seed.
    pub seed: u64,
    /// What did not hold.
    pub what: String,
}

/// Runs seeds from 0 with a bug switched on, until it is found; at most `seeds` of them. The
/// transport's own assertions count as well.
pub fn find(bug: Bug, seeds: u64) -> Option<Found> {
    plant(Some(bug));
    let found = (0..seeds).find_map(|seed| {
        let plan = Plan::new(seed, Limits::default());
        let what = run(&plan).err()?.to_string();
        Some(Found { seed, what })
    });
    plant(None);
    found
}
