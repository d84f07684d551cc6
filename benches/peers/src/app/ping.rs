//! An end that waits for an answer before it says more.

use std::sync::Arc;

use super::{App, Say};
use crate::clock;
use crate::meter::Meter;

/// One message under way at a time; how long each took there and back.
pub(super) struct Ping {
    message: Vec<u8>,
    sent_ns: Option<u64>,
    meter: Arc<Meter>,
}

impl Ping {
    pub(super) fn new(bytes: usize, meter: Arc<Meter>) -> Self {
        Self {
            message: vec![0x5a; bytes],
            sent_ns: None,
            meter,
        }
    }
}

impl App for Ping {
    fn say(&mut self) -> Say<'_> {
        if self.sent_ns.is_some() {
            return Say::Later;
        }
        Say::Now(&self.message)
    }

    fn said(&mut self) {
        self.sent_ns = Some(clock::now_ns());
    }

    fn hear(&mut self, message: &[u8]) {
        if let Some(sent) = self.sent_ns.take() {
            self.meter.took(clock::now_ns() - sent);
            self.meter.received(message.len(), 1);
        }
    }
}
