//! The conversation with the server after login: one stream to port 2 (PROTOCOL.md §7).

use std::collections::{BTreeMap, VecDeque};

use chat::message::{
    Closing, ClosingCode, ListOnline, ManifestRequest, Online, ReadMore, SessionClientMessage,
    SessionServerMessage,
};
use transport::{ConnectionHandle, Instant, StreamError, StreamId};

use crate::Client;
use crate::directory::Taken;
use crate::event::{Event, Failure};
use crate::work::REQUESTS_MAX;

/// Unanswered [`Client::list`]s; one more is refused.
pub const LISTS_MAX: usize = 16;

/// Too many lists are unanswered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many requests are waiting for an answer")]
pub struct TooManyRequests;

/// What goes next.
enum Next {
    Control,
    Acknowledge,
    /// The message of the outbox with this number.
    Send(u64),
}

pub(crate) struct Session {
    pub(crate) handle: ConnectionHandle,
    pub(crate) stream: StreamId,
    /// Encoded messages that go before any of the outbox. What they ask is bounded where it is
    /// asked.
    control: VecDeque<Vec<u8>>,
    blocked: bool,
    /// The server may have said something, and is not heard.
    unheard: bool,
    next_request: u64,
    asked: BTreeMap<u64, Asked>,
    /// What the server said before it closes.
    closing: Option<Closing>,
}

/// What a request's answer is for.
pub(crate) enum Asked {
    List,
    /// By the name's key.
    Lookup(String),
    Manifest,
}

impl Session {
    pub(crate) const fn new(handle: ConnectionHandle, stream: StreamId) -> Self {
        Self {
            handle,
            stream,
            control: VecDeque::new(),
            blocked: false,
            unheard: false,
            next_request: 1,
            asked: BTreeMap::new(),
            closing: None,
        }
    }

    /// A number for a request.
    pub(crate) fn ask(&mut self, asked: Asked) -> u64 {
        let request = self.next_request;
        self.next_request = request.saturating_add(1);
        self.asked.insert(request, asked);
        request
    }

    /// Queues a message other than one of the outbox.
    pub(crate) fn control(&mut self, message: impl Into<SessionClientMessage>) {
        self.control.push_back(message.into().encode());
    }

    /// The server said that it closes for good.
    pub(crate) fn ended_for_good(&self) -> Option<Failure> {
        let closing = self.closing.as_ref()?;
        let words = match closing.code {
            ClosingCode::Replaced => "another session of this device has begun",
            ClosingCode::Revoked => "the account or device was revoked",
            _ => return None,
        };
        Some(Failure::Ended {
            reason: words.to_owned(),
        })
    }

    pub(crate) fn closing_reason(&self) -> Option<String> {
        self.closing
            .as_ref()
            .map(|closing| closing.reason.to_string())
    }
}

impl Client {
    /// Asks who is online. `Event::Online` follows, after the next login if there is no connection.
    ///
    /// # Errors
    /// [`LISTS_MAX`] are unanswered.
    pub fn list(&mut self, now: Instant) -> Result<(), TooManyRequests> {
        if self.lists >= LISTS_MAX {
            return Err(TooManyRequests);
        }
        self.lists += 1;
        self.ask_for_list();
        self.pump(now);
        Ok(())
    }

    fn ask_for_list(&mut self) {
        if let Some(session) = self.link.session_mut() {
            let request = session.ask(Asked::List);
            session.control(ListOnline { request });
        }
    }

    /// The first messages of a session.
    pub(crate) fn begin_session(&mut self) {
        if let Some(session) = self.link.session_mut() {
            // After this device's cursor, which the server keeps: so what was stored here and not
            // acknowledged comes, and is acknowledged, again.
            session.control(ReadMore { after: 0 });
        }
        for _ in 0..self.lists {
            self.ask_for_list();
        }
    }

    /// Asks for the directory when somebody wants a newer one.
    pub(crate) fn advance_directory(&mut self) {
        if let Some(session) = self.link.session_mut()
            && let Some(have_version) = self.directory.request()
        {
            let request = session.ask(Asked::Manifest);
            session.control(ManifestRequest {
                request,
                have_version,
            });
        }
    }

    /// Hands the stream what there is, as far as it takes it.
    pub(crate) fn flush_session(&mut self, now: Instant) {
        loop {
            let Some(session) = self.link.session_mut() else {
                return;
            };
            if session.blocked {
                return;
            }
            let (handle, stream) = (session.handle, session.stream);
            let control = session.control.front().cloned();
            let control = control.map(|bytes| (Next::Control, bytes));
            let acknowledge = || self.inbox.arrivals.acknowledgement();
            let acknowledge = || acknowledge().map(|bytes| (Next::Acknowledge, bytes));
            let send = || self.next_to_send();
            let send = || send().map(|(place, bytes)| (Next::Send(place), bytes));
            let Some((next, bytes)) = control.or_else(acknowledge).or_else(send) else {
                return;
            };
            let Some(connection) = self.endpoint.connection(handle) else {
                return;
            };
            match connection.send(stream, &bytes) {
                Ok(()) => self.said(next),
                Err(StreamError::Blocked) => {
                    if let Some(session) = self.link.session_mut() {
                        session.blocked = true;
                    }
                    return;
                }
                Err(error) => {
                    return self.violation(now, &format!("the session's stream failed: {error}"));
                }
            }
        }
    }

