//! Acknowledgements, losses and probes over all packet number spaces (RFC 9002).

use core::time::Duration;

use crate::congestion::{Acked, Lost};
use crate::frame::Ack;
use crate::recovery::{
    HANDSHAKE_PTO_MAX, LossOutcome, MAX_ACK_DELAY, PERSISTENT_CONGESTION_PTOS, PTO_MAX, Rtt,
    SentFrame, SentPackets, Totals,
};
use crate::violation::Refused;
use crate::{Epoch, Instant, Side};

use super::space::{EPOCHS, Space, index};
use super::{Connection, EcnSupport};

/// Packets sent when a probe timeout passes (RFC 9002 §6.2.4).
const PROBES: u8 = 2;

/// Nobody waits for the answer to a keep-alive. Whoever has a hundred thousand connections and is late
/// with it must not be asked again by all of them, or will never have answered.
const KEEP_ALIVE_PTO_MIN: Duration = Duration::from_secs(1);

/// The first probe does not come sooner than this: on a short path nobody answers at once who has
/// something else to do.
const FIRST_PROBE_MIN: Duration = Duration::from_millis(10);

impl Connection {
    pub(super) fn on_ack(
        &mut self,
        now: Instant,
        epoch: Epoch,
        ack: &Ack<'_>,
    ) -> Result<(), Refused> {
        let Space {
            sent,
            received,
            crypto,
            ..
        } = &mut self.spaces[index(epoch)];
        let streams = &mut self.streams;
        let (mtu, ids) = (&mut self.mtu, &mut self.ids);
        let outcome = sent.on_ack(now, ack, &mut self.totals, |frame| match frame {
            SentFrame::Crypto { range } => crypto.on_acked(range),
            SentFrame::Ack { largest } => received.on_ack_acked(largest),
            SentFrame::MtuProbe { len } => mtu.on_probe_acked(len),
            SentFrame::NewConnectionId { .. } | SentFrame::RetireConnectionId { .. } => {
                ids.on_acked(&frame);
            }
            other => streams.on_frame_acked(other),
        })?;
        if let (Some(sample), Some(_)) = (outcome.rtt_sample, outcome.newest_sent) {
            // RFC 9002 §5.3: handshake packets are not held back.
            let delay = match epoch {
                Epoch::Data => ack.delay.min(self.peer_ack_delay()),
                Epoch::Initial | Epoch::Handshake => Duration::ZERO,
            };
            self.rtt.update(now, sample, delay);
        }
        if let Some(newest) = outcome.spurious.newest_sent {
            let bytes = outcome.spurious.bytes;
            self.congestion.on_spurious_loss(now, newest, bytes);
        }
        self.detect_losses(now, epoch);
        if epoch == Epoch::Data && outcome.advances {
            let sent = self.spaces[index(epoch)].sent.next();
            let support = self.ecn.support();
            let marks = self.ecn.on_ack(ack.ecn, outcome.packets, sent);
            let counters = &mut self.notes.counters;
            counters.ecn_marks += marks;
            let fails = self.ecn.support() == EcnSupport::Failed && support != EcnSupport::Failed;
            counters.ecn_failures += u64::from(fails);
            if let (1.., Some(newest)) = (marks, outcome.newest_sent) {
                self.congestion.on_congestion_experienced(now, newest);
            }
        }
        if let (Some(newest_sent), Some(rate)) = (outcome.newest_sent, outcome.rate) {
            self.congestion.on_ack(&Acked {
                now,
                bytes: outcome.bytes,
                newest_sent,
                rtt: outcome.rtt_sample.map(|_| self.rtt.path()),
                srtt: self.rtt.smoothed(),
                in_flight: self.totals.in_flight,
                delivered: self.totals.delivery.delivered(),
                limited: self.window_limited,
                rate,
            });
            self.pto_count = 0;
        }
        Ok(())
    }

