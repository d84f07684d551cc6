//! What the tests of this crate share: a random source that counts, and packets of every type.
#![allow(dead_code, unreachable_pub)] // Not every test file uses all of it.

use crypto::Random;
use internet::{
    ConnectionId, ConnectionIds, DropReason, Header, PacketBuilder, PartialPacket, Protection,
    ReplayWindow, ResetToken, Route, encode_challenge, encode_stateless_reset, encode_version,
    initial_keys, open_challenge, open_unmasked, unmask,
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

/// What a receiver that has keys for every epoch does with a datagram's first packet: the payload,
/// or why it was dropped.
pub fn receive(
    datagram: &[u8],
    keys: &dyn Protection,
    window: &mut ReplayWindow,
) -> Result<Vec<u8>, DropReason> {
    let mut bytes = datagram.to_vec();
    let packet = PartialPacket::parse(&bytes)?;
    match packet.header {
        Header::Challenge { .. } => open_challenge(&packet, SERVER, &bytes)
            .map(<[u8]>::to_vec)
            .map_err(|_| DropReason::Unauthentic),
        Header::Version { ref versions, .. } => Ok(bytes[versions.clone()].to_vec()),
        Header::Unknown { .. } => Err(DropReason::UnknownVersion),
        Header::Data { .. } if reset_token().matches(&bytes) => Ok(b"reset".to_vec()),
        _ => {
            let unmasked = unmask(&packet, keys, window.largest(), &mut bytes)
                .map_err(|error| error.reason())?;
            if !window.is_new(unmasked.packet_number) {
                return Err(DropReason::Replay);
            }
            let opened =
                open_unmasked(&unmasked, keys, &mut bytes).map_err(|error| error.reason())?;
            window.insert(opened.packet_number);
            Ok(bytes[opened.payload].to_vec())
        }
    }
}
