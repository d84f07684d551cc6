use crate::{DecodeError, VarInt};

/// Reads fields from a slice, front to back.
///
/// A read that fails consumes nothing.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// How many bytes have been read.
    pub const fn position(&self) -> usize {
        self.position
    }

    /// How many bytes are left.
    pub const fn remaining(&self) -> usize {
        self.bytes.len() - self.position
    }

    /// Whether nothing is left.
    pub const fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// Ends the reading: `Trailing` if anything is left.
    pub fn finish(self) -> Result<(), DecodeError> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::Trailing)
        }
    }

    /// The next byte without consuming it.
    pub fn peek(&self) -> Result<u8, DecodeError> {
        self.bytes
            .get(self.position)
            .copied()
            .ok_or(DecodeError::Truncated)
    }

    /// The next `length` bytes.
    pub fn bytes(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let end = self
            .position
            .checked_add(length)
            .ok_or(DecodeError::Truncated)?;
        let slice = self
            .bytes
            .get(self.position..end)
            .ok_or(DecodeError::Truncated)?;
        self.position = end;
        Ok(slice)
    }

    /// The next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    /// Everything that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        self.position = self.bytes.len();
        rest
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    /// Two bytes, big-endian.
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    /// Four bytes, big-endian.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    /// Eight bytes, big-endian.
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// A variable-length integer (RFC 9000 §16), in its shortest form only.
    pub fn varint(&mut self) -> Result<u64, DecodeError> {
        let length = 1usize << (self.peek()? >> 6);
        let start = self.position;
        let value = VarInt::from_bytes(self.bytes(length)?);
        if value.is_err() {
            self.position = start;
        }
        value
    }

    /// A variable-length integer as a length: at most `max`.
    pub fn length(&mut self, max: usize) -> Result<usize, DecodeError> {
        let start = self.position;
        let value = self.varint()?;
        match usize::try_from(value) {
            Ok(length) if length <= max => Ok(length),
            _ => {
                self.position = start;
                Err(DecodeError::TooLong)
            }
        }
    }

    /// Bytes behind a variable-length length of at most `max`.
    pub fn prefixed(&mut self, max: usize) -> Result<&'a [u8], DecodeError> {
        let start = self.position;
        let length = self.length(max)?;
        let slice = self.bytes(length);
        if slice.is_err() {
            self.position = start;
        }
        slice
    }

    /// A reader of its own over the next `length` bytes, which this one skips.
    pub fn sub(&mut self, length: usize) -> Result<Reader<'a>, DecodeError> {
        self.bytes(length).map(Reader::new)
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
