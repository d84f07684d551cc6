//! The conversation after login (PROTOCOL.md §7).

use std::sync::Weak;

use chat::limits::ONLINE_USERS_MAX;
use chat::manifest::Manifest;
use chat::message::MessageId;
use chat::message::{
    Account, ClosingCode, ConversationId, List, ListOnline, Lookup, ManifestRequest,
    ManifestUnchanged, NoSuchUser, Online, Refusal, Refused, Send, SessionClientMessage,
    SessionServerMessage, Stored,
};
use crypto::Transcript;
use store::relay::{Append, Op, Outcome};
use transport::{ConnectionHandle, Instant};

use super::traffic::{OUT_OF_TURN, Violation};
use super::{Server, code};
use crate::accounts::blob;
use crate::ledger::Then;
use crate::peer::{Peer, User};
use crate::pipe::Port;

impl Server {
    pub(super) fn session_message(
        &mut self,
        now: Instant,
        handle: ConnectionHandle,
        message: SessionClientMessage,
    ) -> Result<(), Violation> {
        use SessionClientMessage as M;
        self.see_device(handle);
        let user = self.user(handle).ok_or(OUT_OF_TURN)?;
        user.pace.count(now);
        match message {
            M::ListOnline(list) => self.list_online(handle, &list),
            M::Lookup(lookup) => self.lookup(handle, &lookup),
            M::Send(send) => self.send(handle, send)?,
            M::Acknowledge(acknowledge) => self.acknowledge(handle, acknowledge),
            M::ManifestRequest(request) => self.directory_wanted(now, handle, &request)?,
            M::ReadMore(more) => user.window.read_more(more.after),
        }
        Ok(())
    }

    pub(super) fn user(&mut self, handle: ConnectionHandle) -> Option<&mut User> {
        self.peers.get_mut(&handle).and_then(Peer::user)
    }

    pub(super) fn tell(
        &mut self,
        handle: ConnectionHandle,
        message: impl Into<SessionServerMessage>,
    ) {
        let message = message.into();
        #[cfg(feature = "danger-checking")]
        self.note_promise(&message);
        self.say(handle, Port::Session, message.encode());
    }

    /// Asks the store for something on behalf of a user, which is not read while too much is under
    /// way.
    pub(super) fn ask_store(&mut self, handle: ConnectionHandle, op: Op, bytes: usize, then: Then) {
        if let Some(user) = self.user(handle) {
            user.ops = user.ops.saturating_add(1);
            user.op_bytes = user.op_bytes.saturating_add(bytes);
            self.ledger.push(op, then);
        }
    }

    /// The store has answered.
    pub(super) fn store_answered(&mut self, handle: ConnectionHandle, bytes: usize) {
        if let Some(user) = self.user(handle) {
            user.ops = user.ops.saturating_sub(1);
            user.op_bytes = user.op_bytes.saturating_sub(bytes);
            self.wake(handle);
        }
    }

    fn list_online(&mut self, handle: ConnectionHandle, list: &ListOnline) {
        let (names, more) = self.presence.names(ONLINE_USERS_MAX);
        // There are at most as many as the list holds.
        if let Ok(users) = List::new(names) {
            let request = list.request;
            self.tell(
                handle,
                Online {
                    request,
                    users,
                    more,
                },
            );
        }
    }

    fn lookup(&mut self, handle: ConnectionHandle, lookup: &Lookup) {
        let name = lookup.name.key().to_owned();
        let then = Then::Lookup(handle, lookup.request);
        self.ask_store(handle, Op::LoadAccount { name }, 0, then);
    }

    /// An account was looked up.
    pub(super) fn looked_up(&mut self, handle: ConnectionHandle, request: u64, outcome: &Outcome) {
        let account = match outcome {
            Outcome::Account(Some(account)) => Some(account),
            _ => None,
        };
        let name = account.and_then(|account| self.directory.spelling(&account.name));
        let (Some(account), Some(name)) = (account, name) else {
            return self.tell(handle, NoSuchUser { request });
        };
        let stored = &account.credentials;
        let answer = Account {
            request,
            name,
            sig_key: blob(&stored.sig_key),
            enc_key: blob(&stored.enc_key),
            enc_certificate: blob(&stored.enc_certificate),
        };
        self.tell(handle, answer);
    }

