use codec::{DecodeError, Reader};

use super::Assembler;
use crate::violation::{Violation, code};

/// A message's length field takes at most so many bytes.
const LENGTH_FIELD_MAX: usize = 8;

/// Cuts an ordered stream of bytes into messages: each is its length as a varint, then its bytes
/// (docs/PROTOCOL.md §4.4).
///
/// A message stays in the stream until it is asked for, where flow control bounds it. Only one that
/// is too long to wait there is taken out as it arrives, so it may be longer than the window; memory
/// grows with what has arrived and not with what was announced.
#[derive(Debug, Default)]
pub(super) struct MessageReader {
    /// Length of the next message, once known; its field has been consumed.
    len: Option<usize>,
    /// What was taken out of the stream of it.
    taken: Vec<u8>,
}

/// Why a stream's bytes are no messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MessageError {
    /// Longer than we take.
    TooLong,
    /// The length does not decode.
    Malformed,
}

/// A message has bytes of another.
pub(super) fn overlap() -> Violation {
    Violation::new(code::MESSAGE, "messages overlap")
}

/// Which messages are taken in, and which wait in the stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct MessageLimits {
    /// The longest that is taken at all.
    pub(super) max: usize,
    /// The longest for which the peer always has credit.
    pub(super) waiting_max: usize,
}

impl MessageReader {
    /// Whether the next message is complete.
    pub(super) fn is_complete(&self, assembler: &Assembler) -> bool {
        self.len
            .is_some_and(|len| len - self.taken.len() <= assembler.readable())
    }

    /// Whether a message has begun.
    pub(super) fn has_begun(&self) -> bool {
        self.len.is_some()
    }

    /// Where the message that has begun ends.
    pub(super) fn end(&self, assembler: &Assembler) -> Option<u64> {
        let missing = self.len? - self.taken.len();
        Some(assembler.position() + missing as u64)
    }

    /// How many bytes of it were taken out of the stream.
    pub(super) fn held(&self) -> usize {
        self.taken.len()
    }

    /// Reads the next message's length, and takes out what cannot wait in the stream. Returns how
    /// many bytes of the stream were consumed.
    pub(super) fn pull(
        &mut self,
        assembler: &mut Assembler,
        limits: MessageLimits,
    ) -> Result<usize, MessageError> {
        let mut consumed = 0;
        let len = match self.len {
            Some(len) => len,
            None => {
                let Some((len, field)) = peek_length(assembler)? else {
                    return Ok(0);
                };
                if len > limits.max as u64 {
                    return Err(MessageError::TooLong);
                }
                assembler.consume(field);
                consumed = field;
                *self.len.insert(len as usize)
            }
        };
        if len > limits.waiting_max {
            let missing = len - self.taken.len();
            consumed += assembler.read(&mut self.taken, missing);
        }
        Ok(consumed)
    }

    /// Appends the next message to `out`, if it is complete. Returns its length and how many bytes
    /// of the stream were consumed.
    pub(super) fn take(
        &mut self,
        assembler: &mut Assembler,
        out: &mut Vec<u8>,
    ) -> Option<(usize, usize)> {
        let len = self.len?;
        let missing = len - self.taken.len();
        if missing > assembler.readable() {
            return None;
        }
        self.len = None;
        if len > missing {
            let taken = core::mem::take(&mut self.taken);
            if out.is_empty() {
                *out = taken;
            } else {
                out.extend_from_slice(&taken);
            }
        }
        Some((len, assembler.read(out, missing)))
    }
}

/// The next message's length and how many bytes its field takes; `None` when not all of it is here.
fn peek_length(assembler: &Assembler) -> Result<Option<(u64, usize)>, MessageError> {
    let (front, back) = assembler.peek();
    let mut field = [0; LENGTH_FIELD_MAX];
    let in_one = front.len() >= LENGTH_FIELD_MAX || back.is_empty();
    let field = if in_one || planted!(MessageLengthCutAtWrap) {
        front
    } else {
        let mut len = 0;
        for (slot, &byte) in field.iter_mut().zip(front.iter().chain(back)) {
            *slot = byte;
            len += 1;
        }
        &field[..len]
    };
    let mut reader = Reader::new(field);
    match reader.varint() {
        Ok(value) => Ok(Some((value, reader.position()))),
        Err(DecodeError::Truncated) => Ok(None),
        Err(_) => Err(MessageError::Malformed),
    }
}
