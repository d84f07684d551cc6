//! A server that fits into a test: it keeps to the protocol, or breaks it where a test wants it to.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chat::Username;
use chat::limits::{DELIVERY_BYTES_AHEAD_MAX, LOGIN_PORT, SESSION_PORT};
use chat::login::{
    KsfId, PasswordRecord, ProofContext, ServerLogin, ServerSecrets, verify_login_work,
    verify_proof,
};
use chat::manifest::{Manifest, key_bag_hash};
use chat::message::{
    Account, ConversationId, Credentials, Deliver, Delivered, DeviceId, Failure, FailureCode,
    LoginClientMessage, LoginServerMessage, LoginWork, LoginWorkSolution, ManifestEntry,
    ManifestUnchanged, MessageId, NoSuchUser, Online, Refusal, Refused, RegisterFinish,
    RegisterStart, Registered, SessionClientMessage, SessionServerMessage, Stored,
};
use crypto::fixtures::{SeededRandom, rsa3072_signing};
use crypto::{SigningKey, VerifyingKey};
use sim::Rng;
use sim::null::NullSessions;
use transport::{
    Accept, Config, Connection, ConnectionHandle, Endpoint, Event, Instant, Machine, Meta,
    OpenGate, StreamId, Transmit,
};

/// An account as the server has it.
#[derive(Clone)]
pub struct Registration {
    pub name: Username,
    pub record: PasswordRecord,
    pub finish: RegisterFinish,
}

#[derive(Clone)]
pub struct Letter {
    pub position: u64,
    pub from: Username,
    pub id: MessageId,
    pub sealed: Vec<u8>,
    pub time_ms: u64,
}

/// What outlives a restart.
#[derive(Clone, Default)]
pub struct Disk {
    pub accounts: BTreeMap<String, Registration>,
    pub mailboxes: BTreeMap<String, Vec<Letter>>,
    pub cursors: BTreeMap<(String, DeviceId), u64>,
    pub sequences: BTreeMap<(DeviceId, ConversationId), u64>,
    pub ids: BTreeSet<MessageId>,
    pub notices: BTreeMap<String, Vec<Delivered>>,
    pub version: u64,
    pub opaque: Option<Vec<u8>>,
}

/// How the server misbehaves.
#[derive(Clone, Default)]
pub struct Mischief {
    /// Answers to the next messages, instead of taking them.
    pub refusals: VecDeque<Refusal>,
    /// Messages are taken and not answered.
    pub silent: bool,
    /// Every message is put into the mailbox twice.
    pub doubles: bool,
    /// A sealed message is changed on its way.
    pub spoils: bool,
    /// The newest accounts are missing in the directory.
    pub hides: Option<String>,
    /// The directory lists other key bags than those that are handed out.
    pub lies_about_bags: bool,
    /// Deliveries to be repeated as they were, at the next session.
    pub forgets_cursors: bool,
    /// Which of the fixture keys the server has.
    pub key: usize,
    /// What every registration and login is answered with.
    pub says_no: Option<Failure>,
    /// Logins and registrations cost work.
    pub asks_for_work: bool,
    /// Said once to whoever logs in, or asks for something in a session.
    pub babbles: Option<Vec<u8>>,
    /// Not once, but each time.
    pub babbles_on: bool,
    /// So many deliveries, of messages that nobody has sent, are reported to whoever asks for something in a
    /// session.
    pub reports: u32,
    /// Deliveries do not wait for acknowledgements.
    pub rushes: bool,
    /// A name whose session is not read.
    pub ignores: Option<String>,
    /// A name whose keys are not told.
    pub keeps_secret: Option<String>,
    /// Nothing on the login port is answered.
    pub ignores_logins: bool,
    /// The first sequence of every conversation that is missing, whatever is there: what is behind it is
    /// refused.
    pub misses: Option<u64>,
    /// No tombstone is taken.
    pub refuses_tombstones: bool,
    /// A name whose mailbox has no room.
    pub full_for: Option<String>,
}

struct Peer {
    channel: [u8; 32],
    login: Option<StreamId>,
    session: Option<StreamId>,
    register: Option<RegisterStart>,
    /// What is answered once the work is done.
    working: Option<LoginClientMessage>,
    asked: Option<(Username, ServerLogin)>,
    proving: Option<(Username, [u8; 32])>,
    user: Option<(Username, DeviceId)>,
    /// The position that was sent last; `None` before `ReadMore`.
    sent_to: Option<u64>,
}

