//! rustls' packet and header keys as [`Protection`].

use std::sync::Arc;

use internet::{Protection, SAMPLE_LEN, TAG_LEN, Unauthentic};
use rustls::quic::{DirectionalKeys, HeaderProtectionKey, PacketKey};

/// A header key, shared by all generations of one direction: a key update leaves it as it is
/// (RFC 9001 §5.4).
pub(crate) type HeaderKey = Arc<dyn HeaderProtectionKey>;

/// A first byte in short form that declares a packet number of four bytes, so that a mask for all
/// five comes out. Its own mask then covers the low five bits, as many as any form ever hides.
const SHORT_FORM_PN4: u8 = 0x03;

/// One direction's keys of one epoch, or of one generation after a key update.
pub(crate) struct PacketProtection {
    packet: Box<dyn PacketKey>,
    header: HeaderKey,
}

impl PacketProtection {
    /// The first keys of an epoch.
    pub(crate) fn first(keys: DirectionalKeys) -> Self {
        Self::next(keys.packet, Arc::from(keys.header))
    }

    /// The keys of a later generation, under the header key of the first.
    pub(crate) const fn next(packet: Box<dyn PacketKey>, header: HeaderKey) -> Self {
        Self { packet, header }
    }

    pub(crate) fn header_key(&self) -> HeaderKey {
        Arc::clone(&self.header)
    }

    fn try_seal(&self, packet_number: u64, packet: &mut [u8], header_len: usize) -> Option<()> {
        let (header, sealed) = packet.split_at_mut_checked(header_len)?;
        let payload_len = sealed.len().checked_sub(TAG_LEN)?;
        let (payload, spare) = sealed.split_at_mut_checked(payload_len)?;
        let tag = self
            .packet
            .encrypt_in_place(packet_number, header, payload)
            .ok()?;
        spare.copy_from_slice(tag.as_ref());
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
        self.packet
            .decrypt_in_place(packet_number, header, sealed)
            .map(<[u8]>::len)
            .map_err(|_| Unauthentic)
    }

    fn header_mask(&self, sample: &[u8; SAMPLE_LEN]) -> [u8; 5] {
        // rustls applies masks and does not show them: what it makes of zeros is the mask.
        let mut first = SHORT_FORM_PN4;
        let mut number = [0; 4];
        let masked = self
            .header
            .encrypt_in_place(sample, &mut first, &mut number);
        debug_assert!(masked.is_ok(), "every suite samples {SAMPLE_LEN} bytes");
        let [a, b, c, d] = number;
        [first ^ SHORT_FORM_PN4, a, b, c, d]
    }

    fn confidentiality_limit(&self) -> u64 {
        self.packet.confidentiality_limit()
    }

    fn integrity_limit(&self) -> u64 {
        self.packet.integrity_limit()
    }
}
