//! The ways out: of a connection, and of the whole server.

use chat::message::SessionServerMessage;
use chat::message::{Closing, ClosingCode, Failure, FailureCode, LoginServerMessage, Reason};
use transport::{ConnectionHandle, Instant, StreamId};

use super::traffic::Violation;
use super::{Server, State};
use crate::event::{Event, Fatal};
use crate::ledger::Then;
use crate::limits::{LINGER, SHUTDOWN_TIMEOUT, TOLD_FOR};
use crate::peer::{Leaving, Phase};

/// Codes with which an end closes a connection (PROTOCOL.md §7.5).
pub mod code {
    /// Nothing is wrong.
    pub const DONE: u64 = 0;
    /// The other end broke the protocol.
    pub const VIOLATION: u64 = 1;
    /// A login or registration does not go on, or the device of a session is not known any more.
    pub const REFUSED: u64 = 2;
    /// The server has no room.
    pub const BUSY: u64 = 3;
    /// The other end takes too long.
    pub const TOO_SLOW: u64 = 4;
    /// The server stops.
    pub const CLOSING: u64 = 5;
    /// The device has a newer session.
    pub const REPLACED: u64 = 6;
    /// Something that should not happen happened here.
    pub const INTERNAL: u64 = 7;
}

impl Server {
    /// Closes a connection; what it has not received is lost.
    pub(super) fn close_now(
        &mut self,
        now: Instant,
        handle: ConnectionHandle,
        code: u64,
        reason: &str,
    ) {
        if let Some(connection) = self.endpoint.connection(handle) {
            connection.close(now, code, reason);
        }
    }

    /// Closes a connection when it has received what waits for it, last words included.
    pub(super) fn leave(
        &mut self,
        now: Instant,
        handle: ConnectionHandle,
        code: u64,
        reason: &'static str,
    ) {
        let Some(peer) = self.peers.get_mut(&handle) else {
            return;
        };
        if matches!(peer.phase, Phase::Leaving(_)) {
            return;
        }
        for pipe in peer.pipes() {
            pipe.finish();
        }
        let has_pipes = peer.pipes().next().is_some();
        let until = now + LINGER;
        let leaving = Phase::Leaving(Leaving {
            code,
            reason,
            until,
        });
        let phase = core::mem::replace(&mut peer.phase, leaving);
        self.phase_over(now, handle, phase);
        if !has_pipes {
            return self.close_now(now, handle, code, reason);
        }
        self.timers.insert((until, handle));
        self.wake(handle);
    }

    /// All of a finished stream has arrived.
    pub(super) fn finished(&mut self, now: Instant, handle: ConnectionHandle, stream: StreamId) {
        let Some(peer) = self.peers.get_mut(&handle) else {
            return;
        };
        if let Some(pipe) = peer.pipe_of(stream) {
            pipe.acknowledged();
        }
        let all = peer.pipes().all(|pipe| pipe.is_acknowledged());
        if let (true, Phase::Leaving(leaving)) = (all, &peer.phase) {
            let (code, reason) = (leaving.code, leaving.reason);
            self.close_now(now, handle, code, reason);
        }
    }

    /// A peer's time has come: for the next message, to have logged in, or to have gone.
    pub(super) fn peer_timeout(&mut self, now: Instant, handle: ConnectionHandle) {
        let Some(peer) = self.peers.get_mut(&handle) else {
            return;
        };
        match &mut peer.phase {
            Phase::Stranger(stranger) if stranger.until <= now => {
                self.close_now(now, handle, code::TOO_SLOW, "no login in time");
            }
            Phase::Leaving(leaving) if leaving.until <= now => {
                let (code, reason) = (leaving.code, leaving.reason);
                self.close_now(now, handle, code, reason);
            }
            Phase::User(user) => {
                if user.noticed_until <= now {
                    Self::forget_notices(&mut self.ledger, user);
                }
                self.wake(handle);
            }
            _ => self.wake(handle),
        }
    }

