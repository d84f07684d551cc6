//! Threads for work that would block a loop: storage, key generation, password stretching.
//!
//! A machine gives such work out as a request and takes it back as a completion; here it runs.
//! Every queue is bounded, and a full one says so.

mod batch;
mod pool;

pub use batch::{BatchWorker, Rejected};
pub use pool::{Busy, Panicked, Pool};
