//! The Version packet: which versions a server speaks (docs/PROTOCOL.md §2.6).

use codec::{Reader, Writer};

use crate::VERSION;
use crate::header::{VERSION_FIRST, VERSION_NEGOTIATION};

/// Appends the answer to a packet of a version that we do not speak. `dcid` and `scid` are that
/// packet's **source** and **destination** id, at most 255 bytes each, whatever length they have.
///
/// It is `11 + dcid + scid` bytes long. Only a datagram of at least 1,200 bytes deserves one, so it
/// is always the shorter one.
pub fn encode_version(out: &mut Vec<u8>, dcid: &[u8], scid: &[u8]) {
    debug_assert!(dcid.len() <= 255 && scid.len() <= 255);
    Writer::new(out)
        .u8(VERSION_FIRST)
        .u32(VERSION_NEGOTIATION)
        .u8(dcid.len() as u8)
        .bytes(dcid)
        .u8(scid.len() as u8)
        .bytes(scid)
        .u32(VERSION);
}

/// The versions in the list of a Version packet. `list` are the bytes that
/// [`Header::Version`](crate::Header::Version) names.
pub fn versions(list: &[u8]) -> impl Iterator<Item = u32> + '_ {
    let mut reader = Reader::new(list);
    std::iter::from_fn(move || reader.u32().ok())
}
