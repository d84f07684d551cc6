//! A chat server: admission, accounts, delivery, presence and quotas, as one sans-IO machine.
//!
//! [`Server`] is a [`transport::Machine`] with an endpoint inside. It knows neither clock nor
//! socket nor disk: what takes time leaves it as a [`Request`] and comes back as a [`Completion`].
//! The protocol is docs/PROTOCOL.md §3, §6 and §7.
//!
//! ```text
//! loop {
//!     driver.turn(&mut server)                   datagrams and timers
//!     server.set_wall_time(now)
//!     poll_request -> Store: the store's thread  one transaction for all connections
//!                     Job:   any worker          the directory's signature
//!     handle_completion                          only now is anything acknowledged
//!     poll_event -> the log
//! }
//! ```
//!
//! It can not read messages: they are sealed by crate `e2e`, which this crate does not know.
#![forbid(unsafe_code)]

/// Whether a test build has switched this bug on.
macro_rules! planted {
    ($bug:ident) => {
        transport::planted::is_on(transport::planted::Bug::$bug)
    };
}

pub mod accounts;
mod config;
mod directory;
mod event;
mod gate;
mod job;
mod ledger;
pub mod limits;
mod machine;
mod pace;
mod peer;
mod pipe;
mod presence;
mod window;

pub use config::{AdmissionPolicy, Config, Registration, ServerKeys};
pub use event::{Event, Fatal};
pub use gate::gate;
pub use job::{Done, Job};
pub use ledger::{StoreBatch, StoreDone};
pub use machine::{Completion, Request, Server, code};
