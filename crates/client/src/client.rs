use core::net::SocketAddr;
use core::time::Duration;
use std::sync::Arc;

use chat::login::{InvalidPassword, Password};
use crypto::{Fingerprint, Random};
use e2e::Identity;
use store::StoreError;
use store::device::Outcome as Stored;
use transport::{ConnectionHandle, Endpoint, Instant, Machine, Meta, Sessions, Transmit};

use crate::compose::Compose;
use crate::config::Config;
use crate::contacts::Contacts;
use crate::directory::Directory;
use crate::event::{Event, Failure};
use crate::inbox::Inbox;
use crate::installation::Device;
use crate::jobs::Done;
use crate::leave::Leaving;
use crate::link::Link;
use crate::outbox::Outbox;
use crate::work::{Completion, Desk, Outcome, Pending, Request};

/// Tells which key a handshake was refused for: the expected and the presented `fp(S)`.
pub type RefusedKey = Box<dyn Fn() -> Option<(Fingerprint, Fingerprint)> + Send>;

/// Makes the sessions of a client, and says why one failed.
pub struct Channel {
    /// Makes a session for each connection; used for all of them, so that later ones may resume.
    pub sessions: Box<dyn Sessions>,
    /// Asked after a handshake failed. [`Channel::new`] knows nothing.
    pub refused_key: RefusedKey,
}

impl Channel {
    /// Sessions without a word on refused keys.
    pub fn new(sessions: Box<dyn Sessions>) -> Self {
        Self {
            sessions,
            refused_key: Box::new(|| None),
        }
    }
}

/// A user's client: one account on one server, from connecting to leaving. A sans-IO machine.
///
/// It has the transport's endpoint inside and is a [`Machine`] itself, so a driver moves its
/// datagrams and its clock. It reads no clock, opens no socket, touches no disk and starts no
/// thread: whoever owns it does, in this order.
///
/// ```text
/// loop {
///     client.set_wall_time(unix_ms);             // before anything that may need it
///     driver.turn(&mut client)                   // datagrams and timers in, datagrams out
///     for done in workers                        // in any order
///         client.handle_completion(now, done)
///     client.send(now, ...)                      // commands, as the user gives them
///
///     while let Some(request) = client.poll_request()
///         Work::Job    -> a worker: Done = job.run(random)
///         Work::Store  -> the store's one thread: commit(ops)
///     while let Some(event) = client.poll_event()
///         show it; commands may follow from it, then drain again
///     driver.flush(&mut client)                  // what follows from all of that
/// }
/// ```
///
/// After every mutation (a datagram, a timeout, a completion, a command) drain
/// [`Machine::poll_transmit`], then [`Client::poll_request`], then [`Client::poll_event`]; an answer
/// to an event is a mutation too. Then arm the timer with [`Machine::poll_timeout`]. Nothing is lost
/// by draining late, only time.
///
/// **Requests.** A [`Job`](crate::Job) is a pure function for any worker. Transactions on the store
/// keep the order in which they were given out. Each request is answered once by a [`Completion`]
/// with its id; an answer that nobody waits for any more does nothing. What has to be durable before
/// something else happens waits for its transaction: a message is *queued* when its sealed bytes are
/// committed, acknowledged when its ciphertext is, shown when "shown" is.
///
/// **Life.** [`Client::start`] reads the installation, connects, makes the account if it is to be
/// made, and logs in. If that fails the first time, [`Event::Failed`] is the last event, with the
/// reason as a type; there is no endless retry. Once there was a session, a lost connection is made
/// again by itself, after 0.5 s doubling to 30 s until a session has lasted for as long, with a full
/// login each time; then
/// [`Event::Failed`] comes only for what waiting does not cure: the password is wrong now, the
/// server's key changed, the directory went back, the disk failed. [`Client::shutdown`] ends it with
/// [`Event::Bye`].
///
/// **Sending.** [`Client::send`] returns the message's id at once. The text waits in memory until
/// the recipient's keys are known (from disk, else looked up and checked against the signed
/// directory) and the user's own are, which needs one login in this process; then it is sealed and
/// committed, and is *queued*. From then on it survives a restart. Without a connection texts to
/// known contacts are queued; others wait in memory. Queued messages go out in order, the same bytes
/// each time, until the server says *stored*.
///
/// **Limits.** Drafts: 1,024 and 16 MiB. Messages in flight: 32 and 4 MiB. Lists: 16. Names searched
/// for: 64. Messages read from the inbox at once: 8, and 32 that wait for their senders' keys.
/// Deliveries ahead of their acknowledgement: those of the protocol. When 256 events were not
/// taken, nothing more is opened; while 256 requests are not completed, the server is not heard.
///
/// **Secrets.** The password is kept until the client is dropped, the user's keys as well. Store
/// transactions hold sealed messages, pins and the device's key, never a text and never a password.
pub struct Client {
    pub(crate) config: Config,
    pub(crate) endpoint: Endpoint,
    pub(crate) sessions: Box<dyn Sessions>,
    refused_key: RefusedKey,
    pub(crate) desk: Desk,
    pub(crate) link: Link,
    pub(crate) device: Option<Device>,
    /// The keys that a registration is making an account of.
    pub(crate) new_identity: Option<Arc<Identity>>,
    /// The user's keys, after the first login.
    pub(crate) identity: Option<Arc<Identity>>,
    /// When the disk was last rid of what is old.
    pub(crate) pruned_ms: u64,
    /// The newest key bag version ever seen.
    pub(crate) bag_version: u64,
    pub(crate) directory: Directory,
    pub(crate) contacts: Contacts,
    pub(crate) compose: Compose,
    pub(crate) outbox: Outbox,
    pub(crate) inbox: Inbox,
    /// Lists that were asked for and not answered.
    pub(crate) lists: usize,
    pub(crate) leaving: Option<Leaving>,
    /// There was a session in this run.
    pub(crate) was_online: bool,
    /// When the present one began.
    pub(crate) online_since: Option<Instant>,
    /// The user believes that there is a connection.
    pub(crate) connection_told: bool,
    pub(crate) pin_told: bool,
    /// Attempts since the last session that lasted.
    pub(crate) attempts: u32,
    /// Handshakes since then that failed, though not over the server's key.
    pub(crate) spoiled: u32,
    /// The server asked for this much patience.
    pub(crate) retry_not_before: Duration,
}

