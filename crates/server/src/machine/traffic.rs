//! What happens on connections.

use chat::SourcePrefix;
use chat::limits::{LOGIN_PORT, SESSION_PORT};
use chat::message::{LoginClientMessage, SessionClientMessage};
use transport::{ConnectionHandle, Event as Happened, Instant, StreamError, StreamId};

use super::{Server, State, code};
use crate::event::Event;
use crate::limits::{SESSION_STREAM_BYTES, SESSION_WINDOW_BYTES, TURN_MESSAGES};
use crate::peer::{Peer, Phase};
use crate::pipe::{Broken, Pipe, Port};

/// The exporter label of `E` (PROTOCOL.md §5.2).
const CHANNEL_LABEL: &[u8] = b"EXPORTER-undertone-login";

/// A rule that a peer broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Violation(pub(super) &'static str);

pub(super) const OUT_OF_TURN: Violation = Violation("a message out of turn");
const MALFORMED: Violation = Violation("a message does not decode");

impl Server {
    /// The endpoint tells something.
    pub(super) fn happened(&mut self, now: Instant, handle: ConnectionHandle, event: Happened) {
        match event {
            Happened::Connected => self.connected(now, handle),
            Happened::Opened { stream, port } => self.opened(handle, stream, port),
            Happened::Readable { .. } | Happened::Writable { .. } => self.wake(handle),
            Happened::Finished { stream } => self.finished(now, handle, stream),
            Happened::Reset { stream, .. } | Happened::Stopped { stream, .. } => {
                self.given_up(now, handle, stream);
            }
            Happened::Closed(_) => self.closed(now, handle),
            _ => {}
        }
    }

    fn connected(&mut self, now: Instant, handle: ConnectionHandle) {
        let Some(connection) = self.endpoint.connection(handle) else {
            return;
        };
        if self.state != State::Running {
            return connection.close(now, code::CLOSING, "the server stops");
        }
        if self.strangers >= self.config.not_logged_in_max {
            self.events.push(Event::Crowded);
            return connection.close(now, code::BUSY, "too many connections");
        }
        let mut channel = [0; 32];
        if connection.export(CHANNEL_LABEL, b"", &mut channel).is_err() {
            return connection.close(now, code::INTERNAL, "no channel");
        }
        let peer = Peer::new(now, SourcePrefix::of(connection.remote().ip()), channel);
        if let Phase::Stranger(stranger) = &peer.phase {
            self.timers.insert((stranger.until, handle));
        }
        self.peers.insert(handle, peer);
        self.strangers = self.strangers.saturating_add(1);
    }

    /// One stream to each port; others are not wanted.
    fn opened(&mut self, handle: ConnectionHandle, stream: StreamId, port: u16) {
        let peer = self.peers.get_mut(&handle);
        let place = match (port, peer) {
            (LOGIN_PORT, Some(peer)) if peer.login.is_none() => {
                Some((&mut peer.login, Port::Login))
            }
            (SESSION_PORT, Some(peer))
                if peer.session.is_none() && matches!(peer.phase, Phase::User(_)) =>
            {
                Some((&mut peer.session, Port::Session))
            }
            _ => None,
        };
        if let Some((place, port)) = place {
            *place = Some(Pipe::new(stream, port));
            if port == Port::Session {
                self.session_opened(handle);
            }
            return self.wake(handle);
        }
        if let Some(connection) = self.endpoint.connection(handle) {
            // They can only fail because the stream is over already, which is what they are for.
            let _ = connection.stop(stream, 0);
            let _ = connection.reset(stream, 0);
        }
    }

    /// The client's windows may grow from here on, and not before: who has no account yet is not
    /// worth much memory.
    fn session_opened(&mut self, handle: ConnectionHandle) {
        if let Some(connection) = self.endpoint.connection(handle) {
            connection.raise_windows(SESSION_STREAM_BYTES, SESSION_WINDOW_BYTES);
        }
        self.want_notices(handle);
    }

