use std::alloc::System;

use sim::seeds::{Failure, Faults, Kind, Limits, Outcome};
use sim::swarm::{Plan, run};
use sim::system::{SystemPlan, run_system};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

/// Counts what is allocated: worlds of systems compare it with what a server may hold.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes that are allocated now.
fn held() -> i64 {
    let stats = ALLOCATOR.stats();
    let (allocated, freed) = (stats.bytes_allocated, stats.bytes_deallocated);
    i64::try_from(allocated.wrapping_sub(freed)).unwrap_or(0)
}

/// Worlds that differ in their seed alone.
#[derive(Clone, Copy)]
pub(crate) struct Seeded {
    pub(crate) world: Kind,
    pub(crate) limits: Limits,
}

impl Seeded {
    pub(crate) fn run(self, seed: u64) -> Result<Outcome, Box<Failure>> {
        match self.world {
            Kind::Transport => run(&Plan::new(seed, self.limits)),
            Kind::System => {
                let mut plan = SystemPlan::new(seed, self.limits);
                plan.probe = Some(held);
                run_system(&plan)
            }
        }
    }

    /// Whether a seed goes the same way each time. TLS draws randomness of its own.
    pub(crate) fn repeats(self, seed: u64) -> bool {
        self.world == Kind::Transport || !SystemPlan::new(seed, self.limits).real_tls
    }

    /// The faults that are active, and how many clients there are.
    pub(crate) fn plan(self, seed: u64) -> (Faults, u64) {
        match self.world {
            Kind::Transport => {
                let plan = Plan::new(seed, self.limits);
                (plan.faults, plan.clients)
            }
            Kind::System => {
                let plan = SystemPlan::new(seed, self.limits);
                (plan.faults, plan.clients)
            }
        }
    }
}