impl Client {
    /// A client that does nothing until [`Client::start`]. The two sources of randomness are
    /// independent.
    ///
    /// # Errors
    /// [`InvalidPassword`].
    pub fn new(
        config: Config,
        channel: Channel,
        random: Box<dyn Random>,
        endpoint_random: Box<dyn Random>,
    ) -> Result<Self, InvalidPassword> {
        let typed = str::from_utf8(config.password.expose()).map_err(|_| InvalidPassword)?;
        Password::parse(typed)?;
        let endpoint = Endpoint::client(config.transport.clone(), endpoint_random);
        Ok(Self {
            config,
            endpoint,
            sessions: channel.sessions,
            refused_key: channel.refused_key,
            desk: Desk::new(random),
            link: Link::Idle,
            device: None,
            new_identity: None,
            identity: None,
            pruned_ms: 0,
            bag_version: 0,
            directory: Directory::default(),
            contacts: Contacts::default(),
            compose: Compose::default(),
            outbox: Outbox::default(),
            inbox: Inbox::default(),
            lists: 0,
            leaving: None,
            was_online: false,
            online_since: None,
            connection_told: false,
            pin_told: false,
            attempts: 0,
            spoiled: 0,
            retry_not_before: Duration::ZERO,
        })
    }

    /// Begins. Needs the wall time to be set.
    pub fn start(&mut self, now: Instant) {
        self.generate_identity();
        self.load_installation();
        self.pump(now);
    }

    /// Tells the wall time, in milliseconds since 1970-01-01 UTC: for the time of messages and the
    /// age of the directory, nothing else. To be called before each turn.
    pub const fn set_wall_time(&mut self, unix_ms: u64) {
        self.desk.wall_ms = unix_ms;
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.desk.poll_event()
    }

    /// The next request.
    pub fn poll_request(&mut self) -> Option<Request> {
        self.desk.poll_request()
    }

    /// Whether there is a session now.
    pub const fn is_online(&self) -> bool {
        matches!(self.link, Link::Online(_))
    }

