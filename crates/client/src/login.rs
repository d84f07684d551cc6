//! Logging in (PROTOCOL.md §6.5): password, keys, proof, directory, in this order, each checked
//! before the next.

use chat::login::{ClientLogin, ClientRegistration, LoginError, Password};
use chat::message::{
    Credentials, Failure as Refused, FailureCode, LoginClientMessage, LoginResponse,
    LoginServerMessage, LoginWork, LoginWorkSolution, Proof,
};
use crypto::{Fingerprint, Secret};
use e2e::{Identity, keybag};
use transport::{ConnectionHandle, Instant, Mode, StreamError, StreamId};

use crate::directory::Taken;
use crate::event::{Event, Failure};
use crate::jobs::{Done, Job, KeyBagJob, LoginJob, LoginWorkJob};
use crate::link::{Link, code};
use crate::register::Registering;
use crate::session::Session;
use crate::work::Pending;
use crate::{Client, installation};

/// A login on one connection.
pub(crate) struct Login {
    pub(crate) handle: ConnectionHandle,
    pub(crate) stream: StreamId,
    /// `E`: what everything is bound to.
    pub(crate) channel: [u8; 32],
    /// `fp(S)`.
    server: Fingerprint,
    pub(crate) step: Step,
    /// When the server has to have answered; `None` while the work is ours.
    pub(crate) deadline: Option<Instant>,
}

/// What is waited for.
pub(crate) enum Step {
    /// The account has to be made first.
    Register(Registering),
    /// `LoginWork` or `LoginResponse`, to KE1.
    Response(Box<ClientLogin>, [u8; 96]),
    /// A worker, on the server's puzzle.
    Work(Box<ClientLogin>, [u8; 96]),
    /// A worker, on the password.
    Password,
    /// `Credentials`.
    Credentials(Secret<64>),
    /// A worker, on the key bag.
    KeyBag(BagSeen),
    /// The directory.
    Directory(Box<Identity>, BagSeen),
    /// Nothing: it failed, or a step is being taken.
    Nothing,
}

/// The key bag as the server gave it; the directory has to list the same.
#[derive(Clone, Copy)]
pub(crate) struct BagSeen {
    version: u64,
    hash: [u8; 32],
}

impl Client {
    /// Opens the login's stream and says who we are.
    pub(crate) fn begin_login(
        &mut self,
        now: Instant,
        handle: ConnectionHandle,
        channel: [u8; 32],
        server: Fingerprint,
    ) {
        let Some(connection) = self.endpoint.connection(handle) else {
            return;
        };
        let stream = match connection.open(chat::limits::LOGIN_PORT, Mode::Messages) {
            Ok(stream) => stream,
            Err(error) => return self.violation(now, &format!("no stream to log in: {error}")),
        };
        self.link = Link::LoggingIn(Box::new(Login {
            handle,
            stream,
            channel,
            server,
            step: Step::Nothing,
            deadline: None,
        }));
        if self.config.registration.is_some() {
            self.start_registration(now);
        } else {
            self.start_login(now);
        }
    }

    /// The password, prepared again for each use.
    pub(crate) fn password(&self) -> Option<Password> {
        let typed = str::from_utf8(self.config.password.expose()).ok()?;
        Password::parse(typed).ok()
    }

    pub(crate) fn start_login(&mut self, now: Instant) {
        let Some(password) = self.password() else {
            return self.fail(now, Failure::LoginFailed);
        };
        let username = self.config.username.clone();
        match ClientLogin::start(username, password, self.desk.random.as_mut()) {
            Ok((login, start)) => {
                let step = Step::Response(Box::new(login), start.ke1);
                self.say(now, start, step);
            }
            Err(error) => self.login_error(now, error),
        }
    }

    pub(crate) fn start_client_registration(
        &mut self,
    ) -> Option<Result<(ClientRegistration, chat::message::RegisterStart), LoginError>> {
        let password = self.password()?;
        let username = self.config.username.clone();
        let random = self.desk.random.as_mut();
        Some(ClientRegistration::start(username, password, random))
    }

    /// Sends a message; what the server answers is `step`'s.
    pub(crate) fn say(&mut self, now: Instant, message: impl Into<LoginClientMessage>, step: Step) {
        let deadline = now + self.config.answer_timeout;
        let Link::LoggingIn(login) = &mut self.link else {
            return;
        };
        login.step = step;
        login.deadline = Some(deadline);
        let (handle, stream) = (login.handle, login.stream);
        let bytes = message.into().encode();
        if let Some(connection) = self.endpoint.connection(handle)
            && let Err(error) = connection.send(stream, &bytes)
        {
            self.violation(now, &format!("the login's stream failed: {error}"));
        }
    }

