use core::ops::Range;
use core::time::Duration;
use std::collections::VecDeque;

use super::lengths::LongPackets;
use super::lost::{LostPackets, Spurious};
use super::reordering::Reordering;
use super::{Delivery, RateSample, Rtt, Snapshot};
use crate::Instant;
use crate::frame::Ack;
use crate::violation::{Violation, code};

/// A packet that was declared lost is remembered for so many times as long as it took to declare it.
const LOST_FORGOTTEN_AFTER: u32 = 4;

/// So many packets that are of no further interest are kept behind one that is outstanding.
const SETTLED_MAX: usize = 4096;

/// What a packet carried, as far as its fate matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SentFrame {
    /// Bytes of a stream, and perhaps its end.
    Stream {
        id: u64,
        range: Range<u64>,
        fin: bool,
    },
    /// Handshake bytes of the packet's epoch.
    Crypto {
        range: Range<u64>,
    },
    /// An acknowledgement of everything up to `largest`.
    Ack {
        largest: u64,
    },
    ResetStream {
        id: u64,
    },
    StopSending {
        id: u64,
    },
    MaxData,
    MaxStreamData {
        id: u64,
    },
    MaxStreams,
    HandshakeDone,
    /// An id of ours.
    NewConnectionId {
        number: u32,
    },
    /// An id of the peer's that is not used any more.
    RetireConnectionId {
        number: u32,
    },
    /// Nothing: the packet finds out whether the path takes so many bytes. Its loss says nothing
    /// else.
    MtuProbe {
        len: u16,
    },
}

/// A packet in the ring.
#[derive(Clone, Copy, Debug)]
struct SentPacket {
    at: Instant,
    /// Where its frames begin, counted over all frames ever noted.
    first_frame: u32,
    /// How many entries of the frame queue are its own.
    frames: u16,
    /// Bytes that count as in flight; 0 for a packet that elicits no acknowledgement.
    size: u16,
    /// 0: outstanding. Otherwise it is of no further interest, and so are those from here down to
    /// the one that is so many numbers below, without that one.
    skip: u32,
    delivery: Snapshot,
}

impl SentPacket {
    fn is_outstanding(&self) -> bool {
        self.skip == 0
    }
}

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

/// What an acknowledgement brought.
#[derive(Debug, Default)]
pub(crate) struct AckOutcome {
    /// Packets and bytes that are newly acknowledged.
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    /// A number is acknowledged that is larger than all before.
    pub(crate) advances: bool,
    /// When the newest of the newly acknowledged packets was sent, if any of them elicits
    /// acknowledgements.
    pub(crate) newest_sent: Option<Instant>,
    /// The largest number is new and its packet's round trip is this long.
    pub(crate) rtt_sample: Option<Duration>,
    /// What had been declared lost and was not.
    pub(crate) spurious: Spurious,
    /// How fast the path delivers.
    pub(crate) rate: Option<RateSample>,
    newest: Snapshot,
}

/// What loss detection brought.
#[derive(Debug, Default)]
pub(crate) struct LossOutcome {
    /// Bytes that are newly lost.
    pub(crate) bytes: u64,
    /// When the oldest of them was sent.
    pub(crate) oldest_sent: Option<Instant>,
    /// When the newest of them was sent.
    pub(crate) newest_sent: Option<Instant>,
    /// For how long nothing got through that was sent: between the first and the last of the lost
    /// packets, none between them acknowledged, and all sent after the first round-trip time sample
    /// (RFC 9002 §7.6.2).
    pub(crate) silence: Duration,
    /// Their numbers, for the event log.
    #[cfg(feature = "qlog")]
    pub(crate) numbers: Vec<u64>,
}

impl AckOutcome {
    fn note(&mut self, packet: &SentPacket) {
        self.packets += 1;
        self.bytes += u64::from(packet.size);
        if self.newest_sent.is_none_or(|newest| newest < packet.at) {
            self.newest_sent = Some(packet.at);
            self.newest = packet.delivery;
        }
    }
}

impl LossOutcome {
    fn note(&mut self, packet: &SentPacket) {
        self.bytes += u64::from(packet.size);
        self.oldest_sent = self.oldest_sent.or(Some(packet.at));
        self.newest_sent = self.newest_sent.max(Some(packet.at));
    }
}