    /// The stream has taken it.
    fn said(&mut self, what: Next) {
        match what {
            Next::Control => {
                if let Some(session) = self.link.session_mut() {
                    session.control.pop_front();
                }
            }
            Next::Acknowledge => self.inbox.arrivals.acknowledged(),
            Next::Send(place) => self.sent(place),
        }
    }

    pub(crate) fn session_writable(&mut self, stream: StreamId) {
        if let Some(session) = self.link.session_mut()
            && session.stream == stream
        {
            session.blocked = false;
        }
    }

    /// Takes in what the server says.
    pub(crate) fn session_readable(&mut self, now: Instant, stream: StreamId) {
        loop {
            let Some(session) = self.link.session_mut() else {
                return;
            };
            let handle = session.handle;
            if session.stream != stream {
                return;
            }
            // The stream's window holds it back meanwhile.
            session.unheard = self.desk.requests() >= REQUESTS_MAX;
            if session.unheard {
                return;
            }
            let Some(connection) = self.endpoint.connection(handle) else {
                return;
            };
            let message = match connection.receive(stream) {
                Ok(Some(message)) => message,
                // The server ends the session; its close follows.
                Ok(None) | Err(StreamError::Blocked) => return,
                Err(error) => {
                    return self.violation(now, &format!("the session's stream failed: {error}"));
                }
            };
            let outcome = match SessionServerMessage::decode(&message) {
                Ok(message) => self.session_message(now, message),
                Err(_) => Err("a message does not decode"),
            };
            if let Err(reason) = outcome {
                return self.violation(now, reason);
            }
        }
    }

    /// Takes in what the server said while it was not heard.
    pub(crate) fn hear_on(&mut self, now: Instant) {
        if let Some(session) = self.link.session_mut()
            && session.unheard
        {
            let stream = session.stream;
            self.session_readable(now, stream);
        }
    }

    fn session_message(
        &mut self,
        now: Instant,
        message: SessionServerMessage,
    ) -> Result<(), &'static str> {
        match message {
            SessionServerMessage::Online(online) => self.online(online)?,
            SessionServerMessage::Account(account) => {
                let name = self.lookup_answered(account.request)?;
                self.account_found(now, &name, &account);
            }
            SessionServerMessage::NoSuchUser(missing) => {
                let name = self.lookup_answered(missing.request)?;
                self.account_missing(&name);
            }
            SessionServerMessage::Stored(stored) => self.message_stored(&stored.message_id),
            SessionServerMessage::Refused(refused) => self.message_refused(now, &refused),
            SessionServerMessage::Deliver(deliver) => self.delivered(deliver)?,
            SessionServerMessage::Delivered(delivered) => self.message_delivered(delivered),
            SessionServerMessage::ManifestHead(head) => {
                let taken = self.directory.head_arrived(head, self.desk.wall_ms);
                self.directory_taken(now, taken);
            }
            SessionServerMessage::ManifestPart(part) => {
                let taken = self.directory.part_arrived(part);
                self.directory_taken(now, taken);
            }
            SessionServerMessage::ManifestUnchanged(unchanged) => {
                match self.answered(unchanged.request) {
                    Some(Asked::Manifest) => self.directory.unchanged(),
                    _ => return Err("an answer to nothing"),
                }
                self.directory_refreshed(now);
            }
            SessionServerMessage::Closing(closing) => {
                if let Some(session) = self.link.session_mut() {
                    session.closing = Some(closing);
                }
            }
        }
        Ok(())
    }

    fn answered(&mut self, request: u64) -> Option<Asked> {
        self.link.session_mut()?.asked.remove(&request)
    }

    fn lookup_answered(&mut self, request: u64) -> Result<String, &'static str> {
        match self.answered(request) {
            Some(Asked::Lookup(name)) => Ok(name),
            _ => Err("an answer to nothing"),
        }
    }

    fn online(&mut self, online: Online) -> Result<(), &'static str> {
        match self.answered(online.request) {
            Some(Asked::List) => {}
            _ => return Err("an answer to nothing"),
        }
        self.lists = self.lists.saturating_sub(1);
        self.desk.emit(Event::Online {
            users: online.users.into_vec(),
            more: online.more,
        });
        Ok(())
    }

    /// A part of a directory was taken in. One that does not check out ends everything: whoever
    /// holds the server's key deceives, or the server's state went back.
    fn directory_taken(&mut self, now: Instant, taken: Result<Taken, String>) {
        match taken {
            Ok(Taken::More) => {}
            Ok(Taken::Complete) => {
                if let Some(session) = self.link.session_mut() {
                    session
                        .asked
                        .retain(|_, asked| !matches!(asked, Asked::Manifest));
                }
                self.note_directory();
                self.directory_refreshed(now);
            }
            Err(reason) => self.fail(now, Failure::Directory { reason }),
        }
    }
}
