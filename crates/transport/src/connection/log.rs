//! What a connection tells its event log.

use internet::{ConnectionId, DropReason};

use crate::event::CloseReason;
use crate::parameters::Parameters;
use crate::qlog::{Phase, Recorder, Seen};
use crate::recovery::LossOutcome;
use crate::{Config, Epoch, Instant, Side};

use super::Connection;
use super::close::State;

/// The event log of a connection, if somebody wants one.
pub(super) struct Log(Option<Box<Recorder>>);

impl Log {
    pub(super) fn begin(config: &Config, side: Side, id: ConnectionId, now: Instant) -> Self {
        let traces = config.qlog.as_deref();
        let recorder = traces.and_then(|traces| Recorder::begin(traces, side, id, now));
        Self(recorder.map(Box::new))
    }

    /// What follows happens now.
    pub(super) fn at(&mut self, now: Instant) {
        if let Some(recorder) = &mut self.0 {
            recorder.at(now);
        }
    }

    /// A packet with this payload is about to be sealed.
    pub(super) fn will_send(&mut self, payload: Option<&[u8]>) {
        if let Some(recorder) = &mut self.0 {
            recorder.will_send(payload.unwrap_or_default());
        }
    }

    pub(super) fn packet_sent(&mut self, epoch: Epoch, number: u64, len: usize) {
        if let Some(recorder) = &mut self.0 {
            recorder.packet_sent(epoch, number, len);
        }
    }

    pub(super) fn packet_received(
        &mut self,
        epoch: Epoch,
        number: u64,
        len: usize,
        payload: &[u8],
    ) {
        if let Some(recorder) = &mut self.0 {
            recorder.packet_received(epoch, number, len, payload);
        }
    }

    pub(super) fn packet_dropped(&mut self, reason: DropReason) {
        if let Some(recorder) = &mut self.0 {
            recorder.packet_dropped(reason);
        }
    }

    pub(super) fn peer_parameters(&mut self, peer: &Parameters) {
        if let Some(recorder) = &mut self.0 {
            recorder.parameters(peer);
        }
    }

    pub(super) fn losses(&mut self, epoch: Epoch, outcome: &LossOutcome) {
        if let Some(recorder) = &mut self.0 {
            for number in &outcome.numbers {
                recorder.packet_lost(epoch, *number);
            }
        }
    }

    pub(super) fn closed(&mut self, reason: &CloseReason) {
        if let Some(recorder) = &mut self.0 {
            recorder.closed(reason);
        }
    }
}

impl Connection {
    /// Logs what has changed, if anybody wants to know.
    pub(super) fn log_changes(&mut self) {
        if self.log.0.is_none() {
            return;
        }
        let phase = match self.state {
            State::Handshaking => Phase::Attempted,
            State::Open if self.confirmed => Phase::Confirmed,
            State::Open => Phase::Complete,
            State::Closing(_) => Phase::Closing,
            State::Gone => Phase::Closed,
        };
        let seen = Seen {
            phase,
            stats: self.stats(),
            pto_count: self.pto_count,
        };
        if let Some(recorder) = &mut self.log.0 {
            recorder.observe(seen);
        }
    }
}
