//! What a server keeps: accounts, their devices, a mailbox per account, notices, small blobs.
//!
//! A mailbox is a log. Each entry has a position, counted per account from 1 and never used
//! twice. Every device of the account has a cursor of its own; an entry goes when the cursors of
//! all devices have passed it, or when it expires. While an account has no device, entries wait.
//!
//! A sender's device numbers its messages per conversation. The store keeps, for each (sender,
//! sending device, conversation), which number comes next, for ever: a retry at any later time is
//! recognised, also when the message is long read and gone. A message that a full mailbox refused
//! for good keeps its number; another message, the tombstone that says so, may take the number.

mod account;
mod mailbox;
mod memory;
mod op;
mod recent;
mod sqlite;

pub use account::{Account, AccountSummary, Credentials, Device};
pub use mailbox::{Append, Entry, Notice, Quota, Receipt, Refusal};
pub use memory::MemoryStore;
pub use op::{Op, Outcome};
pub use sqlite::SqliteStore;

/// The most devices that an account has. One more is refused unless an idle one makes room.
pub const DEVICES_PER_ACCOUNT_MAX: usize = 16;
/// A device that was not seen for longer (3 days, in milliseconds: more than a weekend) is idle, and makes
/// room where it is in the way. When it was seen is never set back, so a clock that was ahead keeps it for as
/// much longer.
pub const DEVICE_IDLE_MS: u64 = 3 * 24 * 60 * 60 * 1000;
/// A device that was not seen for longer (90 days, in milliseconds) is not waited for any more.
pub const DEVICE_STALE_MS: u64 = 90 * 24 * 60 * 60 * 1000;
/// The most notices that wait for a device; one more takes the place of the oldest.
pub const NOTICES_PER_DEVICE_MAX: usize = 4096;
/// Of so many messages, the last per (sender, sending device, conversation), the ids are kept: what
/// comes under the number of one of them with another id is not taken for a retry.
pub const RECENT_IDS_MAX: usize = 64;
/// The most refused messages that are remembered per (sender, sending device, conversation). One
/// more is refused without being remembered, and its sequence number stays the next one.
pub const REFUSED_MAX: usize = 256;