    /// Gives a worker something to do; what it returns is `step`'s.
    pub(crate) fn work(&mut self, job: Job, step: Step) {
        if let Link::LoggingIn(login) = &mut self.link {
            login.step = step;
            login.deadline = None;
            self.desk.job(job, Pending::Login(login.handle));
        }
    }

    pub(crate) fn take_step(&mut self) -> Step {
        match &mut self.link {
            Link::LoggingIn(login) => core::mem::replace(&mut login.step, Step::Nothing),
            _ => Step::Nothing,
        }
    }

    pub(crate) fn login_readable(&mut self, now: Instant, stream: StreamId) {
        loop {
            let Link::LoggingIn(login) = &self.link else {
                return;
            };
            if login.stream != stream {
                return;
            }
            let handle = login.handle;
            let Some(connection) = self.endpoint.connection(handle) else {
                return;
            };
            let bytes = match connection.receive(stream) {
                Ok(Some(bytes)) => bytes,
                Ok(None) | Err(StreamError::Blocked) => return,
                Err(error) => {
                    return self.violation(now, &format!("the login's stream failed: {error}"));
                }
            };
            match LoginServerMessage::decode(&bytes) {
                Ok(message) => self.login_message(now, message),
                Err(_) => return self.violation(now, "a message does not decode"),
            }
        }
    }

    fn login_message(&mut self, now: Instant, message: LoginServerMessage) {
        use LoginServerMessage as M;
        match (self.take_step(), message) {
            (_, M::Failure(refused)) => self.login_refused(now, &refused),
            (Step::Register(registering), message) => {
                self.registration_message(now, registering, message);
            }
            (Step::Response(login, ke1), M::LoginWork(work)) => {
                let job = self.login_work(work, ke1.to_vec());
                self.work(job, Step::Work(login, ke1));
            }
            (Step::Response(login, _), M::LoginResponse(response)) => {
                self.check_password(*login, response);
            }
            (Step::Credentials(export_key), M::Credentials(credentials)) => {
                self.open_key_bag(now, export_key, credentials);
            }
            (Step::Directory(identity, bag), M::ManifestHead(head)) => {
                let taken = self.directory.head_arrived(head, self.desk.wall_ms);
                self.login_directory(now, identity, bag, taken);
            }
            (Step::Directory(identity, bag), M::ManifestPart(part)) => {
                let taken = self.directory.part_arrived(part);
                self.login_directory(now, identity, bag, taken);
            }
            _ => self.violation(now, "a message out of turn"),
        }
    }

    pub(crate) fn login_work(&self, work: LoginWork, request: Vec<u8>) -> Job {
        let channel = match &self.link {
            Link::LoggingIn(login) => login.channel,
            _ => [0; 32],
        };
        Job::LoginWork(Box::new(LoginWorkJob {
            work,
            channel,
            username: self.config.username.clone(),
            request,
        }))
    }

    fn check_password(&mut self, login: ClientLogin, response: LoginResponse) {
        let Link::LoggingIn(state) = &self.link else {
            return;
        };
        let job = Job::FinishLogin(Box::new(LoginJob {
            login,
            response,
            channel: state.channel,
        }));
        self.work(job, Step::Password);
    }

    fn open_key_bag(&mut self, now: Instant, export_key: Secret<64>, credentials: Credentials) {
        let (Link::LoggingIn(login), Some(device)) = (&self.link, &self.device) else {
            let reason = "this installation has no device key".to_owned();
            return self.fail(now, Failure::Internal { reason });
        };
        let seen = BagSeen {
            version: credentials.key_bag_version,
            hash: keybag::hash(&credentials.key_bag),
        };
        let job = Job::OpenKeyBag(Box::new(KeyBagJob {
            credentials,
            export_key,
            version_seen: self.bag_version,
            username: self.config.username.clone(),
            channel: login.channel,
            server: login.server,
            device: device.id,
            device_key: device.key.clone(),
        }));
        self.work(job, Step::KeyBag(seen));
    }

    /// What a worker made of a step.
    pub(crate) fn login_done(&mut self, now: Instant, handle: ConnectionHandle, done: Done) {
        let Link::LoggingIn(login) = &self.link else {
            return;
        };
        if login.handle != handle {
            return;
        }
        let server = login.server;
        match (self.take_step(), done) {
            (Step::Work(login, ke1), Done::LoginWork(solved)) => {
                self.work_solved(now, solved, Step::Response(login, ke1));
            }
            (Step::Password, Done::Login(Ok(logged_in))) => {
                // KE2 was right, so the channel ends at the server that has the account's record.
                self.server_is_proven(server);
                let step = Step::Credentials(logged_in.export_key);
                self.say(now, logged_in.finish, step);
            }
            (Step::Password, Done::Login(Err(error))) => self.login_error(now, error),
            (Step::KeyBag(seen), Done::KeyBag(Ok(opened))) => {
                let (identity, proof): (Identity, Proof) = *opened;
                self.say(now, proof, Step::Directory(Box::new(identity), seen));
            }
            (Step::KeyBag(_), Done::KeyBag(Err(reason))) => {
                self.fail(now, Failure::Keys { reason });
            }
            (Step::Register(registering), done) => {
                self.registration_done(now, registering, done);
            }
            _ => {
                let reason = "a worker returned something else".to_owned();
                self.fail(now, Failure::Internal { reason });
            }
        }
    }