    pub(super) fn peer_ack_delay(&self) -> Duration {
        self.peer
            .as_ref()
            .map_or(MAX_ACK_DELAY, |peer| peer.max_ack_delay)
    }

    fn detect_losses(&mut self, now: Instant, epoch: Epoch) {
        self.lose(now, epoch, |sent, rtt, totals, lost| {
            sent.detect_losses(now, rtt, totals, lost)
        });
    }

    /// Gives all data packets up that are on their way, and sends again what they carried. That says
    /// nothing of the path in use, nor of what it takes.
    pub(super) fn abandon_all(&mut self, now: Instant) {
        self.lose(now, Epoch::Data, |sent, _, totals, resend| {
            sent.abandon(totals, |frame| match frame {
                SentFrame::MtuProbe { .. } => {}
                other => resend(other),
            });
            LossOutcome::default()
        });
        self.mtu.forget_probe();
        self.spaces[index(Epoch::Data)].probes = 0;
    }

    /// Keeps the memory of packets that only acknowledge within bounds.
    pub(super) fn shed_sent(&mut self, now: Instant, epoch: Epoch) {
        self.lose(now, epoch, |sent, _, totals, lost| sent.shed(totals, lost));
    }

    /// Declares packets lost that `find` finds.
    fn lose(
        &mut self,
        now: Instant,
        epoch: Epoch,
        find: impl FnOnce(&mut SentPackets, &Rtt, &mut Totals, &mut dyn FnMut(SentFrame)) -> LossOutcome,
    ) {
        let space = &mut self.spaces[index(epoch)];
        let streams = &mut self.streams;
        let (mtu, done_due, ids) = (&mut self.mtu, &mut self.done_due, &mut self.ids);
        let crypto = &mut space.crypto;
        let mut lost = |frame| match frame {
            SentFrame::Crypto { range } => crypto.on_lost(range),
            SentFrame::HandshakeDone => *done_due = true,
            SentFrame::MtuProbe { len } => mtu.on_probe_lost(len),
            SentFrame::NewConnectionId { .. } | SentFrame::RetireConnectionId { .. } => {
                ids.on_lost(&frame);
            }
            other => streams.on_frame_lost(other),
        };
        let outcome = find(&mut space.sent, &self.rtt, &mut self.totals, &mut lost);
        self.log.losses(epoch, &outcome);
        self.on_losses(now, &outcome);
    }

    fn on_losses(&mut self, now: Instant, outcome: &LossOutcome) {
        self.notes.counters.bytes_lost += outcome.bytes;
        let (Some(oldest), Some(newest)) = (outcome.oldest_sent, outcome.newest_sent) else {
            return;
        };
        let pto = self.rtt.pto() + self.peer_ack_delay();
        let persistent = outcome.silence > pto * PERSISTENT_CONGESTION_PTOS;
        self.congestion.on_loss(&Lost {
            now,
            bytes: outcome.bytes,
            oldest_sent: oldest,
            newest_sent: newest,
            rtt: self.rtt.path(),
            persistent,
        });
        self.detect_black_hole();
    }

    /// When the loss detection timer fires, and for which epoch (RFC 9002 §A.8).
    pub(super) fn loss_timeout(&self) -> Option<Instant> {
        let earliest = self
            .spaces
            .iter()
            .filter_map(|space| space.sent.loss_time())
            .min();
        if planted!(LossTimerLost) && earliest.is_some() {
            return None;
        }
        earliest.or_else(|| self.pto().map(|(at, _)| at))
    }

