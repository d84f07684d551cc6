//! The channel's keys as [`Protection`].

use crypto::packet::{ChannelKey, ChannelMask};
use internet::{Protection, SAMPLE_LEN, TAG_LEN, Unauthentic};

/// The bits of a first byte that any form of header hides.
const FIRST_BYTE_HIDDEN: u8 = 0x1f;

/// One direction's keys of one epoch, or of one generation after a key update, which leaves the
/// header's mask as it is (RFC 9001 §5.4).
pub(crate) struct PacketProtection {
    key: ChannelKey,
    mask: ChannelMask,
}

impl PacketProtection {
    pub(crate) const fn new(key: ChannelKey, mask: ChannelMask) -> Self {
        Self { key, mask }
    }

    fn try_seal(&self, packet_number: u64, packet: &mut [u8], header_len: usize) -> Option<()> {
        let (header, sealed) = packet.split_at_mut_checked(header_len)?;
        let payload_len = sealed.len().checked_sub(TAG_LEN)?;
        let (payload, spare) = sealed.split_at_mut_checked(payload_len)?;
        let tag = self.key.seal(packet_number, header, payload)?;
        spare.copy_from_slice(&tag);
        Some(())
    }
}

impl Protection for PacketProtection {
    fn seal(&self, packet_number: u64, packet: &mut [u8], header_len: usize) {
        let sealed = self.try_seal(packet_number, packet, header_len);
        debug_assert!(
            sealed.is_some(),
            "no room for header and tag, or packet too long"
        );
        if sealed.is_none() {
            // Better a packet that nobody can read than one that everybody can.
            packet.fill(0);
        }
    }

    fn open(
        &self,
        packet_number: u64,
        packet: &mut [u8],
        header_len: usize,
    ) -> Result<usize, Unauthentic> {
        let (header, sealed) = packet.split_at_mut_checked(header_len).ok_or(Unauthentic)?;
        self.key
            .open(packet_number, header, sealed)
            .map_err(|_| Unauthentic)
    }

    fn header_mask(&self, sample: &[u8; SAMPLE_LEN]) -> [u8; 5] {
        let [first, a, b, c, d] = self.mask.mask(sample);
        [first & FIRST_BYTE_HIDDEN, a, b, c, d]
    }

    fn confidentiality_limit(&self) -> u64 {
        self.key.suite().confidentiality_limit()
    }

    fn integrity_limit(&self) -> u64 {
        self.key.suite().integrity_limit()
    }

    fn rest(&mut self) {
        self.key.rest();
        self.mask.rest();
    }
}
