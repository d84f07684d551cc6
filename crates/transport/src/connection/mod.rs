//! One connection: the machine between packets and streams. This file only wires; what happens is
//! in the files beside it.

mod bundle;
#[cfg(feature = "danger-checking")]
mod check;
mod close;
mod crypto_stream;
mod ecn;
mod egress;
mod handshake;
mod ids;
mod ingress;
mod keys;
#[cfg_attr(not(feature = "qlog"), path = "log_off.rs")]
mod log;
mod migration;
mod path;
mod path_mtu;
mod recovery;
mod rest;
mod space;
mod stats;
mod timers;
mod validation;

use core::net::SocketAddr;
use core::time::Duration;
use std::sync::Arc;

use internet::{ConnectionId, ResetToken, initial_keys};

use crate::congestion::{Controller, Pacer};
use crate::datagram::Addresses;
use crate::event::{Completion, Event, Request};
use crate::recovery::{Rtt, Skips, Totals};
use crate::session::{Keys, Session, SessionError};
use crate::stream::{Mode, NEVER, Repeats, StreamError, StreamId, Streams};
use crate::{Config, Epoch, Instant, Side};

#[cfg(feature = "danger-checking")]
pub(crate) use check::within;
use close::State;
use ecn::EcnState;
pub use ecn::EcnSupport;
use handshake::Admitted;
pub(crate) use handshake::ChallengeState;
use ids::Ids;
use keys::SpaceKeys;
use log::Log;
pub use migration::MigrateError;
use migration::PathState;
use path_mtu::Mtu;
use space::Spaces;
use stats::Notes;
pub use stats::{Counters, Stats};
use timers::Timers;
use validation::Paths;

/// What every datagram of a handshake is padded to, and every path takes.
pub(crate) const DATAGRAM_MIN: usize = 1200;

/// Data datagrams kept until our own handshake is complete (docs/PROTOCOL.md §4.1).
const EARLY_DATAGRAMS_MAX: usize = 4;
/// And no longer than this each.
const EARLY_BYTES_MAX: usize = 1500;

/// What is used of the parameters that the peer told in the handshake.
struct Peer {
    /// The longest datagram that it takes.
    max_datagram: u64,
    max_ack_delay: Duration,
}

/// One connection of an [`crate::Endpoint`], to use its streams, look at it, or close it.
pub struct Connection {
    side: Side,
    /// The path in use. Only packets that authenticate change it, and only by validation.
    addresses: Addresses,
    config: Arc<Config>,
    ids: Ids,
    /// The destination id of the client's first packet.
    original_dcid: ConnectionId,
    session: Box<dyn Session>,
    /// The epoch of what the session writes next.
    write_epoch: Epoch,
    spaces: Spaces,
    streams: Streams,
    repeats: Repeats,
    skips: Skips,
    state: State,

    rtt: Rtt,
    congestion: Box<dyn Controller>,
    pacer: Pacer,
    ecn: EcnState,
    /// How long datagrams may be.
    mtu: Mtu,
    /// What there is besides the path in use.
    paths: Option<Box<Paths<PathState>>>,
    /// The number of our id that the peer uses.
    under: u32,
    /// What challenges of paths follow from, and how many were made.
    path_seed: u64,
    challenged: u32,
    totals: Totals,
    pto_count: u32,
    /// The congestion window, not a lack of data, ended the last transmission.
    window_limited: bool,
    timers: Timers,

    /// What the peer told in the handshake, once it is authenticated.
    peer: Option<Peer>,
    idle_timeout: Duration,
    /// The handshake is confirmed (RFC 9001 §4.1.2).
    confirmed: bool,
    /// HANDSHAKE_DONE is to be sent.
    done_due: bool,
    /// A ping is to be sent.
    ping_due: bool,
    /// Whether nothing is asked of the peer but to be there.
    keeping_alive: bool,
    /// The peer receives at its address (RFC 9000 §8.1).
    validated: bool,
    /// Bytes from and to an address that is not validated.
    unvalidated_received: u64,
    unvalidated_sent: u64,
    challenge: ChallengeState,
    admitted: Admitted,
    /// Data datagrams that arrived before our handshake was complete.
    early: Vec<Vec<u8>>,
    request: Option<Box<Request>>,
    notes: Notes,
    log: Log,
}

