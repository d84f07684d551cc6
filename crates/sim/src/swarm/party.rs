use std::collections::{BTreeMap, BTreeSet, VecDeque};

use transport::{
    CloseReason, Connection, ConnectionHandle, Endpoint, Event, Instant, Mode, StreamError,
    StreamId,
};

use super::ledger::{Flow, Ledger, record_len};
use super::liar::is_liar;

/// The port that the server listens on.
pub(super) const PORT: u16 = 7;

/// The application's own code for streams and connections that it ends.
pub(super) const CODE: u32 = 77;

type Key = (ConnectionHandle, StreamId);

/// With more than this waiting for the transport nothing more is said on a stream, so that a slow path
/// has delivered all of it in time.
const BACKLOG_BYTES: usize = 32 << 10;

/// A record that waits for the transport to take it.
struct Waiting {
    record: Vec<u8>,
    /// Worth nothing afterwards.
    deadline: Option<Instant>,
}

/// One end of a stream, as its application has it.
#[derive(Default)]
struct End {
    outbox: VecDeque<Waiting>,
    /// Bytes of the first that were taken.
    taken: usize,
    /// Bytes of a record that has not arrived whole.
    partial: Vec<u8>,
    mode: Option<Mode>,
    /// What goes in: known at once where the stream was opened, otherwise from the first record.
    flow: Option<Flow>,
    /// Ends behind what waits; and has ended.
    finishing: bool,
    finished: bool,
    /// The peer's end was heard.
    ended: bool,
    /// Either end has broken it off.
    broken: bool,
}

impl End {
    fn is_over(&self) -> bool {
        self.broken || self.finished && self.ended
    }
}

/// A connection that is over.
pub(super) struct Closed {
    pub(super) reason: CloseReason,
    /// Its handshake was complete at this end.
    pub(super) was_met: bool,
    /// And at the other, as far as this one knew.
    pub(super) was_confirmed: bool,
}

/// How a stream is broken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Break {
    Reset,
    Stop,
    Both,
}

/// The application at one node.
#[derive(Default)]
pub(super) struct Party {
    ends: BTreeMap<Key, End>,
    /// The server answers records with records.
    answers: bool,
    /// Reads only when it is told to.
    pub(super) lazy: bool,
    /// What a lazy one has not read.
    unread: BTreeSet<Key>,
    /// How often it did not read at once.
    pub(super) put_off: u64,
    /// Datagrams that became too long for their path while they waited here.
    pub(super) unfit: u64,
    /// Connections with liars, and what was read of their streams.
    liars: BTreeMap<ConnectionHandle, BTreeMap<u64, Vec<u8>>>,
    /// Connections of others whose handshake was completed here.
    met: BTreeSet<ConnectionHandle>,
    /// Of those: a client's whose handshake is known to be complete at the server.
    confirmed: BTreeSet<ConnectionHandle>,
    /// Connections of others that are over.
    pub(super) closed: Vec<Closed>,
    /// What should not have happened.
    pub(super) wrong: Option<String>,
}

impl Party {
    pub(super) fn client(lazy: bool) -> Self {
        Self {
            lazy,
            ..Self::default()
        }
    }

    pub(super) fn server(lazy: bool) -> Self {
        Self {
            answers: true,
            ..Self::client(lazy)
        }
    }

    /// Opens a stream on which `flow` goes out.
    pub(super) fn open(
        &mut self,
        endpoint: &mut Endpoint,
        handle: ConnectionHandle,
        mode: Mode,
        priority: i8,
        flow: Flow,
    ) -> Option<StreamId> {
        let connection = endpoint.connection(handle)?;
        let stream = connection.open(PORT, mode).ok()?;
        connection.set_priority(stream, priority).ok()?;
        let end = End {
            mode: Some(mode),
            flow: Some(flow),
            ..End::default()
        };
        self.ends.insert((handle, stream), end);
        Some(stream)
    }

    /// Whether a stream's backlog leaves room for more.
    pub(super) fn has_room(&self, handle: ConnectionHandle, stream: StreamId) -> bool {
        let end = self.ends.get(&(handle, stream));
        let backlog = |end: &End| end.outbox.iter().map(|w| w.record.len()).sum::<usize>();
        end.is_none_or(|end| backlog(end) < BACKLOG_BYTES)
    }

    /// The mode of a stream that was opened here.
    pub(super) fn mode(&self, handle: ConnectionHandle, stream: StreamId) -> Option<Mode> {
        self.ends.get(&(handle, stream))?.mode
    }

