//! A deterministic world for machines that know neither clock nor socket: virtual time, seeded
//! faults, and invariants that are checked at every step.
//!
//! The same code and the same seed give the same run: a failure is a seed. What happened is summed up in
//! a [`World::trace`] that covers times, addresses and sizes. Two libraries draw randomness of their own, that
//! of RSA signatures, which changes no size, and that of TLS, in whose worlds a seed may go another way.
#![forbid(unsafe_code)]

mod canaries;
#[cfg(any(test, feature = "danger"))]
pub mod null;
#[cfg(feature = "planted")]
pub mod planted;
mod rng;
#[cfg(any(test, feature = "danger"))]
mod sealing;
#[cfg(any(test, feature = "danger"))]
pub mod seeds;
#[cfg(any(test, feature = "danger"))]
pub mod swarm;
#[cfg(feature = "system")]
pub mod system;
mod world;

pub use rng::Rng;
#[cfg(any(test, feature = "danger"))]
pub use sealing::{Watch, WatchedSessions};
pub use world::{Captured, DatagramStats, Link, NodeId, Violation, ViolationKind, World};
