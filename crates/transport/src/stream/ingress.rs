//! What arrives for streams.

use super::collection::{Stream, Streams};
use super::{Mode, StreamId};
use crate::PORT_CLOSED;
use crate::event::Event;
use crate::frame;
use crate::violation::{Refused, Violation, code};

impl Stream {
    /// Refuses a frame that a stream of another mode cannot have.
    pub(super) fn check_mode(&self, allows: impl Fn(Mode) -> bool) -> Result<(), Violation> {
        match self.mode {
            Some(mode) if !allows(mode) => Err(other_mode()),
            _ => Ok(()),
        }
    }
}

fn other_mode() -> Violation {
    Violation::new(code::STREAM_STATE, "a frame for a stream of another mode")
}

impl Streams {
    pub(crate) fn on_stream(&mut self, frame: &frame::Stream<'_>) -> Result<(), Refused> {
        let id = StreamId(frame.id);
        let Some(stream) = self.incoming(id)? else {
            return Ok(());
        };
        let end = frame.offset + frame.data.len() as u64;
        let new = stream.receive.check(end, frame.fin)?;
        self.check_credit(new)?;
        let Some(stream) = self.streams.get_mut(id) else {
            return Ok(());
        };
        if frame.begins {
            stream.check_mode(|mode| mode == Mode::Unordered)?;
        }
        let begins = frame.begins;
        stream.receive.insert(frame.offset, frame.data, begins)?;
        stream.receive.record(end, frame.fin);
        self.on_taken_in(id, new)
    }

    /// Whether `new` bytes more stay within what the connection allows.
    fn check_credit(&self, new: u64) -> Result<(), Violation> {
        if self.data_received + new > self.max_data {
            let reason = "more data than the connection allows";
            return Err(Violation::new(code::FLOW_CONTROL, reason));
        }
        Ok(())
    }

    /// A stream has taken in a frame with `new` bytes beyond what flow control had counted.
    fn on_taken_in(&mut self, id: StreamId, new: u64) -> Result<(), Refused> {
        self.window.begin(self.clock);
        let Some(stream) = self.streams.get_mut(id) else {
            return Ok(());
        };
        stream.count_receive(&mut self.held, self.window.bytes);
        self.stirred = true;
        self.data_received += new;
        if stream.receive.stopped {
            // Thrown away: the credit goes back at once.
            self.on_read(new);
        }
        self.on_progress(id)?;
        if new > 0 {
            self.relieve();
        }
        self.retire_if_done(id);
        Ok(())
    }

    /// Messages of the peer are too late, and will not come.
    pub(crate) fn on_skip(&mut self, frame: &frame::Skip) -> Result<(), Refused> {
        let id = StreamId(frame.id);
        let is_local = id.initiator() == self.side;
        let Some(stream) = self.incoming(id)? else {
            return Ok(());
        };
        let preamble = if is_local {
            0
        } else {
            super::Preamble::LEN as u64
        };
        if frame.offset < preamble {
            return Err(Violation::new(code::STREAM_STATE, "a preamble is skipped").into());
        }
        stream.check_mode(|mode| matches!(mode, Mode::Messages | Mode::Unordered))?;
        let new = stream.receive.check(frame.end(), false)?;
        self.check_credit(new)?;
        let Some(stream) = self.streams.get_mut(id) else {
            return Ok(());
        };
        stream.receive.skip(frame.offset, frame.end())?;
        stream.receive.record(frame.end(), false);
        self.on_taken_in(id, new)
    }

    pub(crate) fn on_reset(&mut self, frame: frame::ResetStream) -> Result<(), Refused> {
        let id = StreamId(frame.id);
        let Some(stream) = self.incoming(id)? else {
            return Ok(());
        };
        let new = stream.receive.check(frame.final_size, true)?;
        self.check_credit(new)?;
        self.data_received += new;
        let Some(stream) = self.streams.get_mut(id) else {
            return Ok(());
        };
        let (opened, stopped) = (stream.mode.is_some(), stream.receive.stopped);
        stream.receive.record(frame.final_size, true);
        if stopped {
            self.on_read(new);
        } else if let Some(unread) = stream.receive.on_reset(frame.code) {
            if opened {
                let code = frame.code;
                self.events.push_back(Event::Reset { stream: id, code });
            } else {
                // Given up before it said where it goes: nobody here knows of it.
                stream.send.reset(frame.code);
                self.queue_control(id);
            }
            self.count_message(id);
            if !planted!(CreditNotReturnedByReset) {
                self.on_read(unread);
            }
            self.forget_datagrams(id);
        }
        self.retire_if_done(id);
        Ok(())
    }

    pub(crate) fn on_stop(&mut self, frame: frame::StopSending) -> Result<(), Refused> {
        let id = StreamId(frame.id);
        let Some(stream) = self.incoming(id)? else {
            return Ok(());
        };
        if stream.send.reset.is_some() || stream.send.is_finished() {
            return Ok(());
        }
        let opened = stream.mode.is_some();
        // RFC 9000 §3.5: a reset answers it, with the same code.
        stream.send.reset(frame.code);
        self.queue_control(id);
        if opened {
            let code = frame.code;
            self.events.push_back(Event::Stopped { stream: id, code });
        }
        Ok(())
    }

