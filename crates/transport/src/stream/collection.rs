use std::collections::{BTreeSet, VecDeque};

use codec::VarInt;

use super::credit::{Clock, Loan, Window};
use super::datagrams::Dropped;
use super::held::Held;
use super::marks::NEVER;
use super::receive::ReceiveStream;
use super::send::SendStream;
use super::table::Table;
use super::turns::Turns;
use super::{Mode, Preamble, StreamError, StreamId};
use crate::event::Event;
use crate::violation::Violation;
use crate::{Config, Instant, Side};

/// One stream: both directions, as long as something is to come of either.
#[derive(Debug)]
pub(super) struct Stream {
    /// `None` until the peer's preamble has told it.
    pub(super) mode: Option<Mode>,
    pub(super) send: SendStream,
    pub(super) receive: ReceiveStream,
    /// Control frames that are due.
    pub(super) due: Due,
    pub(super) held: Held,
}

impl Stream {
    /// A stream on which the peer lets us send `send_max` bytes at first, and we let it send
    /// `receive_max`.
    pub(super) fn new(mode: Option<Mode>, send_max: u64, receive_max: u64) -> Self {
        Self {
            mode,
            send: SendStream::new(send_max),
            receive: ReceiveStream::new(receive_max),
            due: Due::default(),
            held: Held::default(),
        }
    }
}

/// Control frames of one stream that are to be sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Due {
    /// Stands in the queue of streams with control frames.
    pub(super) queued: bool,
    pub(super) max_data: bool,
    pub(super) stop: Option<u64>,
    /// The peer knows that we want no more.
    pub(super) stop_acked: bool,
    /// The code of a stop, kept for repeats.
    pub(super) stop_code: u64,
}

/// What both ends allow. The peer's half is known after the handshake.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    /// Bytes on one stream.
    pub(crate) stream_data: u64,
    /// Bytes on all streams.
    pub(crate) data: u64,
    /// Streams over the connection's life.
    pub(crate) streams: u64,
    /// Bytes of one message.
    pub(crate) message: u64,
}

/// All streams of a connection, and its flow control.
#[derive(Debug)]
pub(crate) struct Streams {
    pub(super) side: Side,
    pub(super) streams: Table,
    pub(super) ports: BTreeSet<u16>,
    /// What we hold in one stream's send buffer before it counts as full, at least and at most.
    pub(super) send_buffer_bytes: (usize, usize),
    /// The same as the path wants it now.
    pub(super) send_limit: usize,
    pub(super) clock: Clock,
    pub(super) message_bytes_max: usize,
    /// Where a stream's window begins.
    pub(super) stream_window: u64,
    pub(super) stream_window_max: u64,
    pub(super) window: Window,
    /// Where the connection's window begins.
    pub(super) first_window: u64,
    pub(super) window_max: u64,
    pub(super) loan: Loan,
    pub(super) streams_window: u64,

    pub(super) next_local: u64,
    pub(super) next_remote: u64,
    /// How many streams the peer may open over the connection's life, as last announced.
    pub(super) max_remote: u64,
    pub(super) closed_remote: u64,
    pub(super) max_streams_due: bool,
    /// The user was told that the peer allows no more streams, and waits for another.
    pub(super) wants_stream: bool,

    /// What the peer allows us.
    pub(super) peer: Limits,
    /// New bytes sent on all streams.
    pub(super) data_sent: u64,
    /// Those of them that were skipped.
    pub(super) data_skipped: u64,

    /// What we allow the peer on all streams together, as last announced.
    pub(super) max_data: u64,
    pub(super) max_data_due: bool,
    pub(super) data_received: u64,
    pub(super) data_read: u64,

    /// Of all streams.
    pub(super) held: Held,
    /// Buffers have changed since memory was given back.
    pub(super) stirred: bool,

    /// What datagrams that wait to be received cost.
    pub(super) datagram_bytes: usize,
    pub(super) dropped: Dropped,
    /// How many bytes of frames fit in a packet, as last told.
    pub(super) packet_room: usize,
    /// The same while packets are shorter, because nobody answers.
    pub(super) packet_room_now: usize,

    /// Streams with data to send, in turn.
    pub(super) send_queue: Turns,
    /// Streams with control frames to send.
    pub(super) control_queue: VecDeque<StreamId>,
    pub(super) events: VecDeque<Event>,
    /// The user knows that the connection is over.
    told_closed: bool,
    /// A rule that the peer broke, noticed in a call of our user.
    pub(super) violation: Option<Violation>,
    /// What the peer has said on a stream cannot be: nobody knows what lies there.
    pub(super) broken: bool,
}

