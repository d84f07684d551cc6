//! One end: what it wrote, what it read, and what the other one wrote of that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use sim::Rng;
use transport::{CloseReason, ConnectionHandle, Endpoint, Event, Mode, StreamError, StreamId};

use super::{CLOSED, LISTENED};

/// What is written repeats after so many bytes, a prime.
const PATTERN_BYTES: usize = 131_101;

/// No piece that is written or read at once is longer.
const PIECE_BYTES_MAX: usize = 1 << 16;

/// Compared as a whole: under a fuzzer a comparison byte by byte is most of what a run costs.
static PATTERN: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut rng = Rng::new(5);
    let period: Vec<u8> = (0..PATTERN_BYTES).map(|_| rng.next_u64() as u8).collect();
    let more = period.iter().take(PIECE_BYTES_MAX);
    period.iter().chain(more).copied().collect()
});

/// What one side writes to a stream, from `offset` on.
fn written(side: usize, stream: StreamId, offset: usize, len: usize) -> &'static [u8] {
    let shift = (stream.as_u64() as usize * 2 + side) * 7_919;
    let start = (offset + shift) % PATTERN_BYTES;
    &PATTERN[start..start + len]
}

/// One direction of a stream, as its writer knows it.
#[derive(Default)]
pub(super) struct Written {
    pub(super) bytes: usize,
    /// Ends of messages, in message mode.
    pub(super) ends: Vec<usize>,
    pub(super) finished: bool,
    /// Reset, or the peer does not want it.
    pub(super) given_up: bool,
}

/// One direction of a stream, as its reader knows it.
#[derive(Default)]
pub(super) struct Read {
    pub(super) bytes: usize,
    pub(super) messages: usize,
    /// Messages that were read in another order than they were written.
    pub(super) out_of_order: BTreeSet<usize>,
    pub(super) ended: bool,
}

impl Read {
    /// A message of an unordered stream: one that was written, and only once.
    fn take(&mut self, peer: &End, stream: StreamId, message: &[u8]) {
        let mut start = 0;
        let mut ends = peer.written[&stream].ends.iter().enumerate();
        let found = ends.find_map(|(index, &end)| {
            let range = core::mem::replace(&mut start, end)..end;
            let is_it = range.len() == message.len()
                && !self.out_of_order.contains(&index)
                && written(peer.side, stream, range.start, range.len()) == message;
            is_it.then_some(index)
        });
        self.out_of_order
            .insert(found.expect("a message that was written"));
        self.bytes += message.len();
    }
}

/// Whether a network can end a connection of two honest ends like this: it can only keep them apart.
fn is_possible(reason: &CloseReason) -> bool {
    matches!(
        reason,
        CloseReason::Local
            | CloseReason::Peer { .. }
            // The same before the handshake is done, when an application may say no more.
            | CloseReason::PeerError { code: 0x0c, .. }
            | CloseReason::IdleTimeout
            | CloseReason::HandshakeTimeout
            | CloseReason::StatelessReset
    )
}

pub(super) struct End {
    pub(super) side: usize,
    pub(super) endpoint: Endpoint,
    pub(super) handle: Option<ConnectionHandle>,
    pub(super) connected: bool,
    pub(super) closed: bool,
    pub(super) streams: Vec<StreamId>,
    pub(super) written: BTreeMap<StreamId, Written>,
    pub(super) read: BTreeMap<StreamId, Read>,
    pub(super) given_up: BTreeSet<StreamId>,
    /// Streams whose messages come in any order. Both ends know.
    pub(super) unordered: BTreeSet<StreamId>,
}

impl End {
    pub(super) fn new(side: usize, endpoint: Endpoint) -> Self {
        Self {
            side,
            endpoint,
            handle: None,
            connected: false,
            closed: false,
            streams: Vec::new(),
            written: BTreeMap::new(),
            read: BTreeMap::new(),
            given_up: BTreeSet::new(),
            unordered: BTreeSet::new(),
        }
    }

