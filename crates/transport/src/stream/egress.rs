//! What streams have to send, and what became of it.

use codec::{VarInt, Writer};

use super::StreamId;
use super::collection::Streams;
use crate::event::Event;
use crate::frame::{self, MaxStreamData, ResetStream, StopSending};
use crate::recovery::SentFrame;

/// A stream frame with less data than this is not worth its header, unless it is all there is.
const DATA_MIN: usize = 16;

impl Streams {
    /// Whether there are control frames or stream data to send.
    pub(crate) fn wants_to_send(&mut self) -> bool {
        self.max_data_due
            || self.max_streams_due
            || !self.control_queue.is_empty()
            || self.has_data()
    }

    /// Whether there is stream data to send. Streams that cannot send leave the queue.
    fn has_data(&mut self) -> bool {
        let credit = self.peer.data.saturating_sub(self.data_sent);
        while let Some(&id) = self.send_queue.front() {
            let Some(stream) = self.streams.get_mut(id) else {
                self.send_queue.pop_front();
                continue;
            };
            if stream.send.is_sendable(credit) {
                return true;
            }
            // Blocked by the connection's credit alone: it keeps its place.
            if stream.send.is_sendable(u64::MAX) {
                return self.rotate_to_sendable();
            }
            stream.send.queued = false;
            self.send_queue.pop_front();
        }
        false
    }

    /// Without connection credit, only what was lost or ends a stream can be sent: looks for such a
    /// stream.
    fn rotate_to_sendable(&mut self) -> bool {
        let found = self.send_queue.iter().position(|id| {
            self.streams
                .get(*id)
                .is_some_and(|stream| stream.send.is_sendable(0))
        });
        if let Some(index) = found {
            self.send_queue.rotate_left(index);
        }
        found.is_some()
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
        while self.has_data() && self.write_data(end, out, sent) {}
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

    /// One stream frame of the first stream in the queue. `false` when the packet is full.
    fn write_data(
        &mut self,
        end: usize,
        out: &mut Vec<u8>,
        sent: &mut impl FnMut(SentFrame),
    ) -> bool {
        let credit = self.peer.data.saturating_sub(self.data_sent);
        let Some(id) = self.send_queue.front().copied() else {
            return false;
        };
        let Some(stream) = self.streams.get_mut(id) else {
            self.send_queue.pop_front();
            return true;
        };
        let mut header = frame::StreamHeader {
            id: id.0,
            offset: stream.send.buffer.next_offset(),
            len: None,
            fin: false,
        };
        let room = end.saturating_sub(out.len() + header.size());
        let before = stream.send.buffer.unsent();
        let least = stream.send.buffer.len().min(DATA_MIN);
        if room < least.max(1) {
            return false;
        }
        // Data to the packet's end needs no length, and then every packet is filled to the last
        // byte: segmentation offload wants them all equally long.
        let fills = stream.send.available(credit) >= room as u64;
        let len_len = if fills { 0 } else { VarInt::size(room as u64) };
        let Some((range, fin)) = stream.send.take(room.saturating_sub(len_len), credit) else {
            return false;
        };
        self.data_sent += stream.send.buffer.unsent() - before;
        header.fin = fin;
        header.len = (!fills).then_some((range.end - range.start) as usize);
        header.encode(&mut Writer::new(out));
        stream.send.buffer.copy(&range, out);
        sent(SentFrame::Stream {
            id: id.0,
            range,
            fin,
        });
        // Streams take turns, a packet each; one that is done leaves when its turn comes again.
        if end.saturating_sub(out.len()) < header.size() + 2 + DATA_MIN {
            self.send_queue.rotate_left(1);
        } else if !stream.send.is_sendable(u64::MAX) {
            stream.send.queued = false;
            self.send_queue.pop_front();
        }
        true
    }

    /// The peer has a frame.
    pub(crate) fn on_frame_acked(&mut self, frame: SentFrame) {
        match frame {
            SentFrame::Stream { id, range, fin } => {
                let id = StreamId(id);
                let Some(stream) = self.streams.get_mut(id) else {
                    return;
                };
                let was_finished = stream.send.is_finished();
                stream.send.on_acked(range, fin);
                stream.count_memory(&mut self.held, self.window.bytes);
                self.stirred = true;
                if stream.send.is_finished() && !was_finished {
                    self.events.push_back(Event::Finished { stream: id });
                }
                self.tell_writable(id);
                self.retire_if_done(id);
            }
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

    fn tell_writable(&mut self, id: StreamId) {
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
            SentFrame::Stream { id, range, fin } => {
                let id = StreamId(id);
                if let Some(stream) = self.streams.get_mut(id) {
                    stream.send.on_lost(range, fin);
                    self.queue_data(id);
                }
            }
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
                {
                    stream.due.stop = Some(stream.due.stop_code);
                }
                self.queue_control(StreamId(id));
            }
            SentFrame::MaxStreamData { id } => {
                if let Some(stream) = self.streams.get_mut(StreamId(id)) {
                    stream.due.max_data = true;
                }
                self.queue_control(StreamId(id));
            }
            SentFrame::MaxData => self.max_data_due = true,
            SentFrame::MaxStreams => self.max_streams_due = true,
            _ => {}
        }
    }
}
