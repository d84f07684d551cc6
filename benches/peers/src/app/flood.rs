//! Ends that say as much as goes.

use super::{App, Say};
use crate::framing::frame;

/// What a caller hands over at a time, or collects before it does.
const BUFFER_BYTES: usize = 64 << 10;

/// Bytes, 64 KiB a call.
pub(super) struct Bytes(Vec<u8>);

impl Bytes {
    pub(super) fn new() -> Self {
        Self(vec![0x5a; BUFFER_BYTES])
    }
}

impl App for Bytes {
    fn say(&mut self) -> Say<'_> {
        Say::Now(&self.0)
    }

    fn said(&mut self) {}

    fn hear(&mut self, _: &[u8]) {}
}

/// Messages, one a call.
pub(super) struct Messages(Vec<u8>);

impl Messages {
    pub(super) fn new(bytes: usize) -> Self {
        Self(vec![0x5a; bytes])
    }
}

impl App for Messages {
    fn say(&mut self) -> Say<'_> {
        Say::Now(&self.0)
    }

    fn said(&mut self) {}

    fn hear(&mut self, _: &[u8]) {}
}

/// Messages, collected in a buffer of the caller's that is handed over when it is full.
pub(super) struct Buffered {
    message: Vec<u8>,
    buffer: Vec<u8>,
}

impl Buffered {
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            message: vec![0x5a; bytes],
            buffer: Vec::with_capacity(BUFFER_BYTES),
        }
    }
}

impl App for Buffered {
    fn say(&mut self) -> Say<'_> {
        if self.buffer.is_empty() {
            while self.buffer.len() + self.message.len() + 4 <= BUFFER_BYTES {
                frame(&self.message, &mut self.buffer);
            }
        }
        Say::Now(&self.buffer)
    }

    fn said(&mut self) {
        self.buffer.clear();
    }

    fn hear(&mut self, _: &[u8]) {}
}
