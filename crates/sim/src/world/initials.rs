//! Initial keys are everybody's, and still none of them seals two packets under one number (docs/PROTOCOL.md §3.1:
//! "packet numbers going on, so that no key and nonce is used twice").

use std::collections::BTreeMap;

use internet::{
    ConnectionId, Header, InitialProtection, OpenError, PartialPacket, TAG_LEN, initial_keys, open,
};

/// Who seals under Initial keys: the client whose first Initial went to this id, or a connection of a server's with
/// it, by the id that the server has chosen. A server that has forgotten a client, as it restarted, answers it under
/// the same keys from the beginning, and as somebody else.
type Sealer = (ConnectionId, Option<ConnectionId>);

/// Watches that, where datagrams leave their senders.
#[derive(Default)]
pub(super) struct Initials {
    /// By the id that a client has chosen for itself: that to which its first Initial went.
    first_dcids: BTreeMap<ConnectionId, ConnectionId>,
    /// The last number that each has used, and the tag of that packet: with the same one it was sent again as it was.
    last: BTreeMap<Sealer, (u64, [u8; TAG_LEN])>,
}

impl Initials {
    /// A node sends this datagram. Tells of the number that it has used before for another packet.
    pub(super) fn sent(&mut self, datagram: &[u8]) -> Option<u64> {
        let mut rest = datagram;
        let mut again = None;
        // No long packet follows a short one.
        while rest.first().is_some_and(|first| first & 0x80 != 0)
            && let Ok(packet) = PartialPacket::parse(rest)
        {
            let (bytes, behind) = rest.split_at_checked(packet.len())?;
            if let Header::Initial { dcid, scid, .. } = packet.header {
                again = again.or(self.initial(&packet, (dcid, scid), bytes));
            }
            rest = behind;
        }
        again
    }

    fn initial(
        &mut self,
        packet: &PartialPacket,
        (dcid, scid): (ConnectionId, ConnectionId),
        bytes: &[u8],
    ) -> Option<u64> {
        let of_server = self.first_dcids.get(&dcid).copied();
        let sealer = match self.first_dcids.get(&scid) {
            Some(first_dcid) => (*first_dcid, None),
            None => of_server.map_or((dcid, None), |first_dcid| (first_dcid, Some(scid))),
        };
        let last = self.last.get(&sealer).copied();
        let keys = initial_keys(sealer.0);
        let keys = if sealer.1.is_none() { keys.0 } else { keys.1 };
        // What is no packet under these keys no endpoint of ours has sealed.
        let number = number(packet, &keys, last.map(|(number, _)| number), bytes)?;
        let tag = *bytes.last_chunk()?;
        if sealer.1.is_none() {
            self.first_dcids.insert(scid, sealer.0);
        }
        if last == Some((number, tag)) {
            return None;
        }
        self.last.insert(sealer, (number, tag));
        last.is_some_and(|(last, _)| last >= number)
            .then_some(number)
    }
}

/// The number of a packet behind the last one, or of one among the first.
fn number(
    packet: &PartialPacket,
    keys: &InitialProtection,
    last: Option<u64>,
    bytes: &[u8],
) -> Option<u64> {
    let read = |last| -> Result<u64, OpenError> {
        let opened = open(packet, keys, last, &mut bytes.to_vec())?;
        Ok(opened.packet_number)
    };
    read(last).or_else(|_| read(None)).ok()
}

#[cfg(test)]
mod tests {
    use internet::PacketBuilder;

    use super::*;

    const FIRST: ConnectionId = ConnectionId::new([1; 8]);
    const CLIENT: ConnectionId = ConnectionId::new([2; 8]);
    const SERVER: ConnectionId = ConnectionId::new([3; 8]);

    fn packet(ids: [ConnectionId; 2], token: &[u8], number: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        let (client, server) = initial_keys(FIRST);
        let keys = if ids[1] == CLIENT { client } else { server };
        let builder = PacketBuilder::initial(&mut bytes, ids[0], ids[1], token, number, None);
        builder.pad_to(&mut bytes, 100);
        builder.finish(&mut bytes, &keys);
        bytes
    }

    #[test]
    fn a_number_comes_once_in_each_direction_whatever_the_ids() {
        let mut initials = Initials::default();
        let mut sent = |ids, token: &[u8], number| initials.sent(&packet(ids, token, number));
        assert_eq!(sent([FIRST, CLIENT], b"", 0), None);
        assert_eq!(sent([FIRST, CLIENT], b"", 0), None, "the same bytes");
        assert_eq!(sent([FIRST, CLIENT], b"token", 1), None);
        assert_eq!(sent([CLIENT, SERVER], b"", 0), None);
        assert_eq!(sent([CLIENT, SERVER], b"", 300), None);
        assert_eq!(sent([SERVER, CLIENT], b"token", 2), None);
        let restarted = ConnectionId::new([4; 8]);
        assert_eq!(sent([CLIENT, restarted], b"", 0), None);
        assert_eq!(sent([SERVER, CLIENT], b"another", 2), Some(2));
        assert_eq!(sent([CLIENT, SERVER], b"token", 0), Some(0));
    }

    #[test]
    fn packets_that_share_a_datagram_are_all_looked_at() {
        let mut initials = Initials::default();
        let mut two = |one, other| {
            let token: &[u8] = if other < one { b"token" } else { b"" };
            let packets = [one, other].map(|number| packet([FIRST, CLIENT], token, number));
            initials.sent(&packets.concat())
        };
        assert_eq!(two(0, 1), None);
        assert_eq!(two(2, 1), Some(1));
        assert_eq!(initials.sent(&[0xff; 50]), None);
    }
}