    /// Says a record on a stream, and perhaps no more behind it.
    pub(super) fn say(
        &mut self,
        connection: &mut Connection,
        key: Key,
        record: Vec<u8>,
        deadline: Option<Instant>,
        finish: bool,
    ) {
        if let Some(end) = self.ends.get_mut(&key) {
            end.outbox.push_back(Waiting { record, deadline });
            end.finishing |= finish;
            self.unfit += end.pump(connection, key.1);
        }
    }

    /// Breaks a stream off.
    pub(super) fn break_off(&mut self, connection: &mut Connection, key: Key, how: Break) {
        // Either fails where that direction has ended already.
        if how != Break::Stop {
            let _ = connection.reset(key.1, CODE);
        }
        if how != Break::Reset {
            let _ = connection.stop(key.1, CODE);
        }
        if let Some(end) = self.ends.get_mut(&key) {
            end.outbox.clear();
            end.broken = true;
        }
    }

    /// Streams of a connection on which more can be said.
    pub(super) fn streams(&self, handle: ConnectionHandle) -> Vec<(StreamId, Flow)> {
        self.ends
            .iter()
            .filter(|((of, _), end)| *of == handle && !end.broken && !end.finishing)
            .filter_map(|((_, stream), end)| Some((*stream, end.flow?)))
            .collect()
    }

    /// How many streams of a connection are not over.
    pub(super) fn open_count(&self, handle: ConnectionHandle) -> usize {
        let ends = self.ends.iter();
        ends.filter(|((of, _), end)| *of == handle && !end.is_over())
            .count()
    }

    /// Takes out everything that an endpoint has to tell.
    pub(super) fn drain(&mut self, endpoint: &mut Endpoint, ledger: &mut Ledger) {
        while let Some((handle, event)) = endpoint.poll_event() {
            match event {
                Event::Connected => self.meet(endpoint, handle),
                Event::Closed(reason) => {
                    self.ends.retain(|(of, _), _| *of != handle);
                    let closed = Closed {
                        reason,
                        was_met: self.met.remove(&handle),
                        was_confirmed: self.confirmed.remove(&handle),
                    };
                    if self.liars.remove(&handle).is_none() {
                        self.closed.push(closed);
                    }
                }
                Event::Readable { stream } if self.liars.contains_key(&handle) => {
                    self.listen_to_liar(endpoint, handle, stream);
                }
                Event::Opened { .. } | Event::Reset { .. } | Event::Stopped { .. }
                    if self.liars.contains_key(&handle) => {}
                Event::Opened { stream, .. } => {
                    self.ends.insert((handle, stream), End::default());
                }
                Event::Readable { stream } if self.lazy => {
                    self.put_off += u64::from(self.unread.insert((handle, stream)));
                }
                Event::Readable { stream } => self.read(endpoint, (handle, stream), ledger),
                Event::Writable { stream } => self.pump(endpoint, (handle, stream)),
                Event::Reset { stream, code } | Event::Stopped { stream, code } => {
                    self.on_broken(endpoint, (handle, stream), code, ledger);
                }
                _ => {}
            }
        }
        for handle in self.met.difference(&self.confirmed.clone()) {
            // What a client may move to another path is confirmed, and nothing else is.
            let connection = endpoint.connection(*handle);
            if connection.is_some_and(|connection| connection.can_migrate()) {
                self.confirmed.insert(*handle);
            }
        }
    }

    fn meet(&mut self, endpoint: &mut Endpoint, handle: ConnectionHandle) {
        if endpoint
            .connection(handle)
            .is_some_and(|c| is_liar(c.remote()))
        {
            self.liars.insert(handle, BTreeMap::new());
        } else {
            self.met.insert(handle);
        }
    }

    /// Reads a liar's bytes. Its messages and datagrams stay where they are.
    fn listen_to_liar(&mut self, endpoint: &mut Endpoint, handle: ConnectionHandle, of: StreamId) {
        let (Some(heard), Some(connection)) =
            (self.liars.get_mut(&handle), endpoint.connection(handle))
        else {
            return;
        };
        let heard = heard.entry(of.as_u64()).or_default();
        let mut buffer = [0; 2_048];
        while let Ok(read @ 1..) = connection.read(of, &mut buffer) {
            heard.extend_from_slice(buffer.get(..read).unwrap_or_default());
        }
    }

    /// What was read of a liar's stream.
    pub(super) fn heard_of_liar(&self, handle: ConnectionHandle, stream: u64) -> Option<&[u8]> {
        let heard = self.liars.get(&handle)?.get(&stream)?;
        Some(heard)
    }

    /// Reads what was left lying.
    pub(super) fn catch_up(&mut self, endpoint: &mut Endpoint, ledger: &mut Ledger) {
        for key in core::mem::take(&mut self.unread) {
            self.read(endpoint, key, ledger);
        }
    }