    pub(crate) fn on_max_data(&mut self, max: u64) {
        self.peer.data = self.peer.data.max(max);
    }

    pub(crate) fn on_max_stream_data(
        &mut self,
        frame: frame::MaxStreamData,
    ) -> Result<(), Refused> {
        let id = StreamId(frame.id);
        let Some(stream) = self.incoming(id)? else {
            return Ok(());
        };
        stream.send.max_data = stream.send.max_data.max(frame.max);
        self.queue_data(id);
        Ok(())
    }

    pub(crate) fn on_max_streams(&mut self, max: u64) {
        self.peer.streams = self.peer.streams.max(max);
        if self.wants_stream && self.next_local < self.peer.streams {
            self.wants_stream = false;
            self.events.push_back(Event::StreamsAvailable);
        }
    }

    /// The stream that a frame is for, made if the peer opens it; `None` if it is over.
    pub(super) fn incoming(&mut self, id: StreamId) -> Result<Option<&mut Stream>, Violation> {
        if id.initiator() == self.side {
            if !self.is_local_opened(id) {
                return Err(Violation::new(
                    code::STREAM_STATE,
                    "a frame for a stream that was not opened",
                ));
            }
        } else if id.index() >= self.next_remote {
            if id.index() >= self.max_remote && !planted!(StreamLimitUnchecked) {
                return Err(Violation::new(
                    code::STREAM_LIMIT,
                    "more streams than allowed",
                ));
            }
            // Opening a stream opens all before it (RFC 9000 §3.2).
            for index in self.next_remote..=id.index() {
                let stream = self.new_stream(None);
                let id = StreamId::new(id.initiator(), index);
                self.streams.push(id, stream);
                self.extend_credit(id);
            }
            self.next_remote = id.index() + 1;
            self.extend_stream_credit();
        }
        Ok(self.streams.get_mut(id))
    }

    /// New data has arrived on a stream: reads the preamble, assembles a message, tells the user.
    fn on_progress(&mut self, id: StreamId) -> Result<(), Violation> {
        let result = self.look_at(id);
        self.broken |= result.is_err();
        result
    }

    fn look_at(&mut self, id: StreamId) -> Result<(), Violation> {
        let Some(stream) = self.streams.get_mut(id) else {
            return Ok(());
        };
        if stream.receive.stopped || stream.receive.is_done() {
            return Ok(());
        }
        let mode = match stream.mode {
            Some(mode) => mode,
            None => match stream.receive.take_preamble() {
                None => return Ok(()),
                Some(None) => {
                    return Err(Violation::new(
                        code::STREAM_STATE,
                        "a stream without a destination",
                    ));
                }
                Some(Some(preamble)) => {
                    self.on_read(super::Preamble::LEN as u64);
                    if !self.ports.contains(&preamble.port) {
                        self.refuse(id);
                        return Ok(());
                    }
                    let port = preamble.port;
                    self.events.push_back(Event::Opened { stream: id, port });
                    self.tell_stopped(id);
                    preamble.mode
                }
            },
        };
        let limits = self.message_limits();
        let Some(stream) = self.streams.get_mut(id) else {
            return Ok(());
        };
        stream.mode = Some(mode);
        if stream.receive.contradicts(mode) {
            return Err(other_mode());
        }
        if matches!(mode, Mode::Messages | Mode::Unordered) {
            let (consumed, pulled) = stream.receive.pull(limits);
            if consumed > 0 {
                stream.count_receive(&mut self.held, self.window.bytes);
            }
            self.count_message(id);
            self.on_read(consumed as u64);
            if let Err(broken) = pulled {
                self.on_broken_message(id, broken);
                return self.violation.take().map_or(Ok(()), Err);
            }
            self.extend_credit(id);
        }
        self.tell_readable(id, mode)
    }

    /// A stream has opened that the peer may have stopped before anybody here knew of it.
    fn tell_stopped(&mut self, id: StreamId) {
        let reset = self.streams.get(id).and_then(|stream| stream.send.reset);
        if let Some(reset) = reset.filter(|_| !planted!(EarlyStopUntold)) {
            let code = reset.code;
            self.events.push_back(Event::Stopped { stream: id, code });
        }
    }

    fn tell_readable(&mut self, id: StreamId, mode: Mode) -> Result<(), Violation> {
        let Some(stream) = self.streams.get_mut(id) else {
            return Ok(());
        };
        let has_messages = matches!(mode, Mode::Messages | Mode::Unordered);
        if has_messages && stream.receive.is_cut_off() {
            return Err(Violation::new(
                code::MESSAGE,
                "a stream ends inside a message",
            ));
        }
        if stream.receive.tell(mode) {
            self.events.push_back(Event::Readable { stream: id });
        }
        Ok(())
    }

    /// Nobody listens on the port of a stream that the peer opened.
    fn refuse(&mut self, id: StreamId) {
        // Both fail only on a direction that is over already.
        let _ = self.stop(id, PORT_CLOSED);
        let _ = self.reset(id, PORT_CLOSED);
    }
}
