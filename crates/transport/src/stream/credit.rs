//! How much the peer may send before it is read: flow control, and how its windows grow
//! (docs/PROTOCOL.md §4.4).

use core::time::Duration;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::StreamId;
use super::collection::{Stream, Streams};
use super::message::MessageError;
use crate::Instant;
use crate::config::WINDOW_MAX;

/// A window, and how it grows.
///
/// It starts small and doubles whenever it is read faster than [`ROUNDS`] allow: then it is the
/// window that holds the peer back, and not the reader. So it comes to [`ROUNDS`] times what is read
/// in a round trip, at most, and one of a reader who is slow stays as it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) bytes: u64,
    /// When credit was last given, or the first data came.
    credited: Option<Instant>,
}

/// The round trips that a window lasts.
///
/// What is lost holds up all that is behind it for a round trip or two, and longer where it is lost
/// again. Then a whole window is read at once, and the next credit is as far away: with four, windows
/// stayed at what one round trip brings on paths that lose packets all the time.
const ROUNDS: u32 = 8;

/// Virtual time and the path's round trip, as the connection last told.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    pub(super) now: Instant,
    srtt: Duration,
}

impl Clock {
    pub(super) fn new(now: Instant, srtt: Duration) -> Self {
        Self { now, srtt }
    }
}

/// What the windows of many connections may grow by, all together, beyond those that each begins
/// with. A clone is the same budget: give it to all endpoints of a server.
///
/// A window that has nothing to grow from stays as it is, so its connection is slower on a long
/// path, and nothing else happens. Nor is what each connection begins with taken out of it, which is its
/// first window and one message: if that were, one peer could keep all others from saying anything long. What a connection has borrowed comes back when it ends, and when
/// it has been quiet and the peer has used up what it was granted.
#[derive(Clone, Debug)]
pub struct ReceiveBudget(Arc<AtomicU64>);

impl ReceiveBudget {
    /// A budget of `bytes`.
    pub fn new(bytes: u64) -> Self {
        Self(Arc::new(AtomicU64::new(bytes)))
    }

