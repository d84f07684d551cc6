//! Clients, a server that fits into a test, and virtual time.
#![allow(unreachable_pub, reason = "one test binary")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails where it is wrong"
)]

mod bounds;
mod hostile;
mod house;
mod login;
mod pins;
mod queue;
mod real;
mod reconnect;
mod relay;
mod spoiled;
mod talk;
mod together;
