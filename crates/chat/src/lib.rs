//! The application protocol between a client and its server: messages, names, admission puzzle,
//! login, directory and delivery states.
//!
//! Everything here is sans-IO: time is an argument, randomness is injected, and slow functions
//! (solving a puzzle, stretching a password) are pure, so that a worker can run them. The bytes
//! are specified in docs/PROTOCOL.md §3, §6, §7 and §9.

#![forbid(unsafe_code)]

mod delivery;
pub mod limits;
pub mod login;
pub mod manifest;
pub mod message;
mod name;
pub mod puzzle;
mod sketch;
mod source;

pub use delivery::{DeliveryEvent, DeliveryState};
pub use name::{InvalidName, Username};
pub use source::SourcePrefix;
