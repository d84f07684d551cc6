//! One timer for each of many things, in constant time.
//!
//! A hierarchical timing wheel (Varghese and Lauck 1987, scheme 7) over the whole range of
//! [`Instant`]: eleven levels of 64 slots, where a slot of level `n` is 64^n nanoseconds wide. A
//! timer stands at the level of the highest digit in which its time differs from the wheel's, and
//! moves down as the wheel's time gets there: at most ten times, and far less often in fact, since
//! most timers are moved or cancelled before. The slots are linked lists through one array with a
//! place for every timer, so arming, moving and cancelling neither search nor allocate.

use crate::Instant;

/// Bits of a level's digit.
const DIGIT_BITS: u32 = 6;
const SLOTS: usize = 1 << DIGIT_BITS;
/// So many digits make up a `u64`.
const LEVELS: usize = u64::BITS.div_ceil(DIGIT_BITS) as usize;

/// No timer.
const NONE: u32 = u32::MAX;

/// The list of timers that were armed for a time that had passed.
const OVERDUE: u16 = (LEVELS * SLOTS) as u16;
const LISTS: usize = LEVELS * SLOTS + 1;
/// The timer is not armed.
const IDLE: u16 = u16::MAX;

/// So many timers of one slot are looked through for the earliest; of a fuller one the start is
/// told.
const LOOKED_THROUGH_MAX: usize = 16;

/// A timer's place in a list.
#[derive(Clone, Copy, Debug)]
struct Node {
    at: Instant,
    next: u32,
    previous: u32,
    list: u16,
}

const UNARMED: Node = Node {
    at: Instant::ZERO,
    next: NONE,
    previous: NONE,
    list: IDLE,
};

/// Timers numbered from 0, each armed for one time or not at all.
#[derive(Debug)]
pub(super) struct Wheel {
    /// Everything up to here is due or gone.
    now: Instant,
    nodes: Vec<Node>,
    /// First timer of every slot, level by level; the overdue ones last.
    heads: Box<[u32; LISTS]>,
    /// Which slots of a level have timers.
    occupied: [u64; LEVELS],
}

impl Default for Wheel {
    fn default() -> Self {
        Self {
            now: Instant::ZERO,
            nodes: Vec::new(),
            heads: Box::new([NONE; LISTS]),
            occupied: [0; LEVELS],
        }
    }
}

impl Wheel {
    /// When timer `id` is due.
    pub(super) fn armed(&self, id: u32) -> Option<Instant> {
        let node = self.nodes.get(id as usize)?;
        (node.list != IDLE).then_some(node.at)
    }

    /// Arms timer `id` for `at`, or moves it there. Memory grows with the largest `id`.
    pub(super) fn arm(&mut self, id: u32, at: Instant) {
        self.cancel(id);
        let index = id as usize;
        if index >= self.nodes.len() {
            self.nodes.resize(index + 1, UNARMED);
        }
        self.link(id, at);
    }

    /// Timer `id` is not wanted any more.
    pub(super) fn cancel(&mut self, id: u32) {
        let Some(node) = self.nodes.get_mut(id as usize) else {
            return;
        };
        let Node {
            next,
            previous,
            list,
            ..
        } = core::mem::replace(node, UNARMED);
        if list == IDLE {
            return;
        }
        if let Some(next) = self.nodes.get_mut(next as usize) {
            next.previous = previous;
        }
        if let Some(previous) = self.nodes.get_mut(previous as usize) {
            previous.next = next;
            return;
        }
        self.heads[usize::from(list)] = next;
        if next == NONE {
            self.mark_empty(list);
        }
    }

    /// A time by which [`Wheel::pop_due`] has to be called: when the earliest timer is due or,
    /// where very many are due about then, a little before. A call at that time brings the wheel
    /// nearer to the timer, if not there.
    pub(super) fn next(&self) -> Option<Instant> {
        let overdue = (OVERDUE, Instant::ZERO);
        let overdue = Some(overdue).filter(|_| self.heads[usize::from(OVERDUE)] != NONE);
        let (list, start) = overdue.or_else(|| self.first_slot())?;
        let mut id = self.heads[usize::from(list)];
        let mut earliest = Instant::from_nanos(u64::MAX);
        for _ in 0..LOOKED_THROUGH_MAX {
            let Some(node) = self.nodes.get(id as usize) else {
                return Some(earliest);
            };
            earliest = earliest.min(node.at);
            id = node.next;
        }
        Some(if id == NONE { earliest } else { start })
    }

