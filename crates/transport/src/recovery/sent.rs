use core::ops::RangeInclusive;

use super::lengths::LongPackets;
use super::lost::LostPackets;
use super::reordering::Reordering;
use super::ring::Ring;
use super::{AckOutcome, Delivery, LossOutcome, Rtt, SentFrame};
use crate::Instant;
use crate::frame::Ack;
use crate::violation::{Violation, code};

/// A packet that was declared lost is remembered for so many times as long as it took to declare it.
const LOST_FORGOTTEN_AFTER: u32 = 4;

/// So many packets that are of no further interest are kept behind one that is outstanding.
const SETTLED_MAX: usize = 4096;

/// Sums over all packet number spaces of a connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    /// Bytes sent, neither acknowledged nor lost.
    pub(crate) in_flight: u64,
    /// Packets declared lost.
    pub(crate) lost: u64,
    /// Those of them that arrived after all.
    pub(crate) spurious: u64,
    pub(crate) delivery: Delivery,
}

/// The packets that were sent in one packet number space, and what becomes of them.
#[derive(Debug, Default)]
pub(crate) struct SentPackets {
    ring: Ring,
    largest_acked: Option<u64>,
    /// The newest number that was left out on purpose.
    skipped: Option<u64>,
    /// When the last packet that elicits an acknowledgement was sent.
    last_eliciting: Option<Instant>,
    /// When the oldest outstanding packet becomes lost by time.
    loss_time: Option<Instant>,
    /// Packets that were declared lost of late.
    lost: LostPackets,
    reordering: Reordering,
    /// When the first of the packets was sent that have left the ring since one that was
    /// acknowledged: all of them lost.
    silent_since: Option<Instant>,
    long: LongPackets,
}

impl SentPackets {
    /// The next packet's number.
    pub(crate) fn next(&self) -> u64 {
        self.ring.next()
    }

    pub(crate) fn largest_acked(&self) -> Option<u64> {
        self.largest_acked
    }

    /// Whether any packet is outstanding that elicits an acknowledgement.
    pub(crate) fn has_eliciting(&self) -> bool {
        self.ring.outstanding() > 0
    }

    /// Packets that elicit acknowledgements and are outstanding.
    pub(crate) fn outstanding(&self) -> usize {
        self.ring.outstanding()
    }

    /// The same, counted one by one, and their bytes.
    #[cfg(feature = "danger-checking")]
    pub(super) fn count_outstanding(&self) -> (usize, u64) {
        self.ring.count_outstanding()
    }

    pub(crate) fn last_eliciting(&self) -> Option<Instant> {
        self.last_eliciting
    }

    pub(crate) fn loss_time(&self) -> Option<Instant> {
        self.loss_time
    }

    /// Gives back memory that is not used.
    pub(crate) fn rest(&mut self) {
        self.ring.rest();
        // Nothing that was lost so long ago arrives any more.
        self.lost.clear();
    }

    /// No packet gets the next number. Whoever acknowledges it lies.
    pub(crate) fn skip(&mut self, now: Instant, totals: &mut Totals) {
        self.skipped = Some(self.next());
        self.on_sent(now, 0, 0, false, totals);
    }

    /// What became of long packets.
    pub(crate) fn long(&self) -> &LongPackets {
        &self.long
    }

    /// Length is no longer what losses are blamed on.
    pub(crate) fn forgive_long_losses(&mut self) {
        self.long.forgive(self.next());
    }

    /// Notes a frame of the packet that is being built.
    pub(crate) fn note(&mut self, frame: SentFrame) {
        self.ring.note(frame);
    }

    /// The packet with number [`SentPackets::next`] was sent, with the `frames` last noted frames.
    pub(crate) fn on_sent(
        &mut self,
        now: Instant,
        size: usize,
        frames: usize,
        eliciting: bool,
        totals: &mut Totals,
    ) {
        let size = if eliciting { size as u16 } else { 0 };
        let delivery = totals.delivery.on_sent(now, totals.in_flight);
        self.ring.push(now, size, frames, delivery);
        totals.in_flight += u64::from(size);
        if eliciting {
            self.last_eliciting = Some(now);
        } else {
            self.forget_old();
        }
    }

