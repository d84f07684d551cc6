//! The handshake: crypto streams, keys, parameters, admission (docs/PROTOCOL.md §3.1, §4.1).

use core::time::Duration;

use internet::{ConnectionId, ResetToken};

use crate::event::{CloseReason, Event, Request};
use crate::frame;
use crate::parameters::Parameters;
use crate::stream::Limits;
use crate::violation::{Refused, Violation, code};
use crate::{Admission, Epoch, Instant, Side, TOKEN_BYTES_MAX};

use super::close::State;
use super::keys::SpaceKeys;
use super::space::index;
use super::{Connection, Peer};

/// Handshake bytes that are kept out of order, beyond what was read.
pub(super) const CRYPTO_BUFFER_MAX: u64 = 64 << 10;

/// The longest first handshake message of a client, with its header.
const HELLO_BYTES_MAX: usize = 4096;
/// Type and 24-bit length of a TLS handshake message.
const HELLO_HEADER: usize = 4;

/// Challenges that a client answers in one connection.
const CHALLENGES_MAX: usize = 3;

/// A challenge that arrives so soon after a token was sent answers an earlier packet.
const CHALLENGE_ECHO: Duration = Duration::from_millis(250);

/// Kind of a challenge that is answered by repeating it: a proof of address and nothing else.
const KIND_ECHO: u8 = 0;

/// A client's dealings with the server's gate.
#[derive(Debug, Default)]
pub(crate) struct ChallengeState {
    /// There is none for most of a connection's life, and none on a server's side.
    work: Option<Box<Work>>,
    /// A packet from the server has authenticated: no more challenges.
    over: bool,
}

/// What challenges have cost so far.
#[derive(Debug, Default)]
struct Work {
    /// SHA-256 of every challenge that was answered, at most [`CHALLENGES_MAX`].
    answered: Vec<[u8; 32]>,
    /// Waiting for the application's answer.
    solving: bool,
    token: Vec<u8>,
    /// When the token was first sent.
    token_at: Option<Instant>,
}

impl ChallengeState {
    /// Nothing is sent while the token is made: it would only draw another challenge.
    pub(super) fn is_solving(&self) -> bool {
        self.work.as_ref().is_some_and(|work| work.solving)
    }

    /// What an answer has earned, for the header of Initial packets.
    pub(super) fn token(&self) -> &[u8] {
        self.work.as_ref().map_or(&[], |work| &work.token)
    }

    fn answered(&self) -> &[[u8; 32]] {
        self.work.as_ref().map_or(&[], |work| &work.answered)
    }

    fn work(&mut self) -> &mut Work {
        self.work.get_or_insert_default()
    }

    /// No server asks any more.
    fn forget(&mut self) {
        self.work = None;
    }
}

/// What a server's gate admitted.
#[derive(Debug)]
pub(super) struct Admitted {
    /// SHA-256 of the only first message that is let in, until it has come.
    hello: Option<Box<[u8; 32]>>,
}

impl Admitted {
    pub(super) fn new(admission: Admission) -> Self {
        Self {
            hello: admission.hello.map(Box::new),
        }
    }
}

impl Connection {
    /// Handshake bytes have arrived.
    pub(super) fn on_crypto(
        &mut self,
        now: Instant,
        epoch: Epoch,
        frame: &frame::Crypto<'_>,
    ) -> Result<(), Refused> {
        let space = &mut self.spaces[index(epoch)];
        let end = frame.offset + frame.data.len() as u64;
        let full = end > space.crypto.position() + CRYPTO_BUFFER_MAX;
        if full && !planted!(CryptoUnbounded) {
            return Err(Violation::new(code::CRYPTO_BUFFER, "too many handshake bytes").into());
        }
        space
            .crypto
            .insert(frame.offset, frame.data)
            .map_err(|_| Refused::NoRoom)?;
        if epoch == Epoch::Initial && !self.is_hello_admitted()? {
            return Ok(());
        }
        let data = self.spaces[index(epoch)].crypto.read();
        if data.is_empty() {
            return Ok(());
        }
        match self.session.read(epoch, &data) {
            Ok(()) => self.pump_session(now),
            Err(error) => {
                // The alert that says why may be waiting in the session.
                self.pump_session(now);
                self.on_session_error(now, error);
            }
        }
        Ok(())
    }

