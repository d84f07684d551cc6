//! The ends of a connection (RFC 9000 §10).

use core::time::Duration;

use codec::Writer;

use crate::datagram::Transmit;
use crate::event::{CloseReason, Event};
use crate::frame::{Close, REASON_BYTES_MAX};
use crate::recovery::{MAX_ACK_DELAY, PTO_MAX};
use crate::session::SessionError;
use crate::violation::{Violation, code};
use crate::{Epoch, Instant, Side};

use super::egress::{PACKET_ROOM_MIN, Padding, Plan};
use super::space::{EPOCHS, index};
use super::{Connection, DATAGRAM_MIN};

/// What a client's application error is called before the handshake protects it
/// (RFC 9000 §10.2.3).
const APPLICATION_ERROR: u64 = 0x0c;

/// TLS's internal_error, for a handshake that failed without an alert.
const INTERNAL_ALERT: u8 = 80;

/// Where a connection stands.
#[derive(Debug)]
pub(super) enum State {
    Handshaking,
    Open,
    /// A CLOSE is sent, and sent again until the peer answers with its own or time is up.
    Closing(Box<Closing>),
    /// Nothing more happens: the endpoint forgets it.
    Gone,
}

#[derive(Debug)]
pub(super) struct Closing {
    application: bool,
    code: u64,
    reason: Vec<u8>,
    /// The CLOSE is to be sent.
    pub(super) due: bool,
    /// The peer knows: one CLOSE, and that is all.
    last: bool,
    /// When it is sent again.
    pub(super) resend: Instant,
    /// When we stop waiting for the peer.
    pub(super) deadline: Instant,
    /// Packets that arrived since.
    heard: u32,
    /// To be told when it is over; `None` when it was told at once.
    event: Option<CloseReason>,
}

impl Closing {
    /// The frame to send. Outside Data packets an application's reason is not told.
    fn frame(&self, protected: bool) -> Close<'_> {
        if self.application && !protected {
            return Close {
                application: false,
                code: APPLICATION_ERROR,
                reason: b"",
            };
        }
        Close {
            application: self.application,
            code: self.code,
            reason: &self.reason,
        }
    }
}

impl Connection {
    /// Closes the connection: streams end at once, and the peer is told `code` and `reason` (cut to
    /// 256 bytes). [`Event::Closed`] with [`CloseReason::Local`] follows when the peer has answered,
    /// or after three probe timeouts.
    ///
    /// What the peer has not acknowledged may be lost: where that matters, finish the stream and
    /// wait for [`Event::Finished`] first.
    pub fn close(&mut self, now: Instant, code: u64, reason: &str) {
        if self.is_alive() {
            self.log.at(now);
            self.start_closing(now, true, code, cut(reason), Some(CloseReason::Local));
        }
    }

