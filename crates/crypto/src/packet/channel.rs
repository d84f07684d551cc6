//! Packet protection under keys that a handshake has agreed on (RFC 9001 §5).

use std::sync::OnceLock;

use ring::aead::{AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey, quic};

use super::{CONFIDENTIALITY_LIMIT, INTEGRITY_LIMIT, SAMPLE_LEN, TAG_LEN, nonce};
use crate::{Secret, Unauthentic};

/// Which AEAD and which header mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelSuite {
    /// AES-256-GCM, the mask by AES-256 (RFC 9001 §5.4.3).
    Aes256Gcm,
    /// ChaCha20-Poly1305, the mask by ChaCha20 (RFC 9001 §5.4.4).
    ChaCha20Poly1305,
}

impl ChannelSuite {
    /// How many packets one key may seal (RFC 9001 §6.6).
    #[must_use]
    pub const fn confidentiality_limit(self) -> u64 {
        match self {
            Self::Aes256Gcm => CONFIDENTIALITY_LIMIT,
            Self::ChaCha20Poly1305 => u64::MAX,
        }
    }

    /// How many packets may fail to open under one key (RFC 9001 §6.6).
    #[must_use]
    pub const fn integrity_limit(self) -> u64 {
        match self {
            Self::Aes256Gcm => INTEGRITY_LIMIT,
            Self::ChaCha20Poly1305 => 1 << 36,
        }
    }
}

/// One direction's AEAD key. It is expanded when it is used: that takes ten times the room of the
/// key, which [`ChannelKey::rest`] gives back.
///
/// The packet number is the nonce, so seal at most one packet under each number.
pub struct ChannelKey {
    key: Secret<32>,
    iv: [u8; 12],
    suite: ChannelSuite,
    expanded: OnceLock<Box<LessSafeKey>>,
}

impl ChannelKey {
    /// The key of these bytes.
    #[must_use]
    pub const fn new(suite: ChannelSuite, key: Secret<32>, iv: [u8; 12]) -> Self {
        Self {
            key,
            iv,
            suite,
            expanded: OnceLock::new(),
        }
    }

    /// What it is a key of.
    #[must_use]
    pub const fn suite(&self) -> ChannelSuite {
        self.suite
    }

    /// Encrypts `payload` in place and returns its tag, which covers `header` as well. `None` when
    /// `payload` is longer than the AEAD takes, which no packet is.
    pub fn seal(
        &self,
        packet_number: u64,
        header: &[u8],
        payload: &mut [u8],
    ) -> Option<[u8; TAG_LEN]> {
        let nonce = nonce(self.iv, packet_number);
        let tag = self
            .expanded()
            .seal_in_place_separate_tag(nonce, Aad::from(header), payload);
        tag.ok()?.as_ref().try_into().ok()
    }

    /// Decrypts `sealed`, ciphertext and tag, in place. Returns the payload's length.
    ///
    /// # Errors
    /// [`Unauthentic`] when header, ciphertext or tag were changed, or key or number are not these;
    /// the bytes are then unspecified.
    pub fn open(
        &self,
        packet_number: u64,
        header: &[u8],
        sealed: &mut [u8],
    ) -> Result<usize, Unauthentic> {
        let nonce: Nonce = nonce(self.iv, packet_number);
        self.expanded()
            .open_in_place(nonce, Aad::from(header), sealed)
            .map(|payload| payload.len())
            .map_err(|_| Unauthentic)
    }

    /// Gives back what the next use makes again.
    pub fn rest(&mut self) {
        self.expanded.take();
    }

    fn expanded(&self) -> &LessSafeKey {
        self.expanded.get_or_init(|| {
            let algorithm = match self.suite {
                ChannelSuite::Aes256Gcm => &AES_256_GCM,
                ChannelSuite::ChaCha20Poly1305 => &CHACHA20_POLY1305,
            };
            match UnboundKey::new(algorithm, self.key.expose()) {
                Ok(key) => Box::new(LessSafeKey::new(key)),
                Err(_) => unreachable!("the length is the algorithm's"),
            }
        })
    }
}

/// One direction's header mask. It is expanded when it is used, as a [`ChannelKey`] is.
pub struct ChannelMask {
    key: Secret<32>,
    suite: ChannelSuite,
    expanded: OnceLock<Box<quic::HeaderProtectionKey>>,
}

