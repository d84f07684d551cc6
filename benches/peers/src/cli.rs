//! The command line.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand, value_parser};

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
    #[arg(long, default_value_t = 3, value_parser = value_parser!(u64).range(1..))]
    pub reps: u64,
    /// How long a run is; each scenario has a length of its own.
    #[arg(long, value_parser = value_parser!(u64).range(1..))]
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

/// Whether a contender is one of these names, or a variant of one: `quinn` names `quinn-bbr` too.
pub fn is_named(names: &[String], contender: &str) -> bool {
    names.iter().any(|name| {
        let variant = contender.strip_prefix(name.as_str());
        // tcp-tls is no variant of tcp, but a peer.
        let is_variant = |rest: &str| rest.starts_with('-') && name != "tcp";
        contender == name || variant.is_some_and(is_variant)
    })
}

/// Ends the program with what is wrong with the command line, as a usage error.
pub fn refuse(why: &str) -> ! {
    let mut command = Arguments::command();
    command.error(ErrorKind::InvalidValue, why).exit()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_repetitions_and_no_time_are_refused() {
        for option in ["--reps", "--seconds"] {
            let parse = |value| Arguments::try_parse_from(["peers", "bulk", option, value]);
            assert!(parse("1").is_ok());
            assert_eq!(parse("0").unwrap_err().exit_code(), 2);
            assert_eq!(parse("-1").unwrap_err().exit_code(), 2);
        }
        assert_eq!(
            Arguments::try_parse_from(["peers"])
                .unwrap_err()
                .exit_code(),
            2
        );
    }
}