    /// A peer broke the protocol: it is told so, and the connection closes.
    pub(super) fn violated(&mut self, now: Instant, handle: ConnectionHandle, rule: Violation) {
        let Some(peer) = self.peers.get_mut(&handle) else {
            return;
        };
        let Violation(reason) = rule;
        let user = peer.user().map(|user| user.name.clone());
        if let Some(pipe) = &mut peer.session {
            let closing = Closing {
                code: ClosingCode::Malformed,
                reason: Reason::truncated(reason),
            };
            pipe.push(SessionServerMessage::from(closing).encode());
        } else if let Some(pipe) = &mut peer.login {
            let failure = Failure::new(FailureCode::Malformed, reason);
            pipe.push(LoginServerMessage::from(failure).encode());
        }
        self.events.push(Event::Violation { user, reason });
        self.leave(now, handle, code::VIOLATION, reason);
    }

    /// Ends a session with a code for the client's program.
    pub(super) fn end_session(
        &mut self,
        now: Instant,
        handle: ConnectionHandle,
        why: ClosingCode,
        code: u64,
        reason: &'static str,
    ) {
        let Some(peer) = self.peers.get_mut(&handle) else {
            return;
        };
        if let Some(pipe) = &mut peer.session {
            let closing = Closing {
                code: why,
                reason: Reason::truncated(reason),
            };
            pipe.push(SessionServerMessage::from(closing).encode());
        } else if let Some(pipe) = &mut peer.login {
            let failure = Failure::new(FailureCode::Busy, reason);
            pipe.push(LoginServerMessage::from(failure).encode());
        }
        self.leave(now, handle, code, reason);
    }

    /// The store does not know the device of a session. It knows it again when it has logged in.
    pub(super) fn device_unknown(&mut self, now: Instant, handle: ConnectionHandle) {
        if self.user(handle).is_some() {
            let words = "the device is not known any more";
            self.end_session(now, handle, ClosingCode::Shutdown, code::REFUSED, words);
        }
    }

    /// A connection is gone.
    pub(super) fn closed(&mut self, now: Instant, handle: ConnectionHandle) {
        let Some(peer) = self.peers.remove(&handle) else {
            return;
        };
        self.phase_over(now, handle, peer.phase);
    }

    /// What a peer was it is no longer.
    fn phase_over(&mut self, now: Instant, handle: ConnectionHandle, phase: Phase) {
        match phase {
            Phase::Stranger(_) => self.strangers = self.strangers.saturating_sub(1),
            Phase::User(mut user) => {
                self.presence.leave(&user.name, &user.device, handle);
                self.ledger.push(user.seen(self.wall_ms), Then::Nothing);
                // What it was told lately may not have arrived. One that says goodbye listens no more.
                user.forget_told(now, TOLD_FOR);
                for (_, message_id, by) in core::mem::take(&mut user.told) {
                    self.keep_notice(user.name.key(), user.device, message_id, &by);
                }
                self.events.push(Event::ClientLeft { user: user.name });
            }
            Phase::Leaving(_) => {}
        }
    }

    /// Nothing can be vouched for any more: nobody is answered from here on.
    pub(super) fn fail(&mut self, now: Instant, fatal: Fatal) {
        self.state = State::Failed;
        self.events.push(Event::Fatal(fatal));
        self.close_all(now, code::INTERNAL, "the server has failed");
    }

    pub(super) fn drain(&mut self, now: Instant) {
        if self.state == State::Running {
            self.state = State::Draining(now + SHUTDOWN_TIMEOUT);
        }
    }

    /// The next step of a shutdown, if its time has come.
    pub(super) fn advance_shutdown(&mut self, now: Instant) {
        if let State::Draining(until) = self.state
            && (self.ledger.is_idle() || until <= now)
        {
            self.state = State::Leaving(now + SHUTDOWN_TIMEOUT);
            let handles: Vec<_> = self.peers.keys().copied().collect();
            for handle in handles {
                let words = "the server stops";
                self.end_session(now, handle, ClosingCode::Shutdown, code::CLOSING, words);
                self.flush(now, handle);
            }
        }
        if let State::Leaving(until) = self.state {
            if until <= now && !self.peers.is_empty() {
                self.close_all(now, code::CLOSING, "the server stops");
                self.peers.clear();
            }
            if self.peers.is_empty() && self.ledger.is_idle() {
                self.state = State::Stopped;
                self.events.push(Event::Stopped);
            }
        }
    }

    fn close_all(&mut self, now: Instant, code: u64, reason: &str) {
        let handles: Vec<_> = self.endpoint.connections().collect();
        for handle in handles {
            self.close_now(now, handle, code, reason);
        }
    }
}