/// The work that this server asks for.
const WORK: LoginWork = LoginWork {
    difficulty: 8,
    nonce: [5; 16],
};

pub struct Relay {
    endpoint: Endpoint,
    random: SeededRandom,
    secrets: ServerSecrets,
    pub disk: Disk,
    pub mischief: Mischief,
    peers: BTreeMap<ConnectionHandle, Peer>,
    pub wall_ms: u64,
    /// Sealed messages that were offered.
    pub offered: usize,
    /// Sealed messages that were taken.
    pub taken: usize,
    /// Acknowledged ids whose senders were to be told.
    pub notified: Vec<MessageId>,
    /// Work that was done.
    pub worked: usize,
    /// Lookups that were not answered, for names whose keys are not told.
    withheld: Vec<(ConnectionHandle, u64, Username)>,
}

impl Relay {
    pub fn new(seed: u64, mut disk: Disk, mischief: Mischief) -> Self {
        let mut random = SeededRandom::new(seed);
        let secrets = match &disk.opaque {
            Some(bytes) => ServerSecrets::from_bytes(bytes).unwrap(),
            None => ServerSecrets::generate(&mut random),
        };
        disk.opaque = Some(secrets.to_bytes().expose().to_vec());
        let spki = rsa3072_signing(mischief.key)
            .verifying_key()
            .spki_der()
            .to_vec();
        let mut config = Config::default();
        config.ports.extend([LOGIN_PORT, SESSION_PORT]);
        config.message_bytes_max = chat::limits::MESSAGE_LEN_MAX;
        config.stream_window_bytes = 2 << 20;
        config.send_buffer_bytes = 2 << 20;
        let accept = Accept {
            sessions: Box::new(
                NullSessions::server(Rng::stream(seed, "sessions", 1)).with_identity(spki),
            ),
            gate: Box::new(OpenGate),
            secret: crypto::Secret::from([9; 32]),
        };
        let endpoint = Endpoint::server(config, accept, Box::new(Rng::stream(seed, "relay", 0)));
        Self {
            endpoint,
            random,
            secrets: secrets.with_ksf(KsfId::DangerCheap),
            disk,
            mischief,
            peers: BTreeMap::new(),
            wall_ms: 0,
            offered: 0,
            taken: 0,
            notified: Vec::new(),
            worked: 0,
            withheld: Vec::new(),
        }
    }

    pub fn key(&self) -> SigningKey {
        rsa3072_signing(self.mischief.key)
    }

    /// Closes every connection, as a server does that stops.
    pub fn stop(&mut self, now: Instant) {
        let handles: Vec<_> = self.endpoint.connections().collect();
        for handle in handles {
            if let Some(connection) = self.endpoint.connection(handle) {
                connection.close(now, 0, "the server restarts");
            }
        }
    }

    fn manifest(&mut self) -> Manifest {
        self.disk.version += 1;
        let hidden = self.mischief.hides.clone();
        let entries = self.disk.accounts.values();
        let entries = entries.filter(|account| Some(account.name.key()) != hidden.as_deref());
        let fp = |spki: &[u8]| *crypto::Fingerprint::of_spki(spki).as_bytes();
        let entries = entries.map(|account| ManifestEntry {
            user: account.name.clone(),
            sig_fingerprint: fp(&account.finish.sig_key),
            enc_fingerprint: fp(&account.finish.enc_key),
            key_bag_version: account.finish.key_bag_version,
            key_bag_hash: if self.mischief.lies_about_bags {
                [0; 32]
            } else {
                key_bag_hash(&account.finish.key_bag)
            },
        });
        let entries = entries.collect();
        Manifest::sign(&self.key(), self.disk.version, self.wall_ms, entries).unwrap()
    }

    /// Does what the events ask for.
    pub fn drain(&mut self, now: Instant) {
        while let Some((handle, event)) = self.endpoint.poll_event() {
            match event {
                Event::Connected => self.connected(handle),
                Event::Opened { stream, port } => {
                    let peer = self.peers.get_mut(&handle).unwrap();
                    if port == LOGIN_PORT {
                        peer.login = Some(stream);
                    } else {
                        assert!(peer.user.is_some(), "a session before the login");
                        peer.session = Some(stream);
                    }
                    self.read(now, handle, stream);
                }
                Event::Readable { stream } => self.read(now, handle, stream),
                Event::Closed(_) => {
                    self.peers.remove(&handle);
                }
                _ => {}
            }
        }
        let handles: Vec<_> = self.peers.keys().copied().collect();
        for handle in handles {
            self.deliver(handle);
        }
    }