    /// Whether nothing more happens.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self.state, State::Gone)
    }

    /// Whether the end is still to come.
    pub(crate) fn is_alive(&self) -> bool {
        matches!(self.state, State::Handshaking | State::Open)
    }

    /// The peer broke a rule. On a connection that has ended already it may do as it likes: neither
    /// is the end put off nor another reason told.
    pub(super) fn on_violation(&mut self, now: Instant, violation: Violation) {
        if !self.is_alive() {
            return;
        }
        let Violation { code, reason } = violation;
        self.tell_closed(CloseReason::ProtocolError { code, reason });
        self.start_closing(now, false, code, reason.as_bytes().to_vec(), None);
    }

    pub(super) fn on_session_error(&mut self, now: Instant, error: SessionError) {
        if !self.is_alive() {
            return;
        }
        let code = code::CRYPTO + u64::from(error.alert.unwrap_or(INTERNAL_ALERT));
        self.tell_closed(CloseReason::Handshake(error));
        self.start_closing(now, false, code, Vec::new(), None);
    }

    /// The peer closed the connection: it gets one answer.
    pub(super) fn on_peer_close(&mut self, now: Instant, frame: &Close<'_>) {
        if let State::Closing(closing) = &mut self.state {
            if closing.last {
                // Said twice: the answer is on its way.
                return;
            }
            // It has our CLOSE, or closed by itself: either way it knows.
            let event = closing.event.take();
            if let Some(reason) = event {
                self.tell_closed(reason);
            }
            self.state = State::Gone;
            return;
        }
        if matches!(self.state, State::Gone) {
            return;
        }
        let reason = printable(frame.reason);
        let code = frame.code;
        let awaited = self.is_handshaking() && self.side == Side::Client;
        self.tell_closed(match (frame.application, code) {
            (true, code) => CloseReason::Peer { code, reason },
            (false, APPLICATION_ERROR) if awaited => CloseReason::Peer { code, reason },
            (false, code) => CloseReason::PeerError { code, reason },
        });
        self.start_closing(now, false, code::NONE, Vec::new(), None);
        if let State::Closing(closing) = &mut self.state {
            closing.last = true;
        }
    }

    /// Ends the connection without a word to the peer.
    pub(crate) fn abandon(&mut self, reason: CloseReason) {
        if let State::Closing(closing) = &mut self.state {
            let event = closing.event.take();
            self.state = State::Gone;
            if let Some(reason) = event {
                self.tell_closed(reason);
            }
            return;
        }
        if !self.is_gone() {
            self.tell_closed(reason);
            self.state = State::Gone;
        }
    }

    fn start_closing(
        &mut self,
        now: Instant,
        application: bool,
        code: u64,
        reason: Vec<u8>,
        event: Option<CloseReason>,
    ) {
        // Before the peer has proven anything it gets one CLOSE, and nobody waits.
        let last = self.is_handshaking();
        if last && let Some(reason) = event.clone() {
            self.tell_closed(reason);
        }
        let pto = self.closing_pto();
        // A peer that holds back acknowledgements does not hold us.
        let wait = (pto * 3).min(self.idle_timeout.max(PTO_MAX));
        self.state = State::Closing(Box::new(Closing {
            application,
            code,
            reason,
            due: true,
            last,
            resend: now + pto,
            deadline: now + wait,
            heard: 0,
            event: event.filter(|_| !last),
        }));
    }

    /// How long the peer's answer to a CLOSE is waited for before it is sent again. Where a round trip
    /// takes less than a peer needs to be woken up, what is sent sooner finds nobody any more.
    fn closing_pto(&self) -> Duration {
        self.rtt.pto().max(MAX_ACK_DELAY)
    }

    /// Time passed while closing.
    pub(super) fn on_closing_timeout(&mut self, now: Instant) {
        let pto = self.closing_pto();
        let State::Closing(closing) = &mut self.state else {
            return;
        };
        if now >= closing.deadline {
            self.abandon(CloseReason::Local);
        } else if now >= closing.resend {
            closing.resend = now + pto;
            closing.due = true;
        }
    }

    /// Something arrived while closing: the peer may not know yet. Ever more has to arrive for
    /// another CLOSE (RFC 9000 §10.2.1).
    pub(super) fn on_packet_while_closing(&mut self) {
        if let State::Closing(closing) = &mut self.state {
            closing.heard = closing.heard.saturating_add(1);
            closing.due |= closing.heard.is_power_of_two();
        }
    }

    /// One datagram with the CLOSE, in every epoch that the peer may be able to read.
    pub(super) fn transmit_close(&mut self, now: Instant, out: &mut Vec<u8>) -> Option<Transmit> {
        let start = out.len();
        let end = start + DATAGRAM_MIN;
        let amplified = self.is_amplification_limited();
        let mut readable = EPOCHS.map(|epoch| {
            let early = epoch == Epoch::Data && self.peer.is_none();
            self.spaces[index(epoch)].keys.are_ready() && !early && !amplified
        });
        let finishes = readable[index(Epoch::Data)] && self.may_lack_finished();
        if finishes {
            self.build_finished(now, end, out);
            readable = EPOCHS.map(|epoch| epoch == Epoch::Data);
        }
        // What a server takes in from an unknown address has full length.
        let padded = readable[0] && self.side == Side::Client;
        let last = EPOCHS.into_iter().rev().find(|&at| readable[index(at)]);
        for epoch in EPOCHS {
            if readable[index(epoch)] && end - out.len() >= PACKET_ROOM_MIN {
                let pad_to = (padded && Some(epoch) == last).then_some(end);
                self.build_close_packet(now, epoch, pad_to, out);
            }
        }
        let len = out.len() - start;
        self.on_close_sent();
        if len == 0 {
            return None;
        }
        self.on_datagram_sent(now, len, finishes);
        Some(Transmit {
            remote: self.addresses.remote,
            local: self.addresses.local,
            len,
            segment_len: None,
            ecn: None,
        })
    }

    /// Whether we close a connection whose handshake is complete here, and perhaps not at the peer.
    fn may_lack_finished(&self) -> bool {
        let space = &self.spaces[index(Epoch::Handshake)];
        let last = matches!(&self.state, State::Closing(closing) if closing.last);
        self.side == Side::Client && !last && space.keys.are_ready() && !space.crypto.is_acked()
    }

    /// What completes the peer's handshake, so that it can read the CLOSE behind it, and learns who
    /// was there and why it left.
    fn build_finished(&mut self, now: Instant, end: usize, out: &mut Vec<u8>) {
        let epoch = Epoch::Handshake;
        self.spaces[index(epoch)].crypto.resend_all();
        let plan = Plan {
            epoch,
            end,
            eliciting: true,
            pad: Padding::Nowhere,
        };
        self.build_packet(now, plan, out);
    }

    fn build_close_packet(
        &mut self,
        now: Instant,
        epoch: Epoch,
        pad_to: Option<usize>,
        out: &mut Vec<u8>,
    ) {
        let builder = self.begin_packet(epoch, out);
        if let State::Closing(closing) = &self.state {
            let frame = closing.frame(epoch == Epoch::Data);
            frame.encode(&mut Writer::new(out));
        }
        if let Some(end) = pad_to {
            builder.pad_to(out, end);
        }
        let start = builder.start();
        self.seal(now, epoch, builder, out);
        let len = out.len() - start;
        let space = &mut self.spaces[index(epoch)];
        space.sent.on_sent(now, len, 0, false, &mut self.totals);
        self.notes.counters.packets_sent += 1;
    }

    /// The CLOSE was sent.
    fn on_close_sent(&mut self) {
        if let State::Closing(closing) = &mut self.state {
            closing.due = false;
            if closing.last {
                self.state = State::Gone;
            }
        }
    }

    fn tell_closed(&mut self, reason: CloseReason) {
        self.log.closed(&reason);
        self.streams.push_event(Event::Closed(reason));
    }
}

fn cut(reason: &str) -> Vec<u8> {
    let mut end = reason.len().min(REASON_BYTES_MAX);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason.as_bytes().get(..end).unwrap_or_default().to_vec()
}

/// A peer's words, harmless on a terminal.
fn printable(reason: &[u8]) -> String {
    String::from_utf8_lossy(reason)
        .chars()
        .filter(|c| !c.is_control())
        .collect()
}
