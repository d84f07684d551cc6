//! Layer 2: TCP's promises, many at once.
#![forbid(unsafe_code)]

mod config;
mod datagram;
mod event;
mod gate;
mod machine;
mod session;
mod stream;
mod time;

pub use config::Config;
pub use datagram::{Ecn, Meta, Transmit};
pub use event::{CloseReason, Completion, ConnectionHandle, Event, Request};
pub use gate::{Admission, Attempt, Gate, Load, OpenGate, Verdict};
pub use machine::Machine;
pub use session::{Epoch, KeyChange, Keys, Session, SessionError, Sessions, Side};
pub use stream::{Mode, StreamError, StreamId};
pub use time::Instant;

/// The longest token that a client's Initial carries, in bytes.
pub const TOKEN_BYTES_MAX: usize = 512;

/// Code of a reset: nobody listens on the stream's port.
pub const PORT_CLOSED: u64 = 1 << 32;

/// Code of a reset: a message is longer than the receiver takes.
pub const MESSAGE_TOO_LONG: u64 = (1 << 32) + 1;
