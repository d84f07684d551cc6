use std::collections::VecDeque;

use chat::limits::{DELIVERIES_AHEAD_MAX, DELIVERY_BYTES_AHEAD_MAX};

use crate::limits::{PAGE_BYTES, PAGE_MESSAGES};

/// How far deliveries to one device have got, and how far they may go (PROTOCOL.md §7.3).
///
/// ```text
/// mailbox:  ...... base ########## last ..........
///                       sent ahead      not yet read
/// ```
///
/// A device that has been sent everything gets new messages as they are committed. One that is slow
/// falls behind, and is served out of the store again, a page at a time: nothing queues up for it.
#[derive(Debug, Default)]
pub(crate) struct Window {
    started: bool,
    /// The greater position of the last `Acknowledge` and `ReadMore`.
    base: u64,
    /// Position and length of what was sent beyond `base`.
    sent: VecDeque<(u64, usize)>,
    sent_bytes: usize,
    /// The newest position that was sent or passed over.
    last: u64,
    /// Nothing that is stored comes after `last`.
    caught_up: bool,
    /// A page is being read.
    reading: bool,
    /// The next message did not fit: nothing is read until the client has taken some.
    stalled: bool,
}

/// What becomes of an entry that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// It is to be sent, and counts as sent.
    Send,
    /// The client has it already.
    Skip,
    /// It does not fit; nor does what follows.
    Stop,
}

/// A page to be read out of a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) after: u64,
    pub(crate) max_messages: u32,
    pub(crate) max_bytes: u64,
}

impl Window {
    /// The client says what it has and wants more. The first time starts deliveries.
    pub(crate) fn read_more(&mut self, after: u64) {
        self.started = true;
        self.pass(after);
    }

    /// The client has everything up to `position` on its disk.
    pub(crate) fn acknowledge(&mut self, position: u64) {
        self.pass(position);
    }

    fn pass(&mut self, position: u64) {
        self.base = self.base.max(position);
        self.last = self.last.max(position);
        self.stalled = false;
        while let Some((_, bytes)) = self.sent.pop_front_if(|(sent, _)| *sent <= position) {
            self.sent_bytes = self.sent_bytes.saturating_sub(bytes);
        }
    }

    /// Whether there is something to read and room for it.
    pub(crate) fn wants_page(&self) -> bool {
        let is_due = self.started && !self.caught_up && !self.reading && !self.stalled;
        is_due && self.room_messages() > 0 && self.room_bytes() > 0
    }

    /// The page to read next.
    pub(crate) fn next_page(&mut self) -> Option<Page> {
        if !self.wants_page() {
            return None;
        }
        let messages = self.room_messages();
        let bytes = self.room_bytes();
        self.reading = true;
        Some(Page {
            after: self.last + u64::from(planted!(PageSkipsOne)),
            max_messages: messages.min(PAGE_MESSAGES),
            max_bytes: bytes.min(PAGE_BYTES as u64),
        })
    }

    /// A page was read, and each of its entries is to be [offered](Self::offer). A page may end
    /// early for its bytes, so only an empty one says that there is no more.
    pub(crate) fn page_read(&mut self, is_empty: bool) {
        self.reading = false;
        self.caught_up = is_empty;
    }

    /// Whether the next entry of a page is sent.
    pub(crate) fn offer(&mut self, position: u64, bytes: usize) -> Offer {
        if position <= self.last {
            return Offer::Skip;
        }
        if !self.fits(bytes) {
            self.stalled = true;
            return Offer::Stop;
        }
        self.sent(position, bytes);
        Offer::Send
    }

    /// An entry was committed. Whether it is sent at once; otherwise it is read later.
    pub(crate) fn committed(&mut self, position: u64, bytes: usize, is_flowing: bool) -> bool {
        let at_once = self.started && self.caught_up && is_flowing && self.fits(bytes);
        if at_once {
            self.sent(position, bytes);
        } else {
            self.caught_up = false;
        }
        at_once
    }

    fn fits(&self, bytes: usize) -> bool {
        let ahead = self.sent_bytes.saturating_add(bytes);
        self.sent.is_empty() || (self.room_messages() > 0 && ahead <= DELIVERY_BYTES_AHEAD_MAX)
    }

    fn sent(&mut self, position: u64, bytes: usize) {
        self.last = self.last.max(position);
        self.sent.push_back((position, bytes));
        self.sent_bytes = self.sent_bytes.saturating_add(bytes);
    }

    fn room_messages(&self) -> u32 {
        let sent = u64::try_from(self.sent.len()).unwrap_or(u64::MAX);
        u32::try_from(DELIVERIES_AHEAD_MAX.saturating_sub(sent)).unwrap_or(u32::MAX)
    }

