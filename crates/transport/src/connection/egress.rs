//! What is sent: from state to datagrams in the caller's buffer.

use codec::Writer;
use internet::PacketBuilder;

use crate::datagram::Transmit;
use crate::frame::{self, CryptoHeader};
use crate::recovery::SentFrame;
use crate::violation::{Violation, code};
use crate::{Epoch, Instant, Side};

use super::close::State;
use super::keys::SpaceKeys;
use super::space::{EPOCHS, Space, index};
use super::{Connection, DATAGRAM_MIN};

/// With less room than this left in a datagram, no further packet is begun in it.
pub(super) const PACKET_ROOM_MIN: usize = 128;

/// A datagram that lacks fewer bytes than this is as good as full.
const SEGMENT_SLACK: usize = 64;

/// Bytes in one [`Transmit`] of several datagrams: the kernel takes no more than 65,507 less a
/// little in one call.
const BATCH_BYTES_MAX: usize = 65_000;

/// What a packet that is being built may hold.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    pub(super) epoch: Epoch,
    /// Index of the buffer at which the datagram has to end.
    pub(super) end: usize,
    /// Whether frames that elicit acknowledgements may be sent.
    pub(super) eliciting: bool,
    pub(super) pad: Padding,
}

/// Where a datagram is filled up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Padding {
    Nowhere,
    /// In a later packet, if there is room for one.
    InTheEnd,
    /// In this packet.
    Here,
}

impl Connection {
    /// Appends datagrams to `out`: all of equal length but the last, which may be shorter.
    pub(crate) fn poll_transmit(
        &mut self,
        now: Instant,
        max_segments: usize,
        out: &mut Vec<u8>,
    ) -> Option<Transmit> {
        self.log.at(now);
        if self.confirmed {
            self.spaces.forget_handshake();
        }
        if let Some(violation) = self.streams.take_violation() {
            self.on_violation(now, violation);
        }
        match &self.state {
            State::Gone => return None,
            State::Closing(closing) if !closing.due => return None,
            State::Closing(_) => return self.transmit_close(now, out),
            State::Handshaking | State::Open => {}
        }
        let mtu = self.mtu.current();
        let (srtt, wanted) = (self.rtt.smoothed(), self.wanted_in_flight());
        let room = mtu.saturating_sub(internet::DATA_OVERHEAD_MAX);
        self.streams.on_clock(now, srtt, wanted, room);
        if self.pacer.on_mtu(mtu as u64) {
            self.congestion.on_mtu(mtu as u64);
        }
        if let Some(probe) = self.transmit_path_probe(now, out) {
            return Some(probe);
        }
        if let Some(probe) = self.transmit_mtu_probe(now, out) {
            return Some(probe);
        }
        let start = out.len();
        let mut full = self.mtu.datagram_len(self.pto_count);
        self.streams
            .shorten_packets(full.saturating_sub(internet::DATA_OVERHEAD_MAX));
        // As much as one call of segmentation offload sends.
        let most = (BATCH_BYTES_MAX / full).clamp(1, max_segments);
        let mut segment_len = None;
        let mut segments = 0;
        while segments < most {
            let len = self.build_datagram(now, full, out);
            if len == 0 {
                break;
            }
            segments += 1;
            // A first one that lacks a few bytes sets the length of all.
            let lacks_little = full.checked_sub(len).is_some_and(|n| n < SEGMENT_SLACK);
            if segment_len.is_none() && self.confirmed && lacks_little {
                full = len;
            }
            segment_len.get_or_insert(len);
            // None is of another length but the last, whatever it took.
            if len != full {
                break;
            }
        }
        self.log_changes();
        (segments > 0).then(|| Transmit {
            remote: self.addresses.remote,
            local: self.addresses.local,
            len: out.len() - start,
            segment_len: segment_len.filter(|_| segments > 1),
            ecn: self.ecn.mark(self.pto_count),
        })
    }

