//! Packets without keys: what is read is what would be written, and nothing else is read.
use internet::{
    ConnectionId, Header, PartialPacket, ResetToken, encode_challenge, encode_version,
    open_challenge, resettable, versions,
};

/// Checks one input.
pub fn check(datagram: &[u8]) {
    let Ok(packet) = PartialPacket::parse(datagram) else {
        return;
    };
    let mut again = Vec::new();
    match &packet.header {
        Header::Challenge { dcid, scid, body } => {
            encode_challenge(&mut again, *dcid, *scid, &datagram[body.clone()]);
            let opened = open_challenge(&packet, *scid, datagram).is_ok();
            assert_eq!(opened, again == datagram);
            let packet = PartialPacket::parse(&again).expect("what we write parses");
            assert_eq!(
                open_challenge(&packet, *scid, &again),
                Ok(&datagram[body.clone()])
            );
        }
        Header::Version {
            dcid,
            scid,
            versions: list,
        } => {
            encode_version(&mut again, dcid.as_bytes(), scid.as_bytes());
            again.truncate(again.len() - 4);
            again.extend(versions(&datagram[list.clone()]).flat_map(u32::to_be_bytes));
            assert_eq!(again, datagram);
        }
        Header::Unknown { dcid, scid, .. } => {
            encode_version(&mut again, &datagram[scid.clone()], &datagram[dcid.clone()]);
            assert!(again.len() <= datagram.len() + 4);
        }
        Header::Data { dcid } => {
            assert!(resettable(datagram).is_none_or(|id: ConnectionId| id == *dcid));
            let tail = datagram.last_chunk().copied().unwrap_or_default();
            assert_eq!(
                ResetToken::new(tail).matches(datagram),
                datagram.len() >= 21
            );
        }
        _ => {}
    }
}
