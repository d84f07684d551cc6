//! Datagrams: said at once or never, on a stream that gives them their port (docs/PROTOCOL.md §4.4).

use std::collections::VecDeque;

use super::collection::Streams;
use super::egress::Written;
use super::ring::Ring;
use super::{Mode, StreamError, StreamId};
use crate::Instant;
use crate::event::Event;
use crate::frame;
use crate::violation::Refused;

/// What a datagram costs in a queue beside its bytes.
const ENTRY: usize = 16;

/// Bytes that wait on one stream to be sent; with more, it is full.
const OUTGOING_BYTES_MAX: usize = 256 << 10;

/// Bytes that wait on one connection to be received; what has no room is dropped.
pub(super) const INCOMING_BYTES_MAX: usize = 256 << 10;

/// A queue of datagrams, in one buffer.
#[derive(Debug)]
struct Queue<T> {
    bytes: Ring,
    entries: VecDeque<(usize, T)>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            bytes: Ring::default(),
            entries: VecDeque::new(),
        }
    }
}

impl<T> Queue<T> {
    fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What it holds, entries included.
    fn cost(&self) -> usize {
        self.bytes.len() + self.entries.len() * ENTRY
    }

    fn push(&mut self, data: &[u8], tag: T) {
        self.bytes.push(data);
        self.entries.push_back((data.len(), tag));
    }

    fn front(&self) -> Option<&(usize, T)> {
        self.entries.front()
    }

    /// Drops the first datagram, or moves it to `out`. Returns its length.
    fn pop(&mut self, out: Option<&mut Vec<u8>>) -> Option<usize> {
        let (len, _) = self.entries.pop_front()?;
        if let Some(out) = out {
            let (front, back) = self.bytes.slices(0..len);
            out.extend_from_slice(front);
            out.extend_from_slice(back);
        }
        self.bytes.consume(len);
        if self.entries.is_empty() {
            *self = Self::default();
        }
        Some(len)
    }
}

/// Datagrams of one stream that wait to be sent.
#[derive(Debug, Default)]
pub(super) struct Outgoing(Queue<Instant>);

impl Outgoing {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether another one is taken in.
    pub(super) fn has_room(&self) -> bool {
        self.0.cost() < OUTGOING_BYTES_MAX
    }

    pub(super) fn push(&mut self, data: &[u8], deadline: Instant) {
        self.0.push(data, deadline);
    }

    /// Length of the next one that is not late. Returns also how many were late.
    fn next(&mut self, now: Instant) -> (Option<usize>, u64) {
        let mut late = 0;
        while let Some(&(len, deadline)) = self.0.front() {
            if deadline >= now {
                return (Some(len), late);
            }
            self.0.pop(None);
            late += 1;
        }
        (None, late)
    }
}

/// Datagrams of one stream that wait to be received.
#[derive(Debug, Default)]
pub(super) struct Incoming(Queue<()>);

impl Incoming {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a connection did not deliver, as it was asked to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Dropped {
    /// Datagrams received while the queue was full.
    pub(crate) no_room: u64,
    /// Messages and datagrams not sent: late, or longer than what the path still takes.
    pub(crate) unsent: u64,
}

impl Streams {
    /// How long a datagram may be on this stream now.
    pub(crate) fn datagram_max(&self, id: StreamId) -> usize {
        let room = self.packet_room;
        room.saturating_sub(frame::Datagram::header_len(id.0, room))
    }

    /// Takes in a datagram for sending.
    pub(super) fn send_datagram(
        &mut self,
        id: StreamId,
        data: &[u8],
        deadline: Instant,
    ) -> Result<(), StreamError> {
        let max = self.datagram_max(id);
        let send = self.writer(id, Mode::Datagrams)?;
        if data.len() > max {
            return Err(StreamError::DoesNotFit(max));
        }
        let out = send.datagrams.get_or_insert_default();
        if !out.has_room() {
            send.wants_room = true;
            return Err(StreamError::Blocked);
        }
        out.push(data, deadline);
        self.queue_data(id);
        Ok(())
    }

    /// Writes datagrams of a stream to a packet that may grow up to `end` bytes.
    pub(super) fn write_datagrams(
        &mut self,
        id: StreamId,
        end: usize,
        out: &mut Vec<u8>,
    ) -> Written {
        let now = self.clock.now;
        let mut written = Written::More;
        while let Some(stream) = self.streams.get_mut(id)
            && let Some(queue) = &mut stream.send.datagrams
        {
            let (next, late) = queue.next(now);
            self.dropped.unsent += late;
            let Some(len) = next else { break };
            let needed = frame::Datagram::header_len(id.0, len) + len;
            if needed > end.saturating_sub(out.len()) {
                if needed <= self.packet_room {
                    let is_long = needed > self.packet_room_now;
                    written = if is_long {
                        Written::TooLong
                    } else {
                        Written::Full
                    };
                    break;
                }
                queue.0.pop(None);
                self.dropped.unsent += 1;
                continue;
            }
            frame::Datagram::encode_header(id.0, len, &mut codec::Writer::new(out));
            queue.0.pop(Some(out));
        }
        self.tell_writable(id);
        written
    }

    pub(crate) fn on_datagram(&mut self, frame: &frame::Datagram<'_>) -> Result<(), Refused> {
        let id = StreamId(frame.id);
        let Some(stream) = self.incoming(id)? else {
            return Ok(());
        };
        let mode = stream.mode;
        stream.check_mode(|mode| mode == Mode::Datagrams)?;
        if stream.receive.stopped || stream.receive.is_done() {
            return Ok(());
        }
        let cost = frame.data.len() + ENTRY;
        let most = INCOMING_BYTES_MAX >> (10 * u32::from(planted!(DatagramRoomInKilobytes)));
        let full = self.datagram_bytes + cost > most;
        if full && !planted!(DatagramsUnbounded) {
            self.dropped.no_room += 1;
            return Ok(());
        }
        self.datagram_bytes += cost;
        let Some(stream) = self.streams.get_mut(id) else {
            return Ok(());
        };
        let queue = stream.receive.datagrams.get_or_insert_default();
        queue.0.push(frame.data, ());
        if let Some(mode) = mode
            && stream.receive.tell(mode)
        {
            self.events.push_back(Event::Readable { stream: id });
        }
        Ok(())
    }

    /// Appends the next datagram to `out`.
    pub(super) fn receive_datagram(
        &mut self,
        id: StreamId,
        out: &mut Vec<u8>,
    ) -> Result<Option<usize>, StreamError> {
        let stream = self.streams.get_mut(id).ok_or(StreamError::Unknown)?;
        let queue = stream.receive.datagrams.as_mut();
        if let Some(len) = queue.and_then(|queue| queue.0.pop(Some(out))) {
            self.datagram_bytes -= len + ENTRY;
            return Ok(Some(len));
        }
        // Nothing is left: the end, or not yet.
        let end = self.reading(id, Mode::Datagrams, |receive| receive.read(&mut [0]));
        end.map(|_| None)
    }

    /// Datagrams of a stream that is over are dropped.
    pub(super) fn forget_datagrams(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.get_mut(id)
            && let Some(queue) = stream.receive.datagrams.take()
        {
            self.datagram_bytes -= queue.0.cost();
        }
    }

    /// What was not delivered.
    pub(crate) fn dropped(&self) -> Dropped {
        self.dropped
    }
}
