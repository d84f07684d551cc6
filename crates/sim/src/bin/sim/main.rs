//! Runs simulated worlds by the hundred, and makes what fails small.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program")]

use core::time::Duration;
use std::collections::BTreeMap;
use std::process::{Command, ExitCode};
use std::time::Instant;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, value_parser};
use serde_json::json;
use sim::swarm::{Description, Failure, Fault, Faults, Kind, Limits, Outcome, Plan, run, shrink};
use sim::system::{SystemPlan, run_system, watch_system};

/// Failures that are made small; it takes many runs each.
const SHRUNK_MAX: u64 = 3;

/// The first of so many seeds is run twice, and has to go the same way.
const TWICE_EVERY: u64 = 100;

/// In so many seeds every kind of fault has to have an effect.
const ALL_FIRE_SEEDS: u64 = 100;

/// Seeds in which a planted bug has to be found.
#[cfg(feature = "planted")]
const HUNTED_MAX: u64 = 1_000;

/// Runs a seed.
fn run_world(world: Kind, seed: u64, limits: Limits) -> Result<Outcome, Box<Failure>> {
    match world {
        Kind::Transport => run(&Plan::new(seed, limits)),
        Kind::System => run_system(&SystemPlan::new(seed, limits)),
    }
}

/// The kinds of faults that there are in a world.
const fn kinds(world: Kind) -> &'static [Fault] {
    match world {
        Kind::Transport => Fault::TRANSPORT,
        Kind::System => Fault::SYSTEM,
    }
}

/// Whether a seed is one run to the byte.
fn is_repeated(world: Kind, seed: u64, limits: Limits) -> bool {
    world == Kind::Transport || !SystemPlan::new(seed, limits).real_tls
}

/// The faults that are active, and how many clients there are.
fn plan(world: Kind, seed: u64, limits: Limits) -> (Faults, u64) {
    match world {
        Kind::Transport => {
            let plan = Plan::new(seed, limits);
            (plan.faults, plan.clients)
        }
        Kind::System => {
            let plan = SystemPlan::new(seed, limits);
            (plan.faults, plan.clients)
        }
    }
}

/// Runs seeds of a simulated world. Ends with 1 when something happened that must never happen, or when in
/// a hundred seeds or more a kind of fault had no effect.
#[derive(Parser)]
#[command(name = "sim")]
struct Arguments {
    /// What the world is made of: `transport`, endpoints; or `system`, a server and clients with their
    /// disks.
    #[arg(long, default_value_t)]
    world: Kind,
    /// The first seed.
    #[arg(long, default_value_t = 0, value_name = "S")]
    from: u64,
    /// How many seeds.
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    seeds: u64,
    /// One seed: the same run as before, unless its channels are TLS.
    #[arg(long, conflicts_with_all = ["from", "seeds"], value_name = "N")]
    seed: Option<u64>,
    /// Virtual minutes of faults for each seed, at most.
    #[arg(long, default_value_t = 10, value_name = "M")]
    minutes: u64,
    /// Kinds of faults to leave out.
    #[arg(
        long,
        default_value_t,
        hide_default_value = true,
        value_name = "FAULT,..."
    )]
    without: Faults,
    /// The only kinds of faults that there are, or `none`.
    #[arg(long, conflicts_with = "without", value_name = "FAULT,...")]
    only: Option<Faults>,
    /// Tells what everybody in a system is told, and when.
    #[arg(long, requires = "seed")]
    watch: bool,
    /// At most so many clients.
    #[arg(long, value_name = "K")]
    clients: Option<u64>,
    /// At most so many actions.
    #[arg(long, value_name = "K")]
    actions: Option<u64>,
    /// Only one of so many messages.
    #[arg(long, default_value_t = 1, value_name = "K")]
    thinning: u64,
    /// Switches bugs on, one after the other, and runs seeds until each is found: `all`, or names.
    #[cfg(feature = "planted")]
    #[arg(long, value_delimiter = ',', value_name = "BUG,...")]
    planted: Vec<String>,
}

