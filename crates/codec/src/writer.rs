use crate::VarInt;

/// Appends fields to a buffer.
///
/// The buffer is the caller's, so that many messages can share one allocation.
#[derive(Debug)]
pub struct Writer<'a> {
    buffer: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    /// A writer that appends to `buffer`.
    pub fn new(buffer: &'a mut Vec<u8>) -> Self {
        Self { buffer }
    }

    /// Length of the whole buffer, with what was there before.
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Whether the whole buffer is empty.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.buffer.push(value);
        self
    }

    /// Two bytes, big-endian.
    pub fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    /// Four bytes, big-endian.
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    /// Eight bytes, big-endian.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    /// Bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.buffer.extend_from_slice(bytes);
        self
    }

    /// A variable-length integer in its shortest form (RFC 9000 §16).
    ///
    /// A value above [`VarInt::MAX`] cannot be encoded: it is a mistake of the caller, asserted in
    /// debug builds and written as the maximum otherwise.
    pub fn varint(&mut self, value: u64) -> &mut Self {
        debug_assert!(
            value <= VarInt::MAX,
            "a variable-length integer has 62 bits"
        );
        let (bytes, len) = VarInt::encode(value);
        self.bytes(&bytes[..len])
    }

    /// Bytes behind their length as a variable-length integer.
    pub fn prefixed(&mut self, bytes: &[u8]) -> &mut Self {
        self.varint(bytes.len() as u64).bytes(bytes)
    }
}
