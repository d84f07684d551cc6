use std::fmt;

use crypto::{Fingerprint, Random, Transcript, random_array};

use crate::labels;

/// Declares identifiers of a fixed size that show as hexadecimal digits.
macro_rules! identifier {
    ($(#[$docs:meta])* $name:ident, $length:literal) => {
        $(#[$docs])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $length]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
    };
}

identifier! {
    /// An installation of a user's client; random, and fresh when its state is lost.
    DeviceId, 16
}

identifier! {
    /// One message, whatever path it takes and however often it is sent; random.
    MessageId, 16
}

identifier! {
    /// A pair of users, in whatever order (PROTOCOL.md §8.3).
    ConversationId, 16
}

identifier! {
    /// The value that the next message of the same origin names as `previous` (PROTOCOL.md §8.6).
    ChainHash, 32
}

impl DeviceId {
    /// A fresh device id.
    pub fn generate(random: &mut (impl Random + ?Sized)) -> Self {
        Self(random_array(random))
    }
}

impl MessageId {
    /// A fresh message id.
    pub fn generate(random: &mut (impl Random + ?Sized)) -> Self {
        Self(random_array(random))
    }
}

impl ConversationId {
    /// The conversation of two users, by their case-mapped names.
    pub fn of(one: &str, other: &str) -> Self {
        let (first, second) = if one <= other {
            (one, other)
        } else {
            (other, one)
        };
        let hash = Transcript::new(labels::CONVERSATION)
            .field(first.as_bytes())
            .field(second.as_bytes())
            .sha256();
        let mut id = [0; 16];
        id.copy_from_slice(&hash[..16]);
        Self(id)
    }
}

impl ChainHash {
    /// What the first message of an origin names.
    pub const START: Self = Self([0; 32]);

    /// The chain value of a message: `SHA-256(T("chain"; th, signature))`.
    pub(crate) fn of(th: &[u8; 32], signature: &[u8]) -> Self {
        Self(
            Transcript::new(labels::CHAIN)
                .field(th)
                .field(signature)
                .sha256(),
        )
    }
}

/// Whose count a sequence is: one sending device of one key in one conversation.
///
/// The key is part of it, so that nobody counts in the place of another's device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// `fp(A_sig)` of the sender.
    pub sender_key: Fingerprint,
    /// The sending device.
    pub device: DeviceId,
    /// The conversation.
    pub conversation: ConversationId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_is_its_two_names_in_any_order() {
        let id = ConversationId::of("alice", "bob");
        assert_eq!(id, ConversationId::of("bob", "alice"));
        assert_ne!(id, ConversationId::of("alice", "bobby"));
        assert_ne!(
            ConversationId::of("ab", "c"),
            ConversationId::of("a", "bc"),
            "the boundary between the names counts"
        );
    }

    /// Test vector of PROTOCOL.md §8.9.
    #[test]
    fn conversation_id_vector() {
        assert_eq!(
            ConversationId::of("bob", "alice").to_string(),
            "ce2e2709653bfe261fb774852b11c2ef"
        );
    }
}
