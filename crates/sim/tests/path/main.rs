//! How connections find out what their path takes, and keep to it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "../harness/mod.rs"]
mod harness;
mod longer;
mod mtu;
mod world;