impl Streams {
    pub(crate) fn new(side: Side, config: &Config) -> Self {
        let send_min = config.send_buffer_bytes.max(1);
        Self {
            side,
            streams: Table::default(),
            ports: config.ports.clone(),
            send_buffer_bytes: (send_min, config.send_buffer_bytes_max.max(send_min)),
            send_limit: send_min,
            clock: Clock::default(),
            message_bytes_max: config.message_bytes_max.min(config.message_bytes_first),
            stream_window: config.stream_window_bytes,
            stream_window_max: config.stream_window_bytes_max,
            window: Window::new(config.connection_window_bytes),
            first_window: config.connection_window_bytes,
            window_max: config.connection_window_bytes_max,
            loan: Loan::new(config.receive_budget.clone()),
            streams_window: config.streams_max,
            next_local: 0,
            next_remote: 0,
            max_remote: config.streams_max,
            closed_remote: 0,
            max_streams_due: false,
            wants_stream: false,
            peer: Limits::default(),
            data_sent: 0,
            data_skipped: 0,
            max_data: config.connection_window_bytes,
            max_data_due: false,
            data_received: 0,
            data_read: 0,
            held: Held::default(),
            stirred: false,
            datagram_bytes: 0,
            dropped: Dropped::default(),
            packet_room: 0,
            packet_room_now: 0,
            send_queue: Turns::default(),
            control_queue: VecDeque::new(),
            events: VecDeque::new(),
            told_closed: false,
            violation: None,
            broken: false,
        }
    }

    /// The handshake told what the peer allows.
    pub(crate) fn on_peer_limits(&mut self, limits: Limits) {
        self.peer = limits;
    }

