//! What streams have to send, and what became of it.

use core::ops::Range;

use codec::{VarInt, Writer};

use super::collection::{Stream, Streams};
use super::marks::Piece;
use super::{Mode, StreamId};
use crate::event::Event;
use crate::frame::{self, MaxStreamData, ResetStream, StopSending};
use crate::recovery::SentFrame;

/// A stream frame with less data than this is not worth its header, unless it is all there is.
const DATA_MIN: usize = 16;

/// With less room than this left in a packet, the next one is another stream's.
const TURN_MIN: usize = 1 + 8 + 8 + 2 + DATA_MIN;

/// What came of writing what a stream has to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// There may be room for more.
    More,
    /// The packet is full.
    Full,
    /// The next datagram is too long for any packet, as long as packets are as short as now.
    TooLong,
}

impl Stream {
    /// Tells the peer that a range of messages will not come. `false` when the packet is full.
    fn write_skip(
        &mut self,
        id: StreamId,
        range: Range<u64>,
        credit: u64,
        end: usize,
        out: &mut Vec<u8>,
        sent: &mut impl FnMut(SentFrame),
    ) -> bool {
        if end.saturating_sub(out.len()) < frame::Skip::LEN_MAX {
            return false;
        }
        let Some(range) = self.send.take_skipped(range, credit) else {
            return false;
        };
        let skip = frame::Skip {
            id: id.0,
            offset: range.start,
            len: range.end - range.start,
        };
        skip.encode(&mut Writer::new(out));
        sent(SentFrame::Skip { id: id.0, range });
        true
    }

    /// One stream frame, with bytes up to offset `until`, which perhaps begin with a message. `false`
    /// when the packet is full.
    fn write_bytes(
        &mut self,
        id: StreamId,
        (until, begins): (u64, bool),
        credit: u64,
        end: usize,
        out: &mut Vec<u8>,
        sent: &mut impl FnMut(SentFrame),
    ) -> bool {
        let available = self.send.available(credit, until);
        let mut header = frame::StreamHeader {
            id: id.0,
            offset: self.send.buffer.next_offset(),
            len: None,
            fin: false,
            begins: begins && available > 0,
        };
        let room = end.saturating_sub(out.len() + header.size());
        let least = self.send.buffer.len().min(DATA_MIN);
        if room < least.max(1) {
            return false;
        }
        // Data to the packet's end needs no length, and then every packet is filled to the last
        // byte: segmentation offload wants them all equally long.
        let fills = available >= room as u64;
        let len_len = if fills { 0 } else { VarInt::size(room as u64) };
        let taken = self.send.take(room.saturating_sub(len_len), credit, until);
        let Some((range, fin)) = taken else {
            return false;
        };
        header.fin = fin;
        header.len = (!fills).then_some((range.end - range.start) as usize);
        header.encode(&mut Writer::new(out));
        self.send.buffer.copy(&range, out);
        sent(SentFrame::Stream {
            id: id.0,
            range,
            fin,
        });
        true
    }
}

impl Streams {
    /// Whether there are control frames or stream data to send.
    pub(crate) fn wants_to_send(&mut self) -> bool {
        self.max_data_due
            || self.max_streams_due
            || !self.control_queue.is_empty()
            || self.has_data()
    }

    /// Whether there is stream data to send.
    fn has_data(&mut self) -> bool {
        self.next_sender().is_some()
    }

    /// Where the stream stands that sends next. Streams that cannot send leave the queue.
    fn next_sender(&mut self) -> Option<usize> {
        let credit = self.peer.data.saturating_sub(self.data_sent);
        while let Some(id) = self.send_queue.front() {
            if let Some(stream) = self.streams.get_mut(id) {
                if stream.send.is_sendable(credit) {
                    return Some(0);
                }
                // Blocked by the connection's credit alone: it keeps its place. Then only what was
                // lost or ends a stream can be sent.
                if stream.send.is_sendable(u64::MAX) {
                    return self.send_queue.iter().position(|id| {
                        let stream = self.streams.get(id);
                        stream.is_some_and(|stream| stream.send.is_sendable(0))
                    });
                }
                stream.send.queued = false;
            }
            self.send_queue.remove(0);
        }
        None
    }

