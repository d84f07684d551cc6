//! Logging in (PROTOCOL.md §6.5): the work, the password, the proof, the device, the directory.

use chat::Username;
use chat::limits::{MESSAGE_LEN_MAX, SESSION_PORT};
use chat::login::{Price, ProofContext, verify_login_work, verify_proof};
use chat::message::{
    ClosingCode, Credentials, Failure, FailureCode, LoginClientMessage, LoginFinish,
    LoginServerMessage, LoginStart, LoginWork, LoginWorkSolution, Proof,
};
use crypto::{VerifyingKey, random_array};
use store::relay::{Account, Op, Outcome};
use transport::{ConnectionHandle, Instant};

use super::traffic::{OUT_OF_TURN, Violation};
use super::{Server, code};
use crate::accounts::{blob, record};
use crate::event::Event;
use crate::ledger::Then;
use crate::limits::{LOGIN_MESSAGES_MAX, LOGIN_RESPONSES_MAX};
use crate::peer::{Asked, PasswordStep, Peer, Phase, Step, User};
use crate::pipe::Port;

impl Server {
    pub(super) fn login_message(
        &mut self,
        now: Instant,
        handle: ConnectionHandle,
        message: LoginClientMessage,
    ) -> Result<(), Violation> {
        use LoginClientMessage as M;
        let stranger = self.peers.get_mut(&handle).and_then(Peer::stranger);
        let stranger = stranger.ok_or(OUT_OF_TURN)?;
        stranger.messages = stranger.messages.saturating_add(1);
        if stranger.messages > LOGIN_MESSAGES_MAX {
            return Err(Violation("too many messages without a login"));
        }
        match (stranger.take_step(), message) {
            // Whoever finds that its password is wrong begins anew.
            (_, M::LoginStart(start)) => self.login_start(now, handle, start),
            (_, M::RegisterStart(start)) => self.register_start(now, handle, start),
            (Step::Work(work, asked), M::LoginWorkSolution(solution)) => {
                self.work_done(now, handle, &work, asked, &solution);
            }
            (Step::Password(step), M::LoginFinish(finish)) => {
                self.login_finish(now, handle, *step, &finish);
            }
            (Step::Proof(account, username, nonce), M::Proof(proof)) => {
                self.prove(handle, &account, username, &nonce, &proof);
            }
            (Step::Register(username), M::RegisterFinish(finish)) => {
                self.register_finish(handle, username, finish);
            }
            _ => return Err(OUT_OF_TURN),
        }
        Ok(())
    }

    pub(super) fn set_step(&mut self, handle: ConnectionHandle, step: Step) {
        if let Some(stranger) = self.peers.get_mut(&handle).and_then(Peer::stranger) {
            stranger.step = step;
        }
    }

    pub(super) fn take_step(&mut self, handle: ConnectionHandle) -> Step {
        let stranger = self.peers.get_mut(&handle).and_then(Peer::stranger);
        stranger.map_or(Step::Start, |stranger| stranger.take_step())
    }

    pub(super) fn answer(
        &mut self,
        handle: ConnectionHandle,
        message: impl Into<LoginServerMessage>,
        step: Step,
    ) {
        self.say(handle, Port::Login, message.into().encode());
        self.set_step(handle, step);
    }

    /// It does not go on; the client may begin anew.
    pub(super) fn refuse(
        &mut self,
        handle: ConnectionHandle,
        user: Username,
        code: FailureCode,
        retry_after_s: u32,
    ) {
        let failure = Failure {
            retry_after_s,
            ..Failure::new(code, words(code))
        };
        self.answer(handle, failure, Step::Start);
        self.events.push(Event::LoginRefused { user, code });
    }

    fn login_start(&mut self, now: Instant, handle: ConnectionHandle, start: LoginStart) {
        let Some(peer) = self.peers.get(&handle) else {
            return;
        };
        let price = self
            .throttle
            .price(now.as_nanos(), &start.username, peer.source);
        match price {
            Price::Free => self.answer_login(now, handle, start),
            Price::Work(difficulty) => self.ask_work(now, handle, difficulty, Asked::Login(start)),
            Price::Wait(seconds) => {
                self.refuse(
                    handle,
                    start.username,
                    FailureCode::TooManyAttempts,
                    seconds,
                );
            }
        }
    }

