//! What the tests of this crate share: a random source that counts, and packets of every type.
#![allow(dead_code, unreachable_pub)] // Not every test file uses all of it.

use crypto::Random;
use internet::{
    ConnectionId, ConnectionIds, PacketBuilder, Protection, ResetToken, Route, encode_challenge,
    encode_stateless_reset, encode_version, initial_keys,
};

pub const CLIENT: ConnectionId = ConnectionId::new([0xc1, 1, 2, 3, 4, 5, 6, 7]);
pub const SERVER: ConnectionId = ConnectionId::new([0x5e, 1, 2, 3, 4, 5, 6, 7]);

/// Bytes that count up: predictable, and never the same eight twice.
pub struct Counting(pub u64);

impl Random for Counting {
    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            self.0 += 1;
            let bytes = (self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_be_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}

/// A packet type that is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealed {
    Initial,
    Handshake,
    Data,
}

pub const SEALED: [Sealed; 3] = [Sealed::Initial, Sealed::Handshake, Sealed::Data];

/// A client's packet of that type, sealed under `keys`.
pub fn seal(
    out: &mut Vec<u8>,
    kind: Sealed,
    keys: &dyn Protection,
    number: u64,
    acked: Option<u64>,
    payload: &[u8],
) -> usize {
    let builder = match kind {
        Sealed::Initial => PacketBuilder::initial(out, SERVER, CLIENT, b"token", number, acked),
        Sealed::Handshake => PacketBuilder::handshake(out, SERVER, CLIENT, number, acked),
        Sealed::Data => PacketBuilder::data(out, SERVER, true, number, acked),
    };
    out.extend_from_slice(payload);
    builder.finish(out, keys)
}

/// One datagram of every type, with a name.
pub fn every_type() -> Vec<(&'static str, Vec<u8>)> {
    let (client, _) = initial_keys(SERVER);
    let mut all = Vec::new();
    for (name, kind) in [
        ("Initial", Sealed::Initial),
        ("Handshake", Sealed::Handshake),
        ("Data", Sealed::Data),
    ] {
        let mut out = Vec::new();
        seal(&mut out, kind, &client, 77, Some(70), b"hello, undertone");
        all.push((name, out));
    }
    let mut out = Vec::new();
    encode_challenge(&mut out, CLIENT, SERVER, b"prove that you mean it");
    all.push(("Challenge", out));
    let mut out = Vec::new();
    encode_version(&mut out, CLIENT.as_bytes(), SERVER.as_bytes());
    all.push(("Version", out));
    let mut out = Vec::new();
    encode_stateless_reset(&mut out, &reset_token(), 100, &mut Counting(0));
    all.push(("Stateless reset", out));
    all
}

/// A server's ids, from a fixed secret.
pub fn ids() -> ConnectionIds {
    ConnectionIds::new(&crypto::Secret::from([7; 32]))
}

/// The token of one of its ids.
pub fn reset_token() -> ResetToken {
    ids().reset_token(ids().issue(Route { node: 3, worker: 9 }, &mut Counting(1)))
}
