use internet::{Protection, SAMPLE_LEN, TAG_LEN, Unauthentic};

use super::checksum::{checksum, word};

/// How often a key may be used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) confidentiality: u64,
    pub(super) integrity: u64,
}

/// Those of AES-GCM (RFC 9001 §6.6).
impl Default for Limits {
    fn default() -> Self {
        Self {
            confidentiality: 1 << 23,
            integrity: 1 << 52,
        }
    }
}

/// Tags packets with a keyed checksum, and masks their payload, so that one that was never sealed
/// shows.
#[derive(Clone, Debug)]
pub(super) struct NullProtection {
    limits: Limits,
    tag_key: [u64; 2],
    mask_key: [u64; 2],
    header_key: [u64; 2],
}

impl NullProtection {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        let mut words = key.chunks(8).map(word);
        let mut next = || words.next().unwrap_or_default();
        let (tag_key, mask_key) = ([next(), next()], [next(), next()]);
        Self {
            limits: Limits::default(),
            tag_key,
            mask_key,
            header_key: mask_key,
        }
    }

    pub(super) fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The same with the header mask of another generation.
    pub(super) fn under_mask_of(self, other: &Self) -> Self {
        Self {
            header_key: other.header_key,
            ..self
        }
    }

    /// Its own inverse. In words: fuzzing counts every byte that a loop compares.
    fn mask(&self, packet_number: u64, payload: &mut [u8]) {
        let mut state = self.mask_key[0] ^ packet_number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(self.mask_key[1] | 1);
            state ^ (state >> 29)
        };
        let (words, last) = payload.as_chunks_mut::<8>();
        for masked in words {
            *masked = (u64::from_le_bytes(*masked) ^ next()).to_le_bytes();
        }
        for (byte, mask) in last.iter_mut().zip(next().to_le_bytes()) {
            *byte ^= mask;
        }
    }
}

impl Protection for NullProtection {
    fn seal(&self, packet_number: u64, packet: &mut [u8], header_len: usize) {
        let body_len = packet.len().saturating_sub(TAG_LEN);
        let (body, tag) = packet.split_at_mut(body_len);
        self.mask(
            packet_number,
            body.get_mut(header_len..).unwrap_or_default(),
        );
        tag.copy_from_slice(&checksum(self.tag_key, packet_number, body));
    }

    fn open(
        &self,
        packet_number: u64,
        packet: &mut [u8],
        header_len: usize,
    ) -> Result<usize, Unauthentic> {
        let body_len = packet.len().checked_sub(TAG_LEN).ok_or(Unauthentic)?;
        let (body, tag) = packet.split_at_mut(body_len);
        if checksum(self.tag_key, packet_number, body) != *tag {
            return Err(Unauthentic);
        }
        let payload = body.get_mut(header_len..).ok_or(Unauthentic)?;
        self.mask(packet_number, payload);
        Ok(payload.len())
    }

    fn header_mask(&self, sample: &[u8; SAMPLE_LEN]) -> [u8; 5] {
        let [a, b, c, d, e, ..] = checksum(self.header_key, 0, sample);
        [a, b, c, d, e]
    }

    fn confidentiality_limit(&self) -> u64 {
        self.limits.confidentiality
    }

    fn integrity_limit(&self) -> u64 {
        self.limits.integrity
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(protection: &NullProtection, payload: &[u8]) -> Vec<u8> {
        let mut packet = b"header".to_vec();
        packet.extend_from_slice(payload);
        packet.extend_from_slice(&[0; TAG_LEN]);
        protection.seal(7, &mut packet, 6);
        packet
    }

    #[test]
    fn what_was_sealed_opens_and_does_not_show() {
        let protection = NullProtection::new(&[3; 32]);
        let payload = b"a payload that is longer than a word";
        let mut packet = sealed(&protection, payload);
        assert!(!packet.windows(8).any(|window| window == &payload[..8]));
        assert_eq!(protection.open(7, &mut packet, 6), Ok(payload.len()));
        assert_eq!(&packet[6..6 + payload.len()], payload);
    }

    #[test]
    fn any_flipped_bit_shows() {
        let protection = NullProtection::new(&[3; 32]);
        let packet = sealed(&protection, b"payload");
        for bit in 0..packet.len() * 8 {
            let mut changed = packet.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(protection.open(7, &mut changed, 6), Err(Unauthentic));
        }
        assert_eq!(protection.open(8, &mut packet.clone(), 6), Err(Unauthentic));
        let other = NullProtection::new(&[4; 32]);
        assert_eq!(other.open(7, &mut packet.clone(), 6), Err(Unauthentic));
    }
}
