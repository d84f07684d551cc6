//! The connection to the server: made, lost and made again.

use core::time::Duration;

use crypto::{Fingerprint, VerifyingKey, random_array};
use transport::{CloseReason, ConnectionHandle, Event as Transported, Instant, StreamId};

use crate::Client;
use crate::event::{Event, Failure};
use crate::jobs::Job;
use crate::login::Login;
use crate::session::Session;
use crate::work::Pending;

/// First wait before another attempt; doubles.
const RETRY_MIN: Duration = Duration::from_millis(500);

/// Longest wait before another attempt.
const RETRY_MAX: Duration = Duration::from_secs(30);

/// A session that ends sooner counts as an attempt that failed: each costs a login.
const LASTING: Duration = RETRY_MAX;

/// So many failed handshakes since the last session are no accident any more, and the user is told.
const SPOILED_TOLD: u32 = 3;

/// Application close codes of docs/PROTOCOL.md §7.5.
pub(crate) mod code {
    /// The client leaves.
    pub(crate) const DONE: u64 = 0;
    /// The server broke the protocol.
    pub(crate) const VIOLATION: u64 = 1;
    /// The client does not go on: login, keys or directory do not check out.
    pub(crate) const REFUSED: u64 = 2;
}

/// Where the client is between nothing and a session.
pub(crate) enum Link {
    /// Not begun: the installation is being read.
    Idle,
    /// Another attempt begins then.
    Waiting { until: Instant },
    /// The channel is being made.
    Connecting {
        handle: ConnectionHandle,
        deadline: Instant,
    },
    /// Proving who is who.
    LoggingIn(Box<Login>),
    /// Messages flow.
    Online(Box<Session>),
    /// The connection was given up and ends; the reason is told then.
    Closing {
        handle: ConnectionHandle,
        reason: String,
    },
    /// The client leaves.
    Leaving {
        handle: ConnectionHandle,
        stream: Option<StreamId>,
        deadline: Instant,
    },
    /// Nothing more happens.
    Over,
}

impl Link {
    pub(crate) fn session_mut(&mut self) -> Option<&mut Session> {
        match self {
            Self::Online(session) => Some(session),
            _ => None,
        }
    }

    /// The connection in use, if there is one.
    pub(crate) fn handle(&self) -> Option<ConnectionHandle> {
        match self {
            Self::Connecting { handle, .. }
            | Self::Closing { handle, .. }
            | Self::Leaving { handle, .. } => Some(*handle),
            Self::LoggingIn(login) => Some(login.handle),
            Self::Online(session) => Some(session.handle),
            Self::Idle | Self::Waiting { .. } | Self::Over => None,
        }
    }

    pub(crate) fn timeout(&self) -> Option<Instant> {
        match self {
            Self::Waiting { until } => Some(*until),
            Self::Connecting { deadline, .. } | Self::Leaving { deadline, .. } => Some(*deadline),
            Self::LoggingIn(login) => login.deadline,
            Self::Idle | Self::Online(_) | Self::Closing { .. } | Self::Over => None,
        }
    }
}

impl Client {
    /// Begins a connection.
    pub(crate) fn connect(&mut self, now: Instant) {
        let remote = self.config.server;
        match self.endpoint.connect(now, remote, self.sessions.as_mut()) {
            Ok(handle) => {
                let deadline = now + self.config.connect_timeout;
                self.link = Link::Connecting { handle, deadline };
            }
            Err(error) => {
                let reason = error.to_string();
                self.fail(now, Failure::Internal { reason });
            }
        }
    }

    /// For how long the server has owed an answer, any at all; zero while it owes none. `None` while
    /// there is no connection that could go on elsewhere.
    pub fn silence(&mut self, now: Instant) -> Option<Duration> {
        let connection = self.endpoint.connection(self.link.handle()?)?;
        (connection.can_migrate()).then(|| connection.unanswered(now))
    }

    /// This machine's address has changed, or its socket: the connection, if it is past its
    /// handshake, goes on from there, without another login.
    pub fn network_changed(&mut self, now: Instant) {
        if let Some(handle) = self.link.handle()
            && let Some(connection) = self.endpoint.connection(handle)
        {
            // One that cannot move is made anew when it is over.
            let _ = connection.migrate(now);
        }
    }