    /// How many connections were begun, or are about to be, since the last session that lasted for 30 s. Where it grows
    /// while there is no connection, the server may be somewhere else: [`Client::server_moved`].
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The server has another address now. A connection that stands goes on; the next one goes there.
    pub const fn server_moved(&mut self, address: SocketAddr) {
        self.config.server = address;
    }

    /// The network said that nothing listens at the server's address (an ICMP error). On the way to
    /// a first connection over loopback, where nobody else can say so, it ends the wait; everywhere
    /// else it may be forged, and the time limit decides.
    pub fn path_error(&mut self, now: Instant, reason: &str) {
        let first = matches!(self.link, Link::Connecting { .. }) && !self.was_online;
        if first && self.config.server.ip().is_loopback() {
            let reason = reason.to_owned();
            self.fail(now, Failure::Unreachable { reason });
        }
    }

    pub(crate) fn refused_key(&self) -> Option<(Fingerprint, Fingerprint)> {
        (self.refused_key)()
    }

    /// Takes in the outcome of a request.
    pub fn handle_completion(&mut self, now: Instant, completion: Completion) {
        let Some(pending) = self.desk.take(completion.id) else {
            return;
        };
        match completion.outcome {
            Outcome::Done(done) => self.done(now, pending, done),
            Outcome::Panicked => self.panicked(now, pending),
            Outcome::Stored(Err(error)) if !error.is_refusal() => {
                let reason = error.to_string();
                self.fail(now, Failure::Storage { reason });
            }
            Outcome::Stored(Err(error)) => self.disk_full(now, pending, error),
            Outcome::Stored(Ok(outcomes)) => self.stored(now, pending, outcomes),
        }
        self.pump(now);
    }

    fn done(&mut self, now: Instant, pending: Pending, done: Done) {
        match (pending, done) {
            (Pending::Solve(handle), Done::Solved(solved)) => {
                let completion = match solved {
                    Ok(token) => transport::Completion::Solved(token),
                    Err(reason) => transport::Completion::Refused(reason),
                };
                self.endpoint.handle_completion(now, handle, completion);
            }
            (Pending::Login(handle), done) => self.login_done(now, handle, done),
            (Pending::Identity, Done::Identity(made)) => self.identity_generated(now, made),
            (Pending::Seal(lane, _), Done::Sealed(sealed)) => self.drafts_sealed(&lane, sealed),
            (Pending::Open(_), Done::Opened(opened)) => self.opened(opened),
            (Pending::Tombstones(conversation), Done::Tombstones(sealed)) => {
                self.tombstones_sealed(conversation, sealed);
            }
            _ => {
                let reason = "a worker returned something else".to_owned();
                self.fail(now, Failure::Internal { reason });
            }
        }
    }

    fn panicked(&mut self, now: Instant, pending: Pending) {
        match pending {
            Pending::Seal(lane, lent) => self.sealing_failed(&lane, &lent),
            Pending::Open(batch) => self.opening_failed(&batch),
            Pending::Solve(handle) => self.refuse_challenge(now, handle),
            _ => {
                let reason = "a worker failed".to_owned();
                self.fail(now, Failure::Internal { reason });
            }
        }
    }

    fn refuse_challenge(&mut self, now: Instant, handle: ConnectionHandle) {
        let refused = transport::Completion::Refused("the worker failed".to_owned());
        self.endpoint.handle_completion(now, handle, refused);
    }