    pub(crate) fn work_solved(
        &mut self,
        now: Instant,
        solved: Result<LoginWorkSolution, String>,
        step: Step,
    ) {
        match solved {
            Ok(solution) => self.say(now, solution, step),
            Err(reason) => self.violation(now, &reason),
        }
    }

    pub(crate) fn login_error(&mut self, now: Instant, error: LoginError) {
        let failure = match error {
            LoginError::Failed => Failure::LoginFailed,
            LoginError::Ksf(unknown) => Failure::Protocol {
                reason: unknown.to_string(),
            },
            other => Failure::Internal {
                reason: other.to_string(),
            },
        };
        self.fail(now, failure);
    }

    fn login_refused(&mut self, now: Instant, refused: &Refused) {
        let passing = matches!(
            refused.code,
            FailureCode::Busy | FailureCode::TooManyAttempts | FailureCode::TooManyDevices
        );
        if passing && self.was_online {
            let wait = core::time::Duration::from_secs(u64::from(refused.retry_after_s).min(600));
            self.retry_not_before = wait;
            if let Some(handle) = self.link.handle() {
                self.give_up(now, handle, code::REFUSED, &refused.reason);
            }
            return;
        }
        let failure = match refused.code {
            FailureCode::LoginFailed => Failure::LoginFailed,
            FailureCode::NameTaken => Failure::NameTaken,
            code => Failure::Refused {
                code,
                retry_after_s: refused.retry_after_s,
                reason: refused.reason.to_string(),
            },
        };
        self.fail(now, failure);
    }

    fn login_directory(
        &mut self,
        now: Instant,
        identity: Box<Identity>,
        bag: BagSeen,
        taken: Result<Taken, String>,
    ) {
        let wait = now + self.config.answer_timeout;
        match taken {
            Err(reason) => self.fail(now, Failure::Directory { reason }),
            Ok(Taken::More) => {
                if let Link::LoggingIn(login) = &mut self.link {
                    login.step = Step::Directory(identity, bag);
                    login.deadline = Some(wait);
                }
            }
            Ok(Taken::Complete) => match self.check_own_entry(&identity, bag) {
                Ok(()) => self.go_online(now, *identity, bag),
                Err(reason) => self.fail(now, Failure::Directory { reason }),
            },
        }
    }

    /// PROTOCOL.md §6.7: the directory lists this account as it was given to us.
    fn check_own_entry(&self, identity: &Identity, bag: BagSeen) -> Result<(), String> {
        let entry = self.directory.entry(&self.config.username);
        let entry = entry.ok_or("it does not list this account")?;
        if !self.directory.lists(identity.name(), identity.public()) {
            return Err("it lists other keys for this account".to_owned());
        }
        if entry.key_bag_version != bag.version || entry.key_bag_hash != bag.hash {
            return Err("it lists another key bag for this account".to_owned());
        }
        Ok(())
    }

    /// The login is done: opens the session.
    fn go_online(&mut self, now: Instant, identity: Identity, bag: BagSeen) {
        let Link::LoggingIn(login) = &self.link else {
            return;
        };
        let (handle, login_stream) = (login.handle, login.stream);
        let Some(connection) = self.endpoint.connection(handle) else {
            return;
        };
        // The stream has served; whether its end arrives is of no interest.
        let _ = connection.finish(login_stream);
        let stream = match connection.open(chat::limits::SESSION_PORT, Mode::Messages) {
            Ok(stream) => stream,
            Err(error) => return self.violation(now, &format!("no stream for a session: {error}")),
        };
        self.link = Link::Online(Box::new(Session::new(handle, stream)));
        self.identity = Some(identity.into());
        self.bag_version = bag.version;
        self.note_directory();
        self.desk.store(
            vec![installation::bag_version_op(bag.version)],
            Pending::Note,
        );
        self.was_online = true;
        self.online_since = Some(now);
        self.connection_told = true;
        self.spoiled = 0;
        self.inbox.more_on_disk();
        let user = self.directory.display(&self.config.username);
        self.desk.emit(Event::LoggedIn { user });
        self.begin_session();
    }
}
