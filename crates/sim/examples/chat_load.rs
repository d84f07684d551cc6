//! How fast a simulated system is at chat load: a server, two people, and a message between them
//! every half a minute.
//!
//! `cargo run --release -p sim --features system --example chat_load -- [HOURS]` prints virtual seconds
//! per second. Nearly all of it is the RSA of sealing and opening, once per message.
#![allow(clippy::print_stdout, reason = "a program")]

use core::time::Duration;
use std::error::Error;
use std::time::Instant;

use sim::swarm::{Faults, Limits};
use sim::system::{SystemPlan, run_system};

fn main() -> Result<(), Box<dyn Error>> {
    let hours: u64 = (std::env::args().nth(1)).map_or(Ok(4), |text| text.parse())?;
    let limits = Limits {
        faults: Faults::default(),
        datagrams: u64::MAX,
        time: Duration::from_secs(3600 * hours),
        ..Limits::default()
    };
    let mut plan = SystemPlan::new(1, limits);
    (plan.clients, plan.accounts, plan.real_tls) = (2, 2, false);
    plan.message_bytes = 100;
    plan.pause = Duration::from_secs(60);
    plan.actions = u64::MAX;
    #[allow(clippy::disallowed_methods, reason = "how fast the simulation is")]
    let begin = Instant::now();
    let outcome = run_system(&plan)?;
    let took = begin.elapsed().as_secs_f64();
    let (messages, datagrams) = (outcome.records, outcome.datagrams);
    let speed = outcome.time.as_secs_f64() / took;
    println!("{messages} messages, {datagrams} datagrams, {speed:.0} virtual seconds per second");
    Ok(())
}
