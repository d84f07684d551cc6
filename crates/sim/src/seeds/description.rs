use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use super::{Faults, Limits};

/// What a world is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Endpoints of the transport.
    #[default]
    Transport,
    /// A server and clients with their disks.
    System,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Transport, Self::System];

    const fn name(self) -> &'static str {
        match self {
            Self::Transport => "transport",
            Self::System => "system",
        }
    }
}

/// Its name on a command line.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| format!("there is no world {name:?}; there are transport and system"))
    }
}

/// A world in a line, as the program's command line takes it:
/// `--world system --seed 17 --only loss,mtu --clients 1 --actions 40`. `--without loss,mtu` is read too, and means whatever
/// other kinds of faults there are by then: a world that is kept names those that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Description {
    /// What it is made of.
    pub world: Kind,
    /// Everything random follows from it.
    pub seed: u64,
    /// What is left of what it asks for.
    pub limits: Limits,
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (limits, all) = (&self.limits, Limits::default());
        if self.world != Kind::default() {
            write!(f, "--world {} ", self.world)?;
        }
        write!(f, "--seed {}", self.seed)?;
        if limits.faults != Faults::ALL {
            write!(f, " --only {}", limits.faults)?;
        }
        let numbers = [
            (
                "minutes",
                limits.time.as_secs() / 60,
                all.time.as_secs() / 60,
            ),
            ("clients", limits.clients, all.clients),
            ("actions", limits.actions, all.actions),
            ("thinning", limits.thinning, all.thinning),
        ];
        for (name, number, usual) in numbers {
            if number != usual {
                write!(f, " --{name} {number}")?;
            }
        }
        Ok(())
    }
}

impl FromStr for Description {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let mut world = Kind::default();
        let mut seed = None;
        let mut limits = Limits::default();
        let mut words = line.split_whitespace();
        while let Some(name) = words.next() {
            let value = words.next().ok_or_else(|| format!("{name} of what?"))?;
            let number = || value.parse().map_err(|_| format!("{name} {value}"));
            match name {
                "--world" => world = value.parse()?,
                "--seed" => seed = Some(number()?),
                "--minutes" => limits.time = Duration::from_secs(60 * number()?),
                "--clients" => limits.clients = number()?,
                "--actions" => limits.actions = number()?,
                "--thinning" => limits.thinning = number()?,
                "--only" => limits.faults = value.parse()?,
                "--without" => limits.faults = limits.faults.less(value.parse()?),
                _ => return Err(format!("there is no {name}")),
            }
        }
        let seed = seed.ok_or("no seed")?;
        Ok(Self {
            world,
            seed,
            limits,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeds::Fault;

    #[test]
    fn a_line_is_read_as_it_is_written() {
        let limits = Limits {
            faults: Faults::default().with(Fault::Loss).with(Fault::Mtu),
            clients: 2,
            actions: 40,
            thinning: 8,
            time: Duration::from_secs(120),
            ..Limits::default()
        };
        let mut all = Description {
            world: Kind::Transport,
            seed: 17,
            limits,
        };
        let line = "--seed 17 --only loss,mtu --minutes 2 --clients 2 --actions 40 --thinning 8";
        assert_eq!(all.to_string(), line);
        assert_eq!(line.parse(), Ok(all));
        all.world = Kind::System;
        assert_eq!(all.to_string(), format!("--world system {line}"));
        assert_eq!(all.to_string().parse(), Ok(all));
        assert!("--world none --seed 1".parse::<Description>().is_err());
        assert!("--clients 1".parse::<Description>().is_err(), "no seed");
    }

    #[test]
    fn kinds_of_faults_are_those_that_are_named_or_all_but_those() {
        let read = |line: &str| line.parse::<Description>().map(|read| read.limits.faults);
        let loss = Faults::default().with(Fault::Loss);
        assert_eq!(read("--seed 1"), Ok(Faults::ALL));
        assert_eq!(read("--seed 1 --only loss"), Ok(loss));
        assert_eq!(read("--seed 1 --only none"), Ok(Faults::default()));
        assert_eq!(read("--seed 1 --without loss"), Ok(Faults::ALL.less(loss)));
        assert_eq!(read("--seed 1 --without none"), Ok(Faults::ALL));
        for wrong in [
            "--only rain",
            "--without loss,rain",
            "--only loss,none",
            "--only",
        ] {
            assert!(read(&format!("--seed 1 {wrong}")).is_err(), "{wrong}");
        }
        let mut none = "--seed 1 --only none".parse::<Description>();
        assert_eq!(
            none.map(|none| none.to_string()),
            Ok("--seed 1 --only none".to_owned())
        );
        none = "--seed 1 --without none".parse();
        assert_eq!(none.map(|all| all.to_string()), Ok("--seed 1".to_owned()));
    }
}
