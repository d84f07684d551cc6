//! One process of a run: the program as server or as client, told what to do by its parent.
//!
//! It says on its standard output when it is ready and when it is connected, answers each line on
//! its standard input with how things stand, and ends with its input.

use std::io::{self, BufRead, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::{process, thread};

use anyhow::{Context, Result};
use rustix::thread::{CpuSet, sched_setaffinity};
use serde::{Deserialize, Serialize};

use crate::app::{self, App};
use crate::job::{Job, Target, Traffic};
use crate::meter::{Meter, Snapshot};
use crate::{alloc, peer};

/// What a process is to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Role {
    /// What the run does.
    pub job: Job,
    /// The server's address makes a client; its absence the server.
    pub target: Option<Target>,
    /// The core to stay on.
    pub core: Option<usize>,
}

/// What a process says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Line {
    /// A server can be reached.
    Ready(Target),
    /// A client's first connection is made.
    Connected,
    /// Where a proxy is reached, for each server.
    Fronts(Vec<SocketAddr>),
    /// Why the process ends.
    Failed(String),
    /// The answer to a line of input.
    Snapshot(Box<Snapshot>),
}

/// Plays the role until the parent ends it, or tells it what keeps it from that.
///
/// # Errors
/// When there is no such role.
pub fn run(role: &str) -> Result<()> {
    if let Err(error) = play(serde_json::from_str(role)?) {
        tell(&Line::Failed(format!("{error:#}")));
    }
    Ok(())
}

fn play(role: Role) -> Result<()> {
    if let Some(core) = role.core {
        pin(core);
    }
    if matches!(role.job.traffic, Traffic::Idle { .. }) {
        alloc::count();
    }
    let desk = Desk {
        job: role.job,
        meter: answering(),
        is_client: role.target.is_some(),
        told: AtomicBool::new(false),
    };
    let peer = peer::find(&desk.job.peer)?;
    match &role.target {
        Some(target) => peer.connect(&desk, target),
        None => peer.serve(&desk),
    }
    .with_context(|| desk.job.peer.clone())
}

/// Keeps this thread, and those that it starts, on one core. Where there are fewer, it floats.
pub fn pin(core: usize) {
    let mut cores = CpuSet::new();
    cores.set(core);
    let _ = sched_setaffinity(None, &cores);
}

/// Prints a line for the parent.
pub fn tell(line: &Line) {
    if let Ok(text) = serde_json::to_string(line) {
        let mut out = io::stdout().lock();
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    }
}

/// A meter, and a thread that answers every line with how it stands; the end of lines ends the
/// process.
pub fn answering() -> Arc<Meter> {
    let meter = Arc::<Meter>::default();
    let shown = Arc::clone(&meter);
    thread::spawn(move || {
        for _ in io::stdin().lock().lines().map_while(Result::ok) {
            tell(&Line::Snapshot(Box::new(shown.snapshot())));
        }
        process::exit(0);
    });
    meter
}

/// What a peer does its work with.
#[derive(Debug)]
pub struct Desk {
    /// What is to be done.
    pub job: Job,
    /// Where it is counted.
    pub meter: Arc<Meter>,
    is_client: bool,
    told: AtomicBool,
}

impl Desk {
    /// The server can be reached.
    pub fn ready(&self, target: &Target) {
        tell(&Line::Ready(target.clone()));
    }

    /// A connection is made. Both ends call it, once for each.
    pub fn connected(&self) {
        self.meter.connected();
        if self.is_client && !self.told.swap(true, Relaxed) {
            tell(&Line::Connected);
        }
    }

    /// The user of a connection of this end.
    pub fn app(&self) -> Box<dyn App> {
        if self.is_client {
            app::client(&self.job, &self.meter)
        } else {
            app::server(&self.job, &self.meter)
        }
    }
}