    /// The next event. None comes behind `Closed`, whatever is still read.
    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        if self.told_closed {
            return None;
        }
        let event = self.events.pop_front();
        self.told_closed = matches!(event, Some(Event::Closed(_)));
        event
    }

    /// Whether there is one.
    pub(crate) fn has_event(&self) -> bool {
        !self.told_closed && !self.events.is_empty()
    }

    pub(crate) fn push_event(&mut self, event: Event) {
        self.events.push_back(event);
    }

    /// A rule that the peer broke, noticed in a call of our user.
    pub(crate) fn take_violation(&mut self) -> Option<Violation> {
        self.violation.take()
    }

    pub(crate) fn listen(&mut self, port: u16) {
        self.ports.insert(port);
    }

    /// Takes longer messages from here on.
    pub(crate) fn grow_messages(&mut self, max: usize) {
        self.message_bytes_max = self.message_bytes_max.max(max);
    }

    pub(crate) fn open(&mut self, port: u16, mode: Mode) -> Result<StreamId, StreamError> {
        if self.next_local >= self.peer.streams {
            self.wants_stream = true;
            return Err(StreamError::TooMany);
        }
        let id = StreamId::new(self.side, self.next_local);
        self.next_local += 1;
        let mut stream = self.new_stream(Some(mode));
        stream.send.buffer.write(&Preamble { port, mode }.encode());
        self.streams.push(id, stream);
        self.extend_credit(id);
        self.queue_data(id);
        Ok(id)
    }

    pub(super) fn new_stream(&self, mode: Option<Mode>) -> Stream {
        let (theirs, ours) = (self.peer.stream_data, self.stream_window);
        let mut stream = Stream::new(mode, theirs, ours);
        stream.receive.window.begin(self.clock);
        stream
    }

    /// Whether `id` is a stream of ours that was opened.
    pub(super) fn is_local_opened(&self, id: StreamId) -> bool {
        id.initiator() == self.side && id.index() < self.next_local
    }

    pub(crate) fn write(&mut self, id: StreamId, data: &[u8]) -> Result<usize, StreamError> {
        let limit = self.send_limit;
        let send = self.writer(id, Mode::Bytes)?;
        let room = limit.saturating_sub(send.buffer.len());
        if room == 0 {
            send.wants_room = true;
            return Err(StreamError::Blocked);
        }
        let taken = data.len().min(room);
        send.buffer.write(&data[..taken]);
        self.queue_data(id);
        Ok(taken)
    }

    /// Takes in bytes as they are, whatever the mode.
    #[cfg(feature = "danger-checking")]
    pub(crate) fn write_part(&mut self, id: StreamId, bytes: &[u8]) -> Result<(), StreamError> {
        let stream = self.streams.get(id).ok_or(StreamError::Unknown)?;
        let mode = stream.mode.ok_or(StreamError::Unknown)?;
        self.writer(id, mode)?.buffer.write(bytes);
        self.queue_data(id);
        Ok(())
    }

    /// Takes in a message that is worth nothing after `deadline`.
    pub(crate) fn send(
        &mut self,
        id: StreamId,
        message: &[u8],
        deadline: Instant,
    ) -> Result<(), StreamError> {
        let (limit, peer_max) = (self.send_limit, self.peer.message);
        let mode = match self.streams.get(id).and_then(|stream| stream.mode) {
            Some(Mode::Datagrams) => return self.send_datagram(id, message, deadline),
            Some(Mode::Unordered) => Mode::Unordered,
            _ => Mode::Messages,
        };
        let send = self.writer(id, mode)?;
        if message.len() as u64 > peer_max {
            return Err(StreamError::TooLong);
        }
        if send.buffer.len() >= limit {
            send.wants_room = true;
            return Err(StreamError::Blocked);
        }
        let start = send.buffer.end();
        let (field, len) = VarInt::encode(message.len() as u64);
        send.buffer.write(&field[..len]);
        send.buffer.write(message);
        if mode == Mode::Unordered || deadline != NEVER {
            let marks = send.marks.get_or_insert_default();
            marks.push(start..send.buffer.end(), deadline);
        }
        if !send.queued {
            self.queue_data(id);
        }
        Ok(())
    }

    /// Streams with data to send of a higher priority go first.
    pub(crate) fn set_priority(&mut self, id: StreamId, priority: i8) -> Result<(), StreamError> {
        let stream = self.streams.get_mut(id).ok_or(StreamError::Unknown)?;
        stream.send.priority = priority;
        if stream.send.queued {
            self.send_queue.change(priority, id);
        }
        Ok(())
    }

    pub(super) fn writer(
        &mut self,
        id: StreamId,
        mode: Mode,
    ) -> Result<&mut SendStream, StreamError> {
        let stream = self.streams.get_mut(id).ok_or(StreamError::Unknown)?;
        if let Some(reset) = stream.send.reset {
            return Err(StreamError::Ended(reset.code));
        }
        match stream.mode {
            None => Err(StreamError::Unknown),
            Some(actual) if actual != mode => Err(StreamError::WrongMode),
            Some(_) if stream.send.is_open() => Ok(&mut stream.send),
            Some(_) => Err(StreamError::Unknown),
        }
    }

    pub(crate) fn finish(&mut self, id: StreamId) -> Result<(), StreamError> {
        let stream = self.streams.get_mut(id).ok_or(StreamError::Unknown)?;
        if !stream.send.is_open() {
            return Err(StreamError::Unknown);
        }
        stream.send.finish();
        self.queue_data(id);
        Ok(())
    }

    pub(crate) fn reset(&mut self, id: StreamId, code: u64) -> Result<(), StreamError> {
        let stream = self.streams.get_mut(id).ok_or(StreamError::Unknown)?;
        if stream.send.reset.is_some() || stream.send.is_finished() {
            return Err(StreamError::Unknown);
        }
        stream.send.reset(code);
        self.queue_control(id);
        Ok(())
    }

    pub(crate) fn stop(&mut self, id: StreamId, code: u64) -> Result<(), StreamError> {
        let stream = self.streams.get_mut(id).ok_or(StreamError::Unknown)?;
        if stream.receive.is_done() || stream.receive.stopped {
            return Err(StreamError::Unknown);
        }
        let unread = stream.receive.stop();
        self.count_message(id);
        self.forget_datagrams(id);
        let stream = self.streams.get_mut(id).ok_or(StreamError::Unknown)?;
        stream.due.stop = Some(code);
        stream.due.stop_code = code;
        self.on_read(unread);
        self.queue_control(id);
        self.retire_if_done(id);
        Ok(())
    }

    pub(super) fn queue_data(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.get_mut(id)
            && !stream.send.queued
        {
            stream.send.queued = true;
            self.send_queue.push(stream.send.priority, id);
        }
    }

    pub(super) fn queue_control(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.get_mut(id)
            && !stream.due.queued
        {
            stream.due.queued = true;
            self.control_queue.push_back(id);
        }
    }

    /// Forgets a stream of which nothing more is to come, and lets the peer open another.
    pub(super) fn retire_if_done(&mut self, id: StreamId) {
        let done = self
            .streams
            .get(id)
            .is_some_and(|stream| stream.send.is_done() && stream.receive.is_done());
        if !done {
            return;
        }
        self.forget_datagrams(id);
        if let Some(stream) = self.streams.remove(id) {
            self.held.forget(stream.held);
        }
        if id.initiator() != self.side {
            self.closed_remote += 1;
            self.extend_stream_credit();
        }
    }

    /// Lets the peer open more streams when it is about to run out and others have ended.
    pub(super) fn extend_stream_credit(&mut self) {
        let left = self.max_remote.saturating_sub(self.next_remote);
        if left <= self.streams_window / 2 && self.stream_count_credit() > self.max_remote {
            self.max_streams_due = true;
        }
    }

    /// The limit of streams to announce.
    pub(super) fn stream_count_credit(&self) -> u64 {
        self.max_remote
            .max(self.closed_remote + self.streams_window)
    }

    /// Whether the user's buffer of a stream has room again.
    pub(super) fn has_room(&self, send: &SendStream) -> bool {
        send.wants_room && send.is_open() && send.has_room(self.send_limit)
    }
}
