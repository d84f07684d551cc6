use std::collections::VecDeque;

use chat::Username;
use chat::message::FailureCode;
use store::StoreError;

use crate::limits::EVENTS_MAX;

/// Something worth a line in a log. Never a secret, and no message's content.
///
/// Strangers can cause some of these at will: whoever writes them down limits their rate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The accounts are read: the server answers everything from here on.
    Ready {
        /// How many accounts there are.
        accounts: usize,
    },
    /// An account was made over the network.
    Registered {
        /// Its name.
        user: Username,
    },
    /// Somebody proved to be this user.
    ClientLoggedIn {
        /// Who.
        user: Username,
    },
    /// A logged-in connection is gone.
    ClientLeft {
        /// Whose.
        user: Username,
    },
    /// A login or registration was refused.
    LoginRefused {
        /// The name that was given; nobody need have it.
        user: Username,
        /// Why.
        code: FailureCode,
    },
    /// A peer broke the protocol and was disconnected.
    Violation {
        /// Who, if logged in.
        user: Option<Username>,
        /// Which rule.
        reason: &'static str,
    },
    /// There are as many connections that are not logged in as may be.
    Crowded,
    /// The disk is full: nothing is taken until there is room.
    DiskFull,
    /// So many events were dropped here because nobody polled them.
    Dropped(u64),
    /// The store or a worker failed. Nothing of the last batch was acknowledged, and nothing will
    /// be any more: the process has to end.
    Fatal(Fatal),
    /// [`crate::Server::shutdown`] is done. The last event.
    Stopped,
}

/// Why a server can not go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fatal {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A worker was lost, or did something that it can not have done.
    #[error("{0}")]
    Worker(String),
}

/// Events that wait to be polled.
#[derive(Debug, Default)]
pub(crate) struct Events {
    waiting: VecDeque<Event>,
    dropped: u64,
}

impl Events {
    pub(crate) fn push(&mut self, event: Event) {
        let is_last_word = matches!(event, Event::Fatal(_) | Event::Stopped);
        if self.waiting.len() >= EVENTS_MAX && !is_last_word {
            self.dropped = self.dropped.saturating_add(1);
        } else {
            self.waiting.push_back(event);
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Event> {
        self.waiting.pop_front().or_else(|| {
            let dropped = core::mem::take(&mut self.dropped);
            (dropped > 0).then_some(Event::Dropped(dropped))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h75_events_nobody_polls_are_counted_and_not_kept() {
        let mut events = Events::default();
        for _ in 0..EVENTS_MAX + 5 {
            events.push(Event::Crowded);
        }
        events.push(Event::Stopped);
        let mut seen = Vec::new();
        while let Some(event) = events.pop() {
            seen.push(event);
        }
        assert_eq!(seen.len(), EVENTS_MAX + 2);
        assert_eq!(seen.last(), Some(&Event::Dropped(5)));
        assert!(seen.contains(&Event::Stopped));
    }
}
