use core::ops::Range;

use crate::stream::{Assembler, SendBuffer, TooManyGaps};

/// Handshake bytes of one epoch, ours and the peer's (RFC 9000 §19.6).
///
/// There are none before the handshake and hardly any after it, so buffers are made for the first byte
/// and given back at rest.
#[derive(Default)]
pub(super) struct CryptoStream {
    buffers: Option<Box<Buffers>>,
    /// Where both directions go on while there are no buffers.
    sent: u64,
    read: u64,
}

struct Buffers {
    send: SendBuffer,
    receive: Assembler,
}

impl CryptoStream {
    fn buffers(&mut self) -> &mut Buffers {
        let (sent, read) = (self.sent, self.read);
        self.buffers.get_or_insert_with(|| {
            Box::new(Buffers {
                send: SendBuffer::starting_at(sent),
                receive: Assembler::starting_at(read),
            })
        })
    }

    fn sending(&mut self) -> Option<&mut SendBuffer> {
        self.buffers.as_mut().map(|buffers| &mut buffers.send)
    }

    /// Ours, as far as they are held.
    pub(super) fn outgoing(&self) -> Option<&SendBuffer> {
        self.buffers.as_ref().map(|buffers| &buffers.send)
    }

    pub(super) fn write(&mut self, data: &[u8]) {
        if !data.is_empty() {
            self.buffers().send.write(data);
        }
    }

    /// Whether anything waits to be sent, new or again.
    pub(super) fn is_pending(&self) -> bool {
        self.outgoing().is_some_and(SendBuffer::is_pending)
    }

    /// Whether the peer has everything that was written.
    pub(super) fn is_acked(&self) -> bool {
        self.outgoing().is_none_or(SendBuffer::is_acked)
    }

    /// Takes the next range to send, at most `len` bytes of it.
    pub(super) fn take(&mut self, len: usize) -> Option<Range<u64>> {
        self.sending()?.take(len, u64::MAX)
    }

    /// Appends the bytes of a range that was taken to `out`.
    pub(super) fn copy(&self, range: &Range<u64>, out: &mut Vec<u8>) {
        if let Some(send) = self.outgoing() {
            send.copy(range, out);
        }
    }

    /// The peer has `range`.
    pub(super) fn on_acked(&mut self, range: Range<u64>) {
        if let Some(send) = self.sending() {
            send.on_acked(range);
            send.trim();
        }
    }

    /// A packet with `range` was lost.
    pub(super) fn on_lost(&mut self, range: Range<u64>) {
        if let Some(send) = self.sending() {
            send.on_lost(range);
        }
    }

    /// Sends everything that was not acknowledged again.
    pub(super) fn resend_all(&mut self) {
        if let Some(send) = self.sending() {
            send.resend_all();
        }
    }

    /// Offset of the peer's next byte to read.
    pub(super) fn position(&self) -> u64 {
        let held = self.buffers.as_ref();
        held.map_or(self.read, |buffers| buffers.receive.position())
    }

    /// Bytes of the peer's at `offset`.
    pub(super) fn insert(&mut self, offset: u64, data: &[u8]) -> Result<(), TooManyGaps> {
        self.buffers().receive.insert(offset, data).map(drop)
    }

    /// From the peer's first byte that was not read to the last that has come, and gaps between them.
    #[cfg(feature = "danger-checking")]
    pub(super) fn held(&self) -> (usize, usize) {
        let held = self.buffers.as_ref().map(|buffers| &buffers.receive);
        held.map_or((0, 0), |receive| (receive.span(), receive.gaps()))
    }

    /// The peer's bytes that can be read, in two halves.
    pub(super) fn peek(&self) -> (&[u8], &[u8]) {
        let held = self.buffers.as_ref();
        held.map_or((&[], &[]), |buffers| buffers.receive.peek())
    }

    /// Reads what can be read.
    pub(super) fn read(&mut self) -> Vec<u8> {
        let mut data = Vec::new();
        if let Some(buffers) = &mut self.buffers {
            buffers.receive.read(&mut data, usize::MAX);
            buffers.receive.trim();
        }
        data
    }

    /// Forgets all bytes: their epoch is over.
    pub(super) fn discard(&mut self) {
        *self = Self::default();
    }

    /// Gives the buffers back if they are empty.
    pub(super) fn rest(&mut self) {
        let idle = |buffers: &Buffers| buffers.send.is_acked() && !buffers.receive.holds_any();
        if let Some(buffers) = self.buffers.take_if(|buffers| idle(buffers)) {
            self.sent = buffers.send.end();
            self.read = buffers.receive.position();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::CryptoStream;

    #[test]
    fn both_directions_go_on_where_they_were_after_a_rest() {
        let mut crypto = CryptoStream::default();
        crypto.write(b"ticket");
        assert_eq!(crypto.take(100), Some(0..6));
        crypto.insert(0, b"abc").unwrap();
        assert_eq!(crypto.read(), b"abc");
        crypto.rest();
        assert!(!crypto.is_acked(), "what is on its way is held");
        crypto.on_acked(0..6);
        crypto.rest();
        assert!(crypto.buffers.is_none());
        assert!(crypto.is_acked() && !crypto.is_pending());
        assert_eq!(crypto.position(), 3);
        crypto.insert(0, b"abcde").unwrap();
        assert_eq!(crypto.read(), b"de", "what was read does not come again");
        crypto.write(b"next");
        assert_eq!(crypto.take(100), Some(6..10));
        let mut out = Vec::new();
        crypto.copy(&(6..10), &mut out);
        assert_eq!(out, b"next");
    }

    #[test]
    fn a_gap_is_held_through_a_rest() {
        let mut crypto = CryptoStream::default();
        crypto.insert(3, b"def").unwrap();
        crypto.rest();
        crypto.insert(0, b"abc").unwrap();
        assert_eq!(crypto.read(), b"abcdef");
    }
}