    /// What may be in flight, or twice what the path itself holds, if that is less: a window is much
    /// larger where a round trip is shorter than what batches and timers take, and what is buffered
    /// for it would only wait in the receiving kernel, and leave the processor's cache meanwhile.
    fn wanted_in_flight(&self) -> u64 {
        let window = self.congestion.window();
        let Some(min_rtt) = self.rtt.min() else {
            return window;
        };
        let rate = self.congestion.pacing_rate(self.rtt.smoothed());
        let holds = u128::from(rate) * min_rtt.as_nanos() / 1_000_000_000;
        window.min(u64::try_from(holds * 2).unwrap_or(u64::MAX))
    }

    /// Whether the address has not yet earned another datagram (RFC 9000 §8.1).
    pub(super) fn is_amplification_limited(&self) -> bool {
        let earned = self.unvalidated_received.saturating_mul(3);
        !self.validated
            && self.unvalidated_sent + DATAGRAM_MIN as u64 > earned
            && !planted!(AmplificationUnlimited)
    }

    /// Appends one datagram of at most `len` bytes. Returns its length, 0 for none.
    fn build_datagram(&mut self, now: Instant, len: usize, out: &mut Vec<u8>) -> usize {
        let start = out.len();
        if self.challenge.is_solving() || self.is_amplification_limited() {
            return 0;
        }
        let free = self.may_send_more(now, len as u64);
        let wants = EPOCHS.map(|epoch| self.wants_to_send(now, epoch, free));
        let Some(last) = EPOCHS.into_iter().rev().find(|&epoch| wants[index(epoch)]) else {
            return 0;
        };
        let end = start + len;
        let padded = wants[0];
        let mut eliciting = false;
        for epoch in EPOCHS {
            let is_wanted = wants[index(epoch)] && end - out.len() >= PACKET_ROOM_MIN;
            if !is_wanted {
                continue;
            }
            let plan = Plan {
                epoch,
                end,
                eliciting: free || self.spaces[index(epoch)].probes > 0,
                pad: match (padded, epoch == last) {
                    (false, _) => Padding::Nowhere,
                    (true, false) => Padding::InTheEnd,
                    (true, true) => Padding::Here,
                },
            };
            eliciting |= self.build_packet(now, plan, out);
        }
        let len = out.len() - start;
        if len > 0 {
            self.on_datagram_sent(now, len, eliciting);
        }
        len
    }

    /// Whether congestion window and pacer let a full datagram go.
    pub(super) fn may_send_more(&mut self, now: Instant, len: u64) -> bool {
        let window = self.congestion.window();
        if self.totals.in_flight + len > window {
            self.timers.pacing = None;
            self.window_limited = self.streams.wants_to_send();
            return false;
        }
        let mut rate = self.congestion.pacing_rate(self.rtt.smoothed());
        if planted!(PacingRateZero) && self.pto_count > 0 {
            rate = 0;
        }
        match self.pacer.check(now, rate) {
            Ok(()) => {
                self.timers.pacing = None;
                true
            }
            Err(at) => {
                let waits = self.done_due
                    || self.ping_due
                    || self.ids.wants_to_send()
                    || self.spaces.iter().any(|space| space.crypto.is_pending())
                    || self.streams.wants_to_send();
                self.timers.pacing = waits.then_some(at);
                // RFC 9002 §7.8: it is not the application that holds back.
                self.window_limited = waits;
                false
            }
        }
    }

    fn wants_to_send(&mut self, now: Instant, epoch: Epoch, free: bool) -> bool {
        let space = &self.spaces[index(epoch)];
        if !space.keys.are_ready() {
            return false;
        }
        if epoch == Epoch::Data && self.is_handshaking() {
            return false;
        }
        if space.received.due().is_some_and(|due| due <= now) || space.probes > 0 {
            return true;
        }
        if !free {
            return false;
        }
        if space.crypto.is_pending() {
            return true;
        }
        epoch == Epoch::Data
            && (self.done_due
                || self.ping_due
                || self.ids.wants_to_send()
                || self.has_stream_data())
    }

    fn has_stream_data(&mut self) -> bool {
        let wants = self.streams.wants_to_send();
        if !wants {
            // It is the application that has nothing to say.
            self.window_limited = false;
            let in_flight = self.totals.in_flight;
            self.totals.delivery.on_app_limited(in_flight);
        }
        wants
    }

