use core::ops::RangeInclusive;
use core::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, value_parser};
#[cfg(feature = "planted")]
use internet::planted::Bug;
use sim::seeds::{Fault, Faults, Kind, Limits};

use crate::seeded::Seeded;

/// Runs seeds of a simulated world. Ends with 1 when something happened that must never happen, or when in
/// a hundred seeds or more a kind of fault had no effect.
#[derive(Parser)]
#[command(name = "sim", after_help = faults_help())]
pub(crate) struct Arguments {
    /// What the world is made of: `transport`, endpoints; or `system`, a server and clients with their
    /// disks.
    #[arg(long, default_value_t)]
    world: Kind,
    /// The first seed.
    #[arg(long, default_value_t = 0, value_name = "S")]
    from: u64,
    /// How many seeds.
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    seeds: u64,
    /// One seed: the same run as before, unless its channels are TLS.
    #[arg(long, conflicts_with_all = ["from", "seeds"], value_name = "N")]
    seed: Option<u64>,
    /// Virtual minutes of faults for each seed, at most.
    #[arg(long, default_value_t = 10, value_name = "M", value_parser = value_parser!(u64).range(1..))]
    minutes: u64,
    /// Kinds of faults to leave out.
    #[arg(
        long,
        default_value_t,
        hide_default_value = true,
        value_name = "FAULT,..."
    )]
    without: Faults,
    /// The only kinds of faults that there are, or `none`.
    #[arg(long, conflicts_with = "without", value_name = "FAULT,...")]
    only: Option<Faults>,
    /// Tells what everybody in a system is told, and when.
    #[arg(long, requires = "seed")]
    watch: bool,
    /// At most so many clients.
    #[arg(long, value_name = "K", value_parser = value_parser!(u64).range(1..))]
    clients: Option<u64>,
    /// At most so many actions.
    #[arg(long, value_name = "K", value_parser = value_parser!(u64).range(1..))]
    actions: Option<u64>,
    /// Only one of so many messages.
    #[arg(long, default_value_t = 1, value_name = "K", value_parser = value_parser!(u64).range(1..))]
    thinning: u64,
    /// Switches bugs on, one after the other, and runs seeds until each is found: `all`, or names.
    #[cfg(feature = "planted")]
    #[arg(
        long,
        exclusive = true,
        value_delimiter = ',',
        value_name = "BUG,...",
        value_parser = bugs
    )]
    planted: Vec<&'static [Bug]>,
}

/// What the program is asked to do.
pub(crate) enum Task {
    Run {
        seeded: Seeded,
        seeds: RangeInclusive<u64>,
    },
    Watch {
        seed: u64,
        limits: Limits,
    },
    #[cfg(feature = "planted")]
    Hunt(Vec<Bug>),
}

impl Arguments {
    /// What they ask for. Ends the program with 2 and a reason where they ask for what cannot be.
    pub(crate) fn task(self) -> Task {
        #[cfg(feature = "planted")]
        if !self.planted.is_empty() {
            return Task::Hunt(self.planted.concat());
        }
        let limits = self.limits();
        let world = self.world;
        let named = self.only.unwrap_or(self.without);
        if let Some(fault) = named.less(Faults::of(world)).iter().next() {
            let fault = fault.name();
            let error = format!("a {world} world has no {fault}; --help lists what it has");
            refuse(ErrorKind::InvalidValue, &error);
        }
        if self.watch && world != Kind::System {
            let error = "only a system is watched: --world system";
            refuse(ErrorKind::ArgumentConflict, error);
        }
        if let (true, Some(seed)) = (self.watch, self.seed) {
            return Task::Watch { seed, limits };
        }
        Task::Run {
            seeded: Seeded { world, limits },
            seeds: self.seeds(),
        }
    }

    fn limits(&self) -> Limits {
        let mut limits = Limits {
            time: Duration::from_secs(self.minutes.saturating_mul(60)),
            thinning: self.thinning,
            ..Limits::default()
        };
        limits.faults = self.only.unwrap_or(limits.faults.less(self.without));
        limits.clients = self.clients.unwrap_or(limits.clients);
        limits.actions = self.actions.unwrap_or(limits.actions);
        limits
    }

    fn seeds(&self) -> RangeInclusive<u64> {
        if let Some(seed) = self.seed {
            return seed..=seed;
        }
        match self.from.checked_add(self.seeds - 1) {
            Some(last) => self.from..=last,
            None => refuse(
                ErrorKind::InvalidValue,
                "the last seed would be larger than 18446744073709551615",
            ),
        }
    }
}

/// Ends the program as for any other wrong argument.
fn refuse(kind: ErrorKind, error: &str) -> ! {
    Arguments::command().error(kind, error).exit()
}

fn faults_help() -> String {
    let names = |world| {
        let names: Vec<_> = Faults::of(world).iter().map(Fault::name).collect();
        names.join(", ")
    };
    format!(
        "Faults of transport: {}\n\nFaults of system: {}",
        names(Kind::Transport),
        names(Kind::System)
    )
}

/// The bug of that name, or all.
#[cfg(feature = "planted")]
fn bugs(name: &str) -> Result<&'static [Bug], String> {
    if name == "all" {
        return Ok(Bug::ALL);
    }
    let found = Bug::ALL.iter().find(|bug| bug.name() == name);
    found.map(core::slice::from_ref).ok_or_else(|| {
        let names: Vec<_> = Bug::ALL.iter().map(|bug| bug.name()).collect();
        format!("there are all, {}", names.join(", "))
    })
}
