//! Many runs of one contender in one.

use std::io::Write;

use anyhow::Result;
use serde::Serialize;

use crate::scenario::Figure;
use crate::sockets::Buffers;

/// A contender's result in a scenario: what one line of JSON says.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The scenario.
    pub scenario: String,
    /// The contender.
    pub peer: String,
    /// What it was set to.
    pub settings: String,
    /// What the kernel granted its sockets; nothing if that is not known.
    pub socket_buffers: Option<Buffers>,
    /// How long each run was.
    pub seconds: u64,
    /// How many runs there were.
    pub runs: usize,
    /// What they gave.
    pub figures: Vec<Summary>,
    /// What went wrong in those that gave nothing.
    pub failures: Vec<String>,
}

/// Writes a line of JSON for each contender's result.
///
/// # Errors
/// The operating system's.
pub fn append(lines: &mut impl Write, outcomes: &[Outcome]) -> Result<()> {
    for outcome in outcomes {
        writeln!(lines, "{}", serde_json::to_string(outcome)?)?;
    }
    Ok(lines.flush()?)
}

/// One figure over all runs.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// What it is.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// Whether more of it is better.
    pub more_is_better: bool,
    /// The middle one of the runs; of an even number, the mean of the two.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
    /// Each run's.
    pub values: Vec<f64>,
}

impl Summary {
    /// The figures of all runs, each over all of them.
    pub fn of(runs: &[Vec<Figure>]) -> Vec<Self> {
        let names = runs.first().into_iter().flatten();
        names.map(|figure| Self::of_one(figure, runs)).collect()
    }

    fn of_one(figure: &Figure, runs: &[Vec<Figure>]) -> Self {
        let same = |other: &&Figure| other.name == figure.name && other.unit == figure.unit;
        let values: Vec<f64> = runs
            .iter()
            .filter_map(|run| run.iter().find(same))
            .map(|figure| figure.value)
            .collect();
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = |at: usize| sorted.get(at).copied().unwrap_or(f64::NAN);
        Self {
            name: figure.name.to_owned(),
            unit: figure.unit.to_owned(),
            more_is_better: figure.more_is_better,
            median: f64::midpoint(
                middle(sorted.len().saturating_sub(1) / 2),
                middle(sorted.len() / 2),
            ),
            min: sorted.first().copied().unwrap_or(f64::NAN),
            max: sorted.last().copied().unwrap_or(f64::NAN),
            values,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_has_median_and_extremes() {
        let runs = |values: &[f64]| -> Vec<Vec<Figure>> {
            let figure = |value: &f64| vec![Figure::more("speed", "MB/s", *value)];
            values.iter().map(figure).collect()
        };
        let of = |values: &[f64]| {
            let summary = Summary::of(&runs(values)).remove(0);
            (summary.median, summary.min, summary.max)
        };
        assert_eq!(of(&[3.0, 1.0, 9.0]), (3.0, 1.0, 9.0));
        assert_eq!(of(&[1.0, 2.0]), (1.5, 1.0, 2.0));
        assert_eq!(of(&[5.0]), (5.0, 5.0, 5.0));
        assert!(Summary::of(&[]).is_empty());
    }
}