    /// Takes out a timer that is due at `now`: the earliest, but for those that were armed too late.
    /// A clock that goes back costs a look at every timer.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<u32> {
        if now < self.now {
            self.turn_back(now);
        }
        loop {
            let overdue = self.heads[usize::from(OVERDUE)];
            if overdue != NONE {
                self.cancel(overdue);
                return Some(overdue);
            }
            let first = self.first_slot().filter(|&(_, start)| start <= now);
            let Some((list, start)) = first else {
                self.now = now;
                return None;
            };
            // What the slot holds is due, or belongs into a finer slot.
            self.now = start;
            while let Some(node) = self.nodes.get(self.heads[usize::from(list)] as usize) {
                let (id, at) = (self.heads[usize::from(list)], node.at);
                self.cancel(id);
                self.link(id, at);
            }
        }
    }

    /// Files every timer anew for a clock that shows `now`.
    fn turn_back(&mut self, now: Instant) {
        self.now = now;
        self.heads.fill(NONE);
        self.occupied.fill(0);
        for id in 0..self.nodes.len() {
            let node = core::mem::replace(&mut self.nodes[id], UNARMED);
            if node.list != IDLE {
                self.link(id as u32, node.at);
            }
        }
    }

    /// Files a timer that stands nowhere.
    fn link(&mut self, id: u32, at: Instant) {
        let list = self.list_of(at);
        let head = &mut self.heads[usize::from(list)];
        let next = core::mem::replace(head, id);
        if let Some(next) = self.nodes.get_mut(next as usize) {
            next.previous = id;
        }
        if let Some(node) = self.nodes.get_mut(id as usize) {
            *node = Node {
                at,
                next,
                previous: NONE,
                list,
            };
        }
        if list != OVERDUE {
            let (level, slot) = (usize::from(list) / SLOTS, usize::from(list) % SLOTS);
            self.occupied[level] |= 1 << slot;
        }
    }

    /// Where a timer belongs.
    fn list_of(&self, at: Instant) -> u16 {
        if at <= self.now {
            return OVERDUE;
        }
        let differing = at.as_nanos() ^ self.now.as_nanos();
        let level = differing.ilog2() / DIGIT_BITS;
        let slot = (at.as_nanos() >> (level * DIGIT_BITS)) % SLOTS as u64;
        level as u16 * SLOTS as u16 + slot as u16
    }

    /// The slot with the earliest timers, and when it begins.
    fn first_slot(&self) -> Option<(u16, Instant)> {
        // Whatever stands at a lower level shares more digits with the present, so it comes
        // earlier; within a level no slot before the present one is occupied.
        let (level, &occupied) = self
            .occupied
            .iter()
            .enumerate()
            .find(|&(_, &occupied)| occupied != 0)?;
        let slot = occupied.trailing_zeros();
        let shift = level as u32 * DIGIT_BITS;
        let above = self.now.as_nanos().checked_shr(shift + DIGIT_BITS);
        let digits = above.unwrap_or(0) << DIGIT_BITS | u64::from(slot);
        let list = level as u16 * SLOTS as u16 + slot as u16;
        Some((list, Instant::from_nanos(digits << shift)))
    }

    fn mark_empty(&mut self, list: u16) {
        if list != OVERDUE {
            let (level, slot) = (usize::from(list) / SLOTS, usize::from(list) % SLOTS);
            self.occupied[level] &= !(1 << slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::{LOOKED_THROUGH_MAX, Wheel};
    use crate::Instant;

    const fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    #[derive(Clone, Debug)]
    enum Step {
        Arm(u32, u64),
        Cancel(u32),
        Advance(u64),
    }

    /// Times of every size, near each other and far apart.
    fn span() -> impl Strategy<Value = u64> {
        prop_oneof![
            0u64..200,
            0u64..100_000_000_000,
            (0u32..64, any::<u64>()).prop_map(|(bits, value)| value >> bits),
        ]
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            5 => (0u32..60, span()).prop_map(|(id, at)| Step::Arm(id, at)),
            1 => (0u32..60).prop_map(Step::Cancel),
            2 => span().prop_map(Step::Advance),
        ]
    }

    proptest! {
        #[test]
        fn behaves_as_a_sorted_set(steps in proptest::collection::vec(step(), 1..300), relative in any::<bool>()) {
            let mut wheel = Wheel::default();
            let mut model = BTreeSet::new();
            let mut now = 0u64;
            let time = |now: u64, span: u64| if relative { now.saturating_add(span) } else { span };
            for step in steps {
                match step {
                    Step::Arm(id, span) => {
                        let due = time(now, span);
                        model.retain(|&(_, other)| other != id);
                        model.insert((due, id));
                        wheel.arm(id, at(due));
                        prop_assert_eq!(wheel.armed(id), Some(at(due)));
                    }
                    Step::Cancel(id) => {
                        model.retain(|&(_, other)| other != id);
                        wheel.cancel(id);
                        prop_assert_eq!(wheel.armed(id), None);
                    }
                    Step::Advance(span) => {
                        now = time(now, span);
                        let mut fired = BTreeSet::new();
                        while let Some(id) = wheel.pop_due(at(now)) {
                            prop_assert!(fired.insert(id), "twice");
                            prop_assert_eq!(wheel.armed(id), None);
                        }
                        let due: BTreeSet<u32> = model.iter().filter(|&&(due, _)| due <= now).map(|&(_, id)| id).collect();
                        prop_assert_eq!(fired, due);
                        model.retain(|&(due, _)| due > now);
                    }
                }
                let earliest = model.first().map(|&(due, _)| due);
                prop_assert_eq!(wheel.next().is_some(), earliest.is_some());
                if let (Some(next), Some(earliest)) = (wheel.next(), earliest) {
                    prop_assert!(next <= at(earliest));
                    if model.len() <= LOOKED_THROUGH_MAX {
                        prop_assert_eq!(next, at(earliest));
                    }
                }
            }
        }

        /// Whoever wakes when told fires every timer, exactly in its time, and wakes seldom
        /// besides.
        #[test]
        fn waking_when_told_fires_all_in_time(times in proptest::collection::vec(span(), 1..200)) {
            let mut wheel = Wheel::default();
            for (id, &due) in (0..).zip(&times) {
                wheel.arm(id, at(due));
            }
            let mut left = times.len();
            let mut wakes = 0;
            while let Some(next) = wheel.next() {
                wakes += 1;
                while let Some(id) = wheel.pop_due(next) {
                    left -= 1;
                    prop_assert_eq!(next, at(times[id as usize]));
                }
            }
            prop_assert_eq!(left, 0);
            prop_assert!(wakes <= times.len() * 3 + 11, "{} for {}", wakes, times.len());
        }
    }

    #[test]
    fn timers_due_at_different_times_fire_in_order() {
        let mut wheel = Wheel::default();
        for id in 0..1000 {
            wheel.arm(id, at(u64::from(id * 7919 % 1000) * 1_000_003));
        }
        let mut last = 0;
        while let Some(id) = wheel.pop_due(at(u64::MAX)) {
            let due = u64::from(id * 7919 % 1000);
            assert!(last <= due, "{due} after {last}");
            last = due;
        }
        assert_eq!(last, 999);
    }

    #[test]
    fn the_end_of_time_is_a_time() {
        let mut wheel = Wheel::default();
        wheel.arm(3, at(u64::MAX));
        assert_eq!(wheel.next(), Some(at(u64::MAX)));
        assert_eq!(wheel.pop_due(at(u64::MAX - 1)), None);
        assert_eq!(wheel.pop_due(at(u64::MAX)), Some(3));
        wheel.arm(3, at(10));
        assert_eq!(wheel.pop_due(at(9)), None, "a clock that went back");
        assert_eq!(wheel.pop_due(at(10)), Some(3));
    }
}
