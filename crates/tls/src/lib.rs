//! The channel handshake: TLS 1.3 by rustls behind transport's [`Session`](transport::Session)
//! ([PROTOCOL.md §5](../../../docs/PROTOCOL.md)).
//!
//! A server makes a [`NodeCertificate`] from its identity key and [`ServerSessions`] from that; a
//! client says whom it [`Trust`]s and gets [`ClientSessions`]. Time is told by a [`WallClock`];
//! randomness is the one thing that is drawn here and not injected, because ring accepts none.
#![forbid(unsafe_code)]

mod client;
mod clock;
mod failure;
#[cfg(feature = "danger-fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod identity;
mod kx;
mod protection;
mod provider;
mod server;
mod session;
mod suite;
#[cfg(test)]
mod tests;
mod trust;

pub use client::{ClientSessions, TrustError};
pub use clock::WallClock;
pub use identity::{IssueError, Lifetime, NodeCertificate};
pub use server::{AuthorityChain, ServerError, ServerSessions};
pub use trust::{KeyMismatch, Trust};