    /// Takes in an acknowledgement; every frame that is newly acknowledged goes to `acked`.
    pub(crate) fn on_ack(
        &mut self,
        now: Instant,
        ack: &Ack<'_>,
        totals: &mut Totals,
        mut acked: impl FnMut(SentFrame),
    ) -> Result<AckOutcome, Violation> {
        self.check_numbers(ack)?;
        let mut outcome = AckOutcome {
            advances: self.largest_acked.is_none_or(|old| ack.largest() > old),
            ..AckOutcome::default()
        };
        let lowest = self.lost.lowest().unwrap_or(self.ring.base());
        for range in ack.ranges() {
            if *range.end() < lowest {
                break;
            }
            self.lost.on_acked(&range, &mut outcome.spurious);
            self.take_acked(now, &range, ack.largest(), totals, &mut outcome, &mut acked);
        }
        self.largest_acked = self.largest_acked.max(Some(ack.largest()));
        if let Some(number) = outcome.spurious.lowest {
            self.reordering.on_spurious(number, self.next());
            self.silent_since = None;
            totals.spurious += outcome.spurious.packets;
            if planted!(SpuriousLossCountedTwice) {
                totals.in_flight += outcome.spurious.bytes;
            }
            totals.delivery.on_late(outcome.spurious.bytes);
        }
        outcome.rate = outcome
            .newest_sent
            .map(|sent| (totals.delivery).on_acked(now, outcome.bytes, sent, outcome.newest));
        self.forget_old();
        Ok(outcome)
    }

    /// Packets with these numbers have arrived, `largest` the highest of all that are told.
    fn take_acked(
        &mut self,
        now: Instant,
        numbers: &RangeInclusive<u64>,
        largest: u64,
        totals: &mut Totals,
        outcome: &mut AckOutcome,
        acked: &mut impl FnMut(SentFrame),
    ) {
        let (long, reordering) = (&mut self.long, &mut self.reordering);
        let known = self.largest_acked;
        self.ring.settle(numbers, acked, |number, packet| {
            totals.in_flight -= u64::from(packet.size);
            outcome.note(packet);
            long.on_acked(number, packet.size);
            if outcome.advances && number == largest {
                outcome.rtt_sample = Some(now.since(packet.at));
            }
            if known.is_some_and(|known| number < known) {
                reordering.on_late();
            }
        });
    }

    /// Whoever acknowledges what was not sent lies.
    fn check_numbers(&self, ack: &Ack<'_>) -> Result<(), Violation> {
        let violation = |reason| Err(Violation::new(code::PROTOCOL_VIOLATION, reason));
        if ack.largest() >= self.next() && !planted!(AckOfUnsentAccepted) {
            return violation("a packet is acknowledged that was not sent");
        }
        if self.names_skipped(ack) && !planted!(AckOfSkippedAccepted) {
            return violation("a packet is acknowledged that was left out");
        }
        Ok(())
    }

    /// Declares packets lost (RFC 9002 §6.1, RFC 8985 §6.2); every frame that they carried goes to
    /// `lost`.
    pub(crate) fn detect_losses(
        &mut self,
        now: Instant,
        rtt: &Rtt,
        totals: &mut Totals,
        mut lost: impl FnMut(SentFrame),
    ) -> LossOutcome {
        let mut outcome = LossOutcome::default();
        self.loss_time = None;
        let Some(largest_acked) = self.largest_acked else {
            return outcome;
        };
        let delay = rtt.current() + self.reordering.window(rtt);
        let threshold = self.reordering.packet_threshold();
        self.lost.forget(now, delay * LOST_FORGOTTEN_AFTER);
        while self.ring.base() < largest_acked
            && let Some(packet) = self.ring.front()
        {
            let number = self.ring.base();
            // A number that was left out is no packet that has arrived in between.
            let between = number..largest_acked;
            let left_out = u64::from(self.skipped.is_some_and(|at| between.contains(&at)));
            let by_number = threshold.is_some_and(|n| number + n + left_out <= largest_acked);
            if !by_number && packet.at + delay > now {
                // Later ones were sent later: this is the first to become due.
                self.loss_time = Some(packet.at + delay);
                break;
            }
            let sampled = rtt.first_sample_at().is_some_and(|at| at <= packet.at);
            if !self.lose_front(totals, &mut outcome, &mut lost) {
                break;
            }
            if !sampled {
                self.silent_since = None;
            }
            self.reordering.on_lost(number, self.next());
        }
        outcome
    }