    /// What happened on a connection.
    pub(crate) fn transported(
        &mut self,
        now: Instant,
        handle: ConnectionHandle,
        event: Transported,
    ) {
        if self.link.handle() != Some(handle) {
            return;
        }
        match event {
            Transported::Connected => self.connected(now, handle),
            Transported::Readable { stream } => match &self.link {
                Link::LoggingIn(_) => self.login_readable(now, stream),
                _ => self.session_readable(now, stream),
            },
            Transported::Writable { stream } => self.session_writable(stream),
            Transported::Reset { stream, code } | Transported::Stopped { stream, code } => {
                self.stream_ended(now, stream, code);
            }
            Transported::Finished { stream } => self.stream_finished(now, stream),
            Transported::Closed(reason) => self.closed(now, &reason),
            _ => {}
        }
    }

    /// The channel stands: checks whose it is, and begins the login.
    fn connected(&mut self, now: Instant, handle: ConnectionHandle) {
        let Some(connection) = self.endpoint.connection(handle) else {
            return;
        };
        let mut channel = [0; 32];
        let exported = connection.export(crate::EXPORTER_LABEL, b"", &mut channel);
        let key = connection.peer_identity();
        let key = key.and_then(|spki| VerifyingKey::from_spki_der(&spki).ok());
        let (Ok(()), Some(key)) = (exported, key) else {
            let reason = "it proves no identity key".to_owned();
            return self.fail(now, Failure::Untrusted { reason });
        };
        let presented = key.fingerprint();
        if let Some(expected) = self.config.server_pin.filter(|pin| *pin != presented) {
            let changed = Failure::ServerKeyChanged {
                expected,
                presented,
            };
            return self.fail(now, changed);
        }
        self.desk.emit(Event::Connected {
            server: self.config.server,
            fingerprint: presented,
        });
        self.directory.connected(key);
        self.begin_login(now, handle, channel, presented);
    }

    /// The login proved whose key it is: from now on no other is taken.
    pub(crate) fn server_is_proven(&mut self, fingerprint: Fingerprint) {
        self.config.server_pin = Some(fingerprint);
        if !self.pin_told {
            self.pin_told = true;
            self.desk.emit(Event::ServerPinned { fingerprint });
        }
    }

    fn stream_ended(&mut self, now: Instant, stream: StreamId, code: u64) {
        let ours = match &self.link {
            Link::LoggingIn(login) => login.stream == stream,
            Link::Online(session) => session.stream == stream,
            _ => false,
        };
        if ours {
            self.violation(
                now,
                &format!("the server ended the stream (code {code:#x})"),
            );
        }
    }

    /// The server broke the protocol: gives the connection up, and tries again later.
    pub(crate) fn violation(&mut self, now: Instant, reason: &str) {
        let Some(handle) = self.link.handle() else {
            return;
        };
        if !self.was_online {
            let reason = reason.to_owned();
            return self.fail(now, Failure::Protocol { reason });
        }
        self.give_up(now, handle, code::VIOLATION, reason);
    }

    /// Closes a connection that is of no use, to try again.
    pub(crate) fn give_up(
        &mut self,
        now: Instant,
        handle: ConnectionHandle,
        code: u64,
        reason: &str,
    ) {
        if let Some(connection) = self.endpoint.connection(handle) {
            connection.close(now, code, reason);
        }
        let reason = reason.to_owned();
        self.link = Link::Closing { handle, reason };
    }

    /// A connection is gone.
    fn closed(&mut self, now: Instant, reason: &CloseReason) {
        let words = match &self.link {
            Link::Leaving { .. } => return self.bye(),
            Link::Closing { reason, .. } => reason.clone(),
            Link::Online(session) => {
                if let Some(failure) = session.ended_for_good() {
                    return self.fail(now, failure);
                }
                session
                    .closing_reason()
                    .unwrap_or_else(|| reason.to_string())
            }
            _ => reason.to_string(),
        };
        if let CloseReason::Handshake(error) = reason {
            return self.handshake_failed(now, &error.reason);
        }
        self.lost(now, &words);
    }