/// What a new connection starts from.
pub(crate) struct Start {
    pub(crate) now: Instant,
    pub(crate) side: Side,
    pub(crate) addresses: Addresses,
    pub(crate) local_cid: ConnectionId,
    pub(crate) remote_cid: ConnectionId,
    pub(crate) original_dcid: ConnectionId,
    pub(crate) session: Box<dyn Session>,
    /// Random: what nobody must guess, and no secret hangs on.
    pub(crate) seed: u64,
    /// Random and secret.
    pub(crate) path_seed: u64,
    /// Server only: what the gate said.
    pub(crate) admission: Option<crate::Admission>,
}

impl Connection {
    pub(crate) fn new(start: Start, config: Arc<Config>) -> Self {
        let mss = DATAGRAM_MIN as u64;
        let (client, server) = initial_keys(start.original_dcid);
        let (client, server): (Box<dyn internet::Protection>, Box<dyn internet::Protection>) =
            (Box::new(client), Box::new(server));
        let keys = match start.side {
            Side::Client => Keys {
                local: client,
                remote: server,
            },
            Side::Server => Keys {
                local: server,
                remote: client,
            },
        };
        let mut spaces = Spaces::new();
        spaces[0].keys = SpaceKeys::new(Epoch::Initial, keys);
        let mut connection = Self {
            side: start.side,
            addresses: start.addresses,
            ids: Ids::new(
                start.local_cid,
                start.remote_cid,
                start.side == Side::Client,
            ),
            original_dcid: start.original_dcid,
            session: start.session,
            write_epoch: Epoch::Initial,
            spaces,
            streams: Streams::new(start.side, &config),
            repeats: Repeats::default(),
            skips: Skips::new(start.seed),
            state: State::Handshaking,
            rtt: Rtt::default(),
            congestion: config.congestion.controller(mss),
            pacer: Pacer::new(mss),
            ecn: EcnState::default(),
            mtu: Mtu::new(),
            paths: None,
            under: 0,
            path_seed: start.path_seed,
            challenged: 0,
            totals: Totals::default(),
            pto_count: 0,
            window_limited: false,
            timers: Timers::new(start.now, &config),
            peer: None,
            idle_timeout: config.idle_timeout,
            confirmed: false,
            done_due: false,
            ping_due: false,
            keeping_alive: false,
            // A client chose the server's address; a token proves a client's.
            validated: start.side == Side::Client
                || start.admission.is_some_and(|a| a.challenge.is_some()),
            unvalidated_received: 0,
            unvalidated_sent: 0,
            challenge: ChallengeState::default(),
            admitted: Admitted::new(start.admission.unwrap_or_default()),
            early: Vec::new(),
            request: None,
            notes: Notes::new(start.now),
            log: Log::begin(&config, start.side, start.original_dcid, start.now),
            config,
        };
        if start.side == Side::Client {
            connection.pump_session(start.now);
        }
        connection
    }

    /// Which end this is.
    pub fn side(&self) -> Side {
        self.side
    }

    /// The peer's address.
    pub fn remote(&self) -> SocketAddr {
        self.addresses.remote
    }

    /// Whether the handshake is complete and the connection is not closing.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }

    /// Whether the handshake is still under way.
    pub(crate) fn is_handshaking(&self) -> bool {
        matches!(self.state, State::Handshaking)
    }

