//! Undertone and what people would use instead of it, measured side by side.
//!
//! Each run is two processes on a core each, this program again as server and as client. Contenders
//! take turns, so that a machine that changes its mood is unfair to nobody.

mod alloc;
mod app;
mod child;
mod cli;
mod clock;
mod datagrams;
mod framing;
mod job;
mod meter;
mod peer;
mod proxy;
mod report;
mod run;
mod scenario;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Parser;

use cli::{Arguments, ProcessArguments};
use report::{Outcome, Summary};
use scenario::{Figure, Run, Scenario};

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match &arguments.process {
        Some(ProcessArguments::Role { role }) => child::run(role),
        Some(ProcessArguments::Proxy { role }) => proxy::run(role),
        None => measure(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> Result<()> {
    let mut failures = 0;
    for scenario in scenario::find(&arguments.scenarios)? {
        let outcomes = contest(&scenario, arguments);
        report::print(&outcomes);
        failures += outcomes
            .iter()
            .map(|outcome| outcome.failures.len())
            .sum::<usize>();
        if let Some(file) = &arguments.json {
            append(file, &outcomes)?;
        }
        #[cfg(feature = "plot")]
        if let Some(folder) = &arguments.plot {
            report::plot(folder, scenario.about, &outcomes)?;
        }
    }
    ensure!(failures == 0, "{failures} runs have failed");
    Ok(())
}

/// Runs one scenario: everybody once, then everybody again.
fn contest(scenario: &Scenario, arguments: &Arguments) -> Vec<Outcome> {
    let seconds = arguments.seconds.unwrap_or(scenario.seconds);
    println!("\n{}: {} ({seconds} s)", scenario.name, scenario.about);
    // Who measures only the proxy is not asked for by name.
    let is_yardstick = scenario.contenders.len() == 1;
    let wanted = scenario
        .contenders
        .iter()
        .filter(|&name| is_yardstick || arguments.wants(name));
    let mut contenders = Vec::new();
    for &name in wanted {
        match peer::find(name) {
            Ok(peer) => contenders.push((name, peer.settings(&scenario.job(name)))),
            Err(error) => println!("  {error}"),
        }
    }
    for (name, settings) in &contenders {
        println!("  {name}: {settings}");
    }
    let mut runs: Vec<(Vec<Vec<Figure>>, Vec<String>)> = vec![Default::default(); contenders.len()];
    for repetition in 0..arguments.reps {
        for ((name, _), (figures, failures)) in contenders.iter().zip(&mut runs) {
            let run = Run {
                length: Duration::from_secs(seconds),
                seed: repetition as u64 + 1,
            };
            match (scenario.run)(&scenario.job(name), run) {
                Ok(found) => figures.push(found),
                Err(error) => failures.push(format!("{error:#}")),
            }
        }
    }
    let outcomes = contenders.into_iter().zip(runs);
    outcomes
        .map(|((name, settings), (figures, failures))| Outcome {
            scenario: scenario.name.to_owned(),
            peer: name.to_owned(),
            settings,
            seconds,
            runs: figures.len(),
            figures: Summary::of(&figures),
            failures,
        })
        .collect()
}

/// A line for each result.
fn append(file: &Path, outcomes: &[Outcome]) -> Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(file)?;
    for outcome in outcomes {
        writeln!(file, "{}", serde_json::to_string(outcome)?)?;
    }
    Ok(())
}