    /// The channel was not made, and its server not trusted.
    fn handshake_failed(&mut self, now: Instant, reason: &str) {
        if let Some((expected, presented)) = self.refused_key() {
            let changed = Failure::ServerKeyChanged {
                expected,
                presented,
            };
            // Who proves another key now is not asked again and again.
            return self.fail(now, changed);
        }
        let failure = Failure::Untrusted {
            reason: reason.to_owned(),
        };
        if !self.was_online {
            return self.fail(now, failure);
        }
        // Whoever sees a first packet can spoil a handshake, as often as it is tried (RFC 9000 §21.2): somebody
        // who cannot prove to be the server is not to end what the server has begun.
        self.spoiled = self.spoiled.saturating_add(1);
        if self.spoiled == SPOILED_TOLD {
            let reason =
                format!("{failure}; {SPOILED_TOLD} handshakes have failed, and more are tried");
            self.desk.emit(Event::Trouble { reason });
        }
        self.lost(now, reason);
    }

    /// There is no connection any more: fails if there never was one, else tries again.
    pub(crate) fn lost(&mut self, now: Instant, reason: &str) {
        if !self.was_online {
            let reason = reason.to_owned();
            return self.fail(now, Failure::Unreachable { reason });
        }
        let since = self.online_since.take();
        if since.is_some_and(|since| now.since(since) >= LASTING) {
            self.attempts = 0;
        }
        self.contacts.disconnected();
        self.outbox.disconnected();
        self.inbox.arrivals.disconnected();
        self.directory.disconnected();
        let wait = self.retry_wait();
        self.link = Link::Waiting { until: now + wait };
        if core::mem::take(&mut self.connection_told) {
            self.desk.emit(Event::Disconnected {
                reason: reason.to_owned(),
                retry_in: wait,
            });
        }
    }

    /// Doubles with each attempt; a random half of it keeps clients of one server apart.
    fn retry_wait(&mut self) -> Duration {
        let doubled = RETRY_MIN.saturating_mul(1 << self.attempts.min(10));
        let longest = doubled.min(RETRY_MAX);
        self.attempts = self.attempts.saturating_add(1);
        let [byte] = random_array::<1>(&mut self.desk.random);
        let half = longest / 2;
        let wait = half + half.mul_f64(f64::from(byte) / 255.0);
        wait.max(core::mem::take(&mut self.retry_not_before))
    }

    /// The handshake's puzzle goes to a worker.
    pub(crate) fn solve(&mut self, handle: ConnectionHandle, request: transport::Request) {
        if let transport::Request::Solve { challenge, hello } = request {
            let job = Job::Solve { challenge, hello };
            self.desk.job(job, Pending::Solve(handle));
        }
    }

    /// Does what is due at `now`.
    pub(crate) fn link_timeout(&mut self, now: Instant) {
        if self.link.timeout().is_none_or(|at| at > now) {
            return;
        }
        match &self.link {
            Link::Waiting { .. } => self.connect(now),
            Link::Leaving { .. } => self.leave_at_once(now),
            Link::Connecting { handle, .. } => {
                let handle = *handle;
                self.unanswered(now, handle, "it did not answer in time");
            }
            Link::LoggingIn(login) => {
                let handle = login.handle;
                self.unanswered(now, handle, "it did not answer the login in time");
            }
            _ => {}
        }
    }

    fn unanswered(&mut self, now: Instant, handle: ConnectionHandle, reason: &str) {
        if self.was_online {
            return self.give_up(now, handle, code::REFUSED, reason);
        }
        let server = self.config.server;
        let reason = format!(
            "{server}: {reason}; is it running, are its address and port right, and does UDP pass?"
        );
        self.fail(now, Failure::Unreachable { reason });
    }

    /// Gives up for good.
    pub(crate) fn fail(&mut self, now: Instant, failure: Failure) {
        if self.is_over() {
            return;
        }
        if let Some(handle) = self.link.handle()
            && let Some(connection) = self.endpoint.connection(handle)
        {
            connection.close(now, code::REFUSED, failure.code());
        }
        self.link = Link::Over;
        self.desk.clear_work();
        self.desk.emit(Event::Failed(failure));
    }

    /// Whether nothing more happens.
    pub fn is_over(&self) -> bool {
        matches!(self.link, Link::Over)
    }
}
