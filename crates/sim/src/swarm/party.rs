use std::collections::{BTreeMap, VecDeque};

use transport::{CloseReason, ConnectionHandle, Endpoint, Event, Mode, StreamError, StreamId};

use super::ledger::{Flow, Ledger, record_len};

/// The port that the server listens on.
pub(super) const PORT: u16 = 7;

/// The application's own code for streams and connections that it ends.
pub(super) const CODE: u32 = 77;

type Key = (ConnectionHandle, StreamId);

/// With more than this waiting for the transport nothing more is said on a stream, so that a slow path
/// has delivered all of it in time.
const BACKLOG_BYTES: usize = 32 << 10;

/// One end of a stream, as its application has it.
#[derive(Default)]
struct End {
    /// Whole records that wait for the transport to take them.
    outbox: VecDeque<Vec<u8>>,
    /// Bytes of the first that it has taken.
    taken: usize,
    /// Bytes of a record that has not arrived whole.
    partial: Vec<u8>,
    mode: Option<Mode>,
    /// Known at once where the stream was opened, otherwise from the first record.
    flow: Option<Flow>,
    /// This end has broken it off.
    broken: bool,
}

/// The application at one node.
#[derive(Default)]
pub(super) struct Party {
    ends: BTreeMap<Key, End>,
    /// The server answers records with records.
    answers: bool,
    /// Connections that have come up.
    pub(super) connected: Vec<ConnectionHandle>,
    /// Connections that are over.
    pub(super) closed: Vec<(ConnectionHandle, CloseReason)>,
    /// Streams that the peer broke off.
    pub(super) broken: u64,
    /// What should not have happened.
    pub(super) wrong: Option<String>,
}

impl Party {
    pub(super) fn client() -> Self {
        Self::default()
    }

    pub(super) fn server() -> Self {
        Self {
            answers: true,
            ..Self::default()
        }
    }

    /// Opens a stream on which `flow` goes out.
    pub(super) fn open(
        &mut self,
        endpoint: &mut Endpoint,
        handle: ConnectionHandle,
        mode: Mode,
        flow: Flow,
    ) -> Option<StreamId> {
        let stream = endpoint.connection(handle)?.open(PORT, mode).ok()?;
        self.ends.insert(
            (handle, stream),
            End {
                mode: Some(mode),
                flow: Some(flow),
                ..End::default()
            },
        );
        Some(stream)
    }

    /// Whether a stream's backlog leaves room for more.
    pub(super) fn has_room(&self, handle: ConnectionHandle, stream: StreamId) -> bool {
        let end = self.ends.get(&(handle, stream));
        end.is_none_or(|end| end.outbox.iter().map(Vec::len).sum::<usize>() < BACKLOG_BYTES)
    }

    /// Says a record on a stream.
    pub(super) fn say(
        &mut self,
        endpoint: &mut Endpoint,
        handle: ConnectionHandle,
        stream: StreamId,
        record: Vec<u8>,
    ) {
        if let Some(end) = self.ends.get_mut(&(handle, stream)) {
            end.outbox.push_back(record);
        }
        self.pump(endpoint, handle, stream);
    }

    /// Breaks a stream off in both directions. Returns its flow.
    pub(super) fn break_off(
        &mut self,
        endpoint: &mut Endpoint,
        handle: ConnectionHandle,
        stream: StreamId,
    ) -> Option<Flow> {
        let connection = endpoint.connection(handle)?;
        let reset = connection.reset(stream, CODE).is_ok();
        let stopped = connection.stop(stream, CODE).is_ok();
        let end = self.ends.get_mut(&(handle, stream))?;
        end.outbox.clear();
        end.broken = true;
        (reset || stopped).then_some(end.flow).flatten()
    }

    /// Streams of a connection that are not broken off.
    pub(super) fn streams(&self, handle: ConnectionHandle) -> Vec<(StreamId, Flow)> {
        self.ends
            .iter()
            .filter(|((of, _), end)| *of == handle && !end.broken)
            .filter_map(|((_, stream), end)| Some((*stream, end.flow?)))
            .collect()
    }

