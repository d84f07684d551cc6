//! Which packet numbers have been seen.

use std::collections::VecDeque;

/// Words of 64 numbers in a full window: 4,096 numbers below the largest one's own word.
const WORDS_MAX: u64 = 65;

/// The packet numbers that were received in one epoch: a bitmap that slides (RFC 9001 §9.2,
/// RFC 4303 §3.4.3).
///
/// It works in two steps, so that a forged packet changes nothing: [`ReplayWindow::is_new`] before
/// a packet is opened, [`ReplayWindow::insert`] after it authenticated. A number more than
/// [`ReplayWindow::NUMBERS`] below the largest may count as seen, for nobody remembers it.
///
/// Packets in order cost one word of memory; gaps cost up to 65.
#[derive(Clone, Debug, Default)]
pub struct ReplayWindow {
    /// Number of the first word: every packet number below 64 times this counts as seen.
    base: u64,
    /// A bit for each number from there on.
    words: VecDeque<u64>,
    largest: Option<u64>,
}

impl ReplayWindow {
    /// How many numbers below the largest are told apart, at least.
    pub const NUMBERS: u64 = (WORDS_MAX - 1) * 64;

    /// A window that has seen nothing.
    pub const fn new() -> Self {
        Self {
            base: 0,
            words: VecDeque::new(),
            largest: None,
        }
    }

    /// The largest number inserted.
    pub const fn largest(&self) -> Option<u64> {
        self.largest
    }

    /// Whether `packet_number` is known not to have been inserted.
    pub fn is_new(&self, packet_number: u64) -> bool {
        let Some(index) = (packet_number / 64).checked_sub(self.base) else {
            return planted!(ReplayWindowOffByOne) && packet_number / 64 + 1 == self.base;
        };
        usize::try_from(index)
            .ok()
            .and_then(|index| self.words.get(index))
            .is_none_or(|word| word & bit(packet_number) == 0)
            || planted!(NewestNumberTwice) && self.largest == Some(packet_number)
    }

    /// Marks `packet_number` as seen; `false` if it was, or was too old to tell. Only for packets
    /// that authenticated.
    pub fn insert(&mut self, packet_number: u64) -> bool {
        if !self.is_new(packet_number) {
            return false;
        }
        let word = packet_number / 64;
        if planted!(ReplayWindowOffByOne) && word < self.base {
            return true;
        }
        self.slide_to(word);
        let index = (word - self.base) as usize;
        while self.words.len() <= index {
            self.words.push_back(0);
        }
        if let Some(word) = self.words.get_mut(index) {
            *word |= bit(packet_number);
        }
        // Words that are full in front say no more than the base does.
        while self.words.front() == Some(&u64::MAX) {
            self.words.pop_front();
            self.base += 1;
        }
        self.largest = self.largest.max(Some(packet_number));
        true
    }

    /// Forgets all but the newest numbers, 64 at least: whatever did not arrive of those before
    /// counts as seen from now on. For a connection on which nothing has moved for long enough that
    /// nothing is still under way.
    pub fn narrow(&mut self) {
        while self.words.len() > 2 {
            self.words.pop_front();
            self.base += 1;
        }
        self.words.shrink_to_fit();
    }

    /// Moves the base up so far that `word` fits into the window.
    fn slide_to(&mut self, word: u64) {
        let base = word.saturating_sub(WORDS_MAX - 1);
        while self.base < base && self.words.pop_front().is_some() {
            self.base += 1;
        }
        self.base = self.base.max(base);
    }
}

/// The bit of a number in its word.
const fn bit(packet_number: u64) -> u64 {
    1 << (packet_number % 64)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::packet_number::PACKET_NUMBER_MAX;

    #[test]
    fn a_number_is_new_once() {
        let mut window = ReplayWindow::new();
        assert!(window.is_new(0));
        assert_eq!(window.largest(), None);
        assert!(window.insert(0));
        assert!(!window.is_new(0));
        assert!(!window.insert(0));
        assert_eq!(window.largest(), Some(0));
    }

    #[test]
    fn numbers_in_order_take_one_word() {
        let mut window = ReplayWindow::new();
        for number in 0..100_000 {
            assert!(window.insert(number));
            assert!(window.words.len() <= 1);
        }
    }

    #[test]
    fn a_narrowed_window_takes_no_number_twice_and_forgets_gaps() {
        let mut window = ReplayWindow::new();
        for number in (0..2_000).step_by(3) {
            window.insert(number);
        }
        window.narrow();
        assert!(window.words.len() <= 2);
        assert!((0..2_000).step_by(3).all(|number| !window.is_new(number)));
        assert!(!window.is_new(1), "a gap that is too old");
        assert!(window.is_new(1_997), "and one that is not");
        assert!(window.is_new(2_000));
        assert_eq!(window.largest(), Some(1_998));
    }

    #[test]
    fn late_numbers_are_told_apart_within_the_window_only() {
        let mut window = ReplayWindow::new();
        window.insert(10_000);
        assert!(window.is_new(10_000 - ReplayWindow::NUMBERS));
        assert!(!window.is_new(10_000 - ReplayWindow::NUMBERS - 64));
        assert!(!window.is_new(0));
        assert!(!window.insert(0));
        assert!(window.insert(10_000 - ReplayWindow::NUMBERS));
        assert!(!window.insert(10_000 - ReplayWindow::NUMBERS));
        assert_eq!(window.largest(), Some(10_000));
    }

    #[test]
    fn the_largest_jump_stays_within_the_bound() {
        let mut window = ReplayWindow::new();
        window.insert(0);
        window.insert(PACKET_NUMBER_MAX);
        assert!(window.words.len() as u64 <= WORDS_MAX);
        assert!(!window.is_new(0));
        assert!(!window.is_new(PACKET_NUMBER_MAX));
        assert!(window.is_new(PACKET_NUMBER_MAX - 1));
        window.insert(u64::MAX);
        assert!(!window.is_new(u64::MAX));
    }

    proptest! {
        /// Against a set that forgets nothing: never new twice, and right within the window.
        #[test]
        fn agrees_with_a_set(
            start in 0..PACKET_NUMBER_MAX - 2_000_000,
            steps in proptest::collection::vec((0..9_000u64, any::<bool>()), 1..300),
        ) {
            let mut window = ReplayWindow::new();
            let mut seen = BTreeSet::new();
            let mut centre = start;
            for (step, move_on) in steps {
                let number = centre + step;
                let new = window.is_new(number);
                prop_assert_eq!(window.insert(number), new);
                prop_assert!(!(new && seen.contains(&number)));
                let largest = seen.last().copied().unwrap_or(0);
                if number + ReplayWindow::NUMBERS >= largest {
                    prop_assert_eq!(new, !seen.contains(&number));
                }
                seen.insert(number);
                prop_assert_eq!(window.largest(), seen.last().copied());
                prop_assert!(window.words.len() as u64 <= WORDS_MAX);
                if move_on {
                    centre += step;
                }
            }
        }
    }
}
