use ring::aead::quic;

use super::SAMPLE_LEN;

/// Five bytes of AES-128 over one block: hides a few bytes beside a block that never comes twice,
/// as a header mask does (RFC 9001 §5.4.3). It authenticates nothing.
pub struct BlockMask(quic::HeaderProtectionKey);

impl BlockMask {
    /// The mask under this key. ring does not erase its copy of it.
    #[must_use]
    pub fn new(key: &[u8; 16]) -> Self {
        match quic::HeaderProtectionKey::new(&quic::AES_128, key) {
            Ok(key) => Self(key),
            Err(_) => unreachable!("the length is the algorithm's"),
        }
    }

    /// The first five bytes of the encrypted block.
    #[must_use]
    pub fn mask(&self, block: &[u8; SAMPLE_LEN]) -> [u8; 5] {
        match self.0.new_mask(block) {
            Ok(mask) => mask,
            Err(_) => unreachable!("the sample's length is the algorithm's"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 197, appendix C.1.
    #[test]
    fn it_is_the_front_of_an_aes_block() {
        let key = std::array::from_fn(|index| index as u8);
        let block = std::array::from_fn(|index| index as u8 * 0x11);
        let expected = [0x69, 0xc4, 0xe0, 0xd8, 0x6a];
        assert_eq!(BlockMask::new(&key).mask(&block), expected);
    }
}
