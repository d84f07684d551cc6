//! Layer 1: packets with integrity.
//!
//! What a datagram goes through: [`PartialPacket::parse`] reads what is readable without keys,
//! [`unmask`] takes the header mask off, [`ReplayWindow::is_new`] drops what was seen,
//! [`open_unmasked`] decrypts in place, and [`ReplayWindow::insert`] remembers the number. What
//! fails anywhere is counted in [`Drops`] and goes no further. The other way, [`PacketBuilder`]
//! writes packets into a buffer of the caller.
//!
//! Bytes are laid down in docs/PROTOCOL.md §2. No clock, no socket, no randomness of its own.
#![forbid(unsafe_code)]

/// Whether a test build has switched this bug on.
macro_rules! planted {
    ($bug:ident) => {
        crate::planted::is_on(crate::planted::Bug::$bug)
    };
}

mod build;
mod challenge;
mod connection_id;
mod drops;
mod header;
mod initial;
mod open;
mod packet_number;
#[doc(hidden)]
pub mod planted;
mod protection;
mod replay;
mod reset;
mod server_ids;
mod version;

pub use build::{DATA_OVERHEAD_MAX, HANDSHAKE_OVERHEAD_MAX, PacketBuilder, initial_overhead_max};
pub use challenge::{CHALLENGE_OVERHEAD, encode_challenge, open_challenge};
pub use connection_id::ConnectionId;
pub use drops::{DropReason, Drops};
pub use header::{Header, PartialPacket, TOKEN_BYTES_MAX, VERSION};
pub use initial::{InitialProtection, initial_keys};
pub use open::{OpenError, Opened, Unmasked, open, open_unmasked, unmask};
pub use packet_number::{PACKET_NUMBER_MAX, decode_packet_number, packet_number_len};
pub use protection::{Protection, SAMPLE_LEN, TAG_LEN, Unauthentic};
pub use replay::ReplayWindow;
pub use reset::{RESET_LEN_MAX, RESET_LEN_MIN, ResetToken, encode_stateless_reset, resettable};
pub use server_ids::{ConnectionIds, Route};
pub use version::{encode_version, versions};
