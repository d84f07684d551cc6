//! What handles wait for, tried again whenever something has happened.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;

use transport::{Connection, Instant, Mode, StreamError, StreamId};

use super::command::{Reply, Wait};
use super::error;

/// The code under which a stream is stopped that nobody holds any more.
const NOBODY_READS: u32 = 0;

/// What the service keeps for one connection.
#[derive(Default)]
pub(super) struct Streams {
    /// Opened by the peer and not yet accepted; as many as the transport lets it have open.
    opened: VecDeque<(StreamId, u16)>,
    /// Those with a handle, or that can still be accepted.
    in_use: BTreeMap<StreamId, BrokenOff>,
    /// Finished here and not yet acknowledged there.
    unacknowledged: BTreeSet<StreamId>,
    any_written: bool,
    parked: Vec<Parked>,
}

/// Under which codes a stream's directions were broken off, if they were. The transport forgets it when
/// both are over.
#[derive(Clone, Copy, Default)]
struct BrokenOff {
    ours: Option<u64>,
    theirs: Option<u64>,
}

struct Parked {
    what: Wait,
    deadline: Option<Instant>,
}

impl Streams {
    pub(super) fn opened(&mut self, stream: StreamId, port: u16) {
        self.opened.push_back((stream, port));
        self.in_use.insert(stream, BrokenOff::default());
    }

    pub(super) fn open(
        &mut self,
        connection: &mut Connection,
        port: u16,
        mode: Mode,
    ) -> Result<StreamId, StreamError> {
        let stream = connection.open(port, mode)?;
        self.in_use.insert(stream, BrokenOff::default());
        Ok(stream)
    }

    /// The peer has given up a stream. One that nobody has accepted yet never was: with its end the
    /// peer may open another, and so on.
    pub(super) fn reset(&mut self, connection: &mut Connection, stream: StreamId, code: u64) {
        if let Some(broken_off) = self.in_use.get_mut(&stream) {
            broken_off.theirs = Some(code);
        }
        let before = self.opened.len();
        self.opened.retain(|&(opened, _)| opened != stream);
        if self.opened.len() < before {
            self.release(connection, stream);
        }
    }

    pub(super) fn acknowledged(&mut self, stream: StreamId) {
        self.unacknowledged.remove(&stream);
    }

    /// Our direction is over before everything has arrived: the peer reads no more, or it was reset.
    pub(super) fn broken_off(&mut self, stream: StreamId, code: u64) {
        self.unacknowledged.remove(&stream);
        if let Some(broken_off) = self.in_use.get_mut(&stream) {
            broken_off.ours = Some(code);
        }
    }

    /// Whether everything finished has arrived.
    pub(super) fn all_acknowledged(&self) -> bool {
        self.unacknowledged.is_empty()
    }

    /// Whether anything was ever finished, so that the peer may still be reading it.
    pub(super) fn any_written(&self) -> bool {
        self.any_written
    }

    pub(super) fn finish(
        &mut self,
        connection: &mut Connection,
        stream: StreamId,
    ) -> Result<(), StreamError> {
        connection.finish(stream)?;
        self.unacknowledged.insert(stream);
        self.any_written = true;
        Ok(())
    }

    /// The transport tells nothing of a direction that was reset here: who waits for it is told now.
    pub(super) fn break_off(
        &mut self,
        connection: &mut Connection,
        stream: StreamId,
        code: u32,
    ) -> Result<(), StreamError> {
        connection.reset(stream, code)?;
        self.broken_off(stream, code.into());
        self.retry(connection, Some(stream));
        Ok(())
    }

    /// Nobody holds the stream any more. That it may be over already is fine.
    pub(super) fn release(&mut self, connection: &mut Connection, stream: StreamId) {
        self.in_use.remove(&stream);
        let _ = self.finish(connection, stream);
        let _ = connection.stop(stream, NOBODY_READS);
    }

    /// Tries at once, and keeps what has to wait.
    pub(super) fn wait(
        &mut self,
        connection: &mut Connection,
        what: Wait,
        deadline: Option<Instant>,
    ) {
        if let Some(what) = self.attempt(connection, what) {
            self.parked.push(Parked { what, deadline });
        }
    }

    /// Tries what waits for `stream`, in order; `None`: for a new one.
    pub(super) fn retry(&mut self, connection: &mut Connection, stream: Option<StreamId>) {
        let concerned = |parked: &mut Parked| stream_of(&parked.what) == stream;
        let again: Vec<Parked> = self.parked.extract_if(.., concerned).collect();
        for Parked { what, deadline } in again {
            self.wait(connection, what, deadline);
        }
    }

