use core::time::Duration;

use super::keys::ACCOUNTS_MAX;
use super::meter::Probe;
use crate::seeds::{Fault, Faults, Kind, Limits, link_of};
use crate::{Link, Rng};

/// Something wrong with the simulated machines, to see whether it is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SystemBug {
    /// The server's store answers before it has synced.
    ServerAnswersEarly,
    /// The clients' stores do.
    ClientAnswersEarly,
    /// Stores believe what a crash has torn.
    TornIsBelieved,
    /// The server's store forgets one transaction in twenty, and says that it is done.
    TransactionsForgotten,
}

/// Everything that follows from a seed before the system's world begins.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SystemPlan {
    /// The seed.
    pub seed: u64,
    /// Its bounds.
    pub limits: Limits,
    /// The faults that are active.
    pub faults: Faults,
    /// Installations; each belongs to one of the accounts.
    pub clients: u64,
    /// Accounts, at most as many as installations.
    pub accounts: u64,
    /// Whether strangers have to work before the server admits them.
    pub gated: bool,
    /// Channels are TLS: then the run does not repeat to the byte.
    pub real_tls: bool,
    /// Nothing goes wrong suddenly before everybody has been there once.
    pub settled: bool,
    /// Every link.
    pub link: Link,
    /// The longest text, in bytes.
    pub message_bytes: u64,
    /// The longest pause between two actions.
    pub pause: Duration,
    /// Actions of phase 1; with each something may go wrong.
    pub actions: u64,
    /// The share of actions in which somebody writes a message. Most of a seed's computing is theirs.
    pub talk: f64,
    /// What is wrong with the machines: nothing, unless somebody sets it.
    pub bug: Option<SystemBug>,
    /// Who can tell how much memory is allocated: nobody, unless somebody sets it.
    pub probe: Option<Probe>,
}

impl SystemPlan {
    /// Whether somebody keeps datagrams, to do something with them.
    pub(super) fn is_overheard(&self) -> bool {
        let with = [Fault::Replay, Fault::Splicing, Fault::Forgery];
        with.iter().any(|&fault| self.faults.has(fault))
    }

    /// The plan of a seed.
    pub fn new(seed: u64, limits: Limits) -> Self {
        let mut rng = Rng::stream(seed, "system plan", 0);
        let mut faults = Faults::default();
        let share = rng.one_of(&[0.1, 0.25, 0.5]);
        for fault in Faults::of(Kind::System).iter() {
            // Each draws from a stream of its own, so that a new kind leaves the others as they were.
            let mut rng = Rng::stream(seed, fault.name(), 2);
            // One that changes what can be promised is for some worlds only.
            let share = if fault == Fault::Malice { 0.1 } else { share };
            if rng.chance(share) && limits.faults.has(fault) {
                faults = faults.with(fault);
            }
        }
        let clients = (2 + rng.below(3)).min(limits.clients).max(1);
        let accounts = (clients - rng.below(2)).clamp(1, ACCOUNTS_MAX);
        Self {
            seed,
            limits,
            faults,
            clients,
            accounts,
            gated: rng.chance(0.5),
            real_tls: rng.chance(0.1),
            settled: rng.chance(0.8),
            link: link_of(seed, faults),
            message_bytes: rng.one_of(&[60, 400, 4_000, 40_000]),
            pause: Duration::from_millis(rng.one_of(&[100, 1_000, 10_000])),
            actions: rng.one_of(&[40, 80, 160]),
            talk: 0.45,
            bug: None,
            probe: None,
        }
    }
}
