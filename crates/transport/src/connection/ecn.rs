//! Explicit congestion notification (RFC 9000 §13.4): marks instead of losses.

use crate::Ecn;
use crate::frame::EcnCounts;

/// After so many probe timeouts in a row, before anything was confirmed, it may be the marks that a
/// path does not let through.
const TIMEOUTS_MAX: u32 = 2;

/// Whether a path lets the marks of congestion through (RFC 9000 §13.4.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum EcnSupport {
    /// Nobody knows yet.
    #[default]
    Unknown,
    /// The peer counts what we mark.
    Capable,
    /// The peer's counts are wrong, or there are none: nothing is marked any more.
    Failed,
}

/// Both directions of it.
#[derive(Debug, Default)]
pub(super) struct EcnState {
    /// The bits of the datagram that is being taken in.
    arriving: Option<Ecn>,
    /// What has arrived in data packets.
    received: EcnCounts,
    /// What the peer has told of ours.
    told: EcnCounts,
    /// The peer's counts have been right so far.
    confirmed: bool,
    /// They were not, or there were none: nothing is marked any more.
    failed: bool,
    /// No packet of this path has been acknowledged since it took the place of another.
    fresh: bool,
}

impl EcnState {
    /// The bits of what is sent.
    pub(super) fn mark(&self, timeouts: u32) -> Option<Ecn> {
        let blocked = !self.confirmed && timeouts >= TIMEOUTS_MAX;
        (!self.failed && !blocked).then_some(Ecn::Ect0)
    }

    pub(super) fn support(&self) -> EcnSupport {
        match (self.failed, self.confirmed) {
            (true, _) => EcnSupport::Failed,
            (false, true) => EcnSupport::Capable,
            (false, false) => EcnSupport::Unknown,
        }
    }

    /// What holds of one path need not of another (RFC 9000 §9.4). Counts go on over all of them: the
    /// first that come with a packet of the new path are where it begins, and what they add may have
    /// happened on the old one.
    pub(super) fn on_new_path(&mut self) {
        (self.confirmed, self.failed, self.fresh) = (false, false, true);
    }

    pub(super) fn on_datagram(&mut self, ecn: Option<Ecn>) {
        self.arriving = ecn;
    }

    /// A data packet of the datagram was taken in.
    pub(super) fn on_packet(&mut self) {
        match self.arriving {
            None => {}
            Some(Ecn::Ect0) => self.received.ect0 += 1,
            Some(Ecn::Ect1) => self.received.ect1 += 1,
            Some(Ecn::Ce) => self.received.ce += 1,
        }
    }

    /// What to tell the peer; `None` if nothing was ever marked.
    pub(super) fn counts(&self) -> Option<EcnCounts> {
        Some(self.received).filter(|counts| *counts != EcnCounts::default())
    }

    /// An acknowledgement that goes further than those before tells `counts`, and `packets` anew; so
    /// many were sent in all. Tells how many more packets have met congestion.
    pub(super) fn on_ack(&mut self, counts: Option<EcnCounts>, packets: u64, sent: u64) -> u64 {
        if self.failed {
            return 0;
        }
        // RFC 9000 §13.4.2.1: every packet that arrived was marked, so each must have been counted,
        // and none as something else.
        let Some(counts) = counts else {
            self.failed = packets > 0;
            return 0;
        };
        let arrived =
            (counts.ect0.saturating_add(counts.ce)).checked_sub(self.told.ect0 + self.told.ce);
        let plausible = (self.fresh || counts.ect1 == self.told.ect1)
            && counts.ce >= self.told.ce
            && arrived.is_some_and(|arrived| arrived >= packets)
            && counts.ect0.saturating_add(counts.ce) <= sent;
        if !plausible {
            self.failed = true;
            return 0;
        }
        let marked = counts.ce - self.told.ce;
        self.told = counts;
        if self.fresh {
            self.fresh = packets == 0;
            self.confirmed = packets > 0;
            return 0;
        }
        self.confirmed = true;
        marked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(ect0: u64, ect1: u64, ce: u64) -> Option<EcnCounts> {
        Some(EcnCounts { ect0, ect1, ce })
    }

    #[test]
    fn marks_are_told_once() {
        let mut ecn = EcnState::default();
        assert_eq!(ecn.on_ack(counts(10, 0, 0), 10, 20), 0);
        assert_eq!(ecn.on_ack(counts(12, 0, 1), 3, 20), 1);
        assert_eq!(ecn.on_ack(counts(14, 0, 1), 2, 20), 0);
        assert_eq!(ecn.support(), EcnSupport::Capable);
        assert_eq!(ecn.mark(5), Some(Ecn::Ect0));
    }

    #[test]
    fn wrong_counts_end_it() {
        for (told, packets) in [
            (None, 1),
            (counts(0, 0, 0), 1),
            (counts(4, 1, 0), 4),
            (counts(21, 0, 0), 5),
            (counts(u64::MAX, 0, u64::MAX), 5),
        ] {
            let mut ecn = EcnState::default();
            assert_eq!(ecn.on_ack(told, packets, 20), 0);
            assert_eq!(ecn.mark(0), None, "{told:?}");
            ecn.on_new_path();
            assert_eq!(ecn.mark(0), Some(Ecn::Ect0));
        }
    }

    #[test]
    fn a_path_that_may_drop_what_is_marked_gets_it_without() {
        let mut ecn = EcnState::default();
        assert_eq!(ecn.mark(2), None);
        ecn.on_ack(counts(1, 0, 0), 1, 2);
        assert_eq!(ecn.mark(2), Some(Ecn::Ect0));
    }

    #[test]
    fn what_a_path_did_to_marks_does_not_speak_against_the_next() {
        let mut ecn = EcnState::default();
        ecn.on_ack(counts(10, 0, 0), 10, 100);
        ecn.on_ack(counts(10, 1, 0), 1, 100);
        assert_eq!(ecn.support(), EcnSupport::Failed, "one was rewritten");
        ecn.on_new_path();
        // Another that was rewritten before the move arrives behind it.
        ecn.on_ack(counts(20, 2, 0), 10, 100);
        assert_eq!(ecn.support(), EcnSupport::Capable);
        ecn.on_ack(counts(30, 2, 0), 10, 100);
        assert_eq!(ecn.support(), EcnSupport::Capable);
        // The new path does it as well.
        ecn.on_ack(counts(40, 3, 0), 10, 100);
        assert_eq!(ecn.support(), EcnSupport::Failed);
        for (told, why) in [(None, "no counts"), (counts(30, 12, 0), "all rewritten")] {
            ecn.on_new_path();
            ecn.on_ack(told, 10, 100);
            assert_eq!(ecn.support(), EcnSupport::Failed, "{why}");
        }
    }

    #[test]
    fn congestion_that_was_met_on_one_path_is_not_held_against_the_next() {
        let mut ecn = EcnState::default();
        ecn.on_ack(counts(10, 0, 0), 10, 1000);
        ecn.on_new_path();
        // Of what was on its way nothing is waited for any more, and nothing is known of the new path.
        assert_eq!(ecn.on_ack(counts(10, 0, 20), 0, 1000), 0);
        assert_eq!(ecn.support(), EcnSupport::Unknown);
        assert_eq!(ecn.on_ack(counts(20, 0, 50), 10, 1000), 0);
        assert_eq!(ecn.support(), EcnSupport::Capable);
        assert_eq!(ecn.on_ack(counts(29, 0, 51), 10, 1000), 1);
    }
}
