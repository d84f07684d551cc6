//! In the place of the event log, where there is none: nothing.

use internet::{ConnectionId, DropReason};

use crate::event::CloseReason;
use crate::parameters::Parameters;
use crate::recovery::LossOutcome;
use crate::{Config, Epoch, Instant, Side};

use super::Connection;

/// No log.
pub(super) struct Log;

impl Log {
    pub(super) const fn begin(_: &Config, _: Side, _: ConnectionId, _: Instant) -> Self {
        Self
    }

    pub(super) const fn at(&mut self, _: Instant) {}

    pub(super) const fn will_send(&mut self, _: Option<&[u8]>) {}

    pub(super) const fn packet_sent(&mut self, _: Epoch, _: u64, _: usize) {}

    pub(super) const fn packet_received(&mut self, _: Epoch, _: u64, _: usize, _: &[u8]) {}

    pub(super) const fn packet_dropped(&mut self, _: DropReason) {}

    pub(super) const fn peer_parameters(&mut self, _: &Parameters) {}

    pub(super) const fn losses(&mut self, _: Epoch, _: &LossOutcome) {}

    pub(super) const fn closed(&mut self, _: &CloseReason) {}
}

impl Connection {
    pub(super) const fn log_changes(&mut self) {}
}
