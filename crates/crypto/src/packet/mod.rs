//! Protection of packets, by the mechanics of QUIC version 1 (RFC 9001 §5).
//!
//! [`ChannelKey`] and [`ChannelMask`] protect under keys of a handshake. The rest is for packets
//! whose keys are public knowledge, Initial packets and the Challenge (PROTOCOL.md §2.3): salt,
//! labels and constants are ours, so that no packet of one protocol authenticates in the other. That
//! catches accidents and senders who never saw the connection, and keeps nothing secret.

mod block_mask;
mod challenge;
mod channel;
mod initial;

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey, quic};

use crate::Unauthentic;

pub use block_mask::BlockMask;
pub use challenge::challenge_tag;
pub use channel::{ChannelKey, ChannelMask, ChannelSuite};
pub use initial::InitialKeys;

/// Length of the tag at the end of a packet, in bytes.
pub const TAG_LEN: usize = 16;

/// Length of the ciphertext sample that masks a header (RFC 9001 §5.4.2), in bytes.
pub const SAMPLE_LEN: usize = 16;

/// How many packets one AES-GCM key may seal: 2^23 (RFC 9001 §6.6).
pub const CONFIDENTIALITY_LIMIT: u64 = 1 << 23;

/// How many packets may fail to open under one AES-GCM key: 2^52 (RFC 9001 §6.6).
pub const INTEGRITY_LIMIT: u64 = 1 << 52;

/// One direction's packet protection: AES-128-GCM and the AES header mask (RFC 9001 §5.3, §5.4.3).
///
/// The packet number is the nonce, so seal at most one packet under each number.
pub struct PacketKey {
    aead: LessSafeKey,
    iv: [u8; 12],
    mask: quic::HeaderProtectionKey,
}

impl PacketKey {
    fn new(key: &[u8; 16], iv: [u8; 12], mask: &[u8; 16]) -> Self {
        match (
            UnboundKey::new(&AES_128_GCM, key),
            quic::HeaderProtectionKey::new(&quic::AES_128, mask),
        ) {
            (Ok(key), Ok(mask)) => Self {
                aead: LessSafeKey::new(key),
                iv,
                mask,
            },
            _ => unreachable!("the lengths are the algorithms'"),
        }
    }

    /// Encrypts in place, without allocating. `packet` is header, payload and [`TAG_LEN`] spare
    /// bytes at its end, which receive the tag; the first `header_len` bytes are authenticated and
    /// stay as they are.
    ///
    /// # Panics
    /// When `packet` has no room for header and tag.
    pub fn seal(&self, packet_number: u64, packet: &mut [u8], header_len: usize) {
        let payload_end = packet
            .len()
            .checked_sub(TAG_LEN)
            .filter(|end| header_len <= *end);
        assert!(
            payload_end.is_some(),
            "a packet has room for header and tag"
        );
        let (packet, tag) = packet.split_at_mut(payload_end.unwrap_or_default());
        let (header, payload) = packet.split_at_mut(header_len);
        let nonce = nonce(self.iv, packet_number);
        match self
            .aead
            .seal_in_place_separate_tag(nonce, Aad::from(&*header), payload)
        {
            Ok(sealed) => tag.copy_from_slice(sealed.as_ref()),
            Err(_) => unreachable!("AES-GCM seals 64 GiB and more than any packet"),
        }
    }

    /// Decrypts in place, without allocating. `packet` is header, ciphertext and tag. Returns the
    /// payload's length; the payload then stands behind the header.
    ///
    /// # Errors
    /// [`Unauthentic`] when header, ciphertext or tag were changed, or key or number are not these;
    /// what stands behind the header is then unspecified.
    pub fn open(
        &self,
        packet_number: u64,
        packet: &mut [u8],
        header_len: usize,
    ) -> Result<usize, Unauthentic> {
        let (header, sealed) = packet.split_at_mut_checked(header_len).ok_or(Unauthentic)?;
        self.aead
            .open_in_place(nonce(self.iv, packet_number), Aad::from(&*header), sealed)
            .map(|payload| payload.len())
            .map_err(|_| Unauthentic)
    }

    /// The mask of a header (RFC 9001 §5.4.1): one byte for the first byte, four for the packet
    /// number.
    #[must_use]
    pub fn header_mask(&self, sample: &[u8; SAMPLE_LEN]) -> [u8; 5] {
        match self.mask.new_mask(sample) {
            Ok(mask) => mask,
            Err(_) => unreachable!("the sample's length is the algorithm's"),
        }
    }
}

/// RFC 9001 §5.3: the packet number, padded to the IV's length, exclusive-or the IV.
fn nonce(mut iv: [u8; 12], packet_number: u64) -> Nonce {
    for (byte, number) in iv.iter_mut().skip(4).zip(packet_number.to_be_bytes()) {
        *byte ^= number;
    }
    Nonce::assume_unique_for_key(iv)
}

#[cfg(test)]
mod tests;
