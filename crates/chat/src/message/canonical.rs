//! The one encoding: a first pass over the structure, and a last one that compares.

use codec::{DecodeError, Reader};
use minicbor::encode::Write;

/// How deep arrays and maps nest: a part of the manifest has a map, an array and a map.
const DEPTH_MAX: usize = 4;

/// Checks that `bytes` are one CBOR item of the kinds that messages use, with definite lengths in
/// their shortest form, nested at most [`DEPTH_MAX`] deep. After that, skipping an unknown value is
/// cheap, whatever it is.
pub(super) fn check_structure(bytes: &[u8]) -> Result<(), DecodeError> {
    let mut reader = Reader::new(bytes);
    let mut open = [0u64; DEPTH_MAX];
    let mut depth = 0usize;
    loop {
        let children = check_item(&mut reader)?;
        if children > 0 {
            let slot = open.get_mut(depth).ok_or(DecodeError::Invalid)?;
            *slot = children;
            depth += 1;
            continue;
        }
        while let Some(last) = depth.checked_sub(1) {
            let left = open.get_mut(last).ok_or(DecodeError::Invalid)?;
            *left = left.saturating_sub(1);
            if *left > 0 {
                break;
            }
            depth = last;
        }
        if depth == 0 {
            return reader.finish();
        }
    }
}

/// Reads one head and, of a string, its bytes. Gives the number of items inside.
fn check_item(reader: &mut Reader<'_>) -> Result<u64, DecodeError> {
    let head = reader.u8()?;
    let argument = match head & 0x1f {
        short @ 0..=23 => u64::from(short),
        24 => at_least(u64::from(reader.u8()?), 24)?,
        25 => at_least(u64::from(reader.u16()?), 1 << 8)?,
        26 => at_least(u64::from(reader.u32()?), 1 << 16)?,
        27 => at_least(reader.u64()?, 1 << 32)?,
        _ => return Err(DecodeError::Invalid),
    };
    match head >> 5 {
        0 => Ok(0),
        2 | 3 => {
            let length = usize::try_from(argument).map_err(|_| DecodeError::TooLong)?;
            reader.bytes(length)?;
            Ok(0)
        }
        4 => Ok(argument),
        5 => argument.checked_mul(2).ok_or(DecodeError::TooLong),
        // false, true
        7 if matches!(head, 0xf4 | 0xf5) => Ok(0),
        _ => Err(DecodeError::Invalid),
    }
}

fn at_least(value: u64, min: u64) -> Result<u64, DecodeError> {
    if value < min {
        return Err(DecodeError::NotMinimal);
    }
    Ok(value)
}

/// Compares what is written to it with bytes that are there, without keeping any.
pub(super) struct Compare<'a> {
    expected: &'a [u8],
}

impl<'a> Compare<'a> {
    pub(super) fn new(expected: &'a [u8]) -> Self {
        Self { expected }
    }

    /// Whether everything expected was written.
    pub(super) fn is_done(&self) -> bool {
        self.expected.is_empty()
    }
}

impl Write for Compare<'_> {
    type Error = DecodeError;

    fn write_all(&mut self, written: &[u8]) -> Result<(), DecodeError> {
        match self.expected.strip_prefix(written) {
            Some(rest) => {
                self.expected = rest;
                Ok(())
            }
            None => Err(DecodeError::Invalid),
        }
    }
}
