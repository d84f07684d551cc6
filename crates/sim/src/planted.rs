//! The harness tests itself: bugs are switched on, and have to be found.

use internet::planted::{Bug, plant};

use crate::seeds::Limits;
use crate::swarm::{Plan, run};
#[cfg(feature = "system")]
use crate::system::{SystemPlan, run_system};

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
/// transport's own assertions count as well. A seed that fails without the bug has not found it.
pub fn find(bug: Bug, seeds: u64) -> Option<Found> {
    let run_with = |seed, planted| {
        plant(planted);
        let limits = Limits::default();
        let outcome = match bug.is_of_system() {
            #[cfg(feature = "system")]
            true => run_system(&SystemPlan::new(seed, limits)).map(drop),
            _ => run(&Plan::new(seed, limits)).map(drop),
        };
        plant(None);
        outcome
    };
    (0..seeds).find_map(|seed| {
        let what = run_with(seed, Some(bug)).err()?.to_string();
        let found = Found { seed, what };
        run_with(seed, None).is_ok().then_some(found)
    })
}
