//! How much the peer may send before it is read: flow control, and how its windows grow
//! (docs/PROTOCOL.md §4.4).

use core::time::Duration;

use super::StreamId;
use super::collection::{Stream, Streams};
use crate::Instant;

/// A window, and how it grows.
///
/// It starts small and doubles whenever half of it is read within two round trips: then it is the
/// window that holds the peer back, and not the reader. So it comes to four times what is read in a
/// round trip, at most, and one of a reader who is slow stays as it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) bytes: u64,
    /// When credit was last given.
    credited: Option<Instant>,
}

/// Virtual time and the path's round trip, as the connection last told.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    pub(super) now: Instant,
    srtt: Duration,
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

    /// Credit goes out. Returns by how much the window grows, up to `max` bytes.
    fn on_credit(&mut self, clock: Clock, max: u64) -> u64 {
        let last = self.credited.replace(clock.now);
        let fast = last.is_some_and(|last| clock.now.since(last) < clock.srtt * 2);
        let grown = self.bytes.saturating_mul(2).min(max);
        let gain = grown.saturating_sub(self.bytes);
        if !fast || gain == 0 {
            return 0;
        }
        self.bytes = grown;
        gain
    }
}

impl Streams {
    /// Tells what time it is, how long a round trip takes, how much may be in flight, and how many
    /// bytes of frames fit in a packet.
    pub(crate) fn on_clock(&mut self, now: Instant, srtt: Duration, cwnd: u64, room: usize) {
        self.packet_room = room;
        self.clock = Clock { now, srtt };
        // What is in flight stays in the buffer until it is acknowledged, and lost bytes hold up
        // those behind them for another round trip or two.
        let wanted = usize::try_from(cwnd.saturating_mul(4)).unwrap_or(usize::MAX);
        self.send_limit = wanted.clamp(self.send_buffer_bytes.0, self.send_buffer_bytes.1);
    }

    /// Lets more arrive before it is read, on each stream and on all together, and windows grow up
    /// to so much. Streams that exist get it with their next credit.
    pub(crate) fn grow_windows(&mut self, stream: u64, connection: u64) {
        self.stream_window = self.stream_window.max(stream);
        self.stream_window_max = self.stream_window_max.max(stream);
        self.window_max = self.window_max.max(connection);
        if connection > self.window.bytes {
            self.window.bytes = connection;
            self.max_data_due = true;
        }
        let ids: Vec<_> = self.streams.ids().collect();
        for id in ids {
            if let Some(stream) = self.streams.get_mut(id) {
                let window = &mut stream.receive.window;
                window.bytes = window.bytes.max(self.stream_window);
            }
            self.extend_credit(id);
        }
    }

    /// `bytes` will not be held any more: the peer may send as many more.
    pub(super) fn on_read(&mut self, bytes: u64) {
        self.data_read += bytes;
        let target = self.data_read + self.window.bytes;
        self.max_data_due |= self.window.is_worth(target.saturating_sub(self.max_data));
    }

    /// The limit to announce for all streams together.
    #[cfg(test)]
    pub(super) fn data_credit(&self) -> u64 {
        self.max_data.max(self.data_read + self.window.bytes)
    }

    /// Credit for all streams together goes out: returns the limit to announce.
    pub(super) fn give_credit(&mut self) -> u64 {
        self.window.on_credit(self.clock, self.window_max);
        self.max_data_due = false;
        self.max_data = self.max_data.max(self.data_read + self.window.bytes);
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
    /// Credit for this stream goes out: returns the limit to announce.
    pub(super) fn give_credit(&mut self, clock: Clock, window_max: u64) -> u64 {
        let receive = &mut self.receive;
        receive.window.on_credit(clock, window_max);
        receive.max_data = receive.max_data.max(receive.target());
        receive.max_data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(10);

    #[test]
    fn a_window_that_is_read_fast_doubles_up_to_its_maximum() {
        let mut window = Window::new(1000);
        let mut clock = Clock {
            now: Instant::ZERO,
            srtt: RTT,
        };
        assert_eq!(window.on_credit(clock, 3000), 0, "nothing to compare with");
        for (after, bytes) in [(RTT, 2000), (RTT * 2, 2000), (RTT, 3000), (RTT, 3000)] {
            clock.now += after;
            window.on_credit(clock, 3000);
            assert_eq!(window.bytes, bytes);
        }
    }

    #[test]
    fn a_window_above_its_maximum_stays() {
        let mut window = Window::new(1000);
        let clock = Clock {
            now: Instant::ZERO,
            srtt: RTT,
        };
        window.on_credit(clock, 500);
        window.on_credit(clock, 500);
        assert_eq!(window.bytes, 1000);
    }
}
