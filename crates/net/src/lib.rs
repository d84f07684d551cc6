//! Sockets, clocks, threads and the operating system's randomness: everything that the machines
//! below are not allowed to touch.
//!
//! - [`Driver`]: an event loop around one UDP socket, for programs that own a machine.
//! - [`Worker`]: a driver of several at one address, each with connections of its own, so that a
//!   server uses every core.
//! - [`Socket`]: the same socket without the loop, for programs that have a [`mio::Poll`] of their
//!   own.
//! - [`blocking`]: handles for programs that want no loop at all.
//! - [`workers`]: threads for what would block the loop.
//! - [`Roaming`]: notices that a client's way to the network has changed.
//! - [`OsRandom`]: the operating system's randomness, to inject into machines.
#![deny(unsafe_code)]

pub mod blocking;
mod clock;
mod driver;
mod outbox;
mod outward;
#[cfg(any(test, feature = "danger-proxy"))]
pub mod proxy;
#[cfg(feature = "qlog")]
pub mod qlog;
mod random;
mod roaming;
mod socket;
mod source;
#[cfg(target_os = "linux")]
mod timer;
#[cfg(target_os = "linux")]
mod timestamps;
mod worker;
pub mod workers;

pub use clock::{Clock, unix_time_ms, unix_time_s};
pub use driver::{Driver, FIRST_RESERVED_TOKEN, Turn, Waker};
pub use outward::{address_towards, outward_address};
pub use random::OsRandom;
pub use roaming::Roaming;
pub use socket::{BindOptions, Offload, PathError, Progress, Socket, SocketStats};
pub use worker::{WORKERS_MAX, Worker, WorkerStats, bind_workers};

/// What a loop of one's own waits with.
pub use mio;
