//! Sets of integers as sorted, disjoint ranges.

use core::ops::Range;
use std::collections::VecDeque;

/// A set of `u64`, stored as ascending ranges that neither overlap nor touch.
///
/// Insertion and lookup are logarithmic in the number of ranges; memory grows with the gaps, not
/// with the numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RangeSet {
    ranges: VecDeque<Range<u64>>,
}

impl RangeSet {
    /// How many ranges there are.
    pub(crate) fn len(&self) -> usize {
        self.ranges.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.ranges.clear();
    }

    /// Gives back memory that is not used.
    pub(crate) fn shrink(&mut self) {
        self.ranges.shrink_to_fit();
    }

    /// The ranges in ascending order; walk it backwards for the newest first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = Range<u64>> + '_ {
        self.ranges.iter().cloned()
    }

    /// The lowest range.
    pub(crate) fn first(&self) -> Option<Range<u64>> {
        self.ranges.front().cloned()
    }

    /// The largest number.
    pub(crate) fn max(&self) -> Option<u64> {
        self.ranges.back().map(|range| range.end - 1)
    }

    #[cfg(test)]
    pub(crate) fn contains(&self, value: u64) -> bool {
        let index = self.ranges.partition_point(|range| range.end <= value);
        self.ranges
            .get(index)
            .is_some_and(|range| range.contains(&value))
    }

    /// Adds `range`. Returns whether anything in it was new.
    pub(crate) fn insert(&mut self, range: Range<u64>) -> bool {
        if range.is_empty() {
            return false;
        }
        // In order, which is nearly always.
        match self.ranges.back_mut() {
            None => {
                self.ranges.push_back(range);
                return true;
            }
            Some(last) if range.start > last.end => {
                self.ranges.push_back(range);
                return true;
            }
            Some(last) if range.start >= last.start => {
                let grew = range.end > last.end;
                last.end = last.end.max(range.end);
                return grew;
            }
            Some(_) => {}
        }
        let first = self.ranges.partition_point(|old| old.end < range.start);
        let after = self.ranges.partition_point(|old| old.start <= range.end);
        if first == after {
            self.ranges.insert(first, range);
            return true;
        }
        let start = self.ranges[first].start.min(range.start);
        let end = self.ranges[after - 1].end.max(range.end);
        let grew = after - first > 1 || self.ranges[first] != (start..end);
        self.ranges[first] = start..end;
        self.ranges.drain(first + 1..after);
        grew
    }

    /// Removes every number of `range`.
    pub(crate) fn remove(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let mut index = self.ranges.partition_point(|old| old.end <= range.start);
        while let Some(old) = self.ranges.get(index).cloned() {
            if old.start >= range.end {
                break;
            }
            let left = old.start..range.start.max(old.start);
            let right = range.end.min(old.end)..old.end;
            match (left.is_empty(), right.is_empty()) {
                (true, true) => {
                    self.ranges.remove(index);
                    continue;
                }
                (false, true) => self.ranges[index] = left,
                (true, false) => self.ranges[index] = right,
                (false, false) => {
                    self.ranges[index] = left;
                    self.ranges.insert(index + 1, right);
                    break;
                }
            }
            index += 1;
        }
    }

    /// Removes the lowest range.
    pub(crate) fn pop_first(&mut self) -> Option<Range<u64>> {
        self.ranges.pop_front()
    }

    /// The parts of `range` that are not in the set, ascending.
    pub(crate) fn missing(&self, range: Range<u64>) -> impl Iterator<Item = Range<u64>> + '_ {
        let mut from = range.start;
        let mut index = self.ranges.partition_point(|old| old.end <= range.start);
        core::iter::from_fn(move || {
            while from < range.end {
                let Some(old) = self.ranges.get(index) else {
                    let gap = from..range.end;
                    from = range.end;
                    return Some(gap);
                };
                index += 1;
                let gap = from..old.start.min(range.end);
                from = old.end.max(from);
                if !gap.is_empty() {
                    return Some(gap);
                }
            }
            None
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::RangeSet;

    fn range() -> impl Strategy<Value = core::ops::Range<u64>> {
        (0u64..60, 0u64..12).prop_map(|(start, len)| start..start + len)
    }

    proptest! {
        #[test]
        fn behaves_as_a_set(steps in proptest::collection::vec((any::<bool>(), range()), 1..60), probe in range()) {
            let mut set = RangeSet::default();
            let mut model = BTreeSet::new();
            for (insert, range) in steps {
                if insert {
                    let before = model.len();
                    model.extend(range.clone());
                    prop_assert_eq!(set.insert(range), model.len() > before);
                } else {
                    set.remove(range.clone());
                    model.retain(|value| !range.contains(value));
                }
                let ranges: Vec<_> = set.iter().collect();
                prop_assert!(ranges.windows(2).all(|pair| pair[0].end < pair[1].start));
                prop_assert!(ranges.iter().all(|range| !range.is_empty()));
                prop_assert_eq!(ranges.into_iter().flatten().collect::<BTreeSet<_>>(), model.clone());
            }
            let missing: Vec<u64> = set.missing(probe.clone()).flatten().collect();
            let expected: Vec<u64> = probe.filter(|value| !model.contains(value)).collect();
            prop_assert_eq!(missing, expected);
            prop_assert_eq!(set.max(), model.last().copied());
            prop_assert!((0..80).all(|value| set.contains(value) == model.contains(&value)));
        }
    }
}
