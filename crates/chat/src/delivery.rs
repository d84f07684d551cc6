use core::fmt;

use crate::message::Refusal;

/// How far a message has come, as its sender knows it (PROTOCOL.md §7.3).
///
/// ```text
/// Queued --> Stored --> Delivered
///    \----> Failed
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// On the sender's disk.
    Queued,
    /// On the server's disk: it will arrive.
    Stored,
    /// On the disk of one of the recipient's devices. The server's word.
    Delivered,
    /// Refused for good. Only a server's final refusal leads here, never a timeout.
    Failed(Refusal),
}

/// What a sender learns of its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryEvent {
    /// `Stored` came.
    Stored,
    /// `Delivered` came.
    Delivered,
    /// `Refused` came.
    Refused(Refusal),
}

impl DeliveryState {
    /// The state after `event`; `None` if nothing changes.
    ///
    /// Events come late, twice and out of order after a reconnection, so a message never goes back:
    /// what was stored is not refused any more, and `Delivered` says that it was stored.
    pub fn after(self, event: DeliveryEvent) -> Option<Self> {
        match (self, event) {
            (Self::Queued, DeliveryEvent::Stored) => Some(Self::Stored),
            (Self::Queued | Self::Stored, DeliveryEvent::Delivered) => Some(Self::Delivered),
            (Self::Queued, DeliveryEvent::Refused(refusal)) if refusal.is_final() => {
                Some(Self::Failed(refusal))
            }
            _ => None,
        }
    }

    /// Whether the sender has nothing left to do for it.
    pub fn is_settled(self) -> bool {
        self != Self::Queued
    }

    /// One word, as scripts see it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Stored => "stored",
            Self::Delivered => "delivered",
            Self::Failed(_) => "failed",
        }
    }
}

impl fmt::Display for DeliveryState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Refusal {
    /// Whether sending the same again would be refused again, whatever happens.
    pub fn is_final(self) -> bool {
        match self {
            Self::NoSuchUser | Self::TooLong => true,
            Self::MailboxFull | Self::Gap { .. } | Self::RateLimited => false,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchUser => f.write_str("no such user"),
            Self::MailboxFull => f.write_str("the recipient's mailbox is full"),
            Self::Gap { expected } => write!(f, "the server expects message {expected} first"),
            Self::TooLong => f.write_str("the message is too long"),
            Self::RateLimited => f.write_str("too many messages in a short time"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole table: rows are states, columns events.
    #[test]
    fn transitions() {
        use DeliveryEvent as Event;
        use DeliveryState::{Delivered, Failed, Queued, Stored};
        let failed = Failed(Refusal::NoSuchUser);
        let events = [
            Event::Stored,
            Event::Delivered,
            Event::Refused(Refusal::NoSuchUser),
            Event::Refused(Refusal::MailboxFull),
            Event::Refused(Refusal::Gap { expected: 2 }),
        ];
        let table = [
            (
                Queued,
                [Some(Stored), Some(Delivered), Some(failed), None, None],
            ),
            (Stored, [None, Some(Delivered), None, None, None]),
            (Delivered, [None; 5]),
            (failed, [None; 5]),
        ];
        for (state, row) in table {
            for (event, next) in events.into_iter().zip(row) {
                assert_eq!(state.after(event), next, "{state} {event:?}");
            }
        }
    }
}
