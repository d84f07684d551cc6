//! Ends that listen and count.

use std::sync::Arc;

use super::{App, Say};
use crate::framing::Deframer;
use crate::meter::Meter;

/// Counts bytes.
pub(super) struct Bytes(Arc<Meter>);

impl Bytes {
    pub(super) fn new(meter: Arc<Meter>) -> Self {
        Self(meter)
    }
}

impl App for Bytes {
    fn say(&mut self) -> Say<'_> {
        Say::Later
    }

    fn said(&mut self) {}

    fn hear(&mut self, data: &[u8]) {
        self.0.received(data.len(), 0);
    }
}

/// Counts messages.
pub(super) struct Messages(Arc<Meter>);

impl Messages {
    pub(super) fn new(meter: Arc<Meter>) -> Self {
        Self(meter)
    }
}

impl App for Messages {
    fn say(&mut self) -> Say<'_> {
        Say::Later
    }

    fn said(&mut self) {}

    fn hear(&mut self, message: &[u8]) {
        self.0.received(message.len(), 1);
    }
}

/// Cuts a stream of bytes into messages and counts them.
pub(super) struct Framed {
    deframer: Deframer,
    meter: Arc<Meter>,
}

impl Framed {
    pub(super) fn new(meter: Arc<Meter>) -> Self {
        Self {
            deframer: Deframer::default(),
            meter,
        }
    }
}

impl App for Framed {
    fn say(&mut self) -> Say<'_> {
        Say::Later
    }

    fn said(&mut self) {}

    fn hear(&mut self, data: &[u8]) {
        let meter = &self.meter;
        self.deframer
            .push(data, |message| meter.received(message.len(), 1));
    }
}
