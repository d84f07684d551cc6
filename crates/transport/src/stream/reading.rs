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

    pub(crate) fn read_with<T>(
        &mut self,
        id: StreamId,
        max: usize,
        take: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>, StreamError> {
        self.reading(id, Mode::Bytes, |receive| receive.read_with(max, take))
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
        // Who breaks the rules of streams says nothing more on them, whether the connection is closed for it
        // already or not.
        if self.broken {
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
                self.broken = true;
                self.violation = Some(Violation::new(
                    code::MESSAGE,
                    "a message is malformed or cut off",
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{data, preamble, server};
    use super::*;
    use crate::frame::ResetStream;

    const ID: StreamId = StreamId(0);

    fn opened() -> Streams {
        let mut streams = server();
        let bytes = preamble(Mode::Bytes);
        streams.on_stream(&data(0, 0, &bytes, false)).unwrap();
        streams
    }

    #[test]
    fn lent_bytes_are_gone_and_the_end_is_told_once() {
        let mut streams = opened();
        let nothing = |_: &[u8]| panic!("there is nothing to lend");
        assert_eq!(
            streams.read_with(ID, 10, nothing),
            Err(StreamError::Blocked)
        );
        streams.on_stream(&data(0, 3, b"12345", true)).unwrap();
        let lend = <[u8]>::to_vec;
        assert_eq!(streams.read_with(ID, 3, lend), Ok(Some(b"123".to_vec())));
        assert_eq!(streams.read_with(ID, 9, lend), Ok(Some(b"45".to_vec())));
        assert_eq!(streams.read_with(ID, 9, nothing), Ok(None));
        assert_eq!(streams.read_with(ID, 9, nothing), Err(StreamError::Unknown));
    }

    #[test]
    fn whoever_broke_a_stream_off_takes_what_could_be_lent_along() {
        let mut streams = opened();
        streams.on_stream(&data(0, 3, b"12345", false)).unwrap();
        let reset = ResetStream {
            id: 0,
            code: 5,
            final_size: 8,
        };
        streams.on_reset(reset).unwrap();
        let lent = streams.read_with(ID, 9, <[u8]>::len);
        assert_eq!(lent, Err(StreamError::Ended(5)));
    }

    proptest! {
        /// Whatever is lent at a time, it is what was sent, and the peer gets the same credit for it.
        #[test]
        fn lending_reads_what_copying_reads(
            steps in proptest::collection::vec((0..120_usize, 1..200_usize), 1..40),
        ) {
            let (mut lending, mut copying) = (opened(), opened());
            let (mut sent, mut lent) = (Vec::new(), Vec::new());
            for (len, max) in steps {
                let at = sent.len();
                let len = len.min(990 - at);
                sent.extend((at..at + len).map(|at| at as u8));
                for streams in [&mut lending, &mut copying] {
                    streams.on_stream(&data(0, 3 + at as u64, &sent[at..], false)).unwrap();
                }
                let taken = lending.read_with(ID, max, |bytes| {
                    lent.extend_from_slice(bytes);
                    bytes.len()
                });
                let mut copied = vec![0; taken.ok().flatten().unwrap_or(1)];
                let copied = copying.read(ID, &mut copied).ok();
                prop_assert_eq!(taken.ok().flatten(), copied);
                prop_assert!(copied.is_none_or(|len| len <= max));
                prop_assert_eq!(&lent, &sent[..lent.len()]);
                prop_assert_eq!(lending.data_credit(), copying.data_credit());
            }
        }
    }
}
