//! What is sent for the path's own sake (docs/PROTOCOL.md §4.8).

use codec::Writer;
use internet::{ConnectionId, PacketBuilder};

use crate::datagram::{Addresses, Transmit};
use crate::frame::{self, PathData};
use crate::recovery::SentFrame;
use crate::{Epoch, Instant};

use super::keys::SpaceKeys;
use super::space::index;
use super::{Connection, DATAGRAM_MIN};

/// A datagram with a challenge has no less room than this.
const PROBE_ROOM_MIN: usize = 40;

/// A datagram that looks at a path.
struct Probe {
    addresses: Addresses,
    /// The id of the peer to send it to.
    id: ConnectionId,
    /// How long it may be.
    room: usize,
    challenge: Option<PathData>,
    answers: Vec<PathData>,
}

impl Connection {
    /// The handshake is confirmed: datagrams may grow, as far as both ends allow.
    pub(super) fn allow_longer_datagrams(&mut self) {
        let peer = self.peer.as_ref().map_or(0, |peer| peer.max_datagram);
        let own = u64::try_from(self.config.datagram_bytes_max).unwrap_or(u64::MAX);
        self.mtu.allow(peer.min(own));
    }

    /// Finds out how long datagrams may be on the path now (RFC 8899), instead of when there is enough
    /// to send to fill them. Each probe takes a round trip, and a length is given up after three that were lost;
    /// [`Connection::is_searching_mtu`] tells when it is over, and [`Stats::datagram_bytes`] what it gave.
    ///
    /// [`Stats::datagram_bytes`]: crate::Stats::datagram_bytes
    pub fn search_mtu(&mut self) {
        self.mtu.ask();
    }

    /// Whether the search that [`Connection::search_mtu`] has begun goes on. Losses show by what is
    /// acknowledged later: on a quiet connection [`Connection::ping`] helps.
    pub fn is_searching_mtu(&self) -> bool {
        self.mtu.is_asked()
    }

    /// A datagram of its own that looks at a path, or answers one that did.
    pub(super) fn transmit_path_probe(
        &mut self,
        now: Instant,
        out: &mut Vec<u8>,
    ) -> Option<Transmit> {
        self.paths.as_ref()?;
        while let Some(probe) = self.next_probe(now) {
            if probe.room < PROBE_ROOM_MIN || !self.prepare_data_keys(now) {
                continue;
            }
            let len = self.build_probe(now, &probe, out);
            let Addresses { remote, local } = probe.addresses;
            let paths = self.paths.as_mut();
            if let Some(candidate) = paths.and_then(|p| p.candidate(probe.addresses)) {
                candidate.on_sent(len);
            }
            return Some(Transmit {
                remote,
                local,
                len,
                segment_len: None,
                ecn: None,
            });
        }
        if self.paths.as_ref().is_some_and(|paths| paths.is_over()) {
            self.paths = None;
        }
        None
    }

    /// What is to be sent next to look at a path. It counts as sent.
    fn next_probe(&mut self, now: Instant) -> Option<Probe> {
        let (addresses, id) = (self.addresses, self.ids.remote());
        let paths = self.paths.as_mut()?;
        let moving = paths.moving.as_mut();
        let challenge = moving.and_then(|moving| moving.validation.take_due(now, true));
        let challenge = challenge.or_else(|| paths.asked.take());
        if challenge.is_some() || !paths.answers.is_empty() {
            return Some(Probe {
                addresses,
                id,
                room: DATAGRAM_MIN,
                challenge,
                answers: paths.answers.take(),
            });
        }
        let candidate = paths.due(now)?;
        let room = candidate.room();
        let validation = candidate.validation.as_mut();
        Some(Probe {
            addresses: candidate.addresses,
            id: candidate.id.map_or(id, |other| other.id),
            room,
            challenge: validation.and_then(|v| v.take_due(now, room >= DATAGRAM_MIN)),
            answers: candidate.answers.take(),
        })
    }

    /// Neither loss nor delay of such a packet says anything of the path in use, so it is not among
    /// those that an acknowledgement is waited for. A challenge without an answer is sent again.
    fn build_probe(&mut self, now: Instant, probe: &Probe, out: &mut Vec<u8>) -> usize {
        let start = out.len();
        let space = &self.spaces[index(Epoch::Data)];
        let phase = matches!(&space.keys, SpaceKeys::Data(keys) if keys.phase());
        let (number, acked) = (space.sent.next(), space.sent.largest_acked());
        let builder = PacketBuilder::data(out, probe.id, phase, number, acked);
        let limit = out.len() + builder.room(out, start + probe.room);
        let challenge = probe.challenge.map(|data| (frame::PATH_CHALLENGE, data));
        let answers = probe.answers.iter().rev();
        let answers = answers.map(|data| (frame::PATH_RESPONSE, *data));
        for (kind, data) in challenge.into_iter().chain(answers) {
            if limit.saturating_sub(out.len()) > data.len() {
                frame::encode_path(kind, data, &mut Writer::new(out));
            }
        }
        // RFC 9000 §8.2.1: a path that does not take this length is none. What the address has not
        // earned yet is spent later, on a full one.
        if probe.room >= DATAGRAM_MIN {
            builder.pad_to(out, start + DATAGRAM_MIN);
        }
        self.seal(now, Epoch::Data, builder, out);
        let len = out.len() - start;
        let sent = &mut self.spaces[index(Epoch::Data)].sent;
        sent.on_sent(now, len, 0, false, &mut self.totals);
        self.shed_sent(now, Epoch::Data);
        let counters = &mut self.notes.counters;
        counters.packets_sent += 1;
        counters.path_challenges += u64::from(probe.challenge.is_some());
        self.notes.on_datagram_sent(len);
        self.timers.on_sent(now, false, self.idle_after());
        len
    }

    /// A datagram of its own that finds out whether the path takes longer ones: a PING, filled up
    /// (RFC 9000 §14.4).
    pub(super) fn transmit_mtu_probe(
        &mut self,
        now: Instant,
        out: &mut Vec<u8>,
    ) -> Option<Transmit> {
        let window = self.congestion.window();
        let len = self.mtu.probe_len(now, window)?;
        // Where one of usual length may go: a sender that fills its window has never more room.
        let usual = self.mtu.current() as u64;
        let has_room = self.pto_count == 0 && self.may_send_more(now, usual);
        if !has_room || !self.prepare_data_keys(now) {
            return None;
        }
        let start = out.len();
        let builder = self.begin_packet(Epoch::Data, out);
        Writer::new(out).u8(frame::PING);
        builder.pad_to(out, start + len);
        self.seal(now, Epoch::Data, builder, out);
        self.congestion
            .on_sent(now, len as u64, self.totals.in_flight);
        let sent = &mut self.spaces[index(Epoch::Data)].sent;
        sent.note(SentFrame::MtuProbe { len: len as u16 });
        sent.on_sent(now, len, 1, true, &mut self.totals);
        self.notes.counters.packets_sent += 1;
        self.on_datagram_sent(now, len, true);
        self.mtu.on_probe_sent();
        Some(Transmit {
            remote: self.addresses.remote,
            local: self.addresses.local,
            len,
            segment_len: None,
            ecn: self.ecn.mark(self.pto_count),
        })
    }

    /// Packets were lost: perhaps because the path no longer takes their length.
    pub(super) fn detect_black_hole(&mut self) {
        let sent = &mut self.spaces[index(Epoch::Data)].sent;
        if self.mtu.is_black_hole(sent.long().lost(), self.pto_count) {
            sent.forgive_long_losses();
            self.mtu.reset();
        }
    }
}
