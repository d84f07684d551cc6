//! Layer 1: packets with integrity.
#![forbid(unsafe_code)]

mod connection_id;
mod protection;

pub use connection_id::ConnectionId;
pub use protection::{Protection, SAMPLE_LEN, TAG_LEN, Unauthentic};
