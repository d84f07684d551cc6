//! Order within a conversation: ids, hash chain, sending and receiving state (PROTOCOL.md §8.6).
//!
//! [`SendState`] belongs to one sending device in one conversation, [`ReceiveState`] to one
//! [`Origin`]. Both are values without IO: a store keeps their small blobs, in the transaction
//! that keeps the message itself.

mod ids;
mod receive;
mod send;

pub use ids::{ChainHash, ConversationId, DeviceId, MessageId, Origin};
pub use receive::{Arrival, ChainLink, GAPS_MAX, ReceiveState, Refusal};
pub use send::{SendState, SequenceExhausted, Slot};

/// Largest sequence, time and version of PROTOCOL.md §8: what a signed 64-bit integer holds.
pub const COUNT_MAX: u64 = i64::MAX as u64;
