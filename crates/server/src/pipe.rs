use std::collections::VecDeque;
use std::sync::Weak;

use chat::limits::MANIFEST_PART_ENTRIES_MAX;
use chat::manifest::Manifest;
use chat::message::{List, LoginServerMessage, ManifestHead, ManifestPart, SessionServerMessage};
use transport::{Connection, StreamError, StreamId};

use crate::limits::{PAGE_BYTES, PEER_ANSWERS_MAX};

/// Which of the two ports of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    Login,
    Session,
}

/// A stream, and what waits to be written to it.
#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) stream: StreamId,
    port: Port,
    out: Queue,
    feed: Option<Feed>,
    /// The client will send no more.
    pub(crate) ended: bool,
    end: End,
}

/// Messages that wait to be written.
#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<Vec<u8>>,
    bytes: usize,
}

/// Where the writing direction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Open,
    /// It ends behind what waits.
    Wanted,
    /// It has ended; the client need not have all of it yet.
    Finished,
    /// The client has all of it.
    Acknowledged,
}

/// A directory on its way, part by part: so that it takes no memory that it does not have already.
#[derive(Debug)]
struct Feed {
    manifest: Weak<Manifest>,
    /// 0 for the head, then the parts.
    next: usize,
}

/// Why a pipe can not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The client does not want the stream any more.
    Stream,
    /// The client takes so long over a directory that it is given up.
    TooSlow,
}

impl Pipe {
    pub(crate) fn new(stream: StreamId, port: Port) -> Self {
        Self {
            stream,
            port,
            out: Queue::default(),
            feed: None,
            ended: false,
            end: End::Open,
        }
    }

    /// Queues a message. After the end of the stream is asked for there are none.
    pub(crate) fn push(&mut self, message: Vec<u8>) {
        if self.end == End::Open {
            self.out.push(message);
        }
    }

    /// Queues a directory behind what waits. At most one is on its way.
    pub(crate) fn feed(&mut self, manifest: Weak<Manifest>) {
        self.feed = Some(Feed { manifest, next: 0 });
    }

    /// Messages that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.out.messages.len()
    }

    /// Whether little enough waits for more to be brought about.
    pub(crate) fn has_room(&self) -> bool {
        self.out.has_room()
    }

    /// Ends the stream behind what waits; a directory on its way is given up.
    pub(crate) fn finish(&mut self) {
        self.feed = None;
        if self.end == End::Open {
            self.end = End::Wanted;
        }
    }

    /// The client has everything up to the end.
    pub(crate) fn acknowledged(&mut self) {
        self.end = End::Acknowledged;
    }

    pub(crate) fn is_acknowledged(&self) -> bool {
        self.end == End::Acknowledged
    }

    /// Writes as much as the connection takes.
    pub(crate) fn flush(&mut self, connection: &mut Connection) -> Result<(), Broken> {
        loop {
            if let Some(message) = self.out.messages.front() {
                match connection.send(self.stream, message) {
                    Ok(()) => self.out.pop(),
                    Err(StreamError::Blocked) => return Ok(()),
                    Err(_) => return Err(Broken::Stream),
                }
            } else if let Some(feed) = &mut self.feed {
                match feed.poll(self.port)? {
                    Some(message) => self.out.push(message),
                    None => self.feed = None,
                }
            } else {
                break;
            }
        }
        if self.end == End::Wanted {
            self.end = End::Finished;
            connection.finish(self.stream).map_err(|_| Broken::Stream)?;
        }
        Ok(())
    }
}

impl Queue {
    fn push(&mut self, message: Vec<u8>) {
        self.bytes = self.bytes.saturating_add(message.len());
        self.messages.push_back(message);
    }

    fn pop(&mut self) {
        if let Some(message) = self.messages.pop_front() {
            self.bytes = self.bytes.saturating_sub(message.len());
        }
    }

    fn has_room(&self) -> bool {
        self.messages.len() < PEER_ANSWERS_MAX && self.bytes < PAGE_BYTES
    }
}

impl Feed {
    fn poll(&mut self, port: Port) -> Result<Option<Vec<u8>>, Broken> {
        let manifest = self.manifest.upgrade().ok_or(Broken::TooSlow)?;
        let message = match self.next.checked_sub(1) {
            None => Some(head(port, manifest.head().clone())),
            Some(index) => {
                let mut chunks = manifest.entries().chunks(MANIFEST_PART_ENTRIES_MAX);
                let chunk = chunks.nth(index);
                let entries = chunk.and_then(|chunk| List::new(chunk.to_vec()).ok());
                entries.map(|entries| part(port, ManifestPart { entries }))
            }
        };
        self.next = self.next.saturating_add(1);
        Ok(message)
    }
}

fn head(port: Port, head: ManifestHead) -> Vec<u8> {
    match port {
        Port::Login => LoginServerMessage::from(head).encode(),
        Port::Session => SessionServerMessage::from(head).encode(),
    }
}

fn part(port: Port, part: ManifestPart) -> Vec<u8> {
    match port {
        Port::Login => LoginServerMessage::from(part).encode(),
        Port::Session => SessionServerMessage::from(part).encode(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h69_what_waits_for_a_client_is_bounded_by_count_and_by_bytes() {
        let mut small = Queue::default();
        for _ in 0..PEER_ANSWERS_MAX {
            assert!(small.has_room());
            small.push(vec![1]);
        }
        assert!(!small.has_room());
        let mut large = Queue::default();
        large.push(vec![1; PAGE_BYTES - 1]);
        assert!(large.has_room());
        large.push(vec![1]);
        assert!(!large.has_room());
        large.pop();
        assert!(large.has_room());
    }
}
