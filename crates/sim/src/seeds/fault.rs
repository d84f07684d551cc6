use core::fmt;
use core::str::FromStr;

use super::Kind;

/// Writes the kinds down once: each with its name on a command line and the worlds that have it.
macro_rules! faults {
    ($($(#[$doc:meta])+ $fault:ident = $name:literal in $($world:ident)+;)+) => {
        /// A kind of fault that a plan may use.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Fault {
            $($(#[$doc])+ $fault,)+
        }

        impl Fault {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$fault,)+];

            /// Its name on a command line.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$fault => $name,)+
                }
            }

            /// The worlds that have it.
            pub const fn worlds(self) -> &'static [Kind] {
                match self {
                    $(Self::$fault => &[$(Kind::$world),+],)+
                }
            }
        }
    };
}

faults! {
    /// Datagrams are lost, each by itself.
    Loss = "loss" in Transport System;
    /// Datagrams are lost in bursts.
    Bursts = "bursts" in Transport System;
    /// Datagrams take unequally long, in order.
    Jitter = "jitter" in Transport System;
    /// Datagrams are overtaken.
    Reordering = "reordering" in Transport System;
    /// Datagrams arrive twice.
    Duplication = "duplication" in Transport System;
    /// Datagrams arrive changed or cut short.
    Corruption = "corruption" in Transport System;
    /// A link has a rate and a queue.
    Rate = "rate" in Transport System;
    /// A link takes short datagrams only.
    Mtu = "mtu" in Transport System;
    /// Nothing gets through for a while.
    Partition = "partition" in Transport System;
    /// A client's address changes, and it does not know.
    Rebinding = "rebinding" in Transport System;
    /// A client moves to another address, and knows.
    Migration = "migration" in Transport System;
    /// The server ends without a word, and begins again with no more than what its disk holds.
    Restart = "restart" in Transport System;
    /// Somebody on the path sends what was captured again: as it was, changed, from elsewhere, or
    /// back to its sender.
    Replay = "replay" in Transport System;
    /// Somebody sends noise to anybody, also in others' names.
    Noise = "noise" in Transport System;
    /// Applications break streams off.
    Resets = "resets" in Transport;
    /// Applications close connections.
    Closes = "closes" in Transport System;
    /// Applications read late.
    Laziness = "laziness" in Transport;
    /// An authenticated peer breaks the rules.
    Liar = "liar" in Transport;
    /// A client ends without a word and begins again with what its disk holds.
    Crash = "crash" in System;
    /// Clocks are up to an hour off, and jump.
    Skew = "skew" in System;
    /// Workers take long, and what they return overtakes each other.
    SlowWork = "slow-work" in System;
    /// Workers fail.
    FailedWork = "failed-work" in System;
    /// Transactions take long.
    SlowDisk = "slow-disk" in System;
    /// There is no room on a disk for a while.
    DiskFull = "disk-full" in System;
    /// Writing or syncing fails.
    DiskError = "disk-error" in System;
    /// The server deceives.
    Malice = "malice" in System;
    /// Somebody on the path joins what was captured: the head of one datagram with the tail of another,
    /// packets of several connections in one datagram.
    Splicing = "splicing" in Transport System;
    /// Somebody on the path who has no keys but those that everybody can derive forges headers, versions,
    /// stateless answers and Initials, about connections that were overheard and about none.
    Forgery = "forgery" in Transport System;
    /// A client's links take shorter datagrams from some time on, and keep to that.
    Shrinking = "shrinking" in Transport;
    /// A client's links mark datagrams for congestion, clear marks, or leave them alone, in turn.
    Marking = "marking" in Transport;
    /// Nothing gets through from or to a client for a while, and all does the other way.
    OneWay = "one-way" in Transport;
    /// The rate of a client's links changes.
    Pace = "pace" in Transport;
    /// Somebody's mailbox takes nothing for a while.
    FullMailbox = "full-mailbox" in System;
    /// Somebody writes dozens of messages at once.
    Backlog = "backlog" in System;
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|fault| fault.name() == name);
        found.copied().ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|fault| fault.name()).collect();
            let names = names.join(", ");
            format!("there is no fault {name:?}; there are {names}")
        })
    }
}

/// What no faults at all are called.
const NONE: &str = "none";

/// A set of faults.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults(u64);

impl Faults {
    /// Every fault.
    pub const ALL: Self = Self((1 << Fault::ALL.len()) - 1);

    /// Those that a world has.
    pub fn of(world: Kind) -> Self {
        let has_it = |fault: &&Fault| fault.worlds().contains(&world);
        let found = Fault::ALL.iter().filter(has_it);
        found.fold(Self::default(), |all, &fault| all.with(fault))
    }

    /// Whether `fault` is one of them.
    pub const fn has(self, fault: Fault) -> bool {
        self.0 & 1 << fault as u32 != 0
    }

    /// These and `fault`.
    #[must_use]
    pub const fn with(self, fault: Fault) -> Self {
        Self(self.0 | 1 << fault as u32)
    }

    /// These but `fault`.
    #[must_use]
    pub const fn without(self, fault: Fault) -> Self {
        Self(self.0 & !(1 << fault as u32))
    }

    /// These but for those.
    #[must_use]
    pub const fn less(self, those: Self) -> Self {
        Self(self.0 & !those.0)
    }

    /// One after the other.
    pub fn iter(self) -> impl Iterator<Item = Fault> {
        Fault::ALL
            .iter()
            .copied()
            .filter(move |&fault| self.has(fault))
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Names with commas between, or `none`, as a command line takes them.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(Fault::name).collect();
        f.write_str(if names.is_empty() { NONE } else { "" })?;
        f.write_str(&names.join(","))
    }
}

impl FromStr for Faults {
    type Err = String;

    fn from_str(names: &str) -> Result<Self, String> {
        let names = names.split(',').filter(|_| names != NONE);
        names
            .map(Fault::from_str)
            .try_fold(Self::default(), |all, fault| Ok(all.with(fault?)))
    }
}
