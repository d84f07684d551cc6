//! Layer 2: TCP's promises, many at once, over packets with integrity.
//!
//! An [`Endpoint`] is the machine behind one UDP address: it holds connections, each with many
//! streams, and knows neither clock nor socket nor randomness of its own. Whoever drives it hands
//! in datagrams and time and takes out datagrams and events; the order is on the type. `net` drives
//! it over real sockets, `sim` in a simulated world.
//!
//! The channel handshake is behind [`Session`], admission behind [`Gate`]. Every byte is in
//! docs/PROTOCOL.md §3.1 and §4; loss recovery is RFC 9002, congestion control RFC 9438.
#![forbid(unsafe_code)]

/// Whether a test build has switched this bug on.
macro_rules! planted {
    ($bug:ident) => {
        internet::planted::is_on(internet::planted::Bug::$bug)
    };
}

mod address_gate;
mod config;
mod congestion;
mod connection;
mod datagram;
mod endpoint;
mod event;
mod frame;
#[cfg(feature = "danger-fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod gate;
mod machine;
#[cfg(feature = "danger-measuring")]
#[doc(hidden)]
pub mod measuring;
mod parameters;
#[cfg(feature = "qlog")]
pub mod qlog;
mod ranges;
mod recovery;
mod session;
mod stream;
mod time;
mod violation;

pub use address_gate::AddressGate;
pub use config::Config;
pub use congestion::CongestionControl;
pub use connection::{Connection, Counters, EcnSupport, MigrateError, Stats};
pub use datagram::{Ecn, Meta, Transmit};
pub use endpoint::{Accept, ConnectError, DUE_MAX, Endpoint, EndpointStats};
pub use event::{CloseReason, Completion, ConnectionHandle, Event, Request};
pub use gate::{Admission, Attempt, Gate, Load, OpenGate, Verdict};
#[doc(hidden)]
pub use internet::planted;
pub use machine::Machine;
pub use session::{Epoch, KeyChange, Keys, Session, SessionError, Sessions, Side};
pub use stream::{Mode, ReceiveBudget, StreamError, StreamId};
pub use time::Instant;
pub use violation::code;

/// The longest token that a client's Initial carries, in bytes.
pub const TOKEN_BYTES_MAX: usize = internet::TOKEN_BYTES_MAX;

/// Code of a reset: nobody listens on the stream's port.
pub const PORT_CLOSED: u64 = 1 << 32;

/// Code of a reset: a message is longer than the receiver takes.
pub const MESSAGE_TOO_LONG: u64 = (1 << 32) + 1;
