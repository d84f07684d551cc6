//! What the user reads, and what it gives back to flow control.

use super::collection::Streams;
use super::message::{MessageError, MessageLimits};
use super::receive::{ReadOutcome, ReceiveStream};
use super::{Mode, StreamError, StreamId};
use crate::MESSAGE_TOO_LONG;
use crate::event::Event;
use crate::violation::{Violation, code};

impl Streams {
    pub(crate) fn read(&mut self, id: StreamId, out: &mut [u8]) -> Result<usize, StreamError> {
        self.reading(id, Mode::Bytes, |receive| receive.read(out))
    }

    #[cfg(test)]
    pub(crate) fn receive(&mut self, id: StreamId) -> Result<Option<Vec<u8>>, StreamError> {
        let mut message = Vec::new();
        let len = self.receive_into(id, &mut message)?;
        Ok(len.map(|_| message))
    }

    pub(crate) fn receive_into(
        &mut self,
        id: StreamId,
        out: &mut Vec<u8>,
    ) -> Result<Option<usize>, StreamError> {
        let mode = match self.streams.get(id).and_then(|stream| stream.mode) {
            Some(Mode::Datagrams) => return self.receive_datagram(id, out),
            Some(Mode::Unordered) => Mode::Unordered,
            _ => Mode::Messages,
        };
        let limits = self.message_limits();
        self.reading(id, mode, |receive| receive.receive(limits, out))
    }

    /// Which messages are taken in, and which wait in their stream until they are complete: not
    /// when those that wait could hold up the whole connection for want of credit.
    pub(super) fn message_limits(&self) -> MessageLimits {
        let waiting = self.data_received.saturating_sub(self.data_read);
        let waiting_max = if waiting <= self.window.bytes / 4 {
            usize::try_from(self.stream_window / 2).unwrap_or(usize::MAX)
        } else {
            0
        };
        MessageLimits {
            max: self.message_bytes_max,
            waiting_max,
        }
    }

    pub(super) fn reading<T>(
        &mut self,
        id: StreamId,
        mode: Mode,
        read: impl FnOnce(&mut ReceiveStream) -> ReadOutcome<T>,
    ) -> Result<T, StreamError> {
        let stream = self.streams.get_mut(id).ok_or(StreamError::Unknown)?;
        if stream.mode.is_some_and(|actual| actual != mode) {
            return Err(StreamError::WrongMode);
        }
        // What breaks the rules says nothing more, not even until the connection is closed for it.
        if self.violation.is_some() {
            return Err(StreamError::NotOpen);
        }
        let outcome = read(&mut stream.receive);
        let done = stream.receive.is_done();
        if outcome.consumed > 0 {
            stream.count_receive(&mut self.held, self.window.bytes);
            self.stirred = true;
        }
        let held = self.held.messages;
        self.count_message(id);
        if let Some(broken) = outcome.broken {
            self.on_broken_message(id, broken);
        }
        if outcome.consumed > 0 || self.held.messages != held {
            self.on_read(outcome.consumed as u64);
            self.extend_credit(id);
            self.relieve();
        }
        if done {
            self.retire_if_done(id);
        }
        outcome.result
    }

    /// The peer's bytes on a stream are no messages.
    pub(super) fn on_broken_message(&mut self, id: StreamId, broken: MessageError) {
        match broken {
            MessageError::TooLong => {
                if self.stop(id, MESSAGE_TOO_LONG).is_ok() {
                    let code = MESSAGE_TOO_LONG;
                    self.events.push_back(Event::Reset { stream: id, code });
                }
            }
            MessageError::Malformed => {
                self.violation = Some(Violation::new(
                    code::MESSAGE,
                    "a message is malformed or cut off",
                ));
            }
        }
    }
}