    fn on_broken(&mut self, endpoint: &mut Endpoint, key: Key, code: u64, ledger: &mut Ledger) {
        if code != u64::from(CODE) {
            let stream = key.1;
            self.wrong = Some(format!("{stream:?} was broken off with code {code:#x}"));
        }
        let Some(end) = self.ends.get(&key) else {
            return;
        };
        if let Some(flow) = end.flow {
            ledger.void_stream(flow);
        }
        if let Some(connection) = endpoint.connection(key.0) {
            self.break_off(connection, key, Break::Both);
        }
    }

    /// Hands what waits to the transport.
    fn pump(&mut self, endpoint: &mut Endpoint, key: Key) {
        if let (Some(end), Some(connection)) = (self.ends.get_mut(&key), endpoint.connection(key.0))
        {
            self.unfit += end.pump(connection, key.1);
        }
    }

    fn read(&mut self, endpoint: &mut Endpoint, key: Key, ledger: &mut Ledger) {
        let Some(end) = self.ends.get_mut(&key) else {
            return;
        };
        let Some(connection) = endpoint.connection(key.0) else {
            return;
        };
        let mut records = Vec::new();
        let ended = end.read(connection, key.1, &mut records);
        let heard = end.hear(ended, &records, ledger, self.answers);
        if let Err(wrong) = heard {
            self.wrong.get_or_insert(wrong);
        }
        self.unfit += end.pump(connection, key.1);
    }
}

impl End {
    /// Reads whole records. Returns whether the stream's end was read.
    fn read(
        &mut self,
        connection: &mut Connection,
        stream: StreamId,
        records: &mut Vec<Vec<u8>>,
    ) -> bool {
        loop {
            match connection.receive(stream) {
                Ok(Some(record)) => records.push(record),
                Ok(None) => return true,
                Err(StreamError::WrongMode) => break,
                Err(_) => return false,
            }
        }
        self.mode = Some(Mode::Bytes);
        let ended = loop {
            let partial = &mut self.partial;
            match connection.read_with(stream, 2_048, |bytes| partial.extend_from_slice(bytes)) {
                Ok(Some(())) => {}
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        while let Some(len) = record_len(&self.partial).filter(|&len| len <= self.partial.len()) {
            let rest = self.partial.split_off(len);
            records.push(core::mem::replace(&mut self.partial, rest));
        }
        ended
    }

    /// Compares what was read with what was said, and answers it.
    fn hear(
        &mut self,
        ended: bool,
        records: &[Vec<u8>],
        ledger: &mut Ledger,
        answers: bool,
    ) -> Result<(), String> {
        for record in records {
            let flow = ledger.hear(record)?;
            if !answers {
                continue;
            }
            self.flow = Some(Flow { back: true, ..flow });
            // Answers are half as long, so that no exchange goes on for ever in one direction.
            if !self.broken {
                let len = u32::try_from(record.len() / 2).unwrap_or(0);
                let record = ledger.say(Flow { back: true, ..flow }, len, false);
                self.outbox.push_back(Waiting {
                    record,
                    deadline: None,
                });
            }
        }
        if !ended {
            return Ok(());
        }
        self.ended = true;
        // A stream whose datagrams were all lost: nobody here knows which it was.
        if let Some(flow) = self.flow {
            let theirs = !flow.back;
            ledger.hear_end(Flow {
                back: theirs,
                ..flow
            })?;
            if answers {
                ledger.say_end(flow);
            }
        }
        self.finishing |= answers;
        Ok(())
    }

    /// Hands what waits to the transport. Returns how many datagrams the path does not take any more.
    fn pump(&mut self, connection: &mut Connection, stream: StreamId) -> u64 {
        let mut unfit = 0;
        while let Some(Waiting { record, deadline }) = self.outbox.front() {
            let done = match (self.mode, deadline) {
                (Some(Mode::Bytes), _) => {
                    let rest = record.get(self.taken..).unwrap_or_default();
                    connection.write(stream, rest).map(|taken| {
                        self.taken += taken;
                        self.taken == record.len()
                    })
                }
                (_, Some(deadline)) => {
                    let sent = connection.send_until(stream, record, *deadline);
                    sent.map(|()| true)
                }
                (_, None) => connection.send(stream, record).map(|()| true),
            };
            unfit += u64::from(matches!(done, Err(StreamError::DoesNotFit(_))));
            match done {
                Ok(true) | Err(StreamError::DoesNotFit(_)) => {
                    self.outbox.pop_front();
                    self.taken = 0;
                }
                Ok(false) => {}
                Err(StreamError::Blocked) => return unfit,
                Err(_) => {
                    self.outbox.clear();
                    return unfit;
                }
            }
        }
        if self.finishing && !self.finished && !self.broken {
            self.finished = connection.finish(stream).is_ok();
        }
        unfit
    }
}
