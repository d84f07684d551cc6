//! Thin streams: a packet with room left says again what may have been lost (docs/PROTOCOL.md §4.5).

use crate::Epoch;

use super::Connection;
use super::space::index;

/// With more packets than this on their way a flow is not thin.
const THIN_PACKETS_MAX: usize = 32;

impl Connection {
    /// Appends recent stream frames that are not acknowledged yet to a data packet whose payload
    /// begins at `payload`, if it `says_something` new or is a probe, nothing else waits to be sent,
    /// and little is on its way.
    pub(super) fn bundle(
        &mut self,
        says_something: bool,
        payload: usize,
        limit: usize,
        out: &mut Vec<u8>,
        frames: &mut usize,
    ) {
        let lost = self.totals.lost.saturating_sub(self.totals.spurious);
        let said = out.len() - payload;
        let space = &mut self.spaces[index(Epoch::Data)];
        let (sent, probe) = (&mut space.sent, space.probes > 0);
        let is_thin = sent.outstanding() <= THIN_PACKETS_MAX
            && self.totals.in_flight <= self.congestion.window() / 2;
        if (says_something && is_thin || probe) && !self.streams.wants_to_send() {
            let number = sent.next();
            let counters = &mut self.notes.counters;
            let note = |frame| {
                counters.note_frame(&frame);
                counters.frames_repeated += 1;
                sent.note(frame);
                *frames += 1;
            };
            self.streams
                .write_repeats(&mut self.repeats, number, probe, limit, out, note);
        }
        if says_something {
            self.repeats.on_sent(said, lost);
        }
    }
}
