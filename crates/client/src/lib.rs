//! A user's side of the conversation: connecting, logging in, contacts, outbox, inbox.
//!
//! [`Client`] is one sans-IO machine around a transport endpoint. Datagrams, time, randomness and
//! the outcomes of slow work come in; datagrams, [`Event`]s and [`Request`]s come out. See there for
//! the order in which it is driven.
//!
//! | file | what |
//! |---|---|
//! | `client.rs` | the machine: wiring only |
//! | `link.rs`, `leave.rs` | the connection: made, lost, made again, closed |
//! | `login.rs`, `register.rs`, `installation.rs` | who we are |
//! | `directory.rs`, `contacts.rs` | who the others are |
//! | `compose.rs`, `outbox.rs`, `held.rs` | from a text to the server |
//! | `arrival.rs`, `inbox.rs`, `opening.rs` | from the server to the screen |
//! | `session.rs` | the stream between the two |
//! | `work.rs`, `jobs.rs` | slow work |

#![forbid(unsafe_code)]

/// Whether a test build has switched this bug on.
macro_rules! planted {
    ($bug:ident) => {
        transport::planted::is_on(transport::planted::Bug::$bug)
    };
}

mod arrival;
#[cfg(feature = "danger-checking")]
mod check;
mod client;
mod compose;
mod config;
mod contacts;
mod directory;
mod event;
mod held;
mod inbox;
mod installation;
mod jobs;
mod leave;
mod link;
mod login;
mod opening;
mod outbox;
mod register;
mod session;
mod work;

pub use client::{Channel, Client, RefusedKey};
pub use compose::{DRAFT_BYTES_MAX, DRAFTS_MAX, SendError};
pub use config::{Config, Registration};
pub use event::{Delivery, Event, Failure, Message};
pub use jobs::{
    Done, Frozen, Job, KeyBagJob, LoginJob, LoginWorkJob, Recipient, RegistrationJob, Sealed,
};
pub use session::{LISTS_MAX, TooManyRequests};
pub use work::{Completion, Outcome, Request, RequestId, Work};

/// Label of the channel's exporter whose 32 bytes bind a login to it (PROTOCOL.md §5).
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-undertone-login";