    /// Whether the first handshake message is whole and the one that was admitted.
    fn is_hello_admitted(&mut self) -> Result<bool, Violation> {
        let Some(expected) = self.admitted.hello.as_deref() else {
            return Ok(true);
        };
        let refused = || Violation::new(code::PROTOCOL_VIOLATION, "not the admitted first message");
        let (front, back) = self.spaces[0].crypto.peek();
        let readable = front.len() + back.len();
        let start = |len| front.iter().chain(back).take(len).copied();
        let header: Vec<u8> = start(HELLO_HEADER).collect();
        let Ok([_, a, b, c]) = <[u8; HELLO_HEADER]>::try_from(header) else {
            return Ok(false);
        };
        let len = HELLO_HEADER + u32::from_be_bytes([0, a, b, c]) as usize;
        if len > HELLO_BYTES_MAX {
            return Err(refused());
        }
        if readable < len {
            return Ok(false);
        }
        let hello: Vec<u8> = start(len).collect();
        if crypto::sha256(&hello) != *expected {
            return Err(refused());
        }
        self.admitted.hello = None;
        Ok(true)
    }

    /// Moves handshake bytes and keys out of the session.
    pub(super) fn pump_session(&mut self, now: Instant) {
        loop {
            let mut out = Vec::new();
            let change = self.session.write(&mut out);
            if out.is_empty() && change.is_none() {
                break;
            }
            self.spaces[index(self.write_epoch)].crypto.write(&out);
            if let Some(change) = change {
                let space = &mut self.spaces[index(change.epoch)];
                space.keys = SpaceKeys::new(change.epoch, change.keys);
                self.write_epoch = change.epoch;
            }
        }
        let data_keys = self.spaces[index(Epoch::Data)].keys.are_ready();
        if self.is_handshaking() && data_keys && !self.session.is_handshaking() {
            match self.check_parameters() {
                Ok(()) => self.on_connected(now),
                Err(violation) => self.on_violation(now, violation),
            }
        }
    }

    /// The peer's parameters have to be those of this very exchange (docs/PROTOCOL.md §4.2).
    fn check_parameters(&mut self) -> Result<(), Violation> {
        let violation = |reason| Violation::new(code::PARAMETERS, reason);
        let bytes = self
            .session
            .peer_parameters()
            .ok_or_else(|| violation("no transport parameters"))?;
        let peer = Parameters::decode(bytes)
            .map_err(|_| violation("transport parameters do not decode"))?;
        if peer.own_scid != self.ids.remote() {
            return Err(violation("the peer's id was changed on the way"));
        }
        match self.side {
            Side::Client => {
                // Any of them: a later challenge may have crossed the answer to an earlier one.
                let answered = self.challenge.answered();
                let admitted = match &peer.challenge {
                    Some(hash) => answered.contains(hash),
                    None => answered.is_empty(),
                };
                if peer.original_dcid != Some(self.original_dcid) || !admitted {
                    return Err(violation("admission was changed on the way"));
                }
            }
            Side::Server => {
                let servers_own = peer.original_dcid.is_some()
                    || peer.challenge.is_some()
                    || peer.reset_token.is_some();
                if servers_own {
                    return Err(violation("parameters that only a server has"));
                }
            }
        }
        self.streams.on_peer_limits(Limits {
            stream_data: peer.max_stream_data,
            data: peer.max_data,
            streams: peer.max_streams,
            message: peer.max_message,
        });
        self.idle_timeout = self.idle_timeout.min(peer.idle_timeout);
        if let Some(token) = peer.reset_token {
            self.ids.set_first_token(ResetToken::new(token));
        }
        self.log.peer_parameters(&peer);
        self.peer = Some(Peer {
            max_datagram: peer.max_datagram,
            max_ack_delay: peer.max_ack_delay,
        });
        Ok(())
    }

    fn on_connected(&mut self, now: Instant) {
        self.state = State::Open;
        self.notes.on_connected(now);
        self.timers.on_connected(now, self.idle_after());
        self.streams.push_event(Event::Connected);
        if self.side == Side::Server {
            // RFC 9001 §4.1.2: complete is confirmed for a server.
            self.done_due = true;
            self.on_confirmed();
            self.session.shed();
        }
    }