    /// The client gave up one direction of a stream of its two.
    fn given_up(&mut self, now: Instant, handle: ConnectionHandle, stream: StreamId) {
        let peer = self.peers.get_mut(&handle);
        if peer.and_then(|peer| peer.pipe_of(stream)).is_some() {
            self.close_now(now, handle, code::DONE, "");
        }
    }

    /// Writes, reads and answers, a bounded number of messages; then others have their turn.
    pub(super) fn serve(&mut self, now: Instant, handle: ConnectionHandle) {
        if let Some(peer) = self.peers.get_mut(&handle) {
            peer.queued = false;
        }
        self.flush(now, handle);
        for _ in 0..TURN_MESSAGES {
            if !self.take_message(now, handle) {
                self.flush(now, handle);
                return self.want_page(handle);
            }
        }
        self.wake(handle);
    }

    /// Writes as much as the connection takes.
    pub(super) fn flush(&mut self, now: Instant, handle: ConnectionHandle) {
        let peer = self.peers.get_mut(&handle);
        let (Some(peer), Some(connection)) = (peer, self.endpoint.connection(handle)) else {
            return;
        };
        if !connection.is_open() {
            return;
        }
        let mut outcome = Ok(());
        for pipe in peer.pipes() {
            outcome = outcome.and(pipe.flush(connection));
        }
        match outcome {
            Ok(()) => {}
            Err(Broken::Stream) => self.close_now(now, handle, code::DONE, ""),
            Err(Broken::TooSlow) => self.close_now(now, handle, code::TOO_SLOW, "too slow"),
        }
    }

    /// Takes one message of the client, if there is one and its time has come.
    fn take_message(&mut self, now: Instant, handle: ConnectionHandle) -> bool {
        let Some(peer) = self.peers.get_mut(&handle) else {
            return false;
        };
        if self.state != State::Running || !peer.may_read() {
            return false;
        }
        if self.ledger.is_full() {
            // Until there is room it counts as queued.
            if !core::mem::replace(&mut peer.queued, true) {
                self.parked.push(handle);
            }
            return false;
        }
        if let Phase::User(user) = &peer.phase
            && let Some(at) = user.pace.blocked_until(now)
        {
            self.timers.insert((at, handle));
            return false;
        }
        let Some(connection) = self.endpoint.connection(handle) else {
            return false;
        };
        for port in [Port::Login, Port::Session] {
            let Some(pipe) = peer.pipe(port).filter(|pipe| !pipe.ended) else {
                continue;
            };
            match connection.receive(pipe.stream) {
                Ok(Some(message)) => {
                    self.take_in(now, handle, port, &message);
                    return true;
                }
                Ok(None) => pipe.ended = true,
                Err(StreamError::Blocked) => {}
                Err(_) => {
                    self.close_now(now, handle, code::VIOLATION, "not a stream of messages");
                    return false;
                }
            }
        }
        false
    }

    fn take_in(&mut self, now: Instant, handle: ConnectionHandle, port: Port, message: &[u8]) {
        let outcome = match port {
            Port::Login => match LoginClientMessage::decode(message) {
                Ok(message) => self.login_message(now, handle, message),
                Err(_) => Err(MALFORMED),
            },
            Port::Session => match SessionClientMessage::decode(message) {
                Ok(message) => self.session_message(now, handle, message),
                Err(_) => Err(MALFORMED),
            },
        };
        if let Err(violation) = outcome {
            self.violated(now, handle, violation);
        }
    }

    /// Queues a message to a client; it is written when the client's turn ends.
    pub(super) fn say(&mut self, handle: ConnectionHandle, port: Port, message: Vec<u8>) {
        let peer = self.peers.get_mut(&handle);
        if let Some(pipe) = peer.and_then(|peer| peer.pipe(port)) {
            pipe.push(message);
            self.wake(handle);
        }
    }
}
