//! What arrives: from a datagram to the state that its frames change.

use core::net::SocketAddr;

use codec::Reader;
use internet::{
    ConnectionId, DropReason, Drops, Header, OpenError, Opened, PartialPacket, RESET_LEN_MIN,
    ResetToken, open_unmasked, unmask,
};

use crate::datagram::Addresses;
use crate::frame::{Ack, Frame};
use crate::recovery::Arrival;
use crate::violation::{Refused, Violation, code};
use crate::{Epoch, Instant, Meta, Side};

use super::close::State;
use super::keys::{KeyError, SpaceKeys};
use super::space::index;
use super::{Connection, DATAGRAM_MIN, EARLY_BYTES_MAX, EARLY_DATAGRAMS_MAX};

/// Over which path a packet came, and under which of our ids.
#[derive(Clone, Copy)]
struct Origin {
    addresses: Addresses,
    under: u32,
    datagram_len: usize,
}

/// What a packet's frames ask for.
struct Told {
    /// An acknowledgement.
    eliciting: bool,
    /// Nothing but a look at the path.
    probing: bool,
}

impl Connection {
    /// Takes in a datagram that is for this connection. Its packets are opened in place.
    pub(crate) fn handle_datagram(
        &mut self,
        now: Instant,
        meta: Meta,
        datagram: &mut [u8],
        drops: &mut Drops,
    ) {
        self.ecn.on_datagram(meta.ecn);
        self.log.at(now);
        self.notes.on_datagram_received(datagram.len());
        // RFC 9000 §8.1: what comes from elsewhere shows nothing of the address that is answered.
        if !self.validated && meta.remote == self.addresses.remote {
            self.unvalidated_received += datagram.len() as u64;
        }
        // A driver that does not know where it arrived says nothing of another path.
        let addresses = Addresses {
            remote: meta.remote,
            local: meta.local.or(self.addresses.local),
        };
        self.unpack(now, addresses, datagram, drops);
        self.log_changes();
    }

    fn unpack(
        &mut self,
        now: Instant,
        addresses: Addresses,
        datagram: &mut [u8],
        drops: &mut Drops,
    ) {
        let was_handshaking = self.is_handshaking();
        let whole = datagram.len();
        let mut first_dcid = None;
        let mut rest = datagram;
        while !rest.is_empty() && !self.is_gone() {
            let packet = match PartialPacket::parse(rest) {
                Ok(packet) => packet,
                Err(reason) => return self.drop_packet(reason, drops),
            };
            let tail = rest.last_chunk().copied();
            let (bytes, behind) = rest.split_at_mut(packet.len());
            rest = behind;
            // RFC 9000 §12.2: packets of one datagram are for one connection.
            if *first_dcid.get_or_insert(packet.dcid()) != packet.dcid() {
                self.drop_packet(DropReason::UnknownConnection, drops);
                continue;
            }
            if let Err(reason) = self.handle_packet(now, addresses, &packet, bytes, whole) {
                let is_first = packet.len() == whole;
                if is_first && self.is_reset(addresses.remote, &packet, reason, tail) {
                    return self.on_stateless_reset();
                }
                self.drop_packet(reason, drops);
            }
        }
        if was_handshaking && self.is_open() {
            for mut datagram in core::mem::take(&mut self.early) {
                self.unpack(now, self.addresses, &mut datagram, drops);
            }
        }
    }

    /// Whether a packet that was dropped for `reason`, alone in its datagram, is a stateless reset: its
    /// random bytes happen to be an id of ours (RFC 9000 §10.3.1). `tail` is what it ended with before
    /// it was opened in place.
    fn is_reset(
        &self,
        remote: SocketAddr,
        packet: &PartialPacket,
        reason: DropReason,
        tail: Option<[u8; ResetToken::LEN]>,
    ) -> bool {
        let is_authentic = !matches!(
            reason,
            DropReason::Unauthentic | DropReason::TooShort | DropReason::Replay
        );
        let is_data = matches!(packet.header, Header::Data { .. });
        let (false, true, Some(tail)) = (is_authentic, is_data, tail) else {
            return false;
        };
        // All of them, whichever matches: the time taken tells nothing.
        let tokens = self.reset_tokens();
        let matches = tokens.fold(false, |found, token| token.matches_tail(&tail) | found);
        matches && remote == self.addresses.remote && packet.len() >= RESET_LEN_MIN
    }

    fn drop_packet(&mut self, reason: DropReason, drops: &mut Drops) {
        self.notes.counters.packets_dropped += 1;
        self.log.packet_dropped(reason);
        drops.count(reason);
    }

