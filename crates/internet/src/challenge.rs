//! The Challenge packet: a server's stateless answer to an Initial (docs/PROTOCOL.md §2.5).

use codec::Writer;

use crate::header::{CHALLENGE_FIRST, VERSION};
use crate::{ConnectionId, Header, PartialPacket, TAG_LEN, Unauthentic};

/// What a Challenge packet costs beyond its body, in bytes.
pub const CHALLENGE_OVERHEAD: usize = 1 + 4 + 2 * (1 + ConnectionId::LEN) + TAG_LEN;

/// Appends the Challenge that answers an Initial from `client` (its source id) to `original` (its
/// destination id, the client's own choice).
///
/// The tag shows that the sender has seen the Initial; its key is public, so it shows no more.
pub fn encode_challenge(
    out: &mut Vec<u8>,
    client: ConnectionId,
    original: ConnectionId,
    body: &[u8],
) {
    let start = out.len();
    Writer::new(out)
        .u8(CHALLENGE_FIRST)
        .u32(VERSION)
        .u8(ConnectionId::LEN as u8)
        .bytes(client.as_bytes())
        .u8(ConnectionId::LEN as u8)
        .bytes(original.as_bytes())
        .bytes(body);
    let tag = crypto::packet::challenge_tag(original.as_bytes(), out.get(start..).unwrap_or(&[]));
    out.extend_from_slice(&tag);
}

/// The body of the Challenge `packet`, which begins at the first byte of `bytes`, if it answers an
/// Initial that this client sent to `original`.
///
/// # Errors
/// [`Unauthentic`] when it does not, or is no Challenge.
pub fn open_challenge<'a>(
    packet: &PartialPacket,
    original: ConnectionId,
    bytes: &'a [u8],
) -> Result<&'a [u8], Unauthentic> {
    let Header::Challenge { scid, body, .. } = &packet.header else {
        return Err(Unauthentic);
    };
    let covered = bytes.get(..body.end).ok_or(Unauthentic)?;
    let tag = bytes.get(body.end..packet.len()).ok_or(Unauthentic)?;
    let expected = crypto::packet::challenge_tag(original.as_bytes(), covered);
    if *scid != original || !crypto::ct_eq(tag, &expected) {
        return Err(Unauthentic);
    }
    covered.get(body.start..).ok_or(Unauthentic)
}