    /// When the next probe is due, and in which epoch.
    fn pto(&self) -> Option<(Instant, Epoch)> {
        if planted!(ProbeTimerNotRearmed) && self.pto_count > 0 {
            return None;
        }
        if self.challenge.is_solving() || self.is_amplification_limited() {
            return None;
        }
        let in_flight = EPOCHS.into_iter().filter_map(|epoch| {
            let sent = &self.spaces[index(epoch)].sent;
            let at = sent.last_eliciting().filter(|_| sent.has_eliciting())?;
            // RFC 9002 §6.2.1: not before the peer can be expected to answer.
            let early = epoch == Epoch::Data && !self.confirmed && self.is_handshaking();
            (!early).then(|| (at + self.pto_delay(epoch), epoch))
        });
        let earliest = in_flight.min_by_key(|&(at, _)| at);
        // A client keeps the server from waiting for an address validation that never comes
        // (RFC 9002 §6.2.2.1).
        let deadlock = || {
            (self.side == Side::Client && !self.confirmed && self.is_handshaking()).then(|| {
                let epoch = self.handshake_epoch();
                (self.timers.quiet_since() + self.pto_delay(epoch), epoch)
            })
        };
        earliest.or_else(deadlock)
    }

    /// The newest epoch of the handshake that we have keys for.
    fn handshake_epoch(&self) -> Epoch {
        if self.spaces[index(Epoch::Handshake)].keys.are_ready() {
            Epoch::Handshake
        } else {
            Epoch::Initial
        }
    }

    fn pto_delay(&self, epoch: Epoch) -> Duration {
        let base = match epoch {
            Epoch::Data => self.rtt.pto() + self.peer_ack_delay(),
            Epoch::Initial | Epoch::Handshake => self.rtt.pto(),
        };
        let cap = if self.is_handshaking() {
            HANDSHAKE_PTO_MAX
        } else {
            PTO_MAX
        };
        let factor = match planted!(ProbeDelayNotDoubled) {
            true => 1,
            false => 1u32 << self.pto_count.min(10),
        };
        // A path that is slower than the cap is probed at its own pace.
        let delay = (base * factor).min(cap.max(base));
        let first = epoch == Epoch::Data && self.pto_count == 0;
        if self.keeping_alive {
            // Several of them have to fit into a short idle timeout.
            delay.max(KEEP_ALIVE_PTO_MIN.min(self.idle_after() / 8))
        } else if first && self.rtt.first_sample_at().is_some() {
            // RFC 8985 §7.2: whatever the variation, two round trips without an answer are a reason
            // to ask. The peer holds its answer back for a quarter of one (docs/PROTOCOL.md §4.5).
            delay.min((self.rtt.smoothed() * 2).max(FIRST_PROBE_MIN))
        } else {
            delay
        }
    }

    /// The loss detection timer has fired (RFC 9002 §A.9).
    pub(super) fn on_loss_timeout(&mut self, now: Instant) {
        let by_time = EPOCHS.into_iter().find(|&epoch| {
            let time = self.spaces[index(epoch)].sent.loss_time();
            time.is_some_and(|at| at <= now)
        });
        if let Some(epoch) = by_time {
            self.detect_losses(now, epoch);
            return;
        }
        let Some((at, epoch)) = self.pto() else {
            return;
        };
        if at > now {
            return;
        }
        self.pto_count += 1;
        self.notes.counters.probe_timeouts += 1;
        self.timers.on_probe(now);
        self.spaces[index(epoch)].probes = if self.keeping_alive { 1 } else { PROBES };
        for epoch in EPOCHS {
            let space = &mut self.spaces[index(epoch)];
            // Handshake bytes are few, and nothing goes on without them: those of every epoch go
            // again, in the same datagrams (RFC 9002 §6.2.4).
            space.crypto.resend_all();
            if space.crypto.is_pending() && space.keys.are_ready() {
                space.probes = PROBES;
            }
        }
        let (streams, done_due) = (&mut self.streams, &mut self.done_due);
        let ids = &mut self.ids;
        let sent = &self.spaces[index(epoch)].sent;
        sent.probe(|frame| match frame {
            SentFrame::HandshakeDone => *done_due = true,
            // It has not been given up yet.
            SentFrame::MtuProbe { .. } => {}
            SentFrame::NewConnectionId { .. } | SentFrame::RetireConnectionId { .. } => {
                ids.on_lost(&frame);
            }
            other => streams.on_frame_lost(other),
        });
    }
}