    fn send(&mut self, handle: ConnectionHandle, send: Send) -> Result<(), Violation> {
        let sealed_bytes_max = self.config.sealed_bytes_max;
        let (now_ms, quota) = (self.wall_ms, self.config.quota);
        let user = self.user(handle).ok_or(OUT_OF_TURN)?;
        // What the store keeps for a conversation it keeps for ever: only real ones count.
        if send.conversation != conversation(user.name.key(), send.to.key()) {
            return Err(Violation(
                "a conversation that is not that of its two names",
            ));
        }
        let message_id = send.message_id;
        let bytes = send.sealed.len();
        if bytes > sealed_bytes_max {
            self.refuse_message(handle, message_id, Refusal::TooLong);
            return Ok(());
        }
        let append = Append {
            recipient: send.to.key().to_owned(),
            sender: user.name.key().to_owned(),
            sending_device: user.device,
            conversation: send.conversation,
            sequence: send.sequence,
            message_id,
            sealed: send.sealed.into_vec(),
            now_ms,
            quota,
            // PROTOCOL.md §7.2: a full mailbox is no final refusal.
            remember_full: false,
        };
        if planted!(StoredBeforeDurable) {
            self.tell(handle, Stored { message_id });
        }
        let then = Then::Send(handle, message_id, bytes);
        self.ask_store(handle, Op::Append(Box::new(append)), bytes, then);
        Ok(())
    }

    /// The store has taken a message, or not. What it has taken is on disk.
    pub(super) fn message_stored(
        &mut self,
        handle: ConnectionHandle,
        message_id: MessageId,
        append: &Append,
        outcome: &Outcome,
    ) {
        use store::relay::Refusal as Reason;
        self.store_answered(handle, append.sealed.len());
        match outcome {
            Outcome::Stored { position } => {
                self.tell(handle, Stored { message_id });
                self.push_message(*position, append);
            }
            Outcome::Duplicate => self.tell(handle, Stored { message_id }),
            Outcome::Refused { reason, .. } => {
                let refusal = match *reason {
                    Reason::NoSuchAccount => Refusal::NoSuchUser,
                    Reason::MailboxFull => {
                        self.look_for_idle_devices(&append.recipient);
                        Refusal::MailboxFull
                    }
                    Reason::Gap { expected } => Refusal::Gap { expected },
                };
                self.refuse_message(handle, message_id, refusal);
            }
            _ => self.refuse_message(handle, message_id, Refusal::MailboxFull),
        }
    }

    pub(super) fn refuse_message(
        &mut self,
        handle: ConnectionHandle,
        message_id: MessageId,
        refusal: Refusal,
    ) {
        let refused = Refused {
            message_id,
            refusal,
        };
        self.tell(handle, refused);
    }

    fn directory_wanted(
        &mut self,
        now: Instant,
        handle: ConnectionHandle,
        request: &ManifestRequest,
    ) -> Result<(), Violation> {
        let user = self.user(handle).ok_or(OUT_OF_TURN)?;
        let wanted = (request.request, request.have_version);
        if user.directory_for_session.replace(wanted).is_some() {
            return Err(Violation("a second request for the directory"));
        }
        if let Some(newest) = self.directory.ask(handle, self.wall_ms) {
            self.serve_directory(now, handle, &newest);
        }
        Ok(())
    }

    /// The directory goes to whichever of a peer's streams waits for it.
    pub(super) fn serve_directory(
        &mut self,
        now: Instant,
        handle: ConnectionHandle,
        newest: &Weak<Manifest>,
    ) {
        let Some(version) = newest.upgrade().map(|newest| newest.head().version) else {
            return self.no_directory(now, handle);
        };
        let Some(peer) = self.peers.get_mut(&handle) else {
            return;
        };
        let Some(user) = peer.user() else {
            return;
        };
        let for_login = core::mem::take(&mut user.directory_for_login);
        let for_session = user.directory_for_session.take();
        if let (true, Some(pipe)) = (for_login, &mut peer.login) {
            pipe.feed(newest.clone());
        }
        if let (Some((request, have_version)), Some(pipe)) = (for_session, &mut peer.session) {
            if have_version == version {
                let unchanged = ManifestUnchanged { request };
                pipe.push(SessionServerMessage::from(unchanged).encode());
            } else {
                pipe.feed(newest.clone());
            }
        }
        self.wake(handle);
    }

    /// There is none that may be shown: the client has to come back later.
    pub(super) fn no_directory(&mut self, now: Instant, handle: ConnectionHandle) {
        let words = "the server has no room now";
        self.end_session(now, handle, ClosingCode::Shutdown, code::BUSY, words);
    }
}

/// The conversation of two names (PROTOCOL.md §8.3).
fn conversation(one: &str, other: &str) -> ConversationId {
    let (first, second) = if one <= other {
        (one, other)
    } else {
        (other, one)
    };
    let hash = Transcript::new("conversation")
        .field(first.as_bytes())
        .field(second.as_bytes())
        .sha256();
    let mut id = ConversationId::default();
    for (to, from) in id.iter_mut().zip(hash) {
        *to = from;
    }
    id
}
