//! Any datagram: its packets come apart, what is readable of a header has one encoding, and
//! nothing opens under keys that it was not sealed with.
use internet::{ConnectionId, Header, PacketBuilder, PartialPacket, initial_keys, open};

/// Checks one input.
pub fn check(datagram: &[u8]) {
    let keys = initial_keys(ConnectionId::new(*b"elsewher")).0;
    let mut rest = datagram;
    while let Ok(packet) = PartialPacket::parse(rest) {
        let (bytes, behind) = rest.split_at(packet.len());
        assert_eq!(PartialPacket::parse(bytes).as_ref(), Ok(&packet));
        assert!(open(&packet, &keys, None, &mut bytes.to_vec()).is_err());
        let mut again = Vec::new();
        let builder = match packet.header.clone() {
            Header::Initial { dcid, scid, token } => {
                PacketBuilder::initial(&mut again, dcid, scid, &bytes[token], 0, None)
            }
            Header::Handshake { dcid, scid } => {
                PacketBuilder::handshake(&mut again, dcid, scid, 0, None)
            }
            _ => return,
        };
        let number = builder.payload_start() - 1;
        builder.pad_to(&mut again, packet.len());
        builder.finish(&mut again, &keys);
        assert_eq!(again[0] & 0xf0, bytes[0] & 0xf0);
        assert_eq!(again[1..number], bytes[1..number]);
        rest = behind;
    }
}
