//! One scenario with all who take part in it, in turn.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::plan::Contest;
use crate::report::{Outcome, Summary};
use crate::scenario::{Figure, Run};
use crate::sockets::Buffers;
use crate::{peer, run};

/// Runs contests, and remembers what holds for all of them.
pub struct Runner {
    reps: u64,
    seconds: Option<u64>,
    /// Each contender's socket buffers, or why they are not known.
    buffers: BTreeMap<&'static str, Result<Buffers, String>>,
    failures: usize,
}

impl Runner {
    /// Contests of so many repetitions; without a length, as long as their scenarios say.
    pub fn new(reps: u64, seconds: Option<u64>) -> Self {
        Self {
            reps,
            seconds,
            buffers: BTreeMap::new(),
            failures: 0,
        }
    }

    /// Runs that have failed so far.
    pub fn failures(&self) -> usize {
        self.failures
    }

    /// Runs one scenario: everybody once, then everybody again.
    ///
    /// # Errors
    /// Somebody takes part whom nobody knows.
    pub fn run(&mut self, contest: &Contest) -> Result<Vec<Outcome>> {
        let scenario = &contest.scenario;
        let seconds = self.seconds.unwrap_or(scenario.seconds);
        println!("\n{}: {} ({seconds} s)", scenario.name, scenario.about);
        let mut outcomes = Vec::new();
        for &name in &contest.contenders {
            let settings = peer::find(name)?.settings(&scenario.job(name));
            println!("  {name}: {settings}");
            let buffers = self.buffers.entry(name);
            let buffers =
                buffers.or_insert_with(|| run::socket_buffers(name).map_err(|e| format!("{e:#}")));
            outcomes.push(Outcome {
                scenario: scenario.name.to_owned(),
                peer: name.to_owned(),
                settings,
                socket_buffers: buffers.as_ref().ok().copied(),
                seconds,
                runs: 0,
                figures: Vec::new(),
                failures: buffers.as_ref().err().cloned().into_iter().collect(),
            });
        }
        self.failures += usize::from(!compare_buffers(&outcomes));
        let mut runs: Vec<Vec<Vec<Figure>>> = vec![Vec::new(); outcomes.len()];
        for repetition in 0..self.reps {
            for (outcome, figures) in outcomes.iter_mut().zip(&mut runs) {
                let run = Run {
                    length: Duration::from_secs(seconds),
                    seed: repetition + 1,
                };
                match (scenario.run)(&scenario.job(&outcome.peer), run).and_then(finite) {
                    Ok(found) => figures.push(found),
                    Err(error) => outcome.failures.push(format!("{error:#}")),
                }
            }
        }
        for (outcome, figures) in outcomes.iter_mut().zip(&runs) {
            outcome.runs = figures.len();
            outcome.figures = Summary::of(figures);
            self.failures += outcome.failures.len();
        }
        Ok(outcomes)
    }
}

/// Figures of which each is a number: nothing for each of nothing is none.
fn finite(figures: Vec<Figure>) -> Result<Vec<Figure>> {
    for figure in &figures {
        let is_number = figure.value.is_finite();
        ensure!(is_number, "nothing was carried: no {}", figure.name);
    }
    Ok(figures)
}

/// Says what the kernel granted; `false` if that was not the same for all.
fn compare_buffers(outcomes: &[Outcome]) -> bool {
    let known = outcomes.iter().filter_map(|outcome| outcome.socket_buffers);
    let granted: BTreeSet<Buffers> = known.collect();
    if granted.len() < 2 {
        for granted in &granted {
            println!("  everybody's socket buffers: {granted}");
        }
        return true;
    }
    for outcome in outcomes {
        if let Some(granted) = outcome.socket_buffers {
            eprintln!("  UNEQUAL socket buffers: {}: {granted}", outcome.peer);
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(peer: &str, receive_bytes: Option<usize>) -> Outcome {
        Outcome {
            scenario: "bulk".to_owned(),
            peer: peer.to_owned(),
            settings: String::new(),
            socket_buffers: receive_bytes.map(|receive_bytes| Buffers {
                asked_bytes: 1,
                receive_bytes,
                send_bytes: 2,
            }),
            seconds: 1,
            runs: 0,
            figures: Vec::new(),
            failures: Vec::new(),
        }
    }

    #[test]
    fn socket_buffers_have_to_be_equal() {
        let equal = [
            outcome("a", Some(2)),
            outcome("b", Some(2)),
            outcome("c", None),
        ];
        assert!(compare_buffers(&equal));
        let different = [outcome("a", Some(2)), outcome("b", Some(3))];
        assert!(!compare_buffers(&different));
    }

    #[test]
    fn what_is_no_number_is_a_failure() {
        let figure = |value| vec![Figure::less("CPU", "s/GB", value)];
        assert!(finite(figure(0.0)).is_ok());
        assert!(finite(figure(1.0 / 0.0)).is_err());
        assert!(finite(figure(f64::NAN)).is_err());
    }
}
