//! What is measured: a file for each kind of scenario.

mod fairness;
mod flow;
mod handshake;
mod idle;
mod link;
mod ping;

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use crate::job::{Job, Link, Packets, Traffic};

pub use link::CEILING;

/// One thing that is measured of every contender.
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub about: &'static str,
    /// Who takes part.
    pub contenders: &'static [&'static str],
    /// How long a run is, unless somebody says otherwise.
    pub seconds: u64,
    /// What travels.
    pub traffic: Traffic,
    /// How large packets are.
    pub packets: Packets,
    /// Through what.
    pub link: Option<Link>,
    /// How a run goes, and what it gives.
    pub run: fn(&Job, Run) -> Result<Vec<Figure>>,
}

/// What is particular to one run.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// How long to measure.
    pub length: Duration,
    /// What the link's chance depends on: the same for all contenders, another for each repetition.
    pub seed: u64,
}

/// One figure of one run.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// What it is.
    pub name: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Whether more of it is better.
    pub more_is_better: bool,
    /// How much.
    pub value: f64,
}

impl Figure {
    /// A figure of which more is better.
    pub fn more(name: &'static str, unit: &'static str, value: f64) -> Self {
        Self {
            name,
            unit,
            more_is_better: true,
            value,
        }
    }

    /// A figure of which less is better.
    pub fn less(name: &'static str, unit: &'static str, value: f64) -> Self {
        Self {
            name,
            unit,
            more_is_better: false,
            value,
        }
    }
}

impl Scenario {
    /// What a contender is told to do.
    pub fn job(&self, peer: &str) -> Job {
        Job {
            peer: peer.to_owned(),
            traffic: self.traffic,
            packets: self.packets,
            link: self.link,
        }
    }
}

/// All of them, in the order in which `all` runs them.
pub fn all() -> Vec<Scenario> {
    let mut all = flow::scenarios();
    all.extend(ping::scenarios());
    all.extend(handshake::scenarios());
    all.extend(idle::scenarios());
    all.extend(link::scenarios());
    all.extend(fairness::scenarios());
    all
}

/// Those of these names; `all` means all.
///
/// # Errors
/// There is no such scenario.
pub fn find(names: &[String]) -> Result<Vec<Scenario>, String> {
    let mut found = Vec::new();
    for name in names {
        let before = found.len();
        let is_named = |scenario: &Scenario| name == "all" || scenario.name == name;
        found.extend(all().into_iter().filter(is_named));
        if found.len() == before {
            let names: Vec<&str> = all().iter().map(|scenario| scenario.name).collect();
            let names = names.join(", ");
            return Err(format!(
                "no scenario is called {name:?}; there are all, {names}"
            ));
        }
    }
    Ok(found)
}
