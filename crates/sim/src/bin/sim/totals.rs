use core::time::Duration;
use std::collections::BTreeMap;

use serde_json::json;
use sim::seeds::{Failure, Faults, Outcome};

/// Sums over all seeds.
#[derive(Default)]
pub(crate) struct Totals {
    pub(crate) seeds: u64,
    pub(crate) violations: u64,
    time: Duration,
    datagrams: u64,
    records: u64,
    /// Over the traces of those that repeat, in their order; of one it is its trace.
    trace: u64,
    fired: BTreeMap<&'static str, u64>,
}

impl Totals {
    /// Takes in how a seed went that goes this way whenever it is run.
    pub(crate) fn trace(&mut self, trace: u64) {
        self.trace = self.trace.wrapping_mul(0x0000_0100_0000_01b3) ^ trace;
    }

    pub(crate) fn add(&mut self, outcome: &Outcome) {
        self.time += outcome.time;
        self.datagrams += outcome.datagrams;
        self.records += outcome.records;
        for (fault, count) in &outcome.fired {
            *self.fired.entry(fault).or_default() += count;
        }
    }

    /// A world that ended before its time.
    pub(crate) fn add_failure(&mut self, failure: &Failure) {
        self.violations += 1;
        self.time += Duration::from_nanos(failure.at.as_nanos());
    }

    /// Kinds of faults that have had no effect.
    pub(crate) fn idle(&self, kinds: Faults) -> Vec<&'static str> {
        let names = kinds.iter().map(|kind| kind.name());
        let idle = names.filter(|name| self.fired.get(name).is_none_or(|count| *count == 0));
        idle.collect()
    }

    /// One line of JSON. `fired` is how often each kind of fault had an effect, `counted` what else the
    /// worlds count.
    pub(crate) fn line(&self, kinds: Faults, took: Duration) -> String {
        let is_fault = |name: &str| kinds.iter().any(|kind| kind.name() == name);
        let (fired, counted): (BTreeMap<&str, u64>, BTreeMap<&str, u64>) = (self.fired.iter())
            .map(|(&name, &count)| (name, count))
            .partition(|(name, _)| is_fault(name));
        json!({
            "seeds": self.seeds,
            "trace": format!("{:016x}", self.trace),
            "violations": self.violations,
            "virtual_hours": self.time.as_secs_f64() / 3600.0,
            "virtual_seconds_per_second": self.time.as_secs_f64() / took.as_secs_f64().max(1e-9),
            "datagrams": self.datagrams,
            "records": self.records,
            "fired": fired,
            "counted": counted,
        })
        .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::Totals;

    fn sum(traces: &[u64]) -> u64 {
        let mut totals = Totals::default();
        for trace in traces {
            totals.trace(*trace);
        }
        totals.trace
    }

    #[test]
    fn a_sum_of_traces_tells_each_of_them_and_their_order() {
        assert_eq!(sum(&[7]), 7);
        assert_ne!(sum(&[7, 8]), sum(&[8, 7]));
        assert_ne!(sum(&[7, 8, 9]), sum(&[7, 5, 9]));
        assert_ne!(sum(&[7, 7]), sum(&[7]));
    }
}
