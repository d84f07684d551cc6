//! What the server holds for others, at most. Those of the protocol are in [`chat::limits`].

use core::time::Duration;

/// Connections that are not logged in; one more is turned away.
pub const NOT_LOGGED_IN_MAX: usize = 8192;
/// How long a connection may take to log in. Renewed once, when it is given work.
pub const LOGIN_TIMEOUT: Duration = Duration::from_secs(30);
/// Messages on the login port of one connection.
pub const LOGIN_MESSAGES_MAX: u32 = 64;
/// Answered `LoginStart`s on one connection.
pub const LOGIN_RESPONSES_MAX: u32 = 3;
/// Answered `RegisterStart`s on one connection.
pub const REGISTER_RESPONSES_MAX: u32 = 3;
/// Bytes that may arrive before they are read, until the login is done.
pub const LOGIN_WINDOW_BYTES: u64 = 64 * 1024;

/// Bytes of a session's stream that may arrive before they are read.
pub const SESSION_STREAM_BYTES: u64 = 2 * 1024 * 1024;
/// The same for all streams of a connection.
pub const SESSION_WINDOW_BYTES: u64 = 4 * 1024 * 1024;
/// Streams that a peer may have open at once. It needs two.
pub const STREAMS_MAX: u64 = 4;
/// Bytes that a stream holds for sending before it is full; messages beyond wait for it.
pub const SEND_BUFFER_BYTES: usize = 256 * 1024;

/// Operations of one connection that the store has not answered; beyond, nothing more of it is
/// read.
pub const PEER_OPS_MAX: usize = 64;
/// Bytes of sealed messages in them.
pub const PEER_OP_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Answers that wait for a connection to take them; beyond, or beyond [`PAGE_BYTES`] of them,
/// nothing more of it is read.
pub const PEER_ANSWERS_MAX: usize = 64;
/// Operations in a batch for the store; beyond, nothing more is read of anybody.
pub const BATCH_OPS_MAX: usize = 8192;
/// Bytes of sealed messages in a batch.
pub const BATCH_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Mailboxes that are read in one batch.
pub const BATCH_READS_MAX: usize = 64;
/// Messages read out of a mailbox at once. A slow reader keeps no more of them in memory.
pub const PAGE_MESSAGES: u32 = 32;
/// Bytes of sealed messages read out of a mailbox at once; one message is always read.
pub const PAGE_BYTES: usize = 256 * 1024;

/// Messages that one connection may send at once. Beyond, it is read more slowly.
pub const SEND_BURST: u32 = 1024;
/// Messages per second that one connection may send in the long run.
pub const SENDS_PER_S: u32 = 256;
/// Messages that a mailbox holds.
pub const MAILBOX_MESSAGES: u64 = 10_000;
/// Bytes of sealed messages that a mailbox holds.
pub const MAILBOX_BYTES: u64 = 256 * 1024 * 1024;

/// `Delivered`s that wait for a connection, and such as it was told within [`TOLD_FOR`]; beyond,
/// they become notices.
pub const TOLD_MAX: usize = 256;
/// How long a `Delivered` counts as perhaps lost: when its connection breaks before, it is told
/// again.
pub const TOLD_FOR: Duration = Duration::from_secs(60);

/// How often it is noted that a device is there that stays connected, when it says something.
pub const SEEN_EVERY_MS: u64 = 24 * 60 * 60 * 1000;

/// A head of the directory is signed again when it is this old.
pub const HEAD_AGE_MAX_MS: u64 = 30 * 60 * 1000;
/// Accounts that are read at once when the server starts.
pub const ACCOUNTS_PAGE: u32 = 4096;
/// Entries of all directories together that somebody is still being sent.
pub const DIRECTORY_ENTRIES_MAX: usize = 4 * chat::limits::MANIFEST_ENTRIES_MAX as usize;

/// Messages taken from one connection before others get their turn.
pub const TURN_MESSAGES: usize = 16;
/// Events that wait to be polled; beyond, they are counted and dropped.
pub const EVENTS_MAX: usize = 1024;
/// How long a connection that is being closed may take to receive its last words.
pub const LINGER: Duration = Duration::from_secs(3);
/// How long a shutdown waits for connections to go by themselves.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);
