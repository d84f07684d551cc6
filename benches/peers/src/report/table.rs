//! A scenario's result as people read it.

use super::{Outcome, Summary};

/// Prints what every contender reached, each figure with least and most.
pub fn print(outcomes: &[Outcome]) {
    let width = outcomes.iter().map(|outcome| outcome.peer.len()).max();
    for outcome in outcomes {
        let figures: Vec<String> = outcome.figures.iter().map(figure).collect();
        let peer = &outcome.peer;
        let width = width.unwrap_or_default();
        println!("  {peer:width$}  {}", figures.join("   "));
        for failure in &outcome.failures {
            println!("  {peer:width$}  failed: {failure}");
        }
    }
}

fn figure(summary: &Summary) -> String {
    let Summary { name, unit, .. } = summary;
    let (median, min, max) = (
        number(summary.median),
        number(summary.min),
        number(summary.max),
    );
    format!("{name} {median:>7} ({min} to {max}) {unit}")
}

/// Three digits that matter.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
