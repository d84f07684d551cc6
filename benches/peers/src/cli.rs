//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::{peer, scenario};

/// Measures undertone and its peers side by side: two processes, a core each, in turn.
#[derive(Debug, Parser)]
#[command(name = "peers", after_help = scenarios(), args_conflicts_with_subcommands = true)]
pub struct Arguments {
    /// What to measure; `all` is everything.
    #[arg(required = true)]
    pub scenarios: Vec<String>,
    /// Who takes part, of those that the scenario has: names of peers, or of variants such as
    /// quinn-bbr.
    #[arg(long, value_delimiter = ',')]
    pub peers: Vec<String>,
    /// How often each runs; median, least and most are shown.
    #[arg(long, default_value_t = 3)]
    pub reps: usize,
    /// How long a run is; each scenario has a length of its own.
    #[arg(long)]
    pub seconds: Option<u64>,
    /// Appends a line for each result to this file.
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Draws each scenario into this folder.
    #[cfg(feature = "plot")]
    #[arg(long)]
    pub plot: Option<PathBuf>,
    /// A process of a run, which only the program itself starts.
    #[command(subcommand)]
    pub process: Option<ProcessArguments>,
}

/// What the program starts itself as.
#[derive(Debug, Subcommand)]
pub enum ProcessArguments {
    /// Server or client.
    #[command(hide = true)]
    Role {
        /// Which, in JSON.
        role: String,
    },
    /// The link between them.
    #[command(hide = true)]
    Proxy {
        /// Which, in JSON.
        role: String,
    },
}

impl Arguments {
    /// Whether a contender takes part: it or its peer was named, or nobody was.
    pub fn wants(&self, contender: &str) -> bool {
        let named = |name: &String| {
            contender == name
                || contender
                    .strip_prefix(name.as_str())
                    .is_some_and(|rest| rest.starts_with('-') && name != "tcp")
        };
        self.peers.is_empty() || self.peers.iter().any(named)
    }
}

fn scenarios() -> String {
    let mut text = "Scenarios:\n".to_owned();
    for scenario in scenario::all() {
        let (name, about) = (scenario.name, scenario.about);
        text.push_str(&format!("  {name:22} {about}\n"));
    }
    text.push_str("\nPeers: ");
    text.push_str(&peer::names().join(", "));
    text
}
