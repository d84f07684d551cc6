//! How fast simulated worlds are at chat load: a server, and a message every half a minute; over the
//! transport alone from one client, in a system between two people.
//!
//! `cargo run --release -p sim --features system --example chat_load -- [HOURS]` prints virtual seconds
//! per second. Nearly all of what a system takes is the RSA of sealing and opening, once per message.
#![allow(clippy::print_stdout, reason = "a program")]

use core::time::Duration;
use std::error::Error;
use std::time::Instant;

use sim::seeds::{Failure, Faults, Limits, Outcome};
use sim::swarm::{Plan, run};
use sim::system::{SystemPlan, run_system};

fn main() -> Result<(), Box<dyn Error>> {
    let hours: u64 = (std::env::args().nth(1)).map_or(Ok(4), |text| text.parse())?;
    let limits = Limits {
        faults: Faults::default(),
        datagrams: u64::MAX,
        time: Duration::from_secs(3600 * hours),
        ..Limits::default()
    };
    let mut plan = Plan::new(1, limits);
    (plan.clients, plan.mortal, plan.last) = (1, 0.0, 0.0);
    plan.message_bytes = 100;
    plan.pause = Duration::from_secs(60);
    print_speed("transport", || run(&plan))?;

    let mut plan = SystemPlan::new(1, limits);
    (plan.clients, plan.accounts, plan.real_tls) = (2, 2, false);
    plan.message_bytes = 100;
    plan.pause = Duration::from_secs(60);
    (plan.actions, plan.talk) = (u64::MAX, 1.0);
    print_speed("system", || run_system(&plan))?;
    Ok(())
}

fn print_speed(
    world: &str,
    simulate: impl FnOnce() -> Result<Outcome, Box<Failure>>,
) -> Result<(), Box<Failure>> {
    #[allow(clippy::disallowed_methods, reason = "how fast the simulation is")]
    let begin = Instant::now();
    let outcome = simulate()?;
    let took = begin.elapsed().as_secs_f64();
    let (messages, datagrams) = (outcome.records, outcome.datagrams);
    let speed = outcome.time.as_secs_f64() / took;
    println!(
        "{world}: {messages} messages, {datagrams} datagrams, {speed:.0} virtual seconds per second"
    );
    Ok(())
}