    /// Appends control frames, then stream frames, to a packet that may grow up to `end` bytes.
    pub(crate) fn write_frames(
        &mut self,
        end: usize,
        out: &mut Vec<u8>,
        sent: &mut impl FnMut(SentFrame),
    ) {
        self.write_limits(end, out, sent);
        while let Some(&id) = self.control_queue.front() {
            if !self.write_control(id, end, out, sent) {
                return;
            }
            self.control_queue.pop_front();
        }
        let mut passed = 0;
        while let Some(index) = self.sender_from(passed) {
            match self.write_data(index, end, out, sent) {
                Written::More => {}
                // It does not hold up those whose data fits.
                Written::TooLong => passed = index + 1,
                Written::Full => return,
            }
        }
    }

    /// As [`Streams::next_sender`], but those who stand before `passed` cannot use this packet.
    fn sender_from(&mut self, passed: usize) -> Option<usize> {
        if passed == 0 {
            return self.next_sender();
        }
        let credit = self.peer.data.saturating_sub(self.data_sent);
        let mut others = self.send_queue.iter().skip(passed);
        let index = others.position(|id| {
            let stream = self.streams.get(id);
            stream.is_some_and(|stream| stream.send.is_sendable(credit))
        });
        index.map(|index| passed + index)
    }

    /// Limits of the whole connection.
    fn write_limits(&mut self, end: usize, out: &mut Vec<u8>, sent: &mut impl FnMut(SentFrame)) {
        const LIMIT_LEN_MAX: usize = 9;
        if self.max_data_due && end.saturating_sub(out.len()) >= LIMIT_LEN_MAX {
            let max = self.give_credit();
            frame::encode_max_data(max, &mut Writer::new(out));
            sent(SentFrame::MaxData);
        }
        if self.max_streams_due && end.saturating_sub(out.len()) >= LIMIT_LEN_MAX {
            self.max_remote = self.stream_count_credit();
            self.max_streams_due = false;
            frame::encode_max_streams(self.max_remote, &mut Writer::new(out));
            sent(SentFrame::MaxStreams);
        }
    }

    /// Control frames of one stream. `false` when the packet is full.
    fn write_control(
        &mut self,
        id: StreamId,
        end: usize,
        out: &mut Vec<u8>,
        sent: &mut impl FnMut(SentFrame),
    ) -> bool {
        let (clock, window_max) = (self.clock, self.stream_window_max);
        let Some(stream) = self.streams.get_mut(id) else {
            return true;
        };
        if let Some(reset) = stream.send.reset.as_mut().filter(|reset| reset.due) {
            if end.saturating_sub(out.len()) < ResetStream::LEN_MAX {
                return false;
            }
            reset.due = false;
            let frame = ResetStream {
                id: id.0,
                code: reset.code,
                final_size: stream.send.sent_size(),
            };
            frame.encode(&mut Writer::new(out));
            sent(SentFrame::ResetStream { id: id.0 });
        }
        if let Some(code) = stream.due.stop {
            if end.saturating_sub(out.len()) < StopSending::LEN_MAX {
                return false;
            }
            stream.due.stop = None;
            StopSending { id: id.0, code }.encode(&mut Writer::new(out));
            sent(SentFrame::StopSending { id: id.0 });
        }
        if stream.due.max_data && stream.receive.wants_credit() {
            if end.saturating_sub(out.len()) < MaxStreamData::LEN_MAX {
                return false;
            }
            let max = stream.give_credit(clock, window_max);
            MaxStreamData { id: id.0, max }.encode(&mut Writer::new(out));
            sent(SentFrame::MaxStreamData { id: id.0 });
        }
        stream.due.max_data = false;
        stream.due.queued = false;
        true
    }

