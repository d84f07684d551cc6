//! Peers and strangers that do what they should not.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod acknowledgements;
#[path = "../common/mod.rs"]
mod common;
mod ends;
mod flips;
mod half_open;
mod handshake;
mod ids;
mod limits;
mod packets;
mod paths;
mod raw;
mod several_addresses;
mod timers;
mod updates;
mod versions;
mod wrong_address;