    pub(super) fn ask_work(
        &mut self,
        now: Instant,
        handle: ConnectionHandle,
        difficulty: u8,
        asked: Asked,
    ) {
        let nonce = random_array(&mut self.random);
        let work = LoginWork { difficulty, nonce };
        self.answer(handle, work.clone(), Step::Work(work, asked));
        let stranger = self.peers.get_mut(&handle).and_then(Peer::stranger);
        if let Some(until) = stranger.and_then(|stranger| stranger.extend(now)) {
            self.timers.insert((until, handle));
        }
    }

    fn work_done(
        &mut self,
        now: Instant,
        handle: ConnectionHandle,
        work: &LoginWork,
        asked: Asked,
        solution: &LoginWorkSolution,
    ) {
        let Some(peer) = self.peers.get(&handle) else {
            return;
        };
        let (username, request): (_, &[u8]) = match &asked {
            Asked::Login(start) => (&start.username, &start.ke1),
            Asked::Register(start) => (&start.username, &start.request),
        };
        if !verify_login_work(work, &peer.channel, username, request, solution) {
            let username = username.clone();
            return self.refuse(handle, username, FailureCode::WorkRefused, 0);
        }
        match asked {
            Asked::Login(start) => self.answer_login(now, handle, start),
            Asked::Register(start) => self.answer_registration(now, handle, &start),
        }
    }

    /// The price is paid: counts a failure until the password proves right, and looks for the
    /// account.
    fn answer_login(&mut self, now: Instant, handle: ConnectionHandle, start: LoginStart) {
        let Some(peer) = self.peers.get_mut(&handle) else {
            return;
        };
        let source = peer.source;
        let Some(stranger) = peer.stranger() else {
            return;
        };
        stranger.login_responses = stranger.login_responses.saturating_add(1);
        if stranger.login_responses > LOGIN_RESPONSES_MAX {
            self.refuse(handle, start.username, FailureCode::TooManyAttempts, 0);
            return self.leave(now, handle, code::REFUSED, "too many attempts");
        }
        match self
            .throttle
            .answer(now.as_nanos(), &start.username, source)
        {
            Ok(ticket) => {
                let name = start.username.key().to_owned();
                self.set_step(handle, Step::Loading(start, ticket));
                self.ledger
                    .push(Op::LoadAccount { name }, Then::Login(handle));
            }
            Err(seconds) => {
                self.refuse(
                    handle,
                    start.username,
                    FailureCode::TooManyAttempts,
                    seconds,
                );
            }
        }
    }

    /// The store has answered a login.
    pub(super) fn login_stored(
        &mut self,
        now: Instant,
        handle: ConnectionHandle,
        outcome: Outcome,
    ) {
        match (self.take_step(handle), outcome) {
            (Step::Loading(start, ticket), Outcome::Account(account)) => {
                let Some(peer) = self.peers.get(&handle) else {
                    return;
                };
                // Known or not, the same work, the same message, and the same way on.
                let record = account.as_deref().and_then(record);
                let account = account.filter(|_| record.is_some());
                let random = self.random.as_mut();
                let answer =
                    self.passwords
                        .login_start(&start, record.as_ref(), &peer.channel, random);
                let username = start.username;
                match answer {
                    Ok((login, response)) => {
                        let step = PasswordStep {
                            login,
                            account,
                            username,
                            ticket,
                        };
                        self.answer(handle, response, Step::Password(Box::new(step)));
                    }
                    Err(_) => self.refuse(handle, username, FailureCode::LoginFailed, 0),
                }
            }
            (Step::Touching(username, device), Outcome::Touched { .. }) => {
                let others = self.presence.devices(username.key()).len();
                if planted!(SecondDeviceRefused) && others > 0 {
                    return self.refuse(handle, username, FailureCode::Busy, 0);
                }
                self.logged_in(now, handle, username, device);
            }
            (Step::Touching(username, _), Outcome::TooManyDevices { wait_ms }) => {
                let wait_s = u32::try_from(wait_ms.div_ceil(1000)).unwrap_or(u32::MAX);
                self.refuse(handle, username, FailureCode::TooManyDevices, wait_s);
                self.leave(now, handle, code::BUSY, "the account has too many devices");
            }
            // The account was deleted meanwhile.
            (Step::Touching(username, _), _) => {
                self.refuse(handle, username, FailureCode::LoginFailed, 0);
            }
            _ => {}
        }
    }

    /// The store could not take the device: the client comes back later.
    pub(super) fn login_not_stored(&mut self, handle: ConnectionHandle) {
        if let Step::Touching(username, _) = self.take_step(handle) {
            self.refuse(handle, username, FailureCode::Busy, 0);
        }
    }

