//! Stands in for `crypto::packet` until that lands: same shape, other bytes.

use crypto::{Aead, Transcript};

pub(crate) struct PacketKey {
    aead: Aead,
    mask: [u8; 32],
}

pub(crate) struct InitialKeys;

impl InitialKeys {
    pub(crate) fn derive(dcid: &[u8]) -> (PacketKey, PacketKey) {
        let key = |side, use_| Transcript::new(side).hmac_sha256(&[dcid, use_].concat());
        let packet_key = |side| PacketKey {
            aead: Aead::aes256_gcm(&key(side, b"key")),
            mask: key(side, b"mask"),
        };
        (packet_key("client"), packet_key("server"))
    }
}

impl PacketKey {
    pub(crate) fn seal(&self, packet_number: u64, packet: &mut [u8], header_len: usize) {
        let (head, body) = packet.split_at_mut(header_len);
        let mut sealed = body[..body.len() - 16].to_vec();
        self.aead.seal(&nonce(packet_number), head, &mut sealed);
        body.copy_from_slice(&sealed);
    }

    pub(crate) fn open(
        &self,
        packet_number: u64,
        packet: &mut [u8],
        header_len: usize,
    ) -> Result<usize, crypto::Unauthentic> {
        if packet.len() < header_len + 16 {
            return Err(crypto::Unauthentic);
        }
        let (head, body) = packet.split_at_mut(header_len);
        let mut opened = body.to_vec();
        self.aead.open(&nonce(packet_number), head, &mut opened)?;
        body[..opened.len()].copy_from_slice(&opened);
        Ok(opened.len())
    }

    pub(crate) fn header_mask(&self, sample: &[u8; 16]) -> [u8; 5] {
        let [a, b, c, d, e, ..] = Transcript::new("mask")
            .field(sample)
            .hmac_sha256(&self.mask);
        [a, b, c, d, e]
    }
}

pub(crate) fn challenge_tag(dcid: &[u8], packet: &[u8]) -> [u8; 16] {
    let tag = Transcript::new("challenge")
        .field(dcid)
        .field(packet)
        .sha256();
    std::array::from_fn(|index| tag[index])
}

fn nonce(packet_number: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&packet_number.to_be_bytes());
    nonce
}