    fn connected(&mut self, handle: ConnectionHandle) {
        let mut channel = [0; 32];
        let connection = self.endpoint.connection(handle).unwrap();
        connection
            .export(client::EXPORTER_LABEL, b"", &mut channel)
            .unwrap();
        let peer = Peer {
            channel,
            login: None,
            session: None,
            register: None,
            working: None,
            asked: None,
            proving: None,
            user: None,
            sent_to: None,
        };
        self.peers.insert(handle, peer);
    }

    fn connection(&mut self, handle: ConnectionHandle) -> &mut Connection {
        self.endpoint.connection(handle).unwrap()
    }

    fn read(&mut self, now: Instant, handle: ConnectionHandle, stream: StreamId) {
        let user = self.peers[&handle].user.as_ref();
        let user = user.map(|(name, _)| name.key());
        if user.is_some() && user == self.mischief.ignores.as_deref() {
            return;
        }
        while let Ok(Some(bytes)) = self.connection(handle).receive(stream) {
            if self.peers[&handle].login == Some(stream) {
                let message = LoginClientMessage::decode(&bytes).unwrap();
                self.login(handle, message);
            } else {
                let message = SessionClientMessage::decode(&bytes).unwrap();
                self.session(now, handle, message);
            }
        }
    }

    fn say(&mut self, handle: ConnectionHandle, message: impl Into<LoginServerMessage>) {
        let stream = self.peers[&handle].login.unwrap();
        let bytes = message.into().encode();
        self.connection(handle).send(stream, &bytes).unwrap();
    }

    fn tell(&mut self, handle: ConnectionHandle, message: impl Into<SessionServerMessage>) -> bool {
        let Some(stream) = self.peers[&handle].session else {
            return false;
        };
        let bytes = message.into().encode();
        self.connection(handle).send(stream, &bytes).is_ok()
    }

    fn login(&mut self, handle: ConnectionHandle, message: LoginClientMessage) {
        if self.mischief.ignores_logins {
            return;
        }
        if let Some(no) = self.mischief.says_no.clone() {
            return self.say(handle, no);
        }
        let begins = matches!(
            message,
            LoginClientMessage::LoginStart(_) | LoginClientMessage::RegisterStart(_)
        );
        if begins && self.mischief.asks_for_work {
            self.peers.get_mut(&handle).unwrap().working = Some(message);
            return self.say(handle, WORK);
        }
        self.answer_login(handle, message);
    }

    fn worked(&mut self, handle: ConnectionHandle, solution: &LoginWorkSolution) {
        let peer = self.peers.get_mut(&handle).unwrap();
        let channel = peer.channel;
        let message = peer.working.take().unwrap();
        let (name, request) = match &message {
            LoginClientMessage::LoginStart(start) => (&start.username, start.ke1.to_vec()),
            LoginClientMessage::RegisterStart(start) => (&start.username, start.request.to_vec()),
            _ => panic!("no work was asked for"),
        };
        assert!(verify_login_work(&WORK, &channel, name, &request, solution));
        self.worked += 1;
        self.answer_login(handle, message);
    }

    fn answer_login(&mut self, handle: ConnectionHandle, message: LoginClientMessage) {
        let channel = self.peers[&handle].channel;
        match message {
            LoginClientMessage::RegisterStart(start) => {
                let response = self.secrets.register_start(&start).unwrap();
                self.peers.get_mut(&handle).unwrap().register = Some(start);
                self.say(handle, response);
            }
            LoginClientMessage::RegisterFinish(finish) => self.register(handle, finish),
            LoginClientMessage::LoginStart(start) => {
                let account = self.disk.accounts.get(start.username.key());
                let record = account.map(|account| account.record.clone());
                let (login, response) = self
                    .secrets
                    .login_start(&start, record.as_ref(), &channel, &mut self.random)
                    .unwrap();
                let name = account.map_or(start.username.clone(), |account| account.name.clone());
                self.peers.get_mut(&handle).unwrap().asked = Some((name, login));
                self.say(handle, response);
            }
            LoginClientMessage::LoginFinish(finish) => {
                let (name, login) = self.peers.get_mut(&handle).unwrap().asked.take().unwrap();
                if login.finish(&finish).is_err() {
                    return self.say(handle, Failure::new(FailureCode::LoginFailed, "no"));
                }
                let finish = self.disk.accounts[name.key()].finish.clone();
                let nonce = crypto::random_array(&mut self.random);
                self.peers.get_mut(&handle).unwrap().proving = Some((name, nonce));
                self.say(
                    handle,
                    Credentials {
                        key_bag: finish.key_bag,
                        key_bag_version: finish.key_bag_version,
                        sig_key: finish.sig_key,
                        enc_key: finish.enc_key,
                        enc_certificate: finish.enc_certificate,
                        nonce,
                    },
                );
            }
            LoginClientMessage::Proof(proof) => {
                let (name, nonce) = self.peers.get_mut(&handle).unwrap().proving.take().unwrap();
                let key = &self.disk.accounts[name.key()].finish.sig_key;
                let key = VerifyingKey::from_spki_der(key).unwrap();
                let context = ProofContext {
                    channel: &channel,
                    nonce: &nonce,
                    username: &name,
                    server: &self.key().verifying_key().fingerprint(),
                };
                verify_proof(Some(&key), &key, context, &proof).unwrap();
                self.peers.get_mut(&handle).unwrap().user = Some((name, proof.device));
                let manifest = self.manifest();
                self.say(handle, manifest.head().clone());
                for part in manifest.parts() {
                    self.say(handle, part);
                }
            }
            LoginClientMessage::LoginWorkSolution(solution) => self.worked(handle, &solution),
        }
    }