    /// The handshake is confirmed: its keys are of no more use.
    pub(super) fn on_confirmed(&mut self) {
        self.confirmed = true;
        self.validated = true;
        self.challenge.forget();
        self.allow_longer_datagrams();
        self.ids.changed = true;
        self.discard(Epoch::Initial);
        self.discard(Epoch::Handshake);
    }

    /// Drops an epoch's keys and what depends on them (RFC 9001 §4.9, RFC 9002 §6.4).
    pub(super) fn discard(&mut self, epoch: Epoch) {
        let space = &mut self.spaces[index(epoch)];
        if matches!(space.keys, SpaceKeys::Discarded) {
            return;
        }
        space.keys = SpaceKeys::Discarded;
        space.sent.discard(&mut self.totals);
        space.crypto.discard();
        space.probes = 0;
        self.pto_count = 0;
    }

    /// A packet of the server has authenticated: admission is behind us.
    pub(super) fn on_server_packet(&mut self, scid: Option<ConnectionId>) {
        if self.challenge.over {
            return;
        }
        self.challenge.over = true;
        // Whoever made a challenge meanwhile is not waited for.
        if let Some(work) = &mut self.challenge.work {
            work.solving = false;
        }
        self.request = None;
        if let Some(scid) = scid {
            self.ids.set_first(scid);
        }
    }

    /// A challenge with a valid tag has arrived.
    pub(crate) fn on_challenge(&mut self, now: Instant, body: &[u8]) {
        if self.side == Side::Server || self.challenge.over || !self.is_handshaking() {
            return;
        }
        let work = self.challenge.work();
        let echo = (work.token_at).is_some_and(|at| now.since(at) < CHALLENGE_ECHO);
        if work.solving || echo || work.answered.len() >= CHALLENGES_MAX {
            return;
        }
        let Some(&kind) = body.first() else {
            return;
        };
        work.answered.push(crypto::sha256(body));
        if kind == KIND_ECHO {
            self.on_solved(now, body.to_vec());
            return;
        }
        work.solving = true;
        let request = Request::Solve {
            challenge: body.to_vec(),
            hello: self.hello_hash(),
        };
        self.request = Some(Box::new(request));
    }

    /// SHA-256 of our first handshake message, all of which still waits for the server.
    fn hello_hash(&self) -> [u8; 32] {
        let mut hello = Vec::new();
        if let Some(buffer) = self.spaces[0].crypto.outgoing() {
            buffer.copy(&(0..buffer.end()), &mut hello);
        }
        crypto::sha256(&hello)
    }

    /// The challenge is answered: the first flight goes out again, with the token.
    pub(super) fn on_solved(&mut self, now: Instant, token: Vec<u8>) {
        if self.challenge.over || !self.is_handshaking() {
            return;
        }
        if token.len() > TOKEN_BYTES_MAX {
            self.on_refused("the answer is too long for a token".into());
            return;
        }
        let work = self.challenge.work();
        work.solving = false;
        work.token = token;
        work.token_at = Some(now);
        self.pto_count = 0;
        let space = &mut self.spaces[0];
        // The server has forgotten what came without the token.
        space.sent.discard(&mut self.totals);
        if planted!(NumbersAgainWithToken) {
            space.sent = crate::recovery::SentPackets::default();
        }
        space.crypto.resend_all();
        space.probes = 2;
    }

    pub(super) fn on_refused(&mut self, reason: String) {
        if self.is_handshaking() {
            self.abandon(CloseReason::ChallengeRefused(reason));
        }
    }

    /// The server speaks other versions only. Believed before anything authenticated arrived.
    pub(crate) fn on_version_mismatch(&mut self) {
        if self.side == Side::Client && !self.challenge.over && self.is_handshaking() {
            self.abandon(CloseReason::VersionMismatch);
        }
    }

    /// The peer has forgotten us: what it sent ends with its token.
    pub(crate) fn on_stateless_reset(&mut self) {
        self.abandon(CloseReason::StatelessReset);
    }
}