    /// Appends one packet. Returns whether it elicits an acknowledgement.
    pub(super) fn build_packet(&mut self, now: Instant, plan: Plan, out: &mut Vec<u8>) -> bool {
        if plan.epoch == Epoch::Data && !self.prepare_data_keys(now) {
            return false;
        }
        let builder = self.begin_packet(plan.epoch, out);
        let payload = builder.payload_start();
        let limit = out.len() + builder.room(out, plan.end);
        let mut frames = 0;
        let mut eliciting = false;
        self.write_ack(now, plan, limit, out, &mut frames);
        if plan.eliciting {
            let before = out.len();
            self.write_eliciting(plan, limit, out, &mut frames);
            if plan.epoch == Epoch::Data {
                let says_something = out.len() > before;
                self.bundle(says_something, payload, limit, out, &mut frames);
            }
            let asks = self.spaces[index(plan.epoch)].probes > 0
                || frames > 0 && self.asks_what_arrived(now, plan.epoch);
            if out.len() == before && asks && out.len() < limit {
                Writer::new(out).u8(frame::PING);
            }
            eliciting = out.len() > before;
        }
        if out.len() == payload {
            builder.abandon(out);
            return false;
        }
        // Nothing more follows in this datagram.
        let is_full = limit.saturating_sub(out.len()) < PACKET_ROOM_MIN;
        if plan.pad == Padding::Here || plan.pad == Padding::InTheEnd && is_full {
            builder.pad_to(out, plan.end);
        }
        let start = builder.start();
        self.seal(now, plan.epoch, builder, out);
        let len = out.len() - start;
        if eliciting {
            let in_flight = self.totals.in_flight;
            self.congestion.on_sent(now, len as u64, in_flight);
        }
        let space = &mut self.spaces[index(plan.epoch)];
        space
            .sent
            .on_sent(now, len, frames, eliciting, &mut self.totals);
        space.probes = space.probes.saturating_sub(u8::from(eliciting));
        self.notes.counters.packets_sent += 1;
        if plan.epoch == Epoch::Data && self.skips.take(space.sent.next()) {
            space.sent.skip(now, &mut self.totals);
        }
        if !eliciting {
            self.shed_sent(now, plan.epoch);
        }
        if plan.epoch == Epoch::Handshake && self.side == Side::Client {
            // RFC 9001 §4.9.1.
            self.discard(Epoch::Initial);
        }
        eliciting
    }

    /// Updates the data keys if it is time. `false`: no packet may be sealed any more.
    pub(super) fn prepare_data_keys(&mut self, now: Instant) -> bool {
        let space = &mut self.spaces[index(Epoch::Data)];
        let SpaceKeys::Data(keys) = &mut space.keys else {
            return false;
        };
        let acked = space.sent.largest_acked();
        let packets_max = self.config.key_update_packets;
        keys.forget_previous(now, self.rtt.pto() * 3);
        keys.update_if_due(now, packets_max, acked, &mut *self.session);
        let may_seal = keys.may_seal(space.sent.next());
        if !may_seal {
            let reason = "a key, or packet numbers, were used as often as may be";
            self.on_violation(now, Violation::new(code::AEAD_LIMIT, reason));
        }
        may_seal
    }

    pub(super) fn begin_packet(&self, epoch: Epoch, out: &mut Vec<u8>) -> PacketBuilder {
        let space = &self.spaces[index(epoch)];
        let (mut number, acked) = (space.sent.next(), space.sent.largest_acked());
        if planted!(NonceReusedByProbe) && space.probes > 0 {
            number = number.saturating_sub(1);
        }
        let (dcid, scid) = (self.ids.remote(), self.ids.first());
        match epoch {
            Epoch::Initial => {
                PacketBuilder::initial(out, dcid, scid, self.challenge.token(), number, acked)
            }
            Epoch::Handshake => PacketBuilder::handshake(out, dcid, scid, number, acked),
            Epoch::Data => {
                let phase = match &space.keys {
                    SpaceKeys::Data(keys) => keys.phase(),
                    _ => false,
                };
                PacketBuilder::data(out, dcid, phase, number, acked)
            }
        }
    }

