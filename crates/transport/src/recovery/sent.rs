use core::ops::Range;
use core::time::Duration;
use std::collections::VecDeque;

use super::{PACKET_THRESHOLD, Rtt};
use crate::Instant;
use crate::frame::Ack;
use crate::violation::{Violation, code};

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
}

/// A packet's fate so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Outstanding,
    /// Acknowledged, lost, or of no further interest.
    Done,
}

#[derive(Clone, Debug)]
struct SentPacket {
    at: Instant,
    /// Bytes that count as in flight; 0 for a packet that elicits no acknowledgement.
    size: u16,
    state: State,
    /// How many entries of the frame queue are its own.
    frames: u16,
}

/// Sums over all packet number spaces of a connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    /// Bytes sent, neither acknowledged nor lost.
    pub(crate) in_flight: u64,
    /// Packets declared lost.
    pub(crate) lost: u64,
}

/// What an acknowledgement brought.
#[derive(Debug, Default)]
pub(crate) struct AckOutcome {
    /// Bytes that are newly acknowledged.
    pub(crate) bytes: u64,
    /// When the newest of the newly acknowledged packets was sent, if any of them elicits
    /// acknowledgements.
    pub(crate) newest_sent: Option<Instant>,
    /// The largest number is new and its packet's round trip is this long.
    pub(crate) rtt_sample: Option<Duration>,
}

/// What loss detection brought.
#[derive(Debug, Default)]
pub(crate) struct LossOutcome {
    /// Bytes that are newly lost.
    pub(crate) bytes: u64,
    /// When the newest of them was sent.
    pub(crate) newest_sent: Option<Instant>,
    /// When the oldest of them was sent.
    pub(crate) oldest_sent: Option<Instant>,
}

impl LossOutcome {
    fn note(&mut self, packet: &SentPacket) {
        let at = packet.at;
        self.bytes += u64::from(packet.size);
        self.oldest_sent = Some(self.oldest_sent.map_or(at, |oldest| oldest.min(at)));
        self.newest_sent = Some(self.newest_sent.map_or(at, |newest| newest.max(at)));
    }
}

