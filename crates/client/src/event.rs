//! What a client tells its user.

use core::net::SocketAddr;
use core::time::Duration;

use chat::Username;
use chat::message::{FailureCode, MessageId};
use crypto::Fingerprint;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The channel stands. Who is behind it the login proves.
    Connected {
        /// The server's address.
        server: SocketAddr,
        /// `fp(S)`: the server's identity key as the channel proved it.
        fingerprint: Fingerprint,
    },
    /// The account was made.
    Registered {
        /// Its name.
        user: Username,
    },
    /// The login proved that this key belongs to the server that knows the account: write the pin.
    /// Comes once per process, also when the pin was there already.
    ServerPinned {
        /// `fp(S)`.
        fingerprint: Fingerprint,
    },
    /// Logged in: messages flow. Comes again after each reconnection.
    LoggedIn {
        /// As whom.
        user: Username,
    },
    /// The answer to [`crate::Client::list`].
    Online {
        /// Names in ascending order, one's own included.
        users: Vec<Username>,
        /// Whether there are more than the list holds.
        more: bool,
    },
    /// A message to show. Comes once per message: that it is shown is on disk already.
    Message(Message),
    /// A message that cannot be shown: a placeholder in its place. Its bytes stay on disk.
    Unreadable {
        /// The message's id, by the server's word.
        id: MessageId,
        /// Who sent it, by the server's word.
        from: Username,
        /// When the server took it, milliseconds since 1970-01-01 UTC.
        time_ms: u64,
        /// For the user's own eyes.
        reason: String,
    },
    /// What became of a message of one's own.
    Status {
        /// The message, as [`crate::Client::send`] named it.
        id: MessageId,
        /// To whom.
        to: Username,
        /// How far it got. Each state is on disk before it is told.
        state: Delivery,
        /// Why it failed, or why it still waits.
        reason: Option<String>,
    },
    /// The server names another signing key than the pinned one for a contact: nothing is sent to
    /// it, and what comes under the new key stays sealed, until the user decides.
    KeyChanged {
        /// Whose.
        name: Username,
        /// `fp(C_sig)` of the pin.
        pinned: Fingerprint,
        /// `fp(C_sig)` as presented.
        presented: Fingerprint,
    },
    /// Two people were shown different directories under one version: the server, or whoever holds
    /// its key, deceives one of them.
    DirectoryFork {
        /// Whose message says so.
        from: Username,
        /// The version.
        version: u64,
    },
    /// The connection is lost; the client goes on by itself.
    Disconnected {
        /// For a person.
        reason: String,
        /// When the next attempt begins.
        retry_in: Duration,
    },
    /// Something could not be done now; the client goes on.
    Trouble {
        /// For a person.
        reason: String,
    },
    /// The client gave up, and does nothing more. The last event.
    Failed(Failure),
    /// The client has left. The last event.
    Bye,
}

/// A message that opened.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// Who signed it. Oneself, for what another device of one's own sent.
    pub from: Username,
    /// For whom.
    pub to: Username,
    /// The text, byte for byte as it was typed. Nothing of it is safe for a terminal.
    pub text: String,
    /// When it was written by the sender's clock, milliseconds since 1970-01-01 UTC.
    pub time_ms: u64,
    /// Messages of the same sender, device and conversation that should have come before and have
    /// not.
    pub gap: Option<u64>,
    /// The sender's key signed two histories: this message contradicts another.
    pub forked: bool,
}

/// Everything but the text: contents have no place in a log.
impl core::fmt::Debug for Message {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Message")
            .field("from", &self.from.key())
            .field("to", &self.to.key())
            .field("bytes", &self.text.len())
            .field("gap", &self.gap)
            .finish_non_exhaustive()
    }
}

/// How far a message got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Delivery {
    /// Sealed, and on this disk.
    Queued,
    /// On the server's disk.
    Stored,
    /// On a disk of the recipient's, by the server's word.
    Delivered,
    /// It will not be sent.
    Failed,
}

impl Delivery {
    /// The state's name in machine-readable output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Stored => "stored",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

/// Why a client gave up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// No server answered, or what answered is not one.
    #[error("the server cannot be reached: {reason}")]
    Unreachable {
        /// For a person.
        reason: String,
    },
    /// The server proves another identity key than the pinned one. A hard stop.
    #[error("the server's key has changed: expected {expected}, presented {presented}")]
    ServerKeyChanged {
        /// The pinned `fp(S)`.
        expected: Fingerprint,
        /// The presented `fp(S)`.
        presented: Fingerprint,
    },
    /// The server proved no key at all, or the channel's handshake failed otherwise and there was no session
    /// before in this run. Where there was one the client tries again, and says [`Event::Trouble`] when it
    /// keeps failing.
    #[error("the server is not trusted: {reason}")]
    Untrusted {
        /// For a person.
        reason: String,
    },
    /// Wrong password, unknown user, or somebody sits in the channel: one error for all.
    #[error("login failed")]
    LoginFailed,
    /// The name to register has an account.
    #[error("the name is taken")]
    NameTaken,
    /// The server refuses for another reason.
    #[error("the server refuses: {reason}")]
    Refused {
        /// For programs.
        code: FailureCode,
        /// Seconds after which another attempt makes sense; 0 if waiting changes nothing.
        retry_after_s: u32,
        /// For a person; from the server.
        reason: String,
    },
    /// The account's keys as the server gave them do not check out, or are older than before.
    #[error("the account's keys do not check out: {reason}")]
    Keys {
        /// For a person.
        reason: String,
    },
    /// The signed directory does not check out, or is older than before.
    #[error("the server's directory does not check out: {reason}")]
    Directory {
        /// For a person.
        reason: String,
    },
    /// The server ended the session for good: another session of this device, or it was revoked.
    #[error("the server ended the session: {reason}")]
    Ended {
        /// For a person.
        reason: String,
    },
    /// The server broke the protocol before the first login was done.
    #[error("the server breaks the protocol: {reason}")]
    Protocol {
        /// Which rule.
        reason: String,
    },
    /// This installation's store failed, or belongs to another account.
    #[error("the local store failed: {reason}")]
    Storage {
        /// For a person.
        reason: String,
    },
    /// Work on this machine failed that should not.
    #[error("internal error: {reason}")]
    Internal {
        /// For a person.
        reason: String,
    },
}

impl Failure {
    /// The failure's name in machine-readable output.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::ServerKeyChanged { .. } => "server_key_changed",
            Self::Untrusted { .. } => "server_untrusted",
            Self::LoginFailed => "login_failed",
            Self::NameTaken => "name_taken",
            Self::Refused { .. } => "refused",
            Self::Keys { .. } => "keys",
            Self::Directory { .. } => "directory",
            Self::Ended { .. } => "session_ended",
            Self::Protocol { .. } => "protocol",
            Self::Storage { .. } => "storage",
            Self::Internal { .. } => "internal",
        }
    }
}
