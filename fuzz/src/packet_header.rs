//! Any datagram: its packets come apart, what is readable of a header has one encoding, and
//! nothing opens under keys that it was not sealed with.
use std::sync::LazyLock;

use internet::{
    ConnectionId, Header, InitialProtection, PacketBuilder, PartialPacket, VERSION,
    encode_challenge, encode_version, initial_keys, open, open_challenge, versions,
};

static KEYS: LazyLock<InitialProtection> =
    LazyLock::new(|| initial_keys(ConnectionId::new(*b"elsewher")).0);

/// Checks one input.
pub fn check(datagram: &[u8]) {
    let mut rest = datagram;
    while let Ok(packet) = PartialPacket::parse(rest) {
        let (bytes, behind) = rest.split_at(packet.len());
        assert_eq!(PartialPacket::parse(bytes).as_ref(), Ok(&packet));
        assert!(open(&packet, &*KEYS, None, &mut bytes.to_vec()).is_err());
        check_header(&packet, bytes);
        rest = behind;
    }
}

fn check_header(packet: &PartialPacket, bytes: &[u8]) {
    let mut again = Vec::new();
    let to = PartialPacket::peek_dcid(bytes);
    match packet.header.clone() {
        Header::Initial { dcid, scid, token } => {
            let token = &bytes[token];
            let builder = PacketBuilder::initial(&mut again, dcid, scid, token, 0, None);
            check_sealed(builder, again, packet, bytes);
            assert_eq!(to, Some(dcid));
        }
        Header::Handshake { dcid, scid } => {
            let builder = PacketBuilder::handshake(&mut again, dcid, scid, 0, None);
            check_sealed(builder, again, packet, bytes);
            assert_eq!(to, Some(dcid));
        }
        Header::Data { dcid } => {
            let builder = PacketBuilder::data(&mut again, dcid, false, 0, None);
            builder.pad_to(&mut again, packet.len());
            builder.finish(&mut again, &*KEYS);
            assert_eq!(
                (again[0] & 0xe0, &again[1..9]),
                (bytes[0] & 0xe0, &bytes[1..9])
            );
            assert_eq!(to, Some(dcid));
        }
        Header::Challenge { dcid, scid, body } => {
            encode_challenge(&mut again, dcid, scid, &bytes[body.clone()]);
            assert_eq!(again[..body.end], bytes[..body.end]);
            let opened = open_challenge(packet, scid, bytes);
            assert_eq!(opened.is_ok(), again == bytes);
            assert!(
                opened.is_err() || open_challenge(packet, dcid, bytes).is_err() || dcid == scid
            );
        }
        Header::Version {
            dcid,
            scid,
            versions: list,
        } => {
            encode_version(&mut again, dcid.as_bytes(), scid.as_bytes());
            // One of ours tells one version.
            let ours = again.len() - 4;
            assert_eq!(list.start, ours);
            assert_eq!(again[1..ours], bytes[1..ours]);
            assert_eq!(versions(&bytes[list.clone()]).count() * 4, list.len());
            assert!(!list.is_empty() && list.end == bytes.len());
        }
        Header::Unknown {
            version,
            dcid,
            scid,
        } => {
            assert!(version != VERSION && version != 0);
            assert_eq!(bytes[1..5], version.to_be_bytes());
            let lengths = (usize::from(bytes[5]), usize::from(bytes[dcid.end]));
            assert_eq!((dcid.len(), scid.len()), lengths);
            assert_eq!((dcid.start, scid.start), (6, dcid.end + 1));
        }
    }
}

/// Up to the packet number, what was read is what is written.
fn check_sealed(builder: PacketBuilder, mut again: Vec<u8>, packet: &PartialPacket, bytes: &[u8]) {
    let number = builder.payload_start() - 1;
    builder.pad_to(&mut again, packet.len());
    builder.finish(&mut again, &*KEYS);
    assert_eq!(again[0] & 0xf0, bytes[0] & 0xf0);
    assert_eq!(again[1..number], bytes[1..number]);
}
