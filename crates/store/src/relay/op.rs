use super::{
    Account, AccountSummary, Append, Credentials, Device, Entry, Notice, Receipt, Refusal,
};
use crate::{DeviceId, MessageId};

/// An operation on a server's store. Each names the outcomes that it can have.
///
/// Times are milliseconds since the Unix epoch and saturate at 63 bits, as positions do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Op {
    /// Adds an account unless the name is there: [`Outcome::Inserted`] or [`Outcome::Taken`].
    InsertAccount(Box<Account>),
    /// Adds an account unless the name is there, and with it sets a small blob, as
    /// [`Op::PutMeta`] does: both ([`Outcome::Inserted`]) or neither ([`Outcome::Taken`]).
    InsertAccountAndMeta {
        /// The account.
        account: Box<Account>,
        /// The blob's name.
        key: String,
        /// Its value.
        value: Vec<u8>,
    },
    /// [`Outcome::Account`].
    LoadAccount {
        /// Whose.
        name: String,
    },
    /// The accounts in the order of their names' bytes: [`Outcome::Accounts`].
    ListAccounts {
        /// Only names after this one.
        after: Option<String>,
        /// At most so many.
        limit: u32,
    },
    /// How many accounts are demo accounts: [`Outcome::Count`].
    CountDemoAccounts,
    /// Replaces the credentials if their version still is the expected one: [`Outcome::Done`],
    /// [`Outcome::VersionConflict`] or [`Outcome::NoSuchAccount`].
    ReplaceCredentials {
        /// Whose.
        name: String,
        /// The key bag version that is replaced.
        expected_version: u64,
        /// What takes its place.
        credentials: Box<Credentials>,
    },
    /// Removes an account, its devices, mailbox and notices; what it sent stays sent, and its
    /// sequence numbers stay known. [`Outcome::Done`] or [`Outcome::NoSuchAccount`].
    DeleteAccount {
        /// Whose.
        name: String,
    },

    /// Registers a device, or notes that it was seen and replaces its key: [`Outcome::Touched`],
    /// [`Outcome::TooManyDevices`] or [`Outcome::NoSuchAccount`].
    ///
    /// A new device starts before the oldest entry that is still kept. When the account is at
    /// [`DEVICES_PER_ACCOUNT_MAX`](super::DEVICES_PER_ACCOUNT_MAX), the least recently seen device
    /// makes room if that was more than [`DEVICE_IDLE_MS`](super::DEVICE_IDLE_MS) ago.
    TouchDevice {
        /// Whose.
        account: String,
        /// Which.
        device: DeviceId,
        /// Its Ed25519 public key.
        device_key: [u8; 32],
        /// Now.
        now_ms: u64,
    },
    /// Notes that a device was seen, never earlier than it was before: [`Outcome::Done`] or
    /// [`Outcome::NoSuchDevice`].
    SeeDevice {
        /// Whose.
        account: String,
        /// Which.
        device: DeviceId,
        /// Now.
        now_ms: u64,
    },
    /// The devices of an account in the order of their ids: [`Outcome::Devices`].
    ListDevices {
        /// Whose.
        account: String,
    },
    /// Forgets a device with its notices; entries that waited for it alone go:
    /// [`Outcome::Done`], [`Outcome::SeenSince`] or [`Outcome::NoSuchDevice`].
    RemoveDevice {
        /// Whose.
        account: String,
        /// Which.
        device: DeviceId,
        /// Only if it was last seen before this time.
        seen_before_ms: Option<u64>,
    },

    /// Puts a message into a mailbox: [`Outcome::Stored`], [`Outcome::Duplicate`] or
    /// [`Outcome::Refused`].
    ///
    /// A sequence number that was used is a duplicate, unless it is known to have been used by a
    /// message of another id (see [`RECENT_IDS_MAX`](super::RECENT_IDS_MAX)): the sender's state is an
    /// older one, and it is told which number comes next, as for a gap. One whose message
    /// was refused for good gets the same refusal, or is stored if the id is another: a tombstone.
    Append(Box<Append>),
    /// Entries after a device's cursor, oldest first: [`Outcome::Entries`] or
    /// [`Outcome::NoSuchDevice`].
    ReadAfter {
        /// Whose mailbox.
        account: String,
        /// For which device.
        device: DeviceId,
        /// Only what comes after this position too: to go on beyond what was sent but is not
        /// acknowledged.
        after: Option<u64>,
        /// At most so many entries.
        max_messages: u32,
        /// At most so many bytes of sealed messages; the first entry comes whatever its length.
        max_bytes: u64,
    },
    /// Moves a device's cursor forward, never back, and at most to the newest position:
    /// [`Outcome::Acknowledged`] or [`Outcome::NoSuchDevice`].
    Acknowledge {
        /// Whose mailbox.
        account: String,
        /// Which device.
        device: DeviceId,
        /// The last position that it holds durably.
        position: u64,
    },
    /// Removes entries and notices from before a time, oldest first: [`Outcome::Expired`].
    Expire {
        /// What is older than this goes.
        before_ms: u64,
        /// At most so many entries and so many notices; more stay for the next call.
        limit: u32,
    },

    /// Keeps a notice for a device until it is deleted; a later one about the same message takes
    /// its place: [`Outcome::Done`] or [`Outcome::NoSuchDevice`].
    PutNotice {
        /// Whose.
        account: String,
        /// For which device.
        device: DeviceId,
        /// What it is about.
        notice: Notice,
    },
    /// A device's notices by time, then id: [`Outcome::Notices`].
    LoadNotices {
        /// Whose.
        account: String,
        /// For which device.
        device: DeviceId,
        /// At most so many.
        limit: u32,
    },
    /// Deletes the notices that a device has acknowledged; unknown ids are ignored:
    /// [`Outcome::Done`].
    DeleteNotices {
        /// Whose.
        account: String,
        /// For which device.
        device: DeviceId,
        /// About which messages.
        message_ids: Vec<MessageId>,
    },

    /// Sets a small blob: [`Outcome::Done`].
    PutMeta {
        /// Its name.
        key: String,
        /// Its value.
        value: Vec<u8>,
    },
    /// [`Outcome::Meta`].
    LoadMeta {
        /// Its name.
        key: String,
    },
}

