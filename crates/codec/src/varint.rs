use crate::DecodeError;

/// An integer below 2^62, as it travels in 1, 2, 4 or 8 bytes (RFC 9000 §16).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VarInt(u64);

impl VarInt {
    /// The largest value: 2^62 - 1.
    pub const MAX: u64 = (1 << 62) - 1;

    /// The value as a variable-length integer; `None` from 2^62 on.
    pub const fn new(value: u64) -> Option<Self> {
        if value <= Self::MAX {
            Some(Self(value))
        } else {
            None
        }
    }

    /// The value.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// How many bytes `value` takes: 1, 2, 4 or 8. Values above [`VarInt::MAX`] count as 8.
    pub const fn size(value: u64) -> usize {
        match value {
            0..=0x3f => 1,
            0x40..=0x3fff => 2,
            0x4000..=0x3fff_ffff => 4,
            _ => 8,
        }
    }

    /// How `value` travels, in its shortest form: the first so many of these bytes. Values above
    /// [`VarInt::MAX`] count as that.
    pub const fn encode(value: u64) -> ([u8; 8], usize) {
        let value = if value > Self::MAX { Self::MAX } else { value };
        let size = Self::size(value);
        let prefix = (size.trailing_zeros() as u64) << 62;
        let left_aligned = value << (64 - 8 * size) | prefix;
        (left_aligned.to_be_bytes(), size)
    }

    /// The value read from `bytes` of the length that its first byte told.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<u64, DecodeError> {
        let mut value = 0u64;
        for (index, &byte) in bytes.iter().enumerate() {
            let byte = if index == 0 { byte & 0x3f } else { byte };
            value = value << 8 | u64::from(byte);
        }
        if Self::size(value) != bytes.len() {
            return Err(DecodeError::NotMinimal);
        }
        Ok(value)
    }
}

impl From<u32> for VarInt {
    fn from(value: u32) -> Self {
        Self(u64::from(value))
    }
}