    pub(super) fn seal(
        &mut self,
        now: Instant,
        epoch: Epoch,
        builder: PacketBuilder,
        out: &mut Vec<u8>,
    ) {
        let (start, number) = (builder.start(), builder.packet_number());
        self.log.will_send(out.get(builder.payload_start()..));
        match &mut self.spaces[index(epoch)].keys {
            SpaceKeys::Fixed(keys) => {
                builder.finish(out, &*keys.local);
            }
            SpaceKeys::Data(keys) => keys.seal(now, builder, out),
            SpaceKeys::None | SpaceKeys::Discarded => builder.abandon(out),
        }
        self.log.packet_sent(epoch, number, out.len() - start);
    }

    /// An acknowledgement goes with whatever is sent.
    fn write_ack(
        &mut self,
        now: Instant,
        plan: Plan,
        limit: usize,
        out: &mut Vec<u8>,
        frames: &mut usize,
    ) {
        let space = &mut self.spaces[index(plan.epoch)];
        if !space.received.has_news() {
            return;
        }
        let delay = space.received.delay(now);
        let room = limit.saturating_sub(out.len());
        let written = {
            let ecn = (plan.epoch == Epoch::Data)
                .then(|| self.ecn.counts())
                .flatten();
            frame::encode_ack(
                space.received.ranges(),
                delay,
                ecn,
                room,
                &mut Writer::new(out),
            )
        };
        if written {
            let largest = space.received.on_ack_sent(now);
            space.sent.note(SentFrame::Ack { largest });
            *frames += 1;
        }
    }

    /// Whether an acknowledgement goes with a ping: who only receives never learns otherwise which
    /// of its acknowledgements have arrived, and tells the same again and again.
    fn asks_what_arrived(&self, now: Instant, epoch: Epoch) -> bool {
        let Space { sent, received, .. } = &self.spaces[index(epoch)];
        let asked = |at: Instant| now.since(at) < self.rtt.smoothed();
        epoch == Epoch::Data && received.is_long() && !sent.last_eliciting().is_some_and(asked)
    }

    /// Frames that elicit acknowledgements: handshake bytes, then what the connection and its
    /// streams have to say.
    fn write_eliciting(&mut self, plan: Plan, limit: usize, out: &mut Vec<u8>, frames: &mut usize) {
        let start = out.len();
        let mut pings = 0;
        let Space { sent, crypto, .. } = &mut self.spaces[index(plan.epoch)];
        let mut note = |frame| {
            sent.note(frame);
            *frames += 1;
        };
        loop {
            let room = limit.saturating_sub(out.len() + CryptoHeader::LEN_MAX);
            let Some(range) = crypto.take(room) else {
                break;
            };
            CryptoHeader {
                offset: range.start,
                len: (range.end - range.start) as usize,
            }
            .encode(&mut Writer::new(out));
            crypto.copy(&range, out);
            note(SentFrame::Crypto { range });
        }
        if plan.epoch != Epoch::Data {
            return;
        }
        if self.done_due && out.len() < limit {
            self.done_due = false;
            Writer::new(out).u8(frame::HANDSHAKE_DONE);
            note(SentFrame::HandshakeDone);
        }
        if self.ping_due && out.len() < limit {
            self.ping_due = false;
            Writer::new(out).u8(frame::PING);
            pings = 1;
        }
        let number = sent.next();
        self.ids.write(limit, out, &mut |frame| {
            sent.note(frame);
            *frames += 1;
        });
        let (counters, repeats) = (&mut self.notes.counters, &mut self.repeats);
        let mut note = |frame| {
            sent.note(frame);
            *frames += 1;
        };
        self.streams.write_frames(limit, out, &mut |frame| {
            counters.note_frame(&frame);
            repeats.note(number, &frame);
            note(frame);
        });
        if out.len() > start + pings {
            self.keeping_alive = false;
        }
    }

    pub(super) fn on_datagram_sent(&mut self, now: Instant, len: usize, eliciting: bool) {
        self.notes.on_datagram_sent(len);
        self.mtu.on_sent(len);
        if !self.validated {
            self.unvalidated_sent += len as u64;
        }
        if eliciting {
            self.pacer.on_sent(len as u64);
        }
        self.timers.on_sent(now, eliciting, self.idle_after());
    }
}