    /// The ids under which this end receives.
    pub(crate) fn local_ids(&self) -> impl Iterator<Item = ConnectionId> + '_ {
        self.ids.local()
    }

    /// Whether ids have come, gone or are wanted since this was last asked.
    pub(crate) fn take_ids_changed(&mut self) -> bool {
        core::mem::take(&mut self.ids.changed)
    }

    /// An id of ours that the peer has retired: no more packets come under it.
    pub(crate) fn take_retired_id(&mut self) -> Option<ConnectionId> {
        self.ids.take_retired()
    }

    /// How many new ids the peer is to be given.
    pub(crate) fn ids_wanted(&self) -> usize {
        if self.confirmed && self.is_open() {
            self.ids.wanted()
        } else {
            0
        }
    }

    /// Gives the peer another id, and what a stateless reset for it ends with.
    pub(crate) fn issue_id(&mut self, id: ConnectionId, token: ResetToken) {
        self.ids.issue(id, token);
    }

    /// The destination id of the client's first packet.
    pub(crate) fn original_dcid(&self) -> ConnectionId {
        self.original_dcid
    }

    /// What stateless resets from the peer end with.
    pub(crate) fn reset_tokens(&self) -> impl Iterator<Item = ResetToken> + '_ {
        self.ids.tokens()
    }

    /// DER SubjectPublicKeyInfo of the key that the peer proved to be its identity.
    pub fn peer_identity(&self) -> Option<Vec<u8>> {
        self.session.peer_identity()
    }

    /// Fills `out` with keying material bound to this channel (RFC 8446 §7.5): both ends get the
    /// same, nobody else does.
    ///
    /// # Errors
    /// Before the handshake is complete.
    pub fn export(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), SessionError> {
        self.session.export(label, context, out)
    }

    /// Lets the peer open streams to `port`, beyond those of the configuration.
    pub fn listen(&mut self, port: u16) {
        self.streams.listen(port);
    }

    /// Raises how far the windows grow by themselves: how many bytes may arrive before they are
    /// read, on each stream and on all together. Smaller values than those of
    /// [`Config::stream_window_bytes_max`] and [`Config::connection_window_bytes_max`] change nothing.
    pub fn raise_windows(&mut self, stream_max: u64, connection_max: u64) {
        self.streams.raise_windows(stream_max, connection_max);
    }

    /// Takes messages of up to `max` bytes from here on, at most
    /// [`Config::message_bytes_max`], which is what the peer was told. Smaller values than the
    /// present one change nothing.
    pub fn grow_messages(&mut self, max: usize) {
        self.streams
            .grow_messages(max.min(self.config.message_bytes_max));
    }

    /// Opens a stream to the peer's `port`.
    ///
    /// # Errors
    /// [`StreamError::NotOpen`]. [`StreamError::TooMany`] when as many are open as the peer allows;
    /// `StreamsAvailable` follows when it allows another.
    pub fn open(&mut self, port: u16, mode: Mode) -> Result<StreamId, StreamError> {
        self.check_open()?;
        self.streams.open(port, mode)
    }

    /// Byte mode: takes in as much of `data` as there is room for, and returns how much.
    ///
    /// # Errors
    /// [`StreamError::Blocked`] when there is no room; `Writable` follows when there is.
    pub fn write(&mut self, stream: StreamId, data: &[u8]) -> Result<usize, StreamError> {
        self.check_open()?;
        self.streams.write(stream, data)
    }

    /// All modes but bytes: takes in the whole message, or nothing.
    ///
    /// # Errors
    /// [`StreamError::Blocked`] when the buffer is full; `Writable` follows when there is room.
    /// [`StreamError::TooLong`] when the peer would not take it, [`StreamError::DoesNotFit`] when
    /// it is a datagram and longer than [`Connection::datagram_bytes_max`].
    pub fn send(&mut self, stream: StreamId, message: &[u8]) -> Result<(), StreamError> {
        self.check_open()?;
        self.streams.send(stream, message, NEVER)
    }

    /// As [`Connection::send`], but when `deadline` has passed, what the peer has not acknowledged of
    /// the message is not sent any more, and the peer is told to do without. It arrives
    /// whole or not at all, and may arrive late. Dropped messages are counted in [`Stats`].
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub fn send_until(
        &mut self,
        stream: StreamId,
        message: &[u8],
        deadline: Instant,
    ) -> Result<(), StreamError> {
        self.check_open()?;
        self.streams.send(stream, message, deadline)
    }

    /// How long a datagram may be on this stream, in bytes. It changes with what the path takes.
    pub fn datagram_bytes_max(&self, stream: StreamId) -> usize {
        self.streams.datagram_max(stream)
    }

    /// Of streams with data to send those of the highest priority go first, and those of one
    /// priority in turn. All begin at 0.
    ///
    /// # Errors
    /// [`StreamError::Unknown`] when the stream is over.
    pub fn set_priority(&mut self, stream: StreamId, priority: i8) -> Result<(), StreamError> {
        self.streams.set_priority(stream, priority)
    }

    /// Byte mode: reads what is next. `Ok(0)` is the stream's end (or `out` is empty). What arrived
    /// before the connection closed can be read until `Closed` is polled.
    ///
    /// # Errors
    /// [`StreamError::Blocked`] when nothing is there; `Readable` follows when there is.
    pub fn read(&mut self, stream: StreamId, out: &mut [u8]) -> Result<usize, StreamError> {
        self.streams.read(stream, out)
    }

    /// As [`Connection::read`], but copies nothing: `take` is lent the next bytes where they stand, at
    /// least one and at most `max`, and then they are gone. `Ok(None)` is the stream's end; `take` is not
    /// called then, nor where nothing is there.
    ///
    /// # Errors
    /// As [`Connection::read`].
    pub fn read_with<T>(
        &mut self,
        stream: StreamId,
        max: usize,
        take: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>, StreamError> {
        self.streams.read_with(stream, max.max(1), take)
    }

    /// All modes but bytes: the next whole message; `Ok(None)` is the stream's end.
    ///
    /// # Errors
    /// [`StreamError::Blocked`] when none is complete; `Readable` follows when one is.
    pub fn receive(&mut self, stream: StreamId) -> Result<Option<Vec<u8>>, StreamError> {
        let mut message = Vec::new();
        let len = self.streams.receive_into(stream, &mut message)?;
        Ok(len.map(|_| message))
    }

    /// As [`Connection::receive`], but appends the message to `out`, which may serve for many, and
    /// returns its length.
    ///
    /// # Errors
    /// As [`Connection::receive`].
    pub fn receive_into(
        &mut self,
        stream: StreamId,
        out: &mut Vec<u8>,
    ) -> Result<Option<usize>, StreamError> {
        self.streams.receive_into(stream, out)
    }

    /// Ends our direction behind what was written. `Finished` follows when the peer's transport
    /// has it all.
    ///
    /// # Errors
    /// [`StreamError::Unknown`] when it has ended already.
    pub fn finish(&mut self, stream: StreamId) -> Result<(), StreamError> {
        self.check_open()?;
        self.streams.finish(stream)
    }

    /// Ends our direction at once; what the peer does not have yet is dropped.
    ///
    /// # Errors
    /// [`StreamError::Unknown`] when it has ended already.
    pub fn reset(&mut self, stream: StreamId, code: u32) -> Result<(), StreamError> {
        self.check_open()?;
        self.streams.reset(stream, u64::from(code))
    }

    /// Asks the peer to send no more on this stream; what arrives of it is thrown away.
    ///
    /// # Errors
    /// [`StreamError::Unknown`] when the peer's direction has ended already.
    pub fn stop(&mut self, stream: StreamId, code: u32) -> Result<(), StreamError> {
        self.check_open()?;
        self.streams.stop(stream, u64::from(code))
    }

    fn check_open(&self) -> Result<(), StreamError> {
        if self.is_open() {
            Ok(())
        } else {
            Err(StreamError::NotOpen)
        }
    }

    /// The next event.
    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.streams.poll_event()
    }

    /// Whether [`Connection::poll_event`] has something.
    pub(crate) fn has_event(&self) -> bool {
        self.streams.has_event()
    }

    /// Whether [`Connection::poll_request`] has something.
    pub(crate) fn has_request(&self) -> bool {
        self.request.is_some()
    }

    /// The next request.
    pub(crate) fn poll_request(&mut self) -> Option<Request> {
        self.request.take().map(|request| *request)
    }

    /// Takes in the outcome of a request.
    pub(crate) fn handle_completion(&mut self, now: Instant, completion: Completion) {
        match completion {
            Completion::Solved(token) => self.on_solved(now, token),
            Completion::Refused(reason) => self.on_refused(reason),
        }
    }
}
