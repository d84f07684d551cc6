use core::ops::Range;
use core::time::Duration;
use std::collections::VecDeque;

use crate::Instant;

/// A deadline that never comes.
pub(crate) const NEVER: Instant = Instant::from_nanos(u64::MAX);

/// One message of a stream that is sent: where its bytes stand, length in front included.
#[derive(Clone, Copy, Debug)]
struct Mark {
    start: u64,
    end: u64,
    deadline: Instant,
    /// Its time has passed: what is not acknowledged of it is skipped.
    late: bool,
}

/// Where messages begin in a stream that is sent, as far as that matters: because they may be
/// delivered before what precedes them, or dropped when they are late.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// Ascending; messages that matter, and that are not acknowledged with all before them.
    marks: VecDeque<Mark>,
    /// Messages that were dropped, and not asked for.
    late: u64,
}

/// What is sent next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Bytes, at most up to `end`.
    Data {
        end: u64,
        /// A message begins with them.
        begins: bool,
    },
    /// Messages that are late.
    Skip(Range<u64>),
}

impl Marks {
    pub(super) fn push(&mut self, range: Range<u64>, deadline: Instant) {
        self.marks.push_back(Mark {
            start: range.start,
            end: range.end,
            deadline,
            late: false,
        });
    }

    /// How many messages were dropped since this was asked last.
    pub(super) fn take_late(&mut self) -> u64 {
        core::mem::take(&mut self.late)
    }

    /// Forgets messages that end at or before `base`.
    pub(super) fn forget(&mut self, base: u64) {
        while self.marks.front().is_some_and(|mark| mark.end <= base) {
            self.marks.pop_front();
        }
        if self.marks.is_empty() && self.marks.capacity() > 64 {
            self.marks = VecDeque::new();
        }
    }

    /// Whether a message begins at `offset`.
    pub(super) fn begins_at(&self, offset: u64) -> bool {
        let index = self.marks.partition_point(|mark| mark.start < offset);
        self.marks
            .get(index)
            .is_some_and(|mark| mark.start == offset)
    }

    /// Whether any of `range` is skipped.
    pub(super) fn is_late(&self, range: &Range<u64>) -> bool {
        let index = self.marks.partition_point(|mark| mark.end <= range.start);
        let marks = self.marks.iter().skip(index);
        marks
            .take_while(|mark| mark.start < range.end)
            .any(|mark| mark.late)
    }

    /// What is sent next from `next` on, where at most `room` bytes fit. `cuts`: a frame that begins
    /// inside a message ends with it.
    pub(super) fn piece(&mut self, now: Instant, next: u64, room: u64, cuts: bool) -> Piece {
        let first = self.marks.partition_point(|mark| mark.end <= next);
        let mut late: Option<Range<u64>> = None;
        let mut begins = false;
        let limit = next.saturating_add(room);
        for mark in self.marks.range_mut(first..) {
            let early = u64::from(planted!(DeadlineASecondEarly));
            if !mark.late && mark.deadline < now + Duration::from_secs(early) {
                mark.late = true;
                self.late += 1;
            }
            match &mut late {
                Some(late)
                    if (mark.late || planted!(SkipTakesNeighbour)) && mark.start == late.end =>
                {
                    late.end = mark.end;
                }
                Some(late) => return Piece::Skip(late.clone()),
                None if mark.late && mark.start <= next => late = Some(mark.start..mark.end),
                None if mark.late => {
                    let end = mark.start;
                    return Piece::Data { end, begins };
                }
                None if mark.start == next => begins = cuts,
                // The frame begins before this message: inside another, or in the preamble.
                None if cuts && !begins => {
                    let end = if mark.start < next {
                        mark.end
                    } else {
                        mark.start
                    };
                    return Piece::Data { end, begins };
                }
                None => {}
            }
            if late.is_none() && mark.end >= limit {
                break;
            }
        }
        match late {
            Some(late) => Piece::Skip(late),
            None => Piece::Data {
                end: u64::MAX,
                begins,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_nanos(100);

    /// Messages of ten bytes behind a preamble, with these deadlines.
    fn marks(deadlines: &[u64]) -> Marks {
        let mut marks = Marks::default();
        for (start, &deadline) in (3..).step_by(10).zip(deadlines) {
            marks.push(start..start + 10, Instant::from_nanos(deadline));
        }
        marks
    }

    fn data(end: u64, begins: bool) -> Piece {
        Piece::Data { end, begins }
    }

    #[test]
    fn a_frame_ends_where_it_can_begin_with_a_message() {
        let mut marks = marks(&[u64::MAX; 3]);
        assert_eq!(marks.piece(NOW, 0, 100, true), data(3, false), "preamble");
        assert_eq!(marks.piece(NOW, 3, 100, true), data(u64::MAX, true));
        assert_eq!(marks.piece(NOW, 5, 100, true), data(13, false), "inside");
        assert_eq!(marks.piece(NOW, 13, 5, true), data(u64::MAX, true));
        assert_eq!(marks.piece(NOW, 0, 100, false), data(u64::MAX, false));
        marks.forget(13);
        assert!(marks.begins_at(13) && !marks.begins_at(3) && !marks.begins_at(14));
    }

    #[test]
    fn late_messages_are_skipped_together() {
        let mut marks = marks(&[200, 50, 60, 200]);
        assert_eq!(marks.piece(NOW, 3, 100, false), data(13, false));
        assert_eq!(marks.piece(NOW, 13, 100, false), Piece::Skip(13..33));
        assert_eq!(marks.piece(NOW, 15, 1, false), Piece::Skip(13..33));
        assert_eq!(marks.piece(NOW, 33, 100, false), data(u64::MAX, false));
        assert_eq!(marks.take_late(), 2);
        assert!(marks.is_late(&(5..14)) && !marks.is_late(&(3..13)));
    }
}