    /// Tells those whose time is up.
    pub(super) fn expire(&mut self, now: Instant) {
        let due = |parked: &mut Parked| parked.deadline.is_some_and(|deadline| deadline <= now);
        for parked in self.parked.extract_if(.., due) {
            fail(parked.what, error::timed_out());
        }
    }

    /// When the first of those that wait is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.parked
            .iter()
            .filter_map(|parked| parked.deadline)
            .min()
    }

    /// The connection is over.
    pub(super) fn fail_all(&mut self, error: impl Fn() -> io::Error) {
        for parked in self.parked.drain(..) {
            fail(parked.what, error());
        }
    }

    /// Gives back what has to wait.
    fn attempt(&mut self, connection: &mut Connection, what: Wait) -> Option<Wait> {
        let stream = stream_of(&what);
        let broken_off = stream.and_then(|stream| self.in_use.get(&stream).copied());
        let BrokenOff { ours, theirs } = broken_off.unwrap_or_default();
        let is_answered = match &what {
            Wait::AcceptStream { reply } => {
                let opened = self.opened.pop_front();
                answer(reply, opened.ok_or(StreamError::Blocked))
            }
            Wait::Read { stream, max, reply } => {
                answer(reply, or_why(theirs, read(connection, *stream, *max)))
            }
            Wait::Write {
                stream,
                data,
                reply,
            } => answer(reply, or_why(ours, connection.write(*stream, data))),
            Wait::Receive { stream, reply } => {
                answer(reply, or_why(theirs, connection.receive(*stream)))
            }
            Wait::Send {
                stream,
                message,
                deadline,
                reply,
            } => {
                let sent = match deadline {
                    Some(deadline) => connection.send_until(*stream, message, *deadline),
                    None => connection.send(*stream, message),
                };
                answer(reply, or_why(ours, sent))
            }
            Wait::Acknowledged { stream, reply } => {
                answer(reply, self.acknowledgement(*stream, ours))
            }
        };
        (!is_answered).then_some(what)
    }

    /// Whether everything of a stream that was finished has arrived.
    fn acknowledgement(
        &self,
        stream: StreamId,
        broken_off: Option<u64>,
    ) -> Result<(), StreamError> {
        if self.unacknowledged.contains(&stream) {
            return Err(StreamError::Blocked);
        }
        broken_off.map_or(Ok(()), |code| Err(StreamError::Ended(code)))
    }
}

/// Of a direction that the transport knows no more: that it was broken off, if it was.
fn or_why<T>(broken_off: Option<u64>, result: Result<T, StreamError>) -> Result<T, StreamError> {
    match (result, broken_off) {
        (Err(StreamError::Unknown), Some(code)) => Err(StreamError::Ended(code)),
        (result, _) => result,
    }
}

/// Tells whoever waits what came of it, if anything has. That nobody may be there any more is fine.
fn answer<T>(reply: &Reply<T>, result: Result<T, StreamError>) -> bool {
    let is_there = !matches!(result, Err(StreamError::Blocked));
    if is_there {
        let _ = reply.send(result.map_err(error::of_stream));
    }
    is_there
}

fn read(connection: &mut Connection, stream: StreamId, max: usize) -> Result<Vec<u8>, StreamError> {
    let bytes = connection.read_with(stream, max, <[u8]>::to_vec)?;
    Ok(bytes.unwrap_or_default())
}

fn stream_of(what: &Wait) -> Option<StreamId> {
    match what {
        Wait::AcceptStream { .. } => None,
        Wait::Read { stream, .. }
        | Wait::Write { stream, .. }
        | Wait::Receive { stream, .. }
        | Wait::Send { stream, .. }
        | Wait::Acknowledged { stream, .. } => Some(*stream),
    }
}

/// Tells whoever waits. That nobody may be there any more is fine.
pub(super) fn fail(what: Wait, error: io::Error) {
    match what {
        Wait::AcceptStream { reply } => drop(reply.send(Err(error))),
        Wait::Read { reply, .. } => drop(reply.send(Err(error))),
        Wait::Write { reply, .. } => drop(reply.send(Err(error))),
        Wait::Receive { reply, .. } => drop(reply.send(Err(error))),
        Wait::Send { reply, .. } | Wait::Acknowledged { reply, .. } => {
            drop(reply.send(Err(error)));
        }
    }
}