    fn login_finish(
        &mut self,
        now: Instant,
        handle: ConnectionHandle,
        step: PasswordStep,
        finish: &LoginFinish,
    ) {
        let PasswordStep {
            login,
            account,
            username,
            ticket,
        } = step;
        let (Ok(_), Some(account)) = (login.finish(finish), account) else {
            return self.refuse(handle, username, FailureCode::LoginFailed, 0);
        };
        self.throttle.succeeded(now.as_nanos(), &ticket);
        let nonce = random_array(&mut self.random);
        let credentials = credentials(&account, nonce);
        self.answer(handle, credentials, Step::Proof(account, username, nonce));
    }

    fn prove(
        &mut self,
        handle: ConnectionHandle,
        account: &Account,
        username: Username,
        nonce: &[u8; 32],
        proof: &Proof,
    ) {
        let Some(peer) = self.peers.get(&handle) else {
            return;
        };
        let decoy = self.identity.verifying_key();
        let key = VerifyingKey::from_spki_der(&account.credentials.sig_key).ok();
        let context = ProofContext {
            channel: &peer.channel,
            nonce,
            username: &username,
            server: &decoy.fingerprint(),
        };
        if verify_proof(key.as_ref(), decoy, context, proof).is_err() {
            return self.refuse(handle, username, FailureCode::LoginFailed, 0);
        }
        // One that is online makes no room for another.
        for online in self.presence.devices(&account.name) {
            self.see_device(online);
        }
        let touch = Op::TouchDevice {
            account: account.name.clone(),
            device: proof.device,
            device_key: proof.device_key,
            now_ms: self.wall_ms,
        };
        let name = Username::parse(&account.display_name).unwrap_or(username);
        self.set_step(handle, Step::Touching(name, proof.device));
        self.ledger.push(touch, Then::Login(handle));
    }

    /// The device is known from here on: the session's port opens, and the directory follows.
    fn logged_in(
        &mut self,
        now: Instant,
        handle: ConnectionHandle,
        name: Username,
        device: [u8; 16],
    ) {
        let peer = self.peers.get_mut(&handle);
        let (Some(peer), Some(connection)) = (peer, self.endpoint.connection(handle)) else {
            return;
        };
        connection.listen(SESSION_PORT);
        // Before the client can open the port: its first message may be a long one.
        connection.grow_messages(MESSAGE_LEN_MAX);
        peer.phase = Phase::User(Box::new(User::new(name.clone(), device, self.wall_ms)));
        self.strangers = self.strangers.saturating_sub(1);
        let account = name.key().to_owned();
        self.look_for_stale_devices(account);
        if let Some(old) = self.presence.enter(&name, device, handle) {
            let words = "this device has a newer session";
            self.end_session(now, old, ClosingCode::Replaced, code::REPLACED, words);
        }
        self.events.push(Event::ClientLoggedIn { user: name });
        if let Some(newest) = self.directory.ask(handle, self.wall_ms) {
            self.serve_directory(now, handle, &newest);
        }
        self.wake(handle);
    }
}

fn credentials(account: &Account, nonce: [u8; 32]) -> Credentials {
    let stored = &account.credentials;
    Credentials {
        key_bag: blob(&stored.key_bag),
        key_bag_version: stored.key_bag_version,
        sig_key: blob(&stored.sig_key),
        enc_key: blob(&stored.enc_key),
        enc_certificate: blob(&stored.enc_certificate),
        nonce,
    }
}

/// For people; tells nothing that the code does not.
pub(super) const fn words(code: FailureCode) -> &'static str {
    match code {
        FailureCode::LoginFailed => "login failed",
        FailureCode::NameTaken => "the name is taken",
        FailureCode::NameInvalid => "the name is not allowed",
        FailureCode::RegistrationClosed => "the operator of this server makes the accounts",
        FailureCode::InviteRequired => "an invitation that was not used is needed",
        FailureCode::TooManyAttempts => "too many attempts",
        FailureCode::WorkRefused => "the work is not done",
        FailureCode::KeysRefused => "the keys do not check out",
        FailureCode::Busy => "the server has no room now",
        FailureCode::TooManyDevices => {
            "this account is in use on 16 devices; one makes room when it was not seen for 3 days. Each data \
             folder is a device: keep it from one run to the next"
        }
        _ => "refused",
    }
}