    fn handle_packet(
        &mut self,
        now: Instant,
        addresses: Addresses,
        packet: &PartialPacket,
        bytes: &mut [u8],
        datagram_len: usize,
    ) -> Result<(), DropReason> {
        if let State::Closing(_) = self.state {
            self.on_packet_while_closing();
        }
        let (epoch, scid) = match packet.header {
            Header::Initial { scid, .. } => {
                // RFC 9000 §14.1: what draws an answer has to be padded.
                if self.side == Side::Server && datagram_len < DATAGRAM_MIN {
                    return Err(DropReason::TooShort);
                }
                (Epoch::Initial, Some(scid))
            }
            Header::Handshake { scid, .. } => (Epoch::Handshake, Some(scid)),
            Header::Data { .. } => (Epoch::Data, None),
            _ => return Err(DropReason::Unexpected),
        };
        if epoch == Epoch::Data && self.is_handshaking() {
            return self.keep_early(bytes);
        }
        if scid.is_some_and(|scid| self.is_strange(scid)) {
            return Err(DropReason::Unexpected);
        }
        let opened = self.open_packet(now, epoch, packet, bytes)?;
        self.notes.counters.packets_received += 1;
        if self.side == Side::Client {
            self.on_server_packet(scid);
        }
        if epoch == Epoch::Handshake && self.side == Side::Server {
            // RFC 9000 §8.1: only who received our Initial can seal this.
            self.validated = true;
            self.discard(Epoch::Initial);
        }
        self.timers.on_received(now, self.idle_after());
        let Some(payload) = bytes.get(opened.payload.clone()) else {
            return Err(DropReason::Truncated);
        };
        let under = packet.dcid().and_then(|id| self.ids.number(id));
        let origin = Origin {
            addresses,
            under: under.unwrap_or_default(),
            datagram_len,
        };
        let number = opened.packet_number;
        self.log
            .packet_received(epoch, number, bytes.len(), payload);
        self.take_in(now, epoch, number, origin, bytes.len(), payload)
    }

    /// Takes in the payload of an authentic packet of `len` bytes.
    fn take_in(
        &mut self,
        now: Instant,
        epoch: Epoch,
        number: u64,
        origin: Origin,
        len: usize,
        payload: &[u8],
    ) -> Result<(), DropReason> {
        let addresses = origin.addresses;
        let follows = epoch == Epoch::Data && self.side == Side::Server;
        if follows && addresses != self.addresses {
            self.on_packet_from_elsewhere(now, addresses, origin.under, origin.datagram_len);
        }
        match self.handle_payload(now, epoch, origin, payload) {
            Ok(told) => {
                if epoch == Epoch::Data {
                    self.ecn.on_packet();
                }
                let arrival = Arrival {
                    eliciting: told.eliciting,
                    ends: len < DATAGRAM_MIN,
                    // RFC 9000 §13.2.1: at once while the handshake lasts.
                    srtt: (epoch == Epoch::Data).then(|| self.rtt.smoothed()),
                };
                let received = &mut self.spaces[index(epoch)].received;
                let is_newest = received.largest().is_none_or(|largest| largest < number);
                received.on_packet(now, number, arrival);
                if follows && is_newest && !told.probing {
                    self.on_newest_packet(now, addresses, origin.under);
                }
                Ok(())
            }
            // Not received, as far as the peer learns. What came before in the packet was taken in,
            // and a copy must not bring it again: a datagram would be delivered twice.
            Err(Refused::NoRoom) => {
                if epoch == Epoch::Data {
                    self.spaces[index(epoch)].received.on_refused(number);
                }
                Err(DropReason::QueueFull)
            }
            Err(Refused::Violation(violation)) => {
                self.on_violation(now, violation);
                Ok(())
            }
        }
    }

    /// Whether the peer's id in a long header is not the one it began with.
    fn is_strange(&self, scid: ConnectionId) -> bool {
        let settled = self.side == Side::Server || self.has_server_id();
        settled && scid != self.ids.remote()
    }

    /// Whether a client has learnt the server's id.
    fn has_server_id(&self) -> bool {
        self.spaces[0].received.largest().is_some()
            || self.spaces[index(Epoch::Handshake)]
                .received
                .largest()
                .is_some()
    }

    /// Data before our own handshake is complete is kept closed, and only a little of it.
    fn keep_early(&mut self, bytes: &[u8]) -> Result<(), DropReason> {
        if self.early.len() >= EARLY_DATAGRAMS_MAX || bytes.len() > EARLY_BYTES_MAX {
            return Err(DropReason::NoKeys);
        }
        self.early.push(bytes.to_vec());
        Ok(())
    }