impl Arguments {
    fn limits(&self) -> Limits {
        let mut limits = Limits {
            time: Duration::from_secs(self.minutes.saturating_mul(60)),
            thinning: self.thinning,
            ..Limits::default()
        };
        limits.faults = self.only.unwrap_or(limits.faults.less(self.without));
        limits.clients = self.clients.unwrap_or(limits.clients);
        limits.actions = self.actions.unwrap_or(limits.actions);
        limits
    }

    fn seeds(&self) -> core::ops::Range<u64> {
        match self.seed {
            Some(seed) => seed..seed.saturating_add(1),
            None => self.from..self.from.saturating_add(self.seeds),
        }
    }
}

/// Sums over all seeds.
#[derive(Default)]
struct Totals {
    seeds: u64,
    violations: u64,
    time: Duration,
    datagrams: u64,
    records: u64,
    /// Over the traces of those that repeat, in their order; of one it is its trace.
    trace: u64,
    fired: BTreeMap<&'static str, u64>,
}

impl Totals {
    /// Takes in how a seed went that goes this way whenever it is run.
    fn trace(&mut self, trace: u64) {
        self.trace = self.trace.wrapping_mul(0x0000_0100_0000_01b3) ^ trace;
    }

    fn add(&mut self, outcome: &Outcome) {
        self.time += outcome.time;
        self.datagrams += outcome.datagrams;
        self.records += outcome.records;
        for (fault, count) in &outcome.fired {
            *self.fired.entry(fault).or_default() += count;
        }
    }