/// What came of an [`Op`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It is done.
    Done,
    /// The account is new.
    Inserted,
    /// The name is taken; nothing changed.
    Taken,
    /// The account, if there is one.
    Account(Option<Box<Account>>),
    /// Accounts in the order of their names' bytes.
    Accounts(Vec<AccountSummary>),
    /// A number of things.
    Count(u64),
    /// The credentials are of another version; nothing changed.
    VersionConflict {
        /// The version that is there.
        current: u64,
    },
    /// Nobody has that name.
    NoSuchAccount,
    /// The account has no such device, or there is no such account.
    NoSuchDevice,
    /// The device is registered.
    Touched {
        /// It was not known before.
        new: bool,
        /// The last position that it acknowledged.
        cursor: u64,
    },
    /// The account has as many devices as it may have, none of them idle.
    TooManyDevices {
        /// Milliseconds until one is, if it is not seen before.
        wait_ms: u64,
    },
    /// The account's devices.
    Devices(Vec<Device>),
    /// The device was seen since; nothing changed.
    SeenSince,
    /// The message is in the mailbox.
    Stored {
        /// Where.
        position: u64,
    },
    /// The message was stored before; nothing changed.
    Duplicate,
    /// The message was not stored.
    Refused {
        /// Why.
        reason: Refusal,
        /// True when the refusal is final: the next sequence number comes next, and every retry of
        /// this message gets the same answer. Otherwise nothing changed.
        remembered: bool,
    },
    /// Entries, oldest first.
    Entries(Vec<Entry>),
    /// The cursor is at the position or beyond.
    Acknowledged {
        /// The entries that this device had not acknowledged before, oldest first.
        receipts: Vec<Receipt>,
    },
    /// What was removed for its age.
    Expired {
        /// Entries of mailboxes.
        messages: u64,
        /// Notices.
        notices: u64,
    },
    /// Notices by time, then id.
    Notices(Vec<Notice>),
    /// The blob, if it was ever set.
    Meta(Option<Vec<u8>>),
}
