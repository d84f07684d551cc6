//! Keys of the first flight: a guard against accidents and strangers off the path, no secret.

use crypto::packet::{CONFIDENTIALITY_LIMIT, INTEGRITY_LIMIT, InitialKeys, PacketKey};

use crate::{ConnectionId, Protection, SAMPLE_LEN, Unauthentic};

/// One direction's Initial protection: AES-128-GCM (RFC 9001 §5.2).
pub struct InitialProtection(PacketKey);

/// The (client's, server's) sealing protection for a connection whose client first sent to `dcid`.
/// Each side seals with its own and opens with the other's.
pub fn initial_keys(dcid: ConnectionId) -> (InitialProtection, InitialProtection) {
    let (client, server) = InitialKeys::derive(dcid.as_bytes());
    (InitialProtection(client), InitialProtection(server))
}

impl Protection for InitialProtection {
    fn seal(&self, packet_number: u64, packet: &mut [u8], header_len: usize) {
        self.0.seal(packet_number, packet, header_len);
    }

    fn open(
        &self,
        packet_number: u64,
        packet: &mut [u8],
        header_len: usize,
    ) -> Result<usize, Unauthentic> {
        self.0
            .open(packet_number, packet, header_len)
            .map_err(|_| Unauthentic)
    }

    fn header_mask(&self, sample: &[u8; SAMPLE_LEN]) -> [u8; 5] {
        self.0.header_mask(sample)
    }

    fn confidentiality_limit(&self) -> u64 {
        CONFIDENTIALITY_LIMIT
    }

    fn integrity_limit(&self) -> u64 {
        INTEGRITY_LIMIT
    }
}
