//! Undertone and what people would use instead of it, measured side by side.
//!
//! Each run is two processes on a core each, this program again as server and as client. Contenders
//! take turns, so that a machine that changes its mood is unfair to nobody.

mod alloc;
mod app;
mod child;
mod cli;
mod clock;
mod contest;
mod datagrams;
mod framing;
mod job;
mod meter;
mod peer;
mod plan;
mod proxy;
mod report;
mod run;
mod scenario;
mod sockets;

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;

use cli::{Arguments, ProcessArguments};
use contest::Runner;
use plan::Plan;

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
    let plan = match Plan::new(&arguments.scenarios, &arguments.peers) {
        Ok(plan) => plan,
        Err(why) => cli::refuse(&why),
    };
    for note in &plan.notes {
        eprintln!("{note}");
    }
    let mut json = arguments.json.as_deref().map(lines).transpose()?;
    let mut runner = Runner::new(arguments.reps, arguments.seconds);
    for contest in &plan.contests {
        let outcomes = runner.run(contest)?;
        report::print(&outcomes);
        if let Some(file) = &mut json {
            report::append(file, &outcomes)?;
        }
        #[cfg(feature = "plot")]
        if let Some(folder) = &arguments.plot {
            report::plot(folder, contest.scenario.about, &outcomes)?;
        }
    }
    let failures = runner.failures();
    ensure!(failures == 0, "{failures} runs have failed");
    Ok(())
}

/// The file that takes a line for each result. One that cannot be written is known before anything is
/// measured.
fn lines(file: &Path) -> Result<File> {
    let opened = OpenOptions::new().create(true).append(true).open(file);
    opened.with_context(|| file.display().to_string())
}
