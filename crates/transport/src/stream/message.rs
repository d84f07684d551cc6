use codec::{DecodeError, Reader};

use super::Assembler;

/// A message's length field takes at most so many bytes.
const LENGTH_FIELD_MAX: usize = 8;

/// Cuts an ordered stream of bytes into messages: each is its length as a varint, then its bytes
/// (docs/PROTOCOL.md §4.4).
///
/// One message at a time: a complete one waits to be taken, and what follows stays in the stream,
/// where flow control bounds it. A long message is taken out of the stream as it arrives, so it may
/// be longer than the window; memory grows with what has arrived and not with what was announced.
#[derive(Debug, Default)]
pub(super) struct MessageReader {
    /// Length of the message under way, once known.
    len: Option<usize>,
    message: Vec<u8>,
}

/// Why a stream's bytes are no messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MessageError {
    /// Longer than we take.
    TooLong,
    /// The length does not decode.
    Malformed,
}

impl MessageReader {
    /// Whether a message is complete.
    pub(super) fn is_complete(&self) -> bool {
        self.len == Some(self.message.len())
    }

    /// Whether a message has begun and is not complete.
    pub(super) fn is_partial(&self) -> bool {
        self.len.is_some() && !self.is_complete()
    }

    /// Moves what belongs to the message under way out of `assembler`. Returns how many bytes of
    /// the stream were consumed.
    pub(super) fn pull(
        &mut self,
        assembler: &mut Assembler,
        max: usize,
    ) -> Result<usize, MessageError> {
        let mut consumed = 0;
        if self.len.is_none() {
            let Some((len, field)) = peek_length(assembler)? else {
                return Ok(0);
            };
            if len > max as u64 {
                return Err(MessageError::TooLong);
            }
            assembler.consume(field);
            consumed += field;
            self.len = Some(len as usize);
        }
        let missing = self.len.unwrap_or(0) - self.message.len();
        Ok(consumed + assembler.read(&mut self.message, missing))
    }

    /// The complete message.
    pub(super) fn take(&mut self) -> Option<Vec<u8>> {
        if !self.is_complete() {
            return None;
        }
        self.len = None;
        Some(core::mem::take(&mut self.message))
    }
}

/// The next message's length and how many bytes its field takes; `None` when not all of it is here.
fn peek_length(assembler: &Assembler) -> Result<Option<(u64, usize)>, MessageError> {
    let (front, back) = assembler.peek();
    let mut field = [0; LENGTH_FIELD_MAX];
    let mut len = 0;
    for (slot, &byte) in field.iter_mut().zip(front.iter().chain(back)) {
        *slot = byte;
        len += 1;
    }
    let mut reader = Reader::new(&field[..len]);
    match reader.varint() {
        Ok(value) => Ok(Some((value, reader.position()))),
        Err(DecodeError::Truncated) => Ok(None),
        Err(_) => Err(MessageError::Malformed),
    }
}
