use core::ops::Range;

use super::SendBuffer;
use super::datagrams::Outgoing;
use super::marks::{Marks, Piece};
use crate::Instant;

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
    /// Of streams with data to send those of the highest priority go first.
    pub(super) priority: i8,
    /// Where messages begin, if that matters.
    pub(super) marks: Option<Box<Marks>>,
    /// What goes in frames of its own, in that mode.
    pub(super) datagrams: Option<Box<Outgoing>>,
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
            priority: 0,
            marks: None,
            datagrams: None,
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
        let all = self.buffer.is_acked() || planted!(FinishedBeforeAllBytes);
        self.reset.is_none() && self.fin == Fin::Acked && all
    }

    /// Whether a frame can be sent now, given what the connection allows for new data.
    pub(super) fn is_sendable(&self, connection_credit: u64) -> bool {
        self.has_bytes(connection_credit) || self.has_datagrams()
    }

    fn has_datagrams(&self) -> bool {
        self.reset.is_none() && self.datagrams.as_ref().is_some_and(|out| !out.is_empty())
    }

    /// Whether a stream frame can be sent now.
    pub(super) fn has_bytes(&self, connection_credit: u64) -> bool {
        if self.reset.is_some() {
            return false;
        }
        self.buffer.has_lost()
            || (self.buffer.unsent() < self.buffer.end().min(self.max_data)
                && connection_credit > 0)
            || (self.is_end_due() && self.buffer.unsent() == self.buffer.end())
    }

    /// Whether the end may be sent: it stands behind all datagrams.
    fn is_end_due(&self) -> bool {
        self.fin == Fin::Due && !self.has_datagrams()
    }

    /// Whether this was sent, is not acknowledged, and does not wait to be sent again anyway.
    pub(super) fn may_repeat(&self, range: &Range<u64>, fin: bool) -> bool {
        let end = fin && self.fin == Fin::Sent;
        let late = self
            .marks
            .as_ref()
            .is_some_and(|marks| marks.is_late(range));
        self.reset.is_none()
            && (end || !range.is_empty())
            && !late
            && self.buffer.is_on_its_way(range)
    }

    /// How many bytes were ever sent: the final size of a reset.
    pub(super) fn sent_size(&self) -> u64 {
        self.sent_size
    }

    /// How many messages were dropped since this was asked last, because their deadline passed.
    pub(super) fn take_late(&mut self) -> u64 {
        self.marks.as_mut().map_or(0, |marks| marks.take_late())
    }

    /// Whether more is taken in, where a buffer holds `limit` bytes.
    pub(super) fn has_room(&self, limit: usize) -> bool {
        match &self.datagrams {
            Some(datagrams) => datagrams.has_room(),
            None => self.buffer.len() < limit,
        }
    }

    pub(super) fn finish(&mut self) {
        self.fin = Fin::Due;
    }

    /// Gives up: nothing more is sent but the reset.
    pub(super) fn reset(&mut self, code: u64) {
        self.sent_size = self.buffer.unsent();
        self.buffer.discard();
        self.marks = None;
        self.datagrams = None;
        self.reset = Some(Reset {
            code,
            due: true,
            acked: false,
        });
    }

    /// How many bytes [`SendStream::take`] would give if there were room, of those up to `end`.
    pub(super) fn available(&self, credit: u64, end: u64) -> u64 {
        let most = end.saturating_sub(self.buffer.next_offset());
        self.buffer.available(self.limit(credit)).min(most)
    }

    /// What is sent next in at most `room` bytes. `cuts`: messages may be delivered out of order.
    pub(super) fn next_piece(&mut self, now: Instant, room: usize, cuts: bool) -> Piece {
        let next = self.buffer.next_offset();
        match &mut self.marks {
            Some(marks) => marks.piece(now, next, room as u64, cuts),
            None => Piece::Data {
                end: u64::MAX,
                begins: false,
            },
        }
    }

    /// Takes as much of a range that is skipped as flow control allows.
    pub(super) fn take_skipped(&mut self, range: Range<u64>, credit: u64) -> Option<Range<u64>> {
        let range = range.start..range.end.min(self.limit(credit).max(self.buffer.unsent()));
        self.buffer.take_all(&range);
        (!range.is_empty()).then_some(range)
    }

    /// Whether a message begins at `offset`, and the peer has to know.
    pub(super) fn begins_at(&self, offset: u64) -> bool {
        self.marks
            .as_ref()
            .is_some_and(|marks| marks.begins_at(offset))
    }

    /// Nothing new is sent from this offset on.
    fn limit(&self, credit: u64) -> u64 {
        self.max_data
            .min(self.buffer.unsent().saturating_add(credit))
    }

    /// The next range to send, and whether the end goes with it. `credit` bounds new data.
    /// Nothing is taken from offset `end` on.
    pub(super) fn take(&mut self, len: usize, credit: u64, end: u64) -> Option<(Range<u64>, bool)> {
        let limit = self.limit(credit);
        let most = end.saturating_sub(self.buffer.next_offset());
        let len = usize::try_from(most).map_or(len, |most| most.min(len));
        let range = self
            .buffer
            .take(len, limit)
            .unwrap_or_else(|| self.buffer.end()..self.buffer.end());
        let fin = self.is_end_due() && range.end == self.buffer.end();
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
        let freed = self.buffer.on_acked(range);
        if let Some(marks) = &mut self.marks
            && freed > 0
        {
            marks.forget(self.buffer.base());
        }
        freed
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
            reset.due = !reset.acked && !planted!(ResetNotSentAgain);
        }
    }
}