    /// Kinds of faults that have had no effect.
    fn idle(&self, kinds: &[Fault]) -> Vec<&'static str> {
        let names = kinds.iter().map(|kind| kind.name());
        let idle = names.filter(|name| self.fired.get(name).is_none_or(|count| *count == 0));
        idle.collect()
    }

    fn line(&self, took: Duration) -> String {
        json!({
            "seeds": self.seeds,
            "trace": format!("{:016x}", self.trace),
            "violations": self.violations,
            "virtual_hours": self.time.as_secs_f64() / 3600.0,
            "virtual_seconds_per_second": self.time.as_secs_f64() / took.as_secs_f64().max(1e-9),
            "datagrams": self.datagrams,
            "records": self.records,
            "fired": self.fired,
        })
        .to_string()
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    #[cfg(feature = "planted")]
    if !arguments.planted.is_empty() {
        return hunt(&arguments.planted);
    }
    let limits = arguments.limits();
    let world = arguments.world;
    if arguments.watch && world != Kind::System {
        let error = "only a system is watched: --world system";
        Arguments::command()
            .error(ErrorKind::ArgumentConflict, error)
            .exit();
    }
    if arguments.watch {
        return watch(arguments.seed.unwrap_or(0), limits);
    }
    #[allow(clippy::disallowed_methods, reason = "how fast the simulation is")]
    let begin = Instant::now();
    let mut totals = Totals::default();
    for seed in arguments.seeds() {
        let repeats = is_repeated(world, seed, limits);
        let twice = repeats && totals.seeds % TWICE_EVERY == 0;
        totals.seeds += 1;
        let result = run_world(world, seed, limits);
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
                if twice && run_world(world, seed, limits).as_ref() != Ok(&outcome) {
                    totals.violations += 1;
                    eprintln!("seed {seed}: it went another way the second time");
                }
                totals.add(&outcome);
            }
            Err(failure) => {
                totals.violations += 1;
                // What does not repeat fails by chance in a smaller world too.
                let shrunk = totals.violations <= SHRUNK_MAX && repeats;
                report(world, seed, limits, failure, shrunk);
            }
        }
    }
    println!("{}", totals.line(begin.elapsed()));
    let idle = totals.idle(kinds(world));
    let all_fire = idle.is_empty() || totals.seeds < ALL_FIRE_SEEDS || limits != Limits::default();
    if !all_fire {
        eprintln!("faults without any effect: {}", idle.join(", "));
    }
    if totals.violations == 0 && all_fire {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Hunts for planted bugs. Ends with 1 when one is not found.
#[cfg(feature = "planted")]
fn hunt(names: &[String]) -> ExitCode {
    use internet::planted::Bug;
    use sim::swarm::find;

    // What panics says so in the report.
    std::panic::set_hook(Box::new(|_| {}));
    let wanted = |bug: &&Bug| names.iter().any(|name| name == "all" || name == bug.name());
    let (mut bugs, mut found) = (0, 0);
    for &bug in Bug::ALL.iter().filter(wanted) {
        bugs += 1;
        let outcome = find(bug, HUNTED_MAX);
        found += u64::from(outcome.is_some());
        let what = outcome.map_or_else(|| "not found".to_owned(), |found| found.what);
        println!("{:30} {what}", bug.name());
    }
    println!("{}", json!({ "planted": bugs, "found": found }));
    if bugs > 0 && found == bugs {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Runs one world of a system before everybody's eyes.
fn watch(seed: u64, limits: Limits) -> ExitCode {
    let plan = SystemPlan::new(seed, limits);
    println!("{plan:?}");
    let outcome = watch_system(&plan, &mut |at, who, what| {
        let ms = at.as_nanos() / 1_000_000;
        println!("{ms:>9} ms  {who}: {what:?}");
    });
    println!("{outcome:?}");
    match outcome {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Prints a failure, and the smallest world in which something still fails.
fn report(world: Kind, seed: u64, limits: Limits, failure: Box<Failure>, shrunk: bool) {
    eprintln!("{failure} (trace {:016x}, {})", failure.trace, commit());
    eprintln!("  faults: {}", plan(world, seed, limits).0);
    if shrunk {
        let planned = |limits| plan(world, seed, limits);
        let fails = |limits| run_world(world, seed, limits).err();
        // What panics has said so once.
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let (limits, failure) = shrink(limits, failure, &planned, &fails);
        std::panic::set_hook(hook);
        let description = Description {
            world,
            seed,
            limits,
        };
        eprintln!("  sim {description}\n  {failure}");
    }
}

/// What this program was built from, as far as the folder tells from which it was built. What is not in
/// any commit yet is called dirty.
fn commit() -> String {
    let describe = [
        "describe",
        "--always",
        "--dirty",
        "--exclude=*",
        "--abbrev=12",
    ];
    let Some(name) = git(&describe) else {
        return "unknown commit".to_owned();
    };
    // Of what the folder was when this program was built, nothing is known once it has moved on.
    let moved = git(&[
        "rev-parse",
        "--path-format=absolute",
        "--git-path",
        "logs/HEAD",
    ]);
    let moved = moved.and_then(|log| std::fs::metadata(log).ok()?.modified().ok());
    let built = std::env::current_exe().ok();
    let built = built.and_then(|program| std::fs::metadata(program).ok()?.modified().ok());
    match (built, moved) {
        (Some(built), Some(moved)) if built < moved => format!("built before commit {name}"),
        _ => format!("commit {name}"),
    }
}

/// What git says about the folder from which this program was built.
fn git(asked: &[&str]) -> Option<String> {
    let mut git = Command::new("git");
    let said = git.arg("-C").arg(env!("CARGO_MANIFEST_DIR")).args(asked);
    let said = said.output().ok().filter(|said| said.status.success())?;
    let said = String::from_utf8(said.stdout).ok()?;
    let said = said.trim();
    (!said.is_empty()).then(|| said.to_owned())
}

#[cfg(test)]
mod tests {
    use super::Totals;

    fn sum(traces: &[u64]) -> u64 {
        let mut totals = Totals::default();
        for trace in traces {
            totals.trace(*trace);
        }
        totals.trace
    }

    #[test]
    fn a_sum_of_traces_tells_each_of_them_and_their_order() {
        assert_eq!(sum(&[7]), 7);
        assert_ne!(sum(&[7, 8]), sum(&[8, 7]));
        assert_ne!(sum(&[7, 8, 9]), sum(&[7, 5, 9]));
        assert_ne!(sum(&[7, 7]), sum(&[7]));
    }
}