/// The packets that were sent in one packet number space, and what they carried.
///
/// Two rings: packets by number, and their frames in the same order. Nothing is allocated per
/// packet. The first packet of the ring is outstanding, and losses come in the order of sending, so
/// they are found at the front; acknowledged packets are skipped in runs, so that an acknowledgement
/// costs what it newly tells, whatever holes the window has.
#[derive(Debug, Default)]
pub(crate) struct SentPackets {
    packets: VecDeque<SentPacket>,
    frames: VecDeque<SentFrame>,
    /// Number of the first packet in the ring.
    base: u64,
    /// How many frames have left the front of their ring.
    frames_base: u32,
    largest_acked: Option<u64>,
    /// The newest number that was left out on purpose.
    skipped: Option<u64>,
    /// Packets that elicit acknowledgements and are outstanding.
    outstanding: usize,
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
        self.base + self.packets.len() as u64
    }

    pub(crate) fn largest_acked(&self) -> Option<u64> {
        self.largest_acked
    }

    /// Whether any packet is outstanding that elicits an acknowledgement.
    pub(crate) fn has_eliciting(&self) -> bool {
        self.outstanding > 0
    }

    /// Packets that elicit acknowledgements and are outstanding.
    pub(crate) fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// The same, counted one by one, and their bytes.
    #[cfg(feature = "danger-checking")]
    pub(super) fn count_outstanding(&self) -> (usize, u64) {
        let outstanding = self.packets.iter().filter(|p| p.is_outstanding());
        outstanding.fold((0, 0), |(n, sum), p| (n + 1, sum + u64::from(p.size)))
    }

    pub(crate) fn last_eliciting(&self) -> Option<Instant> {
        self.last_eliciting
    }

    pub(crate) fn loss_time(&self) -> Option<Instant> {
        self.loss_time
    }

    /// Gives back memory that is not used.
    pub(crate) fn rest(&mut self) {
        self.packets.shrink_to_fit();
        self.frames.shrink_to_fit();
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
        self.frames.push_back(frame);
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
        let before = self.frames.len() - frames;
        let size = if eliciting { size as u16 } else { 0 };
        self.packets.push_back(SentPacket {
            at: now,
            first_frame: self.frames_base.wrapping_add(before as u32),
            frames: frames as u16,
            size,
            // Nobody answers one that does not elicit, so it must not hold the ring.
            skip: u32::from(!eliciting),
            delivery: totals.delivery.on_sent(now, totals.in_flight),
        });
        totals.in_flight += u64::from(size);
        if eliciting {
            self.outstanding += 1;
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
        if ack.largest() >= self.next() && !planted!(AckOfUnsentAccepted) {
            return Err(Violation::new(
                code::PROTOCOL_VIOLATION,
                "a packet is acknowledged that was not sent",
            ));
        }
        if self.names_skipped(ack) && !planted!(AckOfSkippedAccepted) {
            return Err(Violation::new(
                code::PROTOCOL_VIOLATION,
                "a packet is acknowledged that was left out",
            ));
        }
        let mut outcome = AckOutcome::default();
        let old_largest = self.largest_acked;
        let largest_is_new = old_largest.is_none_or(|old| ack.largest() > old);
        let lowest = self.lost.lowest().unwrap_or(self.base);
        for range in ack.ranges() {
            if *range.end() < lowest {
                break;
            }
            self.lost.on_acked(&range, &mut outcome.spurious);
            let Some(last) = range.end().checked_sub(self.base) else {
                continue;
            };
            let (first, last) = (
                range.start().saturating_sub(self.base) as usize,
                last as usize,
            );
            let first = first.saturating_sub(usize::from(planted!(AckRetiresTooMuch)));
            let mut next = self.outstanding_within(first, last);
            while let Some(index) = next {
                let packet = self.settle(index, totals, &mut acked);
                let number = self.base + index as u64;
                outcome.note(&packet);
                self.long.on_acked(number, packet.size);
                if largest_is_new && number == ack.largest() {
                    outcome.rtt_sample = Some(now.since(packet.at));
                }
                if old_largest.is_some_and(|largest| number < largest) {
                    self.reordering.on_late();
                }
                next = index
                    .checked_sub(1)
                    .and_then(|below| self.outstanding_within(first, below));
            }
            // All of the range is done: who comes here again passes it in one step.
            if let Some(packet) = self.packets.get_mut(last) {
                packet.skip = packet.skip.max((last - first + 1) as u32);
            }
        }
        outcome.advances = largest_is_new;
        self.largest_acked = old_largest.max(Some(ack.largest()));
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
        while self.base < largest_acked
            && let Some(packet) = self.packets.front()
        {
            let number = self.base;
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
            self.lose_front(totals, &mut outcome, &mut lost);
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
        while self.packets.len() - self.outstanding > SETTLED_MAX {
            self.lose_front(totals, &mut outcome, &mut lost);
        }
        outcome
    }

    /// Gives all outstanding packets up; every frame that they carried goes to `lost`. What becomes of
    /// them is of no interest any more, and says nothing of the path.
    pub(crate) fn abandon(
        &mut self,
        totals: &mut Totals,
        mut lost: impl FnMut(SentFrame),
    ) -> LossOutcome {
        let mut outcome = LossOutcome::default();
        while self.outstanding > 0 {
            self.lose_front(totals, &mut outcome, &mut lost);
        }
        (outcome.oldest_sent, outcome.newest_sent) = (None, None);
        outcome.silence = Duration::ZERO;
        self.lost.clear();
        self.loss_time = None;
        self.silent_since = None;
        self.long.forgive(self.next());
        outcome
    }

    /// The frames of the oldest outstanding packet, to be sent again as a probe. The packet stays
    /// outstanding: it may yet be acknowledged.
    pub(crate) fn probe(&self, mut resend: impl FnMut(SentFrame)) {
        let oldest = self.packets.front().map_or(0, |packet| packet.frames);
        for frame in self.frames.iter().take(usize::from(oldest)) {
            resend(frame.clone());
        }
    }

    /// What is outstanding will not be acknowledged: the space's keys are gone, or the peer has
    /// forgotten. Numbers go on.
    pub(crate) fn discard(&mut self, totals: &mut Totals) {
        for packet in &self.packets {
            if packet.is_outstanding() {
                totals.in_flight -= u64::from(packet.size);
            }
        }
        self.base = self.next();
        self.packets = VecDeque::new();
        self.frames = VecDeque::new();
        self.outstanding = 0;
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

    /// The last outstanding packet of the ring's places `first` to `last`. On the way it shortens
    /// the way for the next search (path halving), so that a search costs a logarithm at most, in
    /// the mean.
    fn outstanding_within(&mut self, first: usize, last: usize) -> Option<usize> {
        let mut at = last;
        while at >= first {
            let skip = self.packets.get(at)?.skip;
            if skip == 0 {
                return Some(at);
            }
            let below = at.checked_sub(skip as usize)?;
            let further = self.packets.get(below).map_or(0, |packet| packet.skip);
            if let Some(packet) = self.packets.get_mut(at) {
                packet.skip = skip.saturating_add(further);
            }
            at = below;
        }
        None
    }

    /// The outstanding packet in this place of the ring has met its fate, of which `tell` hears for
    /// each of its frames.
    fn settle(
        &mut self,
        index: usize,
        totals: &mut Totals,
        tell: &mut impl FnMut(SentFrame),
    ) -> SentPacket {
        let packet = &mut self.packets[index];
        packet.skip = 1;
        let packet = *packet;
        self.outstanding -= 1;
        totals.in_flight -= u64::from(packet.size);
        let first = packet.first_frame.wrapping_sub(self.frames_base) as usize;
        for frame in self.frames.range(first..first + usize::from(packet.frames)) {
            tell(frame.clone());
        }
        packet
    }

    /// Declares the first packet of the ring lost.
    fn lose_front(
        &mut self,
        totals: &mut Totals,
        outcome: &mut LossOutcome,
        lost: &mut impl FnMut(SentFrame),
    ) {
        let is_probe = matches!(self.frames.front(), Some(SentFrame::MtuProbe { .. }));
        let packet = self.settle(0, totals, lost);
        let number = self.base;
        self.lost.push(number, packet.at, packet.size);
        if !(is_probe && packet.frames > 0) {
            outcome.note(&packet);
            #[cfg(feature = "qlog")]
            outcome.numbers.push(number);
            totals.lost += 1;
            self.long.on_lost(number, packet.size);
        }
        let silence = packet.at.since(*self.silent_since.get_or_insert(packet.at));
        outcome.silence = outcome.silence.max(silence);
        self.packets.pop_front();
        self.base += 1;
        let frames = usize::from(packet.frames);
        self.frames.drain(..frames);
        self.frames_base = self.frames_base.wrapping_add(frames as u32);
        self.forget_old();
    }

    /// Drops what is done from the front of both rings.
    fn forget_old(&mut self) {
        let mut frames = 0;
        while let Some(packet) = self.packets.front()
            && !packet.is_outstanding()
        {
            frames += usize::from(packet.frames);
            // One that was acknowledged; others have no size.
            if packet.size > 0 {
                self.silent_since = None;
            }
            self.packets.pop_front();
            self.base += 1;
        }
        self.frames.drain(..frames);
        self.frames_base = self.frames_base.wrapping_add(frames as u32);
    }
}

#[cfg(test)]
#[path = "sent_tests.rs"]
mod tests;
