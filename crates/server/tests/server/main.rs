//! The server as its clients see it, in a simulated world: scripted clients over null sessions, a
//! store in memory.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod common;
mod crowd;
mod delivery;
mod devices;
mod failure;
mod login;
mod registration;
