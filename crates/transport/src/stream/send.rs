use core::ops::Range;

use super::SendBuffer;

/// Where a stream's end stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fin {
    /// More may be written.
    Open,
    /// To be sent, for the first time or again.
    Due,
    Sent,
    Acked,
}

/// A direction that was given up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reset {
    pub(super) code: u64,
    /// The frame is to be sent, for the first time or again.
    pub(super) due: bool,
    acked: bool,
}

/// The sending direction of a stream (RFC 9000 §3.1).
#[derive(Debug)]
pub(super) struct SendStream {
    pub(super) buffer: SendBuffer,
    /// How far the peer lets us send.
    pub(super) max_data: u64,
    fin: Fin,
    pub(super) reset: Option<Reset>,
    /// The user was told that the buffer is full and waits for room.
    pub(super) wants_room: bool,
    /// It stands in the queue of streams with data to send.
    pub(super) queued: bool,
    /// How many bytes had been sent when it was reset.
    sent_size: u64,
}

impl SendStream {
    pub(super) fn new(max_data: u64) -> Self {
        Self {
            buffer: SendBuffer::default(),
            max_data,
            fin: Fin::Open,
            reset: None,
            wants_room: false,
            queued: false,
            sent_size: 0,
        }
    }

    /// Whether more may be written.
    pub(super) fn is_open(&self) -> bool {
        self.fin == Fin::Open && self.reset.is_none()
    }

    /// Whether the peer has everything, or knows that it gets no more.
    pub(super) fn is_done(&self) -> bool {
        match self.reset {
            Some(reset) => reset.acked,
            None => self.is_finished(),
        }
    }

    /// Whether all data and the end were acknowledged.
    pub(super) fn is_finished(&self) -> bool {
        self.reset.is_none() && self.fin == Fin::Acked && self.buffer.is_acked()
    }

    /// Whether a stream frame can be sent now, given what the connection allows for new data.
    pub(super) fn is_sendable(&self, connection_credit: u64) -> bool {
        if self.reset.is_some() {
            return false;
        }
        self.buffer.has_lost()
            || (self.buffer.unsent() < self.buffer.end().min(self.max_data)
                && connection_credit > 0)
            || (self.fin == Fin::Due && self.buffer.unsent() == self.buffer.end())
    }

    /// Whether this was sent, is not acknowledged, and does not wait to be sent again anyway.
    pub(super) fn may_repeat(&self, range: &Range<u64>, fin: bool) -> bool {
        let end = fin && self.fin == Fin::Sent;
        self.reset.is_none() && (end || !range.is_empty()) && self.buffer.is_on_its_way(range)
    }

    /// How many bytes were ever sent: the final size of a reset.
    pub(super) fn sent_size(&self) -> u64 {
        self.sent_size
    }

    pub(super) fn finish(&mut self) {
        self.fin = Fin::Due;
    }

    /// Gives up: nothing more is sent but the reset.
    pub(super) fn reset(&mut self, code: u64) {
        self.sent_size = self.buffer.unsent();
        self.buffer.discard();
        self.reset = Some(Reset {
            code,
            due: true,
            acked: false,
        });
    }

    /// How many bytes [`SendStream::take`] would give if there were room.
    pub(super) fn available(&self, credit: u64) -> u64 {
        self.buffer.available(self.limit(credit))
    }

    /// Nothing new is sent from this offset on.
    fn limit(&self, credit: u64) -> u64 {
        self.max_data
            .min(self.buffer.unsent().saturating_add(credit))
    }

    /// The next range to send, and whether the end goes with it. `credit` bounds new data.
    pub(super) fn take(&mut self, len: usize, credit: u64) -> Option<(Range<u64>, bool)> {
        let limit = self.limit(credit);
        let range = self
            .buffer
            .take(len, limit)
            .unwrap_or_else(|| self.buffer.end()..self.buffer.end());
        let fin = self.fin == Fin::Due && range.end == self.buffer.end();
        if range.is_empty() && !fin {
            return None;
        }
        if fin {
            self.fin = Fin::Sent;
        }
        Some((range, fin))
    }

    /// Returns how many bytes of room were gained.
    pub(super) fn on_acked(&mut self, range: Range<u64>, fin: bool) -> usize {
        if fin {
            self.fin = Fin::Acked;
        }
        self.buffer.on_acked(range)
    }

    pub(super) fn on_lost(&mut self, range: Range<u64>, fin: bool) {
        if fin && self.fin == Fin::Sent {
            self.fin = Fin::Due;
        }
        self.buffer.on_lost(range);
    }

    pub(super) fn on_reset_acked(&mut self) {
        if let Some(reset) = &mut self.reset {
            reset.acked = true;
            reset.due = false;
        }
    }

    pub(super) fn on_reset_lost(&mut self) {
        if let Some(reset) = &mut self.reset {
            reset.due = !reset.acked;
        }
    }
}
