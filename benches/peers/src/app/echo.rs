//! An end that says what it heard.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{App, Say};
use crate::meter::Meter;

/// Sends each message back.
pub(super) struct Echo {
    heard: VecDeque<Vec<u8>>,
    meter: Arc<Meter>,
}

impl Echo {
    pub(super) fn new(meter: Arc<Meter>) -> Self {
        Self {
            heard: VecDeque::new(),
            meter,
        }
    }
}

impl App for Echo {
    fn say(&mut self) -> Say<'_> {
        self.heard.front().map_or(Say::Later, |next| Say::Now(next))
    }

    fn said(&mut self) {
        self.heard.pop_front();
    }

    fn hear(&mut self, message: &[u8]) {
        self.meter.received(message.len(), 1);
        self.heard.push_back(message.to_vec());
    }
}