    pub(super) fn drain_events(&mut self) {
        while let Some((handle, event)) = self.endpoint.poll_event() {
            match event {
                Event::Connected => {
                    assert!(!self.connected, "one connection, one handshake");
                    self.connected = true;
                    self.handle = Some(handle);
                }
                Event::Opened { stream, port } => {
                    assert_eq!(port, LISTENED);
                    assert!(!self.streams.contains(&stream));
                    self.streams.push(stream);
                }
                Event::Reset { stream, .. } => {
                    self.given_up.insert(stream);
                }
                Event::Stopped { stream, .. } => {
                    self.written.entry(stream).or_default().given_up = true;
                }
                Event::Finished { stream } => {
                    assert!(self.written.get(&stream).is_some_and(|w| w.finished));
                }
                Event::Closed(reason) => {
                    assert!(is_possible(&reason), "between honest ends: {reason}");
                    if self.handle.is_none_or(|ours| ours == handle) {
                        self.closed |= self.connected || self.side == 0;
                    }
                }
                _ => {}
            }
        }
    }

    pub(super) fn open(&mut self, port: u16, mode: Mode) {
        if let Some(connection) = self.handle.and_then(|h| self.endpoint.connection(h))
            && let Ok(stream) = connection.open(port, mode)
        {
            self.streams.push(stream);
            if mode == Mode::Unordered {
                self.unordered.insert(stream);
            }
            // Nobody reads what goes to a port on which nobody listens.
            self.written.entry(stream).or_default().given_up = port == CLOSED;
        }
    }

    pub(super) fn write(&mut self, stream: StreamId, len: usize) {
        let state = self.written.entry(stream).or_default();
        let data = written(self.side, stream, state.bytes, len);
        let Some(connection) = self.handle.and_then(|h| self.endpoint.connection(h)) else {
            return;
        };
        match connection.send(stream, data) {
            Ok(()) => {
                state.bytes += len;
                state.ends.push(state.bytes);
            }
            Err(StreamError::WrongMode) => {
                state.bytes += connection.write(stream, data).unwrap_or(0);
            }
            Err(_) => {}
        }
    }

    /// Reads what is there, and compares it with what the other end wrote.
    pub(super) fn read(&mut self, stream: StreamId, peer: &End) {
        let read = self.read.entry(stream).or_default();
        let Some(connection) = self.handle.and_then(|h| self.endpoint.connection(h)) else {
            return;
        };
        loop {
            let data = match connection.receive(stream) {
                Ok(None) => return read.ended = true,
                Ok(Some(message)) if peer.unordered.contains(&stream) => {
                    assert!(!read.ended, "a message behind the end");
                    read.take(peer, stream, &message);
                    continue;
                }
                Ok(Some(message)) => {
                    let end = peer.written[&stream].ends.get(read.messages);
                    assert_eq!(end, Some(&(read.bytes + message.len())));
                    read.messages += 1;
                    message
                }
                Err(StreamError::WrongMode) => {
                    let mut buffer = [0; 4096];
                    match connection.read(stream, &mut buffer) {
                        Ok(0) => return read.ended = true,
                        Ok(len) => buffer[..len].to_vec(),
                        Err(_) => return,
                    }
                }
                Err(_) => return,
            };
            assert!(!read.ended, "bytes behind the end");
            let expected = written(peer.side, stream, read.bytes, data.len());
            assert!(data == expected, "other bytes from {}", read.bytes);
            read.bytes += data.len();
            assert!(read.bytes <= peer.written[&stream].bytes);
        }
    }

    pub(super) fn change(&mut self, stream: StreamId, what: u8) {
        let written = self.written.entry(stream).or_default();
        let Some(connection) = self.handle.and_then(|h| self.endpoint.connection(h)) else {
            return;
        };
        match what % 3 {
            0 => written.finished |= connection.finish(stream).is_ok(),
            1 => written.given_up |= connection.reset(stream, 1).is_ok(),
            _ => {
                if connection.stop(stream, 2).is_ok() {
                    self.given_up.insert(stream);
                }
            }
        }
    }
}
