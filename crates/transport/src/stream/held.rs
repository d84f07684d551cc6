//! How much memory the buffers of streams have, and when they give back what they waste.

use super::StreamId;
use super::collection::{Stream, Streams};

/// Memory of buffers, in bytes, as last counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Held {
    pub(super) send: usize,
    pub(super) receive: usize,
    /// Of messages that were taken out of their streams, and not by the user yet.
    pub(super) messages: usize,
}

impl Held {
    /// What there may be something to spare of.
    pub(super) fn total(self) -> usize {
        self.send + self.receive
    }

    /// A stream that had `other` is no more.
    pub(super) fn forget(&mut self, other: Self) {
        self.send -= other.send;
        self.receive -= other.receive;
        self.messages -= other.messages;
    }
}

/// Counts that a buffer, of all that have `total` bytes, has `capacity` and no longer `held`.
fn count(total: &mut usize, held: &mut usize, capacity: usize) {
    *total = *total - *held + capacity;
    *held = capacity;
}

impl Stream {
    /// Counts its send buffer in `total`, and gives back what it wastes if that is above `keep`.
    pub(super) fn count_send(&mut self, total: &mut Held, keep: usize) {
        if total.send > keep {
            self.send.buffer.trim();
        }
        let capacity = self.send.buffer.capacity();
        count(&mut total.send, &mut self.held.send, capacity);
    }

    /// The same of what has arrived.
    pub(super) fn count_receive(&mut self, total: &mut Held, keep: u64) {
        if total.receive as u64 > keep {
            self.receive.assembler.trim();
        }
        let capacity = self.receive.assembler.capacity();
        count(&mut total.receive, &mut self.held.receive, capacity);
    }
}

impl Streams {
    /// Counts what was taken out of a stream of its next message.
    pub(super) fn count_message(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.get_mut(id) {
            let held = stream.receive.messages.held();
            count(&mut self.held.messages, &mut stream.held.messages, held);
        }
    }

    /// What send buffers may have altogether before they give back what they waste: as much as one
    /// that is filled to its limit, which has up to twice that, so that what flows allocates nothing.
    pub(super) fn send_held_max(&self) -> usize {
        self.send_limit.saturating_mul(4)
    }

    /// Whether memory could be given back, now that nothing moves.
    pub(crate) fn holds_memory(&self) -> bool {
        self.stirred && self.held.total() > 0
    }

    /// Gives back what buffers have to spare.
    pub(crate) fn release_memory(&mut self) {
        self.stirred = false;
        self.shrink_window();
        self.held.send = 0;
        self.held.receive = 0;
        self.send_queue.shrink_to_fit();
        self.control_queue.shrink_to_fit();
        self.events.shrink_to_fit();
        for stream in self.streams.iter_mut() {
            stream.held.send = 0;
            stream.held.receive = 0;
            stream.send.buffer.trim();
            stream.receive.assembler.trim();
            stream.count_send(&mut self.held, usize::MAX);
            stream.count_receive(&mut self.held, u64::MAX);
        }
    }
}
