//! What has to outlive the process: a transaction at a time, on disk before it is acknowledged.
//!
//! [`Store`] is one synchronous method: a batch of operations in, one outcome for each out. There
//! are two schemas, each with its operations and outcomes, an engine in memory and one on SQLite:
//!
//! - [`relay`]: what a server keeps: accounts, devices, mailboxes, notices;
//! - [`device`]: what a client's installation keeps: outbox, inbox, contacts, conversations.
//!
//! Both engines of a schema pass the same contract suite (`tests/`). The caller groups operations
//! into batches (group commit), runs the store on a thread of its own, and gives times as
//! arguments: nothing here reads a clock. Names are opaque UTF-8, compared byte by byte; case
//! mapping is the caller's. Blobs stay blobs: nothing here parses or decrypts them.

#![forbid(unsafe_code)]

mod checksum;
pub mod device;
mod error;
pub mod faulty;
pub mod relay;
mod sqlite;

pub use error::StoreError;
pub use sqlite::SqliteOptions;

/// Identifies an installation, chosen at random by it.
pub type DeviceId = [u8; 16];
/// Identifies a conversation.
pub type ConversationId = [u8; 16];
/// Identifies a message, chosen at random by its sender.
pub type MessageId = [u8; 16];
/// A SHA-256 value.
pub type Digest = [u8; 32];

/// The sequence number of the first message of a (sending device, conversation).
pub const FIRST_SEQUENCE: u64 = 1;

/// A store of one schema, owned by one writer.
///
/// A batch is one transaction. Its operations run in order, and each sees what the ones before it
/// did. Before `commit` returns `Ok` all of it is durable; a batch that only loads writes nothing.
///
/// A conflict (a name that is taken, a sequence that is not the next) is an outcome, not an error:
/// that operation then changes nothing, the others of the batch still happen.
///
/// # Errors
///
/// On `Err` nothing of the batch happened. After [`StoreError::Full`] the store goes on: loads
/// work, and writes work again once there is room. After any other error it is stopped for good,
/// every later `commit` fails, and the way back is to open it anew. What a write or sync that
/// failed left on the medium is unknown, so such a batch can still be found, whole, after that;
/// operations are made so that repeating them then is harmless.
pub trait Store: Send {
    /// One operation of the schema.
    type Op;
    /// What came of an operation.
    type Outcome;

    /// Runs `batch` as one transaction and returns one outcome per operation, in order.
    fn commit(&mut self, batch: &[Self::Op]) -> Result<Vec<Self::Outcome>, StoreError>;
}

impl<S: Store + ?Sized> Store for Box<S> {
    type Op = S::Op;
    type Outcome = S::Outcome;

    fn commit(&mut self, batch: &[Self::Op]) -> Result<Vec<Self::Outcome>, StoreError> {
        (**self).commit(batch)
    }
}

/// Limits a time or a position to what every engine holds, 63 bits; larger ones saturate.
pub(crate) fn clamp63(value: u64) -> u64 {
    value.min(i64::MAX.unsigned_abs())
}