    /// Takes out everything that an endpoint has to tell.
    pub(super) fn drain(&mut self, endpoint: &mut Endpoint, ledger: &mut Ledger) {
        while let Some((handle, event)) = endpoint.poll_event() {
            match event {
                Event::Connected => self.connected.push(handle),
                Event::Closed(reason) => {
                    self.ends.retain(|(of, _), _| *of != handle);
                    self.closed.push((handle, reason));
                }
                Event::Opened { stream, .. } => {
                    self.ends.insert((handle, stream), End::default());
                }
                Event::Readable { stream } => self.read(endpoint, handle, stream, ledger),
                Event::Writable { stream } => self.pump(endpoint, handle, stream),
                Event::Reset { stream, code } | Event::Stopped { stream, code } => {
                    self.on_broken(handle, stream, code, ledger);
                }
                _ => {}
            }
        }
    }

    fn on_broken(
        &mut self,
        handle: ConnectionHandle,
        stream: StreamId,
        code: u64,
        ledger: &mut Ledger,
    ) {
        if code != u64::from(CODE) {
            self.wrong = Some(format!("{stream:?} was broken off with code {code:#x}"));
        }
        self.broken += 1;
        if let Some(end) = self.ends.get_mut(&(handle, stream)) {
            end.outbox.clear();
            end.broken = true;
            if let Some(flow) = end.flow {
                ledger.void_stream(flow);
            }
        }
    }

    /// Hands what waits to the transport.
    fn pump(&mut self, endpoint: &mut Endpoint, handle: ConnectionHandle, stream: StreamId) {
        let Some(end) = self.ends.get_mut(&(handle, stream)) else {
            return;
        };
        let Some(connection) = endpoint.connection(handle) else {
            return;
        };
        while let Some(record) = end.outbox.front() {
            let done = match end.mode {
                Some(Mode::Bytes) => {
                    let rest = record.get(end.taken..).unwrap_or_default();
                    connection.write(stream, rest).map(|taken| {
                        end.taken += taken;
                        end.taken == record.len()
                    })
                }
                _ => connection.send(stream, record).map(|()| true),
            };
            match done {
                Ok(true) => {
                    end.outbox.pop_front();
                    end.taken = 0;
                }
                Ok(false) => {}
                Err(StreamError::Blocked) => return,
                Err(_) => {
                    end.outbox.clear();
                    return;
                }
            }
        }
    }

    fn read(
        &mut self,
        endpoint: &mut Endpoint,
        handle: ConnectionHandle,
        stream: StreamId,
        ledger: &mut Ledger,
    ) {
        let mut records = Vec::new();
        let Some(end) = self.ends.get_mut(&(handle, stream)) else {
            return;
        };
        let Some(connection) = endpoint.connection(handle) else {
            return;
        };
        loop {
            match connection.receive(stream) {
                Ok(Some(record)) => {
                    end.mode = Some(Mode::Messages);
                    records.push(record);
                }
                Err(StreamError::WrongMode) => break,
                _ => return self.heard(endpoint, handle, stream, records, ledger),
            }
        }
        end.mode = Some(Mode::Bytes);
        let mut buffer = [0; 2_048];
        while let Ok(read @ 1..) = connection.read(stream, &mut buffer) {
            end.partial
                .extend_from_slice(buffer.get(..read).unwrap_or_default());
        }
        while let Some(len) = record_len(&end.partial).filter(|&len| len <= end.partial.len()) {
            let rest = end.partial.split_off(len);
            records.push(core::mem::replace(&mut end.partial, rest));
        }
        self.heard(endpoint, handle, stream, records, ledger);
    }

    fn heard(
        &mut self,
        endpoint: &mut Endpoint,
        handle: ConnectionHandle,
        stream: StreamId,
        records: Vec<Vec<u8>>,
        ledger: &mut Ledger,
    ) {
        for record in records {
            let flow = match ledger.hear(&record) {
                Ok(flow) => flow,
                Err(wrong) => {
                    self.wrong.get_or_insert(wrong);
                    return;
                }
            };
            let Some(end) = self.ends.get_mut(&(handle, stream)) else {
                return;
            };
            if !self.answers {
                continue;
            }
            end.flow = Some(flow);
            // Answers are half as long, so that no exchange goes on for ever in one direction.
            if !end.broken {
                let len = u32::try_from(record.len() / 2).unwrap_or(0);
                let back = ledger.say(Flow { back: true, ..flow }, len);
                end.outbox.push_back(back);
            }
        }
        self.pump(endpoint, handle, stream);
    }
}