    fn register(&mut self, handle: ConnectionHandle, finish: RegisterFinish) {
        let peer = self.peers.get_mut(&handle).unwrap();
        let name = peer.register.take().unwrap().username;
        chat::login::verify_registration(&peer.channel, &name, &finish).unwrap();
        if self.disk.accounts.contains_key(name.key()) {
            return self.say(handle, Failure::new(FailureCode::NameTaken, "taken"));
        }
        let record = self.secrets.register_finish(finish.record).unwrap();
        let account = Registration {
            name: name.clone(),
            record,
            finish,
        };
        self.disk.accounts.insert(name.key().to_owned(), account);
        self.say(handle, Registered {});
    }

    fn session(&mut self, now: Instant, handle: ConnectionHandle, message: SessionClientMessage) {
        let stream = self.peers[&handle].session.unwrap();
        self.chatter(handle, stream);
        let (user, device) = self.peers[&handle].user.clone().unwrap();
        match message {
            SessionClientMessage::ListOnline(ask) => {
                let users = self.peers.values().filter_map(|peer| peer.user.as_ref());
                let users: BTreeSet<Username> = users.map(|(name, _)| name.clone()).collect();
                let users: Vec<Username> = users.into_iter().collect();
                self.tell(
                    handle,
                    Online {
                        request: ask.request,
                        users: users.try_into().unwrap(),
                        more: false,
                    },
                );
            }
            SessionClientMessage::Lookup(ask) => {
                let request = ask.request;
                if self.mischief.keeps_secret.as_deref() == Some(ask.name.key()) {
                    self.withheld.push((handle, request, ask.name));
                    return;
                }
                self.look_up(handle, request, &ask.name);
            }
            SessionClientMessage::Send(send) => {
                self.offered += 1;
                let is_full = self.mischief.full_for.as_deref() == Some(send.to.key());
                let missed = self.mischief.misses;
                let refusal =
                    if let Some(expected) = missed.filter(|&missed| missed < send.sequence) {
                        Some(Refusal::Gap { expected })
                    } else if self.mischief.refuses_tombstones && is_tombstone(&send) {
                        Some(Refusal::TooLong)
                    } else if self.disk.ids.contains(&send.message_id) {
                        // What was taken is taken.
                        None
                    } else if is_full {
                        Some(Refusal::MailboxFull)
                    } else {
                        self.mischief.refusals.pop_front()
                    };
                let Some(refusal) = refusal else {
                    return self.take(handle, user, device, send);
                };
                let message_id = send.message_id;
                self.tell(
                    handle,
                    Refused {
                        message_id,
                        refusal,
                    },
                );
            }
            SessionClientMessage::Acknowledge(ack) => {
                let key = user.key().to_owned();
                let cursor = self.disk.cursors.entry((key.clone(), device)).or_insert(0);
                *cursor = (*cursor).max(ack.position);
                for id in ack.notify.iter().map(|id| id.0) {
                    self.notified.push(id);
                    let letters = &self.disk.mailboxes[&key];
                    let letter = letters.iter().find(|letter| letter.id == id).unwrap();
                    let from = letter.from.key().to_owned();
                    self.disk.notices.entry(from).or_default().push(Delivered {
                        message_id: id,
                        by: user.clone(),
                    });
                }
            }
            SessionClientMessage::ManifestRequest(ask) => {
                if ask.have_version == u64::MAX {
                    let request = ask.request;
                    self.tell(handle, ManifestUnchanged { request });
                    return;
                }
                let manifest = self.manifest();
                self.tell(handle, manifest.head().clone());
                for part in manifest.parts() {
                    self.tell(handle, part);
                }
            }
            SessionClientMessage::ReadMore(read) => {
                let cursor = self.disk.cursors.get(&(user.key().to_owned(), device));
                let mut after = read.after.max(cursor.copied().unwrap_or(0));
                if self.mischief.forgets_cursors {
                    after = 0;
                }
                self.peers.get_mut(&handle).unwrap().sent_to = Some(after);
            }
        }
        let _ = now;
    }