    fn stored(&mut self, now: Instant, pending: Pending, outcomes: Vec<Stored>) {
        let read = match pending {
            Pending::Load => {
                self.installation_loaded(now, outcomes);
                Ok(())
            }
            Pending::Found => {
                self.connect(now);
                Ok(())
            }
            Pending::Pin(name) => self.pin_loaded(&name, &outcomes),
            Pending::Pinned(name) => self.pin_saved(&name, outcomes),
            Pending::Conversation(lane) => self.conversation_loaded(&lane, &outcomes),
            Pending::Enqueue(lane, enqueued) => {
                self.drafts_enqueued(&lane, enqueued, Ok(outcomes));
                Ok(())
            }
            Pending::Outbox => {
                self.outbox_loaded(outcomes);
                Ok(())
            }
            Pending::Held(conversation) => {
                self.held_loaded(now, conversation, outcomes);
                Ok(())
            }
            Pending::Status(status, _) => {
                self.state_changed(status, &outcomes);
                Ok(())
            }
            Pending::Buried(conversation) => {
                self.tombstones_enqueued(now, &conversation, false);
                Ok(())
            }
            Pending::Arrive(handle, arrived) => self.arrived(handle, arrived, outcomes),
            Pending::Inbox => {
                self.inbox_listed(outcomes);
                Ok(())
            }
            Pending::Seen(batch) => self.seen_loaded(batch, outcomes),
            Pending::Show(events) => self.show(events, &outcomes),
            Pending::Note
            | Pending::Solve(_)
            | Pending::Login(_)
            | Pending::Identity
            | Pending::Seal(..)
            | Pending::Tombstones(..)
            | Pending::Open(_) => Ok(()),
        };
        if let Err(reason) = read {
            self.fail(now, Failure::Storage { reason });
        }
    }

    /// The disk is full: nothing of the transaction happened.
    fn disk_full(&mut self, now: Instant, pending: Pending, error: StoreError) {
        let reason = error.to_string();
        match pending {
            Pending::Enqueue(lane, enqueued) => {
                self.drafts_enqueued(&lane, enqueued, Err(error));
            }
            Pending::Status(status, place) => self.state_not_changed(now, status, place),
            Pending::Pinned(name) => self.pin_not_saved(now, &name, reason),
            Pending::Arrive(..) => {
                self.inbox.arrivals.refused();
                self.inbox_is_full(now, reason);
            }
            Pending::Show(_) => {
                self.inbox.forget();
                self.inbox_is_full(now, reason);
            }
            Pending::Buried(conversation) => self.tombstones_enqueued(now, &conversation, true),
            Pending::Note => {}
            // Without a device id nothing can begin; loads do not fail for want of room.
            _ => self.fail(now, Failure::Storage { reason }),
        }
    }

    /// What came and cannot be kept is not acknowledged: it comes again after a reconnection.
    pub(crate) fn inbox_is_full(&mut self, now: Instant, reason: String) {
        if let Link::Online(session) = &self.link {
            let handle = session.handle;
            self.give_up(now, handle, crate::link::code::REFUSED, &reason);
        }
        self.desk.emit(Event::Trouble { reason });
    }

    /// Lets everything follow from what has just changed.
    pub(crate) fn pump(&mut self, now: Instant) -> bool {
        let mut changed = false;
        loop {
            while let Some((handle, request)) = self.endpoint.poll_request() {
                self.solve(handle, request);
                changed = true;
            }
            let Some((handle, event)) = self.endpoint.poll_event() else {
                break;
            };
            self.transported(now, handle, event);
            changed = true;
        }
        if self.is_over() {
            return changed;
        }
        self.link_timeout(now);
        self.hear_on(now);
        self.advance_compose();
        self.advance_outbox(now);
        self.advance_arrivals();
        self.advance_inbox();
        self.advance_contacts(now);
        self.advance_directory();
        self.flush_session(now);
        self.advance_pruning();
        self.advance_leaving(now);
        changed
    }
}

impl Machine for Client {
    fn handle_datagram(&mut self, now: Instant, meta: Meta, datagram: &mut [u8]) {
        self.endpoint.handle_datagram(now, meta, datagram);
        self.pump(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        self.pump(now);
    }

    fn poll_transmit(
        &mut self,
        now: Instant,
        max_segments: usize,
        buffer: &mut Vec<u8>,
    ) -> Option<Transmit> {
        loop {
            let transmit = self.endpoint.poll_transmit(now, max_segments, buffer);
            // Sending can be what ends a connection or makes room on a stream.
            if transmit.is_some() || !self.pump(now) {
                return transmit;
            }
        }
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        let ours = [
            self.link.timeout(),
            self.outbox.timeout(),
            self.contacts.timeout(),
        ];
        // Whoever has given up waits for nothing but its connection's end.
        let ours = ours.into_iter().filter(|_| !self.is_over());
        let ours = ours.flatten().min();
        let endpoint = self.endpoint.poll_timeout();
        ours.into_iter().chain(endpoint).min()
    }
}