    /// One frame of a stream in the queue, or datagrams.
    fn write_data(
        &mut self,
        index: usize,
        end: usize,
        out: &mut Vec<u8>,
        sent: &mut impl FnMut(SentFrame),
    ) -> Written {
        let credit = self.peer.data.saturating_sub(self.data_sent);
        let now = self.clock.now;
        let Some(id) = self.send_queue.get(index) else {
            return Written::Full;
        };
        let Some(stream) = self.streams.get_mut(id) else {
            self.send_queue.remove(index);
            return Written::More;
        };
        if !stream.send.has_bytes(credit) {
            let before = out.len();
            let written = self.write_datagrams(id, end, out);
            if written != Written::More && out.len() > before {
                self.send_queue.rotate(index);
                return Written::Full;
            }
            return written;
        }
        let cuts = stream.mode == Some(Mode::Unordered);
        let before = stream.send.buffer.unsent();
        let room = end.saturating_sub(out.len());
        let piece = stream.send.next_piece(now, room, cuts);
        self.dropped.unsent += stream.send.take_late();
        let is_skip = matches!(piece, Piece::Skip(_));
        let written = match piece {
            Piece::Skip(range) => stream.write_skip(id, range, credit, end, out, sent),
            Piece::Data { end: until, begins } => {
                stream.write_bytes(id, (until, begins), credit, end, out, sent)
            }
        };
        let new = stream.send.buffer.unsent() - before;
        self.data_sent += new;
        self.data_skipped += if is_skip { new } else { 0 };
        if !written {
            return Written::Full;
        }
        // Streams take turns, a packet each; one that is done leaves when its turn comes again.
        if end.saturating_sub(out.len()) < TURN_MIN {
            self.send_queue.rotate(index);
        } else if !stream.send.is_sendable(u64::MAX) {
            stream.send.queued = false;
            self.send_queue.remove(index);
        }
        Written::More
    }

    /// The peer has a frame.
    pub(crate) fn on_frame_acked(&mut self, frame: SentFrame) {
        match frame {
            SentFrame::Stream { id, range, fin } => self.on_range_acked(id, range, fin),
            SentFrame::Skip { id, range } => self.on_range_acked(id, range, false),
            SentFrame::ResetStream { id } => {
                let id = StreamId(id);
                if let Some(stream) = self.streams.get_mut(id) {
                    stream.send.on_reset_acked();
                }
                self.retire_if_done(id);
            }
            SentFrame::StopSending { id } => {
                if let Some(stream) = self.streams.get_mut(StreamId(id)) {
                    stream.due.stop_acked = true;
                }
            }
            _ => {}
        }
    }

    /// The peer has a range of a stream, or knows that it gets none of it.
    fn on_range_acked(&mut self, id: u64, range: Range<u64>, fin: bool) {
        let id = StreamId(id);
        let held_max = self.send_held_max();
        let Some(stream) = self.streams.get_mut(id) else {
            return;
        };
        let was_finished = stream.send.is_finished();
        stream.send.on_acked(range, fin);
        stream.count_send(&mut self.held, held_max);
        self.stirred = true;
        if stream.send.is_finished() && !was_finished {
            self.events.push_back(Event::Finished { stream: id });
        }
        self.tell_writable(id);
        self.retire_if_done(id);
    }

    pub(super) fn tell_writable(&mut self, id: StreamId) {
        let room = self
            .streams
            .get(id)
            .is_some_and(|stream| self.has_room(&stream.send));
        if room && let Some(stream) = self.streams.get_mut(id) {
            stream.send.wants_room = false;
            self.events.push_back(Event::Writable { stream: id });
        }
    }

    /// A frame was lost: what of it still matters is sent again.
    pub(crate) fn on_frame_lost(&mut self, frame: SentFrame) {
        match frame {
            SentFrame::Stream { id, range, fin } => self.on_range_lost(id, range, fin),
            SentFrame::Skip { id, range } => self.on_range_lost(id, range, false),
            SentFrame::ResetStream { id } => {
                if let Some(stream) = self.streams.get_mut(StreamId(id)) {
                    stream.send.on_reset_lost();
                }
                self.queue_control(StreamId(id));
            }
            SentFrame::StopSending { id } => {
                if let Some(stream) = self.streams.get_mut(StreamId(id))
                    && !stream.due.stop_acked
                    && !stream.receive.is_done()
                    && !planted!(StopNotSentAgain)
                {
                    stream.due.stop = Some(stream.due.stop_code);
                }
                self.queue_control(StreamId(id));
            }
            SentFrame::MaxStreamData { id } => {
                if let Some(stream) = self.streams.get_mut(StreamId(id)) {
                    stream.due.max_data = !planted!(WindowUpdateLostForEver);
                }
                self.queue_control(StreamId(id));
            }
            SentFrame::MaxData => self.max_data_due = true,
            SentFrame::MaxStreams => self.max_streams_due = true,
            _ => {}
        }
    }

    fn on_range_lost(&mut self, id: u64, range: Range<u64>, fin: bool) {
        let id = StreamId(id);
        if let Some(stream) = self.streams.get_mut(id) {
            stream.send.on_lost(range, fin);
            self.queue_data(id);
        }
    }
}