/// The packets that were sent in one packet number space, and what they carried.
///
/// Two rings: packets by number, and their frames in the same order. Nothing is allocated per
/// packet.
#[derive(Debug, Default)]
pub(crate) struct SentPackets {
    packets: VecDeque<SentPacket>,
    frames: VecDeque<SentFrame>,
    /// Number of the first packet in the ring.
    base: u64,
    largest_acked: Option<u64>,
    /// Packets that elicit acknowledgements and are outstanding.
    eliciting: usize,
    /// When the last packet that elicits an acknowledgement was sent.
    last_eliciting: Option<Instant>,
    /// When the oldest outstanding packet becomes lost by time.
    loss_time: Option<Instant>,
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
        self.eliciting > 0
    }

    pub(crate) fn last_eliciting(&self) -> Option<Instant> {
        self.last_eliciting
    }

    pub(crate) fn loss_time(&self) -> Option<Instant> {
        self.loss_time
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
        let size = if eliciting { size as u16 } else { 0 };
        self.packets.push_back(SentPacket {
            at: now,
            size,
            // Nobody answers it, so it must not hold the ring.
            state: if eliciting {
                State::Outstanding
            } else {
                State::Done
            },
            frames: frames as u16,
        });
        totals.in_flight += u64::from(size);
        if eliciting {
            self.eliciting += 1;
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
        if ack.largest() >= self.next() {
            return Err(Violation::new(
                code::PROTOCOL_VIOLATION,
                "a packet is acknowledged that was not sent",
            ));
        }
        let mut outcome = AckOutcome::default();
        let largest_is_new = self.largest_acked.is_none_or(|old| ack.largest() > old);
        // Ranges descend: the frames before those of a range's first packet are counted once.
        let mut cursor = Cursor::at_end(self);
        for range in ack.ranges() {
            if *range.end() < self.base {
                break;
            }
            let first = range.start().saturating_sub(self.base) as usize;
            let last = (range.end() - self.base) as usize;
            for index in (first..=last).rev() {
                let Some(packet) = self.packets.get(index) else {
                    continue;
                };
                if packet.state == State::Done {
                    continue;
                }
                let packet = packet.clone();
                if largest_is_new && self.base + index as u64 == ack.largest() {
                    outcome.rtt_sample = Some(now.since(packet.at));
                }
                outcome.bytes += u64::from(packet.size);
                let newest = outcome
                    .newest_sent
                    .map_or(packet.at, |at| at.max(packet.at));
                outcome.newest_sent = Some(newest);
                let frames = cursor.frames_of(self, index);
                for frame in frames {
                    if let Some(frame) = self.frames.get(frame) {
                        acked(frame.clone());
                    }
                }
                self.retire(index, totals);
            }
        }
        self.largest_acked = self.largest_acked.max(Some(ack.largest()));
        self.forget_old();
        Ok(outcome)
    }

    /// Declares packets lost (RFC 9002 §6.1); every frame that they carried goes to `lost`.
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
        let delay = rtt.loss_delay();
        let mut frame = 0;
        let candidates = largest_acked.saturating_sub(self.base) as usize;
        for index in 0..candidates.min(self.packets.len()) {
            let Some(packet) = self.packets.get(index).cloned() else {
                break;
            };
            let frames = frame..frame + usize::from(packet.frames);
            frame = frames.end;
            if packet.state == State::Done {
                continue;
            }
            let number = self.base + index as u64;
            let by_number = number + PACKET_THRESHOLD <= largest_acked;
            if !by_number && packet.at + delay > now {
                // Later ones were sent later: this is the first to become due.
                self.loss_time = Some(packet.at + delay);
                break;
            }
            outcome.note(&packet);
            totals.lost += 1;
            for index in frames {
                if let Some(frame) = self.frames.get(index) {
                    lost(frame.clone());
                }
            }
            self.retire(index, totals);
        }
        self.forget_old();
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
        while self.packets.len() - self.eliciting > SETTLED_MAX {
            let Some(packet) = self.packets.front().cloned() else {
                break;
            };
            outcome.note(&packet);
            totals.lost += 1;
            for frame in self.frames.iter().take(usize::from(packet.frames)) {
                lost(frame.clone());
            }
            self.retire(0, totals);
            self.forget_old();
        }
        outcome
    }

    /// The frames of the oldest outstanding packet, to be sent again as a probe. The packet stays
    /// outstanding: it may yet be acknowledged.
    pub(crate) fn probe(&self, mut resend: impl FnMut(SentFrame)) {
        let mut frame = 0;
        for packet in &self.packets {
            let frames = frame..frame + usize::from(packet.frames);
            frame = frames.end;
            if packet.state == State::Outstanding {
                for index in frames {
                    if let Some(frame) = self.frames.get(index) {
                        resend(frame.clone());
                    }
                }
                return;
            }
        }
    }

    /// What is outstanding will not be acknowledged: the space's keys are gone, or the peer has
    /// forgotten. Numbers go on.
    pub(crate) fn discard(&mut self, totals: &mut Totals) {
        for packet in &self.packets {
            if packet.state == State::Outstanding {
                totals.in_flight -= u64::from(packet.size);
            }
        }
        self.base = self.next();
        self.packets = VecDeque::new();
        self.frames = VecDeque::new();
        self.eliciting = 0;
        self.last_eliciting = None;
        self.loss_time = None;
    }

    fn retire(&mut self, index: usize, totals: &mut Totals) {
        if let Some(packet) = self.packets.get_mut(index)
            && packet.state == State::Outstanding
        {
            packet.state = State::Done;
            totals.in_flight -= u64::from(packet.size);
            self.eliciting -= 1;
        }
    }

    /// Drops what is done from the front of both rings.
    fn forget_old(&mut self) {
        while let Some(packet) = self.packets.front()
            && packet.state == State::Done
        {
            let frames = usize::from(packet.frames);
            self.packets.pop_front();
            self.frames.drain(..frames);
            self.base += 1;
        }
    }
}

/// Finds the frames of packets that are asked for in descending order.
struct Cursor {
    /// The packet that was asked for last.
    index: usize,
    /// Where its frames begin.
    frame: usize,
}

impl Cursor {
    fn at_end(sent: &SentPackets) -> Self {
        Self {
            index: sent.packets.len(),
            frame: sent.frames.len(),
        }
    }

    fn frames_of(&mut self, sent: &SentPackets, index: usize) -> Range<usize> {
        let mut end = self.frame;
        while self.index > index {
            self.index -= 1;
            end = self.frame;
            let frames = sent
                .packets
                .get(self.index)
                .map_or(0, |packet| packet.frames);
            self.frame -= usize::from(frames);
        }
        self.frame..end
    }
}

#[cfg(test)]
#[path = "sent_tests.rs"]
mod tests;
