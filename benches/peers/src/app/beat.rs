//! Messages at a steady rate, and how long each was under way.

use std::sync::Arc;

use super::{App, Say};
use crate::clock;
use crate::meter::Meter;

/// Says a message at each beat, with the time in front.
pub(super) struct Beat {
    message: Vec<u8>,
    interval_ns: u64,
    next_ns: u64,
    /// The message carries its time already: the peer did not take it at once.
    stamped: bool,
}

impl Beat {
    pub(super) fn new(bytes: usize, per_second: u32) -> Self {
        Self {
            message: vec![0x5a; bytes.max(8)],
            interval_ns: 1_000_000_000 / u64::from(per_second),
            next_ns: clock::now_ns(),
            stamped: false,
        }
    }
}

impl App for Beat {
    fn say(&mut self) -> Say<'_> {
        let now = clock::now_ns();
        if now < self.next_ns {
            return Say::At(self.next_ns);
        }
        if !self.stamped {
            self.message[..8].copy_from_slice(&now.to_be_bytes());
            self.stamped = true;
        }
        Say::Now(&self.message)
    }

    fn said(&mut self) {
        self.next_ns += self.interval_ns;
        self.stamped = false;
    }

    fn hear(&mut self, _: &[u8]) {}
}

/// Notes how old each message is when it is heard. Both processes read the same clock.
pub(super) struct Clocked(Arc<Meter>);

impl Clocked {
    pub(super) fn new(meter: Arc<Meter>) -> Self {
        Self(meter)
    }
}

impl App for Clocked {
    fn say(&mut self) -> Say<'_> {
        Say::Later
    }

    fn said(&mut self) {}

    fn hear(&mut self, message: &[u8]) {
        if let Some(sent) = message.first_chunk() {
            self.0
                .took(clock::now_ns().saturating_sub(u64::from_be_bytes(*sent)));
            self.0.received(message.len(), 1);
        }
    }
}
