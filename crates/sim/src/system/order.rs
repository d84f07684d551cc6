/// In which order an installation shows the messages of one origin. A place that was passed over is shown only while
/// it fills a gap that was told (docs/PROTOCOL.md §8.6: "A sequence above the highest, or in a gap, is new; any other
/// is seen", and "What is missing is shown as a gap until it arrives").
#[derive(Debug, Default)]
pub(super) struct Order {
    /// The place shown first. What came before it is no loss, and nobody is told of it.
    first: Option<u64>,
    pub(super) highest: u64,
    gaps: Vec<Gap>,
}

/// Between two that were shown one after the other.
#[derive(Debug)]
struct Gap {
    behind: u64,
    before: u64,
    /// How many were told to be missing, without those that were shown since.
    missing: u64,
}

impl Order {
    /// A place is shown, with a gap before it. A process may have ended that was to tell of gaps up to `untold`.
    pub(super) fn show(&mut self, place: u64, gap: Option<u64>, untold: u64) -> Result<(), String> {
        let first = *self.first.get_or_insert(place);
        let highest = self.highest;
        if place > highest {
            self.gaps.push(Gap {
                behind: highest,
                before: place,
                missing: gap.unwrap_or(0),
            });
            self.highest = place;
            return Ok(());
        }
        if place < first.max(untold) {
            return Ok(());
        }
        let is_open =
            |gap: &&mut Gap| (gap.behind + 1..gap.before).contains(&place) && gap.missing > 0;
        let gap = self.gaps.iter_mut().find(is_open);
        let gap = gap
            .ok_or_else(|| format!("{place} after {highest}, which fills no gap that was told"))?;
        gap.missing -= 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_late_fills_a_gap_that_was_told_and_no_other() {
        let mut order = Order::default();
        let mut show = |place, gap| order.show(place, gap, 0);
        assert_eq!(show(5, None), Ok(()), "the first");
        assert_eq!(show(3, None), Ok(()), "from before it");
        assert_eq!(show(4, None), Ok(()));
        assert_eq!(show(9, Some(2)), Ok(()));
        assert_eq!(show(12, None), Ok(()));
        assert_eq!(show(7, None), Ok(()));
        assert!(show(10, None).is_err(), "no gap was told");
        assert_eq!(show(8, None), Ok(()));
        assert!(show(6, None).is_err(), "the gap was of two");
        assert_eq!(
            order.show(10, None, 11),
            Ok(()),
            "a process ended meanwhile"
        );
    }
}