    /// Answers what was not answered.
    pub fn tell_withheld(&mut self) {
        self.mischief.keeps_secret = None;
        for (handle, request, name) in std::mem::take(&mut self.withheld) {
            self.look_up(handle, request, &name);
        }
    }

    fn look_up(&mut self, handle: ConnectionHandle, request: u64, name: &Username) {
        let Some(account) = self.disk.accounts.get(name.key()).cloned() else {
            self.tell(handle, NoSuchUser { request });
            return;
        };
        self.tell(
            handle,
            Account {
                request,
                name: account.name,
                sig_key: account.finish.sig_key,
                enc_key: account.finish.enc_key,
                enc_certificate: account.finish.enc_certificate,
            },
        );
    }

    /// What it says that nobody has asked for.
    fn chatter(&mut self, handle: ConnectionHandle, stream: StreamId) {
        let babble = self.mischief.babbles.take();
        if self.mischief.babbles_on {
            self.mischief.babbles.clone_from(&babble);
        }
        if let Some(babble) = babble {
            self.connection(handle).send(stream, &babble).unwrap();
        }
        let (user, _) = self.peers[&handle].user.clone().unwrap();
        for number in 0..core::mem::take(&mut self.mischief.reports) {
            let mut message_id = [7; 16];
            message_id[..4].copy_from_slice(&number.to_be_bytes());
            let by = user.clone();
            assert!(self.tell(handle, Delivered { message_id, by }));
        }
    }

    /// Says something to somebody, at the wrong time, about the wrong things.
    pub fn say_anything(&mut self, draw: &mut Rng) {
        let below = |draw: &mut Rng, count: usize| draw.below(count as u64) as usize;
        let peers = self.peers.iter();
        let online: Vec<_> = peers.filter(|(_, peer)| peer.session.is_some()).collect();
        let Some(&(&handle, peer)) = online.get(below(draw, online.len())) else {
            return;
        };
        let (by, _) = peer.user.clone().unwrap();
        let letters: Vec<Letter> = self.disk.mailboxes.values().flatten().cloned().collect();
        let letter = letters.get(below(draw, letters.len())).cloned();
        let known = letter.as_ref().map_or([7; 16], |letter| letter.id);
        let message_id = if draw.chance(0.9) { known } else { [9; 16] };
        let request = draw.below(20);
        let message: SessionServerMessage = match draw.below(12) {
            0 | 1 => Delivered { message_id, by }.into(),
            2 | 3 => Stored { message_id }.into(),
            4 | 5 => {
                let expected = draw.below(5);
                let refusals = [
                    Refusal::NoSuchUser,
                    Refusal::TooLong,
                    Refusal::MailboxFull,
                    Refusal::RateLimited,
                    Refusal::Gap { expected },
                ];
                let refusal = refusals[below(draw, refusals.len())];
                Refused {
                    message_id,
                    refusal,
                }
                .into()
            }
            6 => {
                let users = vec![by].try_into().unwrap();
                let more = draw.chance(0.5);
                Online {
                    request,
                    users,
                    more,
                }
                .into()
            }
            7 => NoSuchUser { request }.into(),
            8 => ManifestUnchanged { request }.into(),
            9 => {
                let manifest = self.manifest();
                self.tell(handle, manifest.head().clone());
                for part in manifest.parts() {
                    self.tell(handle, part);
                }
                return;
            }
            _ => {
                let Some(letter) = letter else {
                    return;
                };
                Deliver {
                    position: draw.below(500),
                    from: letter.from,
                    message_id: letter.id,
                    sealed: letter.sealed.try_into().unwrap(),
                    time_ms: letter.time_ms,
                }
                .into()
            }
        };
        self.tell(handle, message);
    }

