//! Seeds of the system's world. `cargo run --release -p sim -- --world system` runs more of them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use sim::seeds::{Description, Fault, Faults, Kind, Limits, Outcome};
use sim::system::{SystemBug, SystemPlan, run_system};

/// How many worlds of a kind.
const SEEDS: usize = 4;

/// The first few seeds whose plan is like that, and what comes of them.
fn worlds(limits: Limits, like: impl Fn(&SystemPlan) -> bool) -> Vec<Outcome> {
    let plans = (0..).map(|seed| SystemPlan::new(seed, limits));
    let plans = plans.filter(|plan| like(plan)).take(SEEDS);
    let run = |plan: SystemPlan| match run_system(&plan) {
        Ok(outcome) => outcome,
        Err(failure) => {
            let seed = plan.seed;
            panic!("{failure}; try cargo run --release -p sim -- --world system --seed {seed}")
        }
    };
    plans.map(run).collect()
}

fn without(fault: Fault) -> Limits {
    Limits {
        faults: Faults::ALL.without(fault),
        ..Limits::default()
    }
}

#[test]
fn h77_whenever_machines_crash_what_was_acknowledged_is_kept_and_shown_once() {
    let crashes = |plan: &SystemPlan| {
        plan.faults.has(Fault::Crash) && plan.faults.has(Fault::Restart) && !plan.real_tls
    };
    let outcomes = worlds(without(Fault::Malice), crashes);
    let fired = |name| {
        let counts = outcomes.iter().map(|outcome| outcome.fired.get(name));
        counts.flatten().sum::<u64>()
    };
    assert!(fired("crash") + fired("restart") > 5);
    let shown: u64 = outcomes.iter().map(|outcome| outcome.records).sum();
    assert!(shown > 20, "{shown} messages are no test");
}

#[test]
fn h54_a_server_that_deceives_has_nothing_shown_twice_or_in_anothers_name() {
    let deceives = |plan: &SystemPlan| plan.faults.has(Fault::Malice) && !plan.real_tls;
    let outcomes = worlds(Limits::default(), deceives);
    let deceptions = outcomes.iter().map(|outcome| outcome.fired["deceptions"]);
    assert!(deceptions.sum::<u64>() > 10);
}

/// Whoever says that its network has changed goes on with the connection that it had.
#[test]
fn clients_that_move_and_know_it_are_not_disconnected() {
    let limits = Limits {
        faults: Faults::default().with(Fault::Migration),
        ..Limits::default()
    };
    let moves = |plan: &SystemPlan| plan.faults.has(Fault::Migration) && !plan.real_tls;
    let outcomes = worlds(limits, moves);
    let sum = |name| {
        outcomes
            .iter()
            .map(|outcome| outcome.fired[name])
            .sum::<u64>()
    };
    assert!(sum("migration") > 3, "{}", sum("migration"));
    assert_eq!(sum("disconnected"), 0);
}

#[test]
fn the_same_holds_over_the_real_channel() {
    let real = |plan: &SystemPlan| plan.real_tls;
    let outcomes = worlds(without(Fault::Malice), real);
    assert!(outcomes.iter().any(|outcome| outcome.records > 0));
}

#[test]
fn a_system_seed_is_one_run() {
    let limits = Limits {
        actions: 15,
        ..Limits::default()
    };
    let null = |plan: &SystemPlan| !plan.real_tls;
    assert_eq!(worlds(limits, null), worlds(limits, null));
}

const BUGS: [SystemBug; 4] = [
    SystemBug::ServerAnswersEarly,
    SystemBug::ClientAnswersEarly,
    SystemBug::TransactionsForgotten,
    SystemBug::TornIsBelieved,
];

/// The first seed in which a bug of the machines is noticed.
fn noticed(bug: SystemBug) -> Option<(u64, String)> {
    (0..200).find_map(|seed| {
        let mut plan = SystemPlan::new(seed, without(Fault::Malice));
        plan.faults = plan.faults.with(Fault::Crash).with(Fault::Restart);
        plan.bug = Some(bug);
        let failure = run_system(&plan).err()?;
        Some((seed, failure.what))
    })
}

#[test]
fn h77_machines_that_answer_before_it_is_durable_or_believe_what_is_torn_are_found_out() {
    for bug in BUGS {
        let found = noticed(bug);
        println!("{bug:?}: {found:?}");
        assert!(found.is_some(), "{bug:?} is not noticed");
    }
}

/// What was found once stays found: worlds that failed do not any more, and those that find a bug which can
/// be switched on still find it.
#[test]
fn worlds_that_were_kept_go_as_they_should() {
    let mut finding = 0;
    for line in include_str!("../regressions/system.txt").lines() {
        let (world, was) = line.split_once('#').unwrap_or((line, ""));
        if world.is_empty() {
            continue;
        }
        let Description {
            world: kind,
            seed,
            limits,
        } = world.parse().unwrap();
        assert_eq!(kind, Kind::System, "{world}");
        let mut plan = SystemPlan::new(seed, limits);
        if let Err(failure) = run_system(&plan) {
            panic!("{failure}; it was: {was}; {world}");
        }
        if let Some(bug) = was.trim().strip_prefix("finds ") {
            plan.bug = BUGS.into_iter().find(|known| format!("{known:?}") == bug);
            assert!(plan.bug.is_some(), "{bug}");
            assert!(run_system(&plan).is_err(), "{bug}: {world}");
            finding += 1;
        }
    }
    assert!(finding > 0);
}

/// A panic in a world is told like anything else that must never happen, and takes no other world along.
#[test]
fn a_world_that_panics_has_failed() {
    use std::sync::atomic::{AtomicU64, Ordering};
    static ASKED: AtomicU64 = AtomicU64::new(0);
    fn panics() -> i64 {
        assert!(ASKED.fetch_add(1, Ordering::Relaxed) < 500, "asked enough");
        0
    }
    let mut plan = SystemPlan::new(1, without(Fault::Malice));
    plan.probe = Some(panics);
    let failure = run_system(&plan).unwrap_err();
    assert_eq!(failure.what, "panicked: asked enough");
    assert_eq!(failure.seed, 1);
    assert!(failure.at > transport::Instant::ZERO);
}