    /// Gives the oldest outstanding packets up as lost while they keep too many others from being
    /// forgotten: a peer that acknowledges nothing, and has us acknowledge much, must not make us
    /// remember every answer.
    pub(crate) fn shed(
        &mut self,
        totals: &mut Totals,
        mut lost: impl FnMut(SentFrame),
    ) -> LossOutcome {
        let mut outcome = LossOutcome::default();
        while self.ring.settled() > SETTLED_MAX && self.lose_front(totals, &mut outcome, &mut lost)
        {
        }
        outcome
    }

    /// Gives all outstanding packets up, which went over another path than is used from now on; every
    /// frame that they carried goes to `resend`. They are not lost, as far as anybody knows: nothing is
    /// counted, and what becomes of them is of no interest.
    pub(crate) fn abandon(&mut self, totals: &mut Totals, mut resend: impl FnMut(SentFrame)) {
        while let Some((_, packet)) = self.ring.take_front(&mut resend) {
            totals.in_flight -= u64::from(packet.size);
            self.ring.forget_settled();
        }
        self.lost.clear();
        self.loss_time = None;
        self.silent_since = None;
        self.long.forgive(self.next());
    }

    /// Exchanges what is known of how a path reorders for what is known of another.
    pub(crate) fn change_path(&mut self, to: Reordering) -> Reordering {
        core::mem::replace(&mut self.reordering, to)
    }

    /// The frames of the oldest outstanding packet, to be sent again as a probe. The packet stays
    /// outstanding: it may yet be acknowledged.
    pub(crate) fn probe(&self, mut resend: impl FnMut(SentFrame)) {
        for frame in self.ring.front_frames() {
            resend(frame.clone());
        }
    }

    /// What is outstanding will not be acknowledged: the space's keys are gone, or the peer has
    /// forgotten. Numbers go on.
    pub(crate) fn discard(&mut self, totals: &mut Totals) {
        totals.in_flight -= self.ring.clear();
        self.last_eliciting = None;
        self.loss_time = None;
        self.lost.clear();
    }

    fn names_skipped(&self, ack: &Ack<'_>) -> bool {
        self.skipped.is_some_and(|skipped| {
            let mut ranges = ack.ranges().take_while(|range| *range.end() >= skipped);
            ranges.any(|range| range.contains(&skipped))
        })
    }

    /// Declares the first packet of the ring lost, if there is one.
    fn lose_front(
        &mut self,
        totals: &mut Totals,
        outcome: &mut LossOutcome,
        lost: &mut impl FnMut(SentFrame),
    ) -> bool {
        let is_probe = matches!(
            self.ring.front_frames().next(),
            Some(SentFrame::MtuProbe { .. })
        );
        let Some((number, packet)) = self.ring.take_front(lost) else {
            return false;
        };
        totals.in_flight -= u64::from(packet.size);
        // RFC 9000 §14.4: a probe that is lost says nothing but that. If it comes late after all, there
        // is no loss to take back either.
        if !is_probe {
            self.lost.push(number, packet.at, packet.size);
            outcome.note(&packet);
            #[cfg(feature = "qlog")]
            outcome.numbers.push(number);
            totals.lost += 1;
            self.long.on_lost(number, packet.size);
            let silence = packet.at.since(*self.silent_since.get_or_insert(packet.at));
            outcome.silence = outcome.silence.max(silence);
        }
        self.forget_old();
        true
    }

    /// Drops what is done.
    fn forget_old(&mut self) {
        if self.ring.forget_settled() {
            self.silent_since = None;
        }
    }
}

#[cfg(test)]
#[path = "sent_tests.rs"]
mod tests;