impl ChannelMask {
    /// The mask under the key of these bytes.
    #[must_use]
    pub const fn new(suite: ChannelSuite, key: Secret<32>) -> Self {
        Self {
            key,
            suite,
            expanded: OnceLock::new(),
        }
    }

    /// The mask of a header (RFC 9001 §5.4.1): one byte for the first byte, four for the packet
    /// number.
    #[must_use]
    pub fn mask(&self, sample: &[u8; SAMPLE_LEN]) -> [u8; 5] {
        match self.expanded().new_mask(sample) {
            Ok(mask) => mask,
            Err(_) => unreachable!("the sample's length is the algorithm's"),
        }
    }

    /// Gives back what the next use makes again.
    pub fn rest(&mut self) {
        self.expanded.take();
    }

    fn expanded(&self) -> &quic::HeaderProtectionKey {
        self.expanded.get_or_init(|| {
            let algorithm = match self.suite {
                ChannelSuite::Aes256Gcm => &quic::AES_256,
                ChannelSuite::ChaCha20Poly1305 => &quic::CHACHA20,
            };
            match quic::HeaderProtectionKey::new(algorithm, self.key.expose()) {
                Ok(key) => Box::new(key),
                Err(_) => unreachable!("the length is the algorithm's"),
            }
        })
    }
}

impl Clone for ChannelMask {
    fn clone(&self) -> Self {
        Self::new(self.suite, self.key.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(suite: ChannelSuite) -> (ChannelKey, ChannelMask) {
        let key = ChannelKey::new(suite, Secret::from([1; 32]), [2; 12]);
        (key, ChannelMask::new(suite, Secret::from([3; 32])))
    }

    #[test]
    fn rest_changes_no_byte() {
        for suite in [ChannelSuite::Aes256Gcm, ChannelSuite::ChaCha20Poly1305] {
            let (mut key, mut mask) = keys(suite);
            let seal = |key: &ChannelKey| {
                let mut payload = *b"payload";
                let tag = key.seal(7, b"header", &mut payload).unwrap();
                [&payload[..], &tag].concat()
            };
            let (packet, masked) = (seal(&key), mask.mask(&[4; SAMPLE_LEN]));
            key.rest();
            mask.rest();
            assert_eq!(seal(&key), packet);
            assert_eq!(mask.mask(&[4; SAMPLE_LEN]), masked);
            assert_eq!(mask.clone().mask(&[4; SAMPLE_LEN]), masked);
            key.rest();
            assert_eq!(key.open(7, b"header", &mut packet.clone()), Ok(7));
            assert_eq!(
                key.open(8, b"header", &mut packet.clone()),
                Err(Unauthentic)
            );
        }
    }

    /// RFC 9001, appendix A.5.
    #[test]
    fn the_short_packet_of_rfc_9001() {
        let hex = |text: &str| -> Vec<u8> {
            let nibbles: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
            nibbles
                .chunks(2)
                .map(|pair| (pair[0] << 4 | pair[1]) as u8)
                .collect()
        };
        let array = |text| -> [u8; 32] { hex(text).try_into().unwrap() };
        let suite = ChannelSuite::ChaCha20Poly1305;
        let key = array("c6d98ff3441c3fe1b2182094f69caa2ed4b716b65488960a7a984979fb23e1c8");
        let iv = hex("e0459b3474bdd0e44a41c144").try_into().unwrap();
        let mask = array("25a282b9e82f06f21f488917a4fc8f1b73573685608597d0efcb076b0ab7a7a4");
        let key = ChannelKey::new(suite, key.into(), iv);
        let mut payload = [1];
        let tag = key.seal(654_360_564, &hex("4200bff4"), &mut payload);
        let sealed = [&payload[..], &tag.unwrap()].concat();
        assert_eq!(sealed, hex("655e5cd55c41f69080575d7999c25a5bfb"));
        let sample = hex("5e5cd55c41f69080575d7999c25a5bfb").try_into().unwrap();
        let mask = ChannelMask::new(suite, mask.into());
        assert_eq!(mask.mask(&sample), [0xae, 0xfe, 0xfe, 0x7d, 0x03]);
    }
}