    /// How many bytes nobody has borrowed.
    pub fn left(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Takes all of `bytes` or nothing.
    fn take(&self, bytes: u64) -> bool {
        let take = |left: u64| left.checked_sub(bytes);
        let order = Ordering::Relaxed;
        self.0.fetch_update(order, order, take).is_ok()
    }

    fn put_back(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// What one connection has borrowed.
#[derive(Debug)]
pub(super) struct Loan {
    budget: ReceiveBudget,
    pub(super) bytes: u64,
}

impl Loan {
    pub(super) fn new(budget: ReceiveBudget) -> Self {
        Self { budget, bytes: 0 }
    }

    /// Borrows up to `total`. Returns whether it could.
    fn extend(&mut self, total: u64) -> bool {
        let more = total.saturating_sub(self.bytes);
        let granted = self.budget.take(more);
        if granted {
            self.bytes += more;
        }
        granted
    }

    /// Pays back what is borrowed beyond `total`.
    fn reduce(&mut self, total: u64) {
        let spare = self.bytes.saturating_sub(total);
        self.bytes -= spare;
        if spare > 0 {
            self.budget.put_back(spare);
        }
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.reduce(0);
    }
}

impl Window {
    pub(super) fn new(bytes: u64) -> Self {
        Self {
            bytes,
            credited: None,
        }
    }

    /// Whether a credit of `gain` bytes is worth its frame: half a window at a time, so that credit
    /// costs few packets.
    fn is_worth(&self, gain: u64) -> bool {
        gain >= (self.bytes / 2).max(1)
    }

    /// Data comes: what is read from here on shows how fast that is.
    pub(super) fn begin(&mut self, clock: Clock) {
        self.credited.get_or_insert(clock.now);
    }

    /// Credit for `gain` bytes goes out, which have been read since the last one. Returns how large
    /// the window should be from here on, at most `max` bytes.
    pub(super) fn on_credit(&mut self, clock: Clock, gain: u64, max: u64) -> u64 {
        let last = self.credited.replace(clock.now);
        let fast = last.is_some_and(|last| {
            let took = clock.now.since(last).as_nanos();
            let lasts = (clock.srtt * ROUNDS).as_nanos();
            took.saturating_mul(u128::from(self.bytes)) < lasts.saturating_mul(u128::from(gain))
        });
        if fast {
            self.bytes.saturating_mul(2).min(max).max(self.bytes)
        } else {
            self.bytes
        }
    }
}

impl Streams {
    /// Tells what time it is, how long a round trip takes, how much may be in flight, and how many
    /// bytes of frames fit in a packet.
    pub(crate) fn on_clock(&mut self, now: Instant, srtt: Duration, cwnd: u64, room: usize) {
        (self.packet_room, self.packet_room_now) = (room, room);
        self.clock = Clock::new(now, srtt);
        // What is in flight stays in the buffer until it is acknowledged, and lost bytes hold up
        // those behind them for another round trip or two.
        let wanted = usize::try_from(cwnd.saturating_mul(4)).unwrap_or(usize::MAX);
        self.send_limit = wanted.clamp(self.send_buffer_bytes.0, self.send_buffer_bytes.1);
    }

    /// Until the next clock only so many bytes of frames fit in a packet.
    pub(crate) fn shorten_packets(&mut self, room: usize) {
        self.packet_room_now = room.min(self.packet_room);
    }

    /// Lets windows grow further by themselves than they were allowed to.
    pub(crate) fn raise_windows(&mut self, stream_max: u64, connection_max: u64) {
        self.stream_window_max = self.stream_window_max.max(stream_max.min(WINDOW_MAX));
        self.window_max = self.window_max.max(connection_max.min(WINDOW_MAX));
    }

    /// Nothing moves: the window is again what it was at first, and grows when it is needed.
    pub(super) fn shrink_window(&mut self) {
        self.window.bytes = self.window.bytes.min(self.first_window);
        self.settle();
    }

    /// Borrows for messages that are held beyond the window, as far as it may, and pays back what is
    /// borrowed for neither them, nor the window, nor what the peer was granted of it.
    fn settle(&mut self) {
        let granted = self.max_data.saturating_sub(self.data_read);
        let window = granted.max(self.window.bytes);
        let messages = self.held.messages.saturating_sub(self.message_bytes_max);
        let held = window.saturating_add(messages as u64);
        let held = held.min(self.window_max.max(window));
        let wanted = held.saturating_sub(self.first_window);
        if wanted > self.loan.bytes {
            // What it does not get is not granted.
            self.loan.extend(wanted);
        } else {
            self.loan.reduce(wanted);
        }
    }

    /// How much of the window the peer may have. What was taken out of streams of messages that are
    /// not whole, or not received, is held as well: the window closes as that comes to more than is
    /// borrowed for it, and more than one message has.
    fn open_window(&self) -> u64 {
        let most = self.first_window.saturating_add(self.loan.bytes);
        let most = most.saturating_add(self.message_bytes_max as u64);
        let room = most.saturating_sub(self.held.messages as u64);
        self.window.bytes.min(room)
    }

    /// How far the peer could be allowed to send on all streams together.
    fn data_target(&self) -> u64 {
        self.data_read.saturating_add(self.open_window())
    }

    /// Whether the peer has used up its credit, and gets less than a window because of messages that
    /// are held.
    fn is_short(&self) -> bool {
        self.data_received >= self.max_data && self.open_window() < self.window.bytes
    }

    /// Ends a stream when nothing else can bring credit again: all that is held are parts of messages
    /// of which none can become whole. The one that has most goes, for the sake of the others.
    pub(super) fn relieve(&mut self) {
        if !self.is_short() {
            return;
        }
        self.on_read(0);
        if self.max_data_due || self.streams.iter().any(Stream::is_readable) {
            return;
        }
        let held = |stream: &Stream| stream.receive.messages.held();
        let longest = self
            .streams
            .ids()
            .max_by_key(|&id| self.streams.get(id).map_or(0, held));
        if let Some(id) = longest {
            self.on_broken_message(id, MessageError::TooLong);
        }
    }

    /// `bytes` will not be held any more: the peer may send as many more.
    pub(super) fn on_read(&mut self, bytes: u64) {
        self.data_read += bytes << u64::from(planted!(CreditCountedTwice));
        self.settle();
        let gain = self.data_target().saturating_sub(self.max_data);
        self.max_data_due |= self.window.is_worth(gain) || (gain > 0 && self.is_short());
    }

    /// The limit to announce for all streams together.
    #[cfg(test)]
    pub(super) fn data_credit(&self) -> u64 {
        self.max_data.max(self.data_target())
    }

    /// Credit for all streams together goes out: returns the limit to announce.
    pub(super) fn give_credit(&mut self) -> u64 {
        let target = self.data_read + self.window.bytes;
        let gain = target.saturating_sub(self.max_data);
        let grown = self.window.on_credit(self.clock, gain, self.window_max);
        if self.loan.extend(grown.saturating_sub(self.first_window)) {
            self.window.bytes = grown;
        }
        self.max_data_due = false;
        self.settle();
        self.max_data = self.max_data.max(self.data_target());
        self.max_data
    }

    /// Gives a stream credit when that is worth a frame.
    pub(super) fn extend_credit(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(id) else {
            return;
        };
        let gain = stream
            .receive
            .target()
            .saturating_sub(stream.receive.max_data);
        let worth = stream.receive.window.is_worth(gain) && stream.receive.wants_credit();
        if worth && !stream.due.max_data {
            stream.due.max_data = true;
            self.queue_control(id);
        }
    }
}

impl Stream {
    /// Whether a read would give something, or tell the end.
    fn is_readable(&self) -> bool {
        self.mode.is_some_and(|mode| self.receive.is_readable(mode))
    }

    /// Credit for this stream goes out: returns the limit to announce.
    pub(super) fn give_credit(&mut self, clock: Clock, window_max: u64) -> u64 {
        let receive = &mut self.receive;
        let gain = receive.target().saturating_sub(receive.max_data);
        receive.window.bytes = receive.window.on_credit(clock, gain, window_max);
        receive.max_data = receive.max_data.max(receive.target());
        receive.max_data
    }
}
