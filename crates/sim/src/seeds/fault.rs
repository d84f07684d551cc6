use core::fmt;
use core::str::FromStr;

/// A kind of fault that a plan may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Fault {
    /// Datagrams are lost, each by itself.
    Loss,
    /// Datagrams are lost in bursts.
    Bursts,
    /// Datagrams take unequally long, in order.
    Jitter,
    /// Datagrams are overtaken.
    Reordering,
    /// Datagrams arrive twice.
    Duplication,
    /// Datagrams arrive changed or cut short.
    Corruption,
    /// A link has a rate and a queue.
    Rate,
    /// A link takes short datagrams only.
    Mtu,
    /// Nothing gets through for a while.
    Partition,
    /// A client's address changes, and it does not know.
    Rebinding,
    /// A client moves to another address, and knows.
    Migration,
    /// The server ends without a word, and begins again with no more than what its disk holds.
    Restart,
    /// Somebody on the path sends what was captured again: as it was, changed, from elsewhere, or
    /// back to its sender.
    Replay,
    /// Somebody sends noise to anybody, also in others' names.
    Noise,
    /// Applications break streams off.
    Resets,
    /// Applications close connections.
    Closes,
    /// Applications read late.
    Laziness,
    /// An authenticated peer breaks the rules.
    Liar,
    /// A client ends without a word and begins again with what its disk holds.
    Crash,
    /// Clocks are up to an hour off, and jump.
    Skew,
    /// Workers take long, and what they return overtakes each other.
    SlowWork,
    /// Workers fail.
    FailedWork,
    /// Transactions take long.
    SlowDisk,
    /// There is no room on a disk for a while.
    DiskFull,
    /// Writing or syncing fails.
    DiskError,
    /// The server deceives.
    Malice,
    /// Somebody on the path joins what was captured: the head of one datagram with the tail of another,
    /// packets of several connections in one datagram.
    Splicing,
    /// Somebody on the path who has no keys but those that everybody can derive forges headers, versions,
    /// stateless answers and Initials, about connections that were overheard and about none.
    Forgery,
    /// A client's links take shorter datagrams from some time on, and keep to that.
    Shrinking,
    /// A client's links mark datagrams for congestion, clear marks, or leave them alone, in turn.
    Marking,
    /// Nothing gets through from or to a client for a while, and all does the other way.
    OneWay,
    /// The rate of a client's links changes.
    Pace,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 32] = [
        Self::Loss,
        Self::Bursts,
        Self::Jitter,
        Self::Reordering,
        Self::Duplication,
        Self::Corruption,
        Self::Rate,
        Self::Mtu,
        Self::Partition,
        Self::Rebinding,
        Self::Migration,
        Self::Restart,
        Self::Replay,
        Self::Noise,
        Self::Resets,
        Self::Closes,
        Self::Laziness,
        Self::Liar,
        Self::Crash,
        Self::Skew,
        Self::SlowWork,
        Self::FailedWork,
        Self::SlowDisk,
        Self::DiskFull,
        Self::DiskError,
        Self::Malice,
        Self::Splicing,
        Self::Forgery,
        Self::Shrinking,
        Self::Marking,
        Self::OneWay,
        Self::Pace,
    ];

    /// Those of the transport's world.
    pub const TRANSPORT: &'static [Self] = &[
        Self::Loss,
        Self::Bursts,
        Self::Jitter,
        Self::Reordering,
        Self::Duplication,
        Self::Corruption,
        Self::Rate,
        Self::Mtu,
        Self::Partition,
        Self::Rebinding,
        Self::Migration,
        Self::Restart,
        Self::Replay,
        Self::Noise,
        Self::Resets,
        Self::Closes,
        Self::Laziness,
        Self::Liar,
        Self::Splicing,
        Self::Forgery,
        Self::Shrinking,
        Self::Marking,
        Self::OneWay,
        Self::Pace,
    ];

    /// Those of the system's world.
    pub const SYSTEM: &'static [Self] = &[
        Self::Loss,
        Self::Bursts,
        Self::Jitter,
        Self::Reordering,
        Self::Duplication,
        Self::Corruption,
        Self::Rate,
        Self::Mtu,
        Self::Partition,
        Self::Rebinding,
        Self::Migration,
        Self::Restart,
        Self::Replay,
        Self::Noise,
        Self::Closes,
        Self::Crash,
        Self::Skew,
        Self::SlowWork,
        Self::FailedWork,
        Self::SlowDisk,
        Self::DiskFull,
        Self::DiskError,
        Self::Malice,
        Self::Splicing,
        Self::Forgery,
    ];

    /// Its name on a command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::Bursts => "bursts",
            Self::Jitter => "jitter",
            Self::Reordering => "reordering",
            Self::Duplication => "duplication",
            Self::Corruption => "corruption",
            Self::Rate => "rate",
            Self::Mtu => "mtu",
            Self::Partition => "partition",
            Self::Rebinding => "rebinding",
            Self::Migration => "migration",
            Self::Restart => "restart",
            Self::Replay => "replay",
            Self::Noise => "noise",
            Self::Resets => "resets",
            Self::Closes => "closes",
            Self::Laziness => "laziness",
            Self::Liar => "liar",
            Self::Crash => "crash",
            Self::Skew => "skew",
            Self::SlowWork => "slow-work",
            Self::FailedWork => "failed-work",
            Self::SlowDisk => "slow-disk",
            Self::DiskFull => "disk-full",
            Self::DiskError => "disk-error",
            Self::Malice => "malice",
            Self::Splicing => "splicing",
            Self::Forgery => "forgery",
            Self::Shrinking => "shrinking",
            Self::Marking => "marking",
            Self::OneWay => "one-way",
            Self::Pace => "pace",
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|fault| fault.name() == name);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
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
        Fault::ALL.into_iter().filter(move |&fault| self.has(fault))
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