    fn room_bytes(&self) -> u64 {
        let bytes = DELIVERY_BYTES_AHEAD_MAX.saturating_sub(self.sent_bytes);
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn started() -> Window {
        let mut window = Window::default();
        window.read_more(0);
        window
    }

    #[test]
    fn nothing_is_delivered_before_the_first_read_more() {
        let mut window = Window::default();
        assert_eq!(window.next_page(), None);
        assert!(!window.committed(1, 10, true));
        window.read_more(5);
        let page = window.next_page().unwrap();
        assert_eq!((page.after, page.max_messages), (5, PAGE_MESSAGES));
        assert_eq!(window.next_page(), None, "one page at a time");
    }

    #[test]
    fn new_messages_go_at_once_only_to_who_has_all_others() {
        let mut window = started();
        assert!(!window.committed(1, 10, true), "it may not be the first");
        window.next_page().unwrap();
        window.page_read(false);
        assert_eq!(window.offer(1, 10), Offer::Send);
        assert!(!window.committed(2, 10, true));
        window.next_page().unwrap();
        window.page_read(true);
        assert!(window.committed(2, 10, true));
        assert!(!window.committed(3, 10, false), "its connection is full");
        assert!(!window.committed(4, 10, true), "3 comes first");
        assert_eq!(window.next_page().unwrap().after, 2);
    }

    #[test]
    fn h69_a_reader_that_acknowledges_nothing_is_sent_no_more() {
        let mut window = started();
        window.next_page().unwrap();
        window.page_read(true);
        for position in 1..=DELIVERIES_AHEAD_MAX {
            assert!(window.committed(position, 10, true));
        }
        let next = DELIVERIES_AHEAD_MAX + 1;
        assert!(!window.committed(next, 10, true));
        assert_eq!(window.next_page(), None);
        window.acknowledge(1);
        let page = window.next_page().unwrap();
        assert_eq!((page.after, page.max_messages), (DELIVERIES_AHEAD_MAX, 1));
    }

    #[test]
    fn bytes_ahead_are_bounded_but_one_message_always_goes() {
        let mut window = started();
        window.next_page().unwrap();
        window.page_read(true);
        let most = DELIVERY_BYTES_AHEAD_MAX - 1;
        assert!(window.committed(1, most, true));
        assert!(!window.committed(2, 2, true));
        // There is a little room, so that a page is read; but not enough for what it holds.
        assert!(window.next_page().is_some());
        window.page_read(false);
        assert_eq!(window.offer(2, 2), Offer::Stop);
        assert_eq!(window.next_page(), None, "it would not fit again");
        window.read_more(1);
        assert_eq!(window.next_page().unwrap().after, 1);
        window.page_read(false);
        assert_eq!(window.offer(2, DELIVERY_BYTES_AHEAD_MAX + 1), Offer::Send);
    }

    #[test]
    fn what_a_client_says_it_has_is_passed_over() {
        let mut window = started();
        window.next_page().unwrap();
        window.read_more(7);
        window.page_read(false);
        assert_eq!(window.offer(7, 1), Offer::Skip);
        assert_eq!(window.offer(8, 1), Offer::Send);
    }

    proptest! {
        /// A model of a mailbox: whatever the order of acknowledgements, commits and reads, every
        /// message is sent once, in order, and never too far ahead.
        #[test]
        fn every_message_is_sent_once_and_in_order(
            steps in prop::collection::vec((0u8..4, 1usize..2_000_000), 1..300),
        ) {
            let mut window = started();
            let (mut stored, mut sent, mut acknowledged) = (Vec::new(), 0u64, 0u64);
            let read = |window: &mut Window, stored: &[usize], sent: &mut u64| {
                let Some(page) = window.next_page() else {
                    return;
                };
                let rest = stored.iter().zip(1u64..).skip(page.after as usize);
                let entries: Vec<_> = rest.take(page.max_messages as usize).collect();
                window.page_read(entries.is_empty());
                for (&bytes, position) in entries {
                    match window.offer(position, bytes) {
                        Offer::Send => {
                            assert_eq!(position, *sent + 1);
                            *sent = position;
                        }
                        Offer::Skip => assert!(position <= *sent),
                        Offer::Stop => break,
                    }
                }
            };
            for (step, bytes) in steps {
                match step {
                    0 | 1 => {
                        stored.push(bytes);
                        let position = stored.len() as u64;
                        if window.committed(position, bytes, step == 0) {
                            prop_assert_eq!(position, sent + 1);
                            sent = position;
                        }
                    }
                    2 => read(&mut window, &stored, &mut sent),
                    _ => {
                        acknowledged = (acknowledged + 3).min(sent);
                        window.acknowledge(acknowledged);
                    }
                }
                let ahead = &stored[acknowledged as usize..sent as usize];
                prop_assert!(ahead.len() as u64 <= DELIVERIES_AHEAD_MAX);
                let bytes: usize = ahead.iter().sum();
                prop_assert!(ahead.len() <= 1 || bytes <= DELIVERY_BYTES_AHEAD_MAX);
            }
            for _ in 0..2 * stored.len() {
                window.acknowledge(sent);
                read(&mut window, &stored, &mut sent);
            }
            prop_assert_eq!(sent, stored.len() as u64);
        }
    }
}
