//! Seeds of the swarm. `cargo run --release -p sim` runs more of them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use sim::seeds::{Description, Fault, Faults, Kind, Limits};
use sim::swarm::{Plan, run};

/// How many seeds: `UNDERTONE_SIM_SEEDS`, or 20.
fn seeds() -> u64 {
    let asked = std::env::var("UNDERTONE_SIM_SEEDS").ok();
    asked.and_then(|seeds| seeds.parse().ok()).unwrap_or(20)
}

#[test]
fn h26_whatever_a_seed_makes_of_the_network_what_was_said_arrives() {
    let mut records = 0;
    for seed in 0..seeds() {
        match run(&Plan::new(seed, Limits::default())) {
            Ok(outcome) => records += outcome.records,
            Err(failure) => panic!("{failure}; try cargo run --release -p sim -- --seed {seed}"),
        }
    }
    assert!(records > seeds() * 50, "{records} records are no test");
}

#[test]
fn a_seed_is_one_run() {
    let outcome = |seed| run(&Plan::new(seed, Limits::default())).unwrap();
    assert_eq!(outcome(3), outcome(3));
    assert_ne!(outcome(3).trace, outcome(4).trace);
}

/// Counts are of effects: those of kinds that are not active are zero, and none is left out.
#[test]
fn every_kind_of_fault_counts_where_it_is_active_and_nowhere_else() {
    let mut silent: Vec<_> = Faults::of(Kind::Transport).iter().collect();
    for seed in 0..30 {
        let limits = Limits {
            actions: 200,
            ..Limits::default()
        };
        let plan = Plan::new(seed, limits);
        let fired = run(&plan).unwrap().fired;
        for kind in Faults::of(Kind::Transport).iter() {
            let count = fired[kind.name()];
            assert!(count == 0 || plan.faults.has(kind), "seed {seed}: {kind:?}");
            silent.retain(|silent| *silent != kind || count == 0);
        }
    }
    assert_eq!(silent, [], "nowhere");
}

#[test]
fn switching_a_fault_off_leaves_the_others() {
    let plan = |faults| {
        Plan::new(
            11,
            Limits {
                faults,
                ..Limits::default()
            },
        )
    };
    let all = plan(Faults::ALL);
    for fault in all.faults.iter() {
        let fewer = plan(Faults::ALL.without(fault));
        assert_eq!(fewer.faults, all.faults.without(fault));
        assert_eq!((fewer.clients, fewer.gated), (all.clients, all.gated));
        if fault != Fault::Loss {
            assert!((fewer.link.loss - all.link.loss).abs() < f64::EPSILON);
        }
    }
}

/// What was found once stays found.
#[test]
fn worlds_that_failed_once_do_not_any_more() {
    let mut worlds = 0;
    for line in include_str!("../regressions/transport.txt").lines() {
        let (world, was) = line.split_once('#').unwrap_or((line, ""));
        if world.is_empty() {
            continue;
        }
        worlds += 1;
        let Description {
            world: kind,
            seed,
            limits,
        } = world.parse().unwrap();
        assert_eq!(kind, Kind::Transport, "{world}");
        if let Err(failure) = run(&Plan::new(seed, limits)) {
            panic!("{failure}; it was: {was}; {world}");
        }
    }
    assert!(worlds > 0);
}
