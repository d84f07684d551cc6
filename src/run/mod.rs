//! What the programs do once they know what they are asked for: the machines wired to sockets,
//! disks, clocks and people.

pub mod client;
mod crew;
pub mod demo;
pub mod doctor;
pub mod front;
#[doc(hidden)]
pub mod http;
mod keys;
pub mod log;
mod metrics;
pub mod problem;
pub mod qlog;
pub mod report;
mod resolve;
mod seed;
pub mod server;
mod signals;
pub mod visit;
mod voice;
mod way;
