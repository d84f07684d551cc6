//! What the server holds for its peers, in systems in which things go wrong.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::alloc::System;

use sim::seeds::{Fault, Faults, Limits};
use sim::system::{SystemPlan, run_system};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

/// Counts what the whole process allocates: there is one test, so nobody else does.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn held() -> i64 {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated as i64 - stats.bytes_deallocated as i64
}

#[test]
fn a_server_holds_little_for_each_peer_whatever_goes_wrong() {
    let limits = Limits {
        faults: Faults::ALL.without(Fault::Malice),
        ..Limits::default()
    };
    for seed in 500..505 {
        let mut plan = SystemPlan::new(seed, limits);
        plan.probe = Some(held);
        run_system(&plan).unwrap();
    }
}
