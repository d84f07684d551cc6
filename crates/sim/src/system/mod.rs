//! The whole system in a simulated world: the server and the clients that people run, on disks that
//! tear, over links that fail.
//!
//! A seed picks who is there, over which links, and what goes wrong. Phase 1 lets it go wrong and
//! compares what people are told with what was typed and with what disks hold; phase 2 heals
//! everything and expects that what was acknowledged arrives within a minute.

mod audit;
mod book;
mod crew;
mod disk;
mod ends;
mod harm;
mod healing;
mod host;
mod installation;
mod invariants;
mod journal;
mod keys;
mod malice;
mod meter;
mod node;
mod order;
mod owed;
mod plan;
mod process;
mod promises;
mod run;
mod shown;

pub use meter::Probe;
pub use plan::{SystemBug, SystemPlan};
pub use run::{Watcher, run_system, watch_system};
