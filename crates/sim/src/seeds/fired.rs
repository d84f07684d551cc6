use std::collections::BTreeMap;

use super::{Fault, Faults};
use crate::world::DatagramStats;

/// How often each kind of fault had an effect, and what else is worth counting.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fired(BTreeMap<&'static str, u64>);

impl Fired {
    /// Once more.
    pub(crate) fn count(&mut self, name: &'static str) {
        self.add(name, 1);
    }

    pub(crate) fn add(&mut self, name: &'static str, count: u64) {
        *self.0.entry(name).or_default() += count;
    }

    /// In the end: with what links did, and with zeros for those of `kinds` that had no effect. Links
    /// have a longest datagram even where no fault made it short.
    pub(crate) fn sum(
        &self,
        kinds: Faults,
        active: Faults,
        stats: &DatagramStats,
    ) -> BTreeMap<&'static str, u64> {
        let mut sum = self.clone();
        for kind in kinds.iter() {
            sum.add(kind.name(), 0);
        }
        let too_long = stats.too_long * u64::from(active.has(Fault::Mtu));
        // Other faults give links a rate as well.
        let queued = stats.queued * u64::from(active.has(Fault::Rate));
        let links = [
            (Fault::Loss, stats.lost_alone),
            (Fault::Bursts, stats.lost_in_bursts),
            (Fault::Jitter, stats.late),
            (Fault::Reordering, stats.overtaken),
            (Fault::Duplication, stats.duplicated),
            (Fault::Corruption, stats.corrupted),
            (Fault::Rate, queued),
            (Fault::Mtu, too_long),
        ];
        for (kind, count) in links {
            sum.add(kind.name(), count);
        }
        sum.0
    }
}
