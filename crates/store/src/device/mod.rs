//! What a client's installation keeps: outbox, inbox, contacts, how far conversations got.
//!
//! One store belongs to one account at one server. No text is stored in the clear: sealed messages
//! stay sealed, and what is to be shown again is sealed by the caller before it comes here.

mod contact;
mod memory;
mod message;
mod op;
mod sqlite;

pub use contact::{Contact, ContactState};
pub use memory::MemoryStore;
pub use message::{
    Conversation, Inbound, InboundState, Origin, Outbound, OutboundEntry, OutboxState,
};
pub use op::{Op, Outcome};
pub use sqlite::SqliteStore;

/// Names of the small blobs that a client keeps.
pub mod meta {
    /// This installation's id.
    pub const DEVICE_ID: &str = "device_id";
    /// This installation's private key, sealed by the caller.
    pub const DEVICE_KEY: &str = "device_key";
    /// The pinned server key's fingerprint.
    pub const SERVER_PIN: &str = "server_pin";
    /// The last mailbox position that is in the inbox.
    pub const MAILBOX_CURSOR: &str = "mailbox_cursor";
    /// Version and root of the newest manifest seen.
    pub const MANIFEST: &str = "manifest";
}