    /// Opens a packet in place, if it is new.
    fn open_packet(
        &mut self,
        now: Instant,
        epoch: Epoch,
        packet: &PartialPacket,
        bytes: &mut [u8],
    ) -> Result<Opened, DropReason> {
        let space = &mut self.spaces[index(epoch)];
        let largest = space.received.largest();
        let unmasked = match &space.keys {
            SpaceKeys::Fixed(keys) => unmask(packet, &*keys.remote, largest, bytes),
            SpaceKeys::Data(keys) => keys.unmask(packet, largest, bytes),
            SpaceKeys::None | SpaceKeys::Discarded => return Err(DropReason::NoKeys),
        }
        .map_err(OpenError::reason)?;
        if !space.received.is_new(unmasked.packet_number) {
            return Err(DropReason::Replay);
        }
        if planted!(SeenBeforeAuthentic) {
            let quiet = Arrival {
                eliciting: false,
                ends: false,
                srtt: None,
            };
            let number = unmasked.packet_number;
            space.received.on_packet(now, number, quiet);
        }
        let opened = match &mut space.keys {
            SpaceKeys::Fixed(keys) => {
                open_unmasked(&unmasked, &*keys.remote, bytes).map_err(KeyError::Dropped)
            }
            SpaceKeys::Data(keys) => keys.open(now, &unmasked, bytes, &mut *self.session),
            SpaceKeys::None | SpaceKeys::Discarded => return Err(DropReason::NoKeys),
        };
        match opened {
            Ok(opened) => Ok(opened),
            Err(KeyError::Dropped(OpenError::ReservedBits)) => {
                let violation = Violation::new(code::PROTOCOL_VIOLATION, "reserved bits are set");
                self.on_violation(now, violation);
                Err(DropReason::ReservedBits)
            }
            Err(KeyError::Dropped(error)) => Err(error.reason()),
            Err(KeyError::LimitReached) => {
                let reason = "too many packets that do not authenticate";
                self.on_violation(now, Violation::new(code::AEAD_LIMIT, reason));
                Err(DropReason::Unauthentic)
            }
        }
    }

    /// Takes in the frames of an authentic packet.
    fn handle_payload(
        &mut self,
        now: Instant,
        epoch: Epoch,
        origin: Origin,
        payload: &[u8],
    ) -> Result<Told, Refused> {
        if payload.is_empty() {
            return Err(Violation::new(code::PROTOCOL_VIOLATION, "a packet without frames").into());
        }
        let mut reader = Reader::new(payload);
        let mut told = Told {
            eliciting: false,
            probing: true,
        };
        while !reader.is_empty() {
            let frame = Frame::decode(&mut reader)?;
            told.eliciting |= frame.is_ack_eliciting();
            told.probing &= frame.is_probing();
            self.handle_frame(now, epoch, origin, &frame)?;
            if !matches!(self.state, State::Handshaking | State::Open) {
                break;
            }
        }
        Ok(told)
    }

    fn handle_frame(
        &mut self,
        now: Instant,
        epoch: Epoch,
        origin: Origin,
        frame: &Frame<'_>,
    ) -> Result<(), Refused> {
        // What an application has to say is for Data packets: in an Initial anybody could say it.
        let is_misplaced = match frame {
            Frame::Padding(_) | Frame::Ping | Frame::Ack(_) | Frame::Crypto(_) => false,
            Frame::Close(close) => epoch != Epoch::Data && close.application,
            _ => epoch != Epoch::Data,
        };
        if matches!(self.state, State::Closing(_))
            && (is_misplaced || !matches!(frame, Frame::Close(_)))
        {
            return Ok(());
        }
        if is_misplaced {
            let reason = "a data frame in a handshake packet";
            return Err(Violation::new(code::PROTOCOL_VIOLATION, reason).into());
        }
        match frame {
            Frame::Padding(_) | Frame::Ping => Ok(()),
            Frame::Ack(ack) => self.handle_ack(now, epoch, ack),
            Frame::Crypto(frame) => self.on_crypto(now, epoch, frame),
            Frame::Close(frame) => {
                self.on_peer_close(now, frame);
                Ok(())
            }
            Frame::Stream(frame) => self.streams.on_stream(frame),
            Frame::Skip(frame) => self.streams.on_skip(frame),
            Frame::Datagram(frame) => self.streams.on_datagram(frame),
            Frame::ResetStream(frame) => self.streams.on_reset(*frame),
            Frame::StopSending(frame) => self.streams.on_stop(*frame),
            Frame::MaxData(max) => {
                self.streams.on_max_data(*max);
                Ok(())
            }
            Frame::MaxStreamData(frame) => self.streams.on_max_stream_data(*frame),
            Frame::MaxStreams(max) => {
                self.streams.on_max_streams(*max);
                Ok(())
            }
            Frame::NewConnectionId(frame) => Ok(self.ids.on_new(frame)?),
            Frame::RetireConnectionId(number) => Ok(self.ids.on_retire(*number, origin.under)?),
            Frame::PathChallenge(data) => {
                self.on_path_challenge(origin.addresses, *data);
                Ok(())
            }
            Frame::PathResponse(data) => {
                self.on_path_response(now, *data);
                Ok(())
            }
            Frame::HandshakeDone => self.on_handshake_done(),
        }
    }

    fn handle_ack(&mut self, now: Instant, epoch: Epoch, ack: &Ack<'_>) -> Result<(), Refused> {
        self.on_ack(now, epoch, ack)
    }

    fn on_handshake_done(&mut self) -> Result<(), Refused> {
        if self.side == Side::Server {
            return Err(
                Violation::new(code::PROTOCOL_VIOLATION, "a client confirms no handshake").into(),
            );
        }
        if !self.confirmed {
            self.on_confirmed();
        }
        Ok(())
    }
}
