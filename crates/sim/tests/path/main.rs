//! How connections find out what their path takes, and keep to it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../harness/mod.rs"]
mod harness;
mod longer;
mod migration;
mod mtu;
mod world;
