//! The harness tests itself: every planted bug is found.
#![cfg(feature = "planted")]

use internet::planted::Bug;
use sim::planted::find;

/// A bug that takes more seeds than this is as good as not found.
const SEEDS_MAX: u64 = 1_000;

#[test]
fn every_planted_bug_is_found() {
    std::panic::set_hook(Box::new(|_| {}));
    let mut missed = Vec::new();
    for &bug in Bug::ALL {
        match find(bug, SEEDS_MAX) {
            Some(found) => println!("{:30} {}", bug.name(), found.what),
            None => missed.push(bug.name()),
        }
    }
    let _ = std::panic::take_hook();
    assert_eq!(missed, [""; 0], "not found");
}
