//! Runs simulated worlds by the hundred, and makes what fails small.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program")]

mod arguments;
mod report;
mod seeded;
mod totals;

use core::ops::RangeInclusive;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
#[cfg(feature = "planted")]
use internet::planted::Bug;
use sim::seeds::{Faults, Limits};
use sim::system::{SystemPlan, watch_system};

use crate::arguments::{Arguments, Task};
use crate::report::report;
use crate::seeded::Seeded;
use crate::totals::Totals;

/// Failures that are made small; it takes many runs each.
const SHRUNK_MAX: u64 = 3;

/// Of so many seeds one is run twice, and has to go the same way: the first that can.
const TWICE_EVERY: u64 = 100;

/// In so many seeds every kind of fault has to have an effect.
const ALL_FIRE_SEEDS: u64 = 100;

/// Seeds in which a planted bug has to be found.
#[cfg(feature = "planted")]
const HUNTED_MAX: u64 = 1_000;

fn main() -> ExitCode {
    let holds = match Arguments::parse().task() {
        Task::Run { seeded, seeds } => run_all(seeded, seeds),
        Task::Watch { seed, limits } => watch(seed, limits),
        #[cfg(feature = "planted")]
        Task::Hunt(bugs) => hunt(&bugs),
    };
    if holds {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Runs worlds one after the other. Whether everything held.
fn run_all(seeded: Seeded, seeds: RangeInclusive<u64>) -> bool {
    #[allow(clippy::disallowed_methods, reason = "how fast the simulation is")]
    let begin = Instant::now();
    let mut totals = Totals::default();
    let mut twice_is_due = false;
    for seed in seeds {
        let repeats = seeded.repeats(seed);
        twice_is_due |= totals.seeds % TWICE_EVERY == 0;
        totals.seeds += 1;
        let result = seeded.run(seed);
        let trace = match &result {
            Ok(outcome) => outcome.trace,
            Err(failure) => failure.trace,
        };
        // What goes another way each time would make the sum another one.
        if repeats {
            totals.trace(trace);
        }
        match result {
            Ok(outcome) => {
                if repeats && twice_is_due {
                    twice_is_due = false;
                    if seeded.run(seed).as_ref() != Ok(&outcome) {
                        totals.violations += 1;
                        eprintln!("seed {seed}: it went another way the second time");
                    }
                }
                totals.add(&outcome);
            }
            Err(failure) => {
                totals.add_failure(&failure);
                report(seeded, failure, totals.violations <= SHRUNK_MAX);
            }
        }
    }
    let kinds = Faults::of(seeded.world);
    println!("{}", totals.line(kinds, begin.elapsed()));
    let idle = totals.idle(kinds);
    let is_limited = totals.seeds < ALL_FIRE_SEEDS || seeded.limits != Limits::default();
    let all_fire = idle.is_empty() || is_limited;
    if !all_fire {
        eprintln!("faults without any effect: {}", idle.join(", "));
    }
    totals.violations == 0 && all_fire
}

/// Runs one world of a system before everybody's eyes. Whether everything held.
fn watch(seed: u64, limits: Limits) -> bool {
    let plan = SystemPlan::new(seed, limits);
    println!("{plan:?}");
    let outcome = watch_system(&plan, &mut |at, who, what| {
        let ms = at.as_nanos() / 1_000_000;
        println!("{ms:>9} ms  {who}: {what:?}");
    });
    println!("{outcome:?}");
    outcome.is_ok()
}

/// Hunts for planted bugs. Whether all were found.
#[cfg(feature = "planted")]
fn hunt(bugs: &[Bug]) -> bool {
    // What panics says so in the report.
    std::panic::set_hook(Box::new(|_| {}));
    let mut found = 0;
    for &bug in bugs {
        let outcome = sim::planted::find(bug, HUNTED_MAX);
        found += usize::from(outcome.is_some());
        let what = outcome.map_or_else(|| "not found".to_owned(), |found| found.what);
        println!("{:30} {what}", bug.name());
    }
    let planted = bugs.len();
    println!(
        "{}",
        serde_json::json!({ "planted": planted, "found": found })
    );
    found == planted
}