    fn take(
        &mut self,
        handle: ConnectionHandle,
        user: Username,
        device: DeviceId,
        send: chat::message::Send,
    ) {
        let message_id = send.message_id;
        if !self.disk.accounts.contains_key(send.to.key()) {
            let refusal = Refusal::NoSuchUser;
            self.tell(
                handle,
                Refused {
                    message_id,
                    refusal,
                },
            );
            return;
        }
        if !self.disk.ids.contains(&message_id) {
            let last = self.disk.sequences.entry((device, send.conversation));
            let last = last.or_insert(0);
            if send.sequence != *last + 1 {
                let expected = *last + 1;
                let refusal = Refusal::Gap { expected };
                self.tell(
                    handle,
                    Refused {
                        message_id,
                        refusal,
                    },
                );
                return;
            }
            *last = send.sequence;
            self.taken += 1;
            self.disk.ids.insert(message_id);
            let mut sealed = send.sealed.into_vec();
            if self.mischief.spoils {
                let middle = sealed.len() / 2;
                sealed[middle] ^= 1;
            }
            let copies = if self.mischief.doubles { 2 } else { 1 };
            for _ in 0..copies {
                self.put(&send.to, &user, message_id, &sealed);
            }
            if send.to != user {
                self.put(&user, &user, message_id, &sealed);
            }
        }
        if !self.mischief.silent {
            self.tell(handle, Stored { message_id });
        }
    }

    /// Puts a message into a mailbox.
    pub fn put(&mut self, to: &Username, from: &Username, id: MessageId, sealed: &[u8]) {
        let mailbox = self.disk.mailboxes.entry(to.key().to_owned()).or_default();
        mailbox.push(Letter {
            position: 10 * (mailbox.len() as u64 + 1),
            from: from.clone(),
            id,
            sealed: sealed.to_vec(),
            time_ms: self.wall_ms,
        });
    }

    /// Sends what a peer has not got.
    fn deliver(&mut self, handle: ConnectionHandle) {
        let peer = &self.peers[&handle];
        let (Some((user, device)), Some(mut sent_to)) = (peer.user.clone(), peer.sent_to) else {
            return;
        };
        let key = user.key().to_owned();
        for notice in self.disk.notices.remove(&key).unwrap_or_default() {
            self.tell(handle, notice);
        }
        let acknowledged = self
            .disk
            .cursors
            .get(&(key.clone(), device))
            .copied()
            .unwrap_or(0);
        let letters = self.disk.mailboxes.get(&key).cloned().unwrap_or_default();
        let is_ahead =
            |letter: &&Letter| letter.position > acknowledged && letter.position <= sent_to;
        let ahead = letters.iter().filter(is_ahead);
        let mut ahead: Vec<usize> = ahead.map(|letter| letter.sealed.len()).collect();
        let rushes = self.mischief.rushes;
        let due = letters.iter().filter(|letter| letter.position > sent_to);
        for letter in due.cloned().collect::<Vec<_>>() {
            ahead.push(letter.sealed.len());
            let is_far = ahead.iter().sum::<usize>() > DELIVERY_BYTES_AHEAD_MAX;
            if !rushes && (ahead.len() > 64 || is_far && ahead.len() > 1) {
                break;
            }
            let delivered = self.tell(
                handle,
                Deliver {
                    position: letter.position,
                    from: letter.from,
                    message_id: letter.id,
                    sealed: letter.sealed.try_into().unwrap(),
                    time_ms: letter.time_ms,
                },
            );
            if !delivered {
                break;
            }
            sent_to = letter.position;
        }
        self.peers.get_mut(&handle).unwrap().sent_to = Some(sent_to);
    }
}

impl Machine for Relay {
    fn handle_datagram(&mut self, now: Instant, meta: Meta, datagram: &mut [u8]) {
        self.endpoint.handle_datagram(now, meta, datagram);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
    }

    fn poll_transmit(
        &mut self,
        now: Instant,
        max_segments: usize,
        buffer: &mut Vec<u8>,
    ) -> Option<Transmit> {
        self.endpoint.poll_transmit(now, max_segments, buffer)
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.endpoint.poll_timeout()
    }
}

fn is_tombstone(send: &chat::message::Send) -> bool {
    let message = e2e::SealedMessage::decode(&send.sealed);
    message.is_ok_and(|message| message.unproven_header().kind == e2e::sealed::Kind::Tombstone)
}
