//! A deterministic world for machines that know neither clock nor socket: virtual time, seeded
//! faults, and invariants that are checked at every step.
//!
//! The same code and the same seed give the same run, to the byte: a failure is a seed. What happened
//! is summed up in a [`World::trace`] that covers times, addresses and sizes.
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "danger"))]
pub mod null;
mod rng;
#[cfg(any(test, feature = "danger"))]
pub mod swarm;
#[cfg(feature = "system")]
pub mod system;
#[cfg(any(test, feature = "danger"))]
mod watch;
mod world;

pub use rng::Rng;
#[cfg(any(test, feature = "danger"))]
pub use watch::{Watch, WatchedSessions};
pub use world::{Captured, DatagramStats, Link, NodeId, Violation, ViolationKind, World};
