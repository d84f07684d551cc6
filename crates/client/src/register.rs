//! Making an account (PROTOCOL.md §6.6). A login follows on the same stream.

use std::sync::Arc;

use chat::login::ClientRegistration;
use chat::message::{LoginServerMessage, RegisterResponse};
use e2e::Identity;
use transport::Instant;

use crate::Client;
use crate::event::{Event, Failure};
use crate::jobs::{Done, Job, RegistrationJob};
use crate::link::Link;
use crate::login::Step;
use crate::work::Pending;

/// Where a registration is.
pub(crate) enum Registering {
    /// `LoginWork` or `RegisterResponse`, to this request.
    Response(Box<ClientRegistration>, [u8; 32]),
    /// A worker, on the server's puzzle.
    Work(Box<ClientRegistration>, [u8; 32]),
    /// The keys, which another worker makes.
    Keys(Box<ClientRegistration>, RegisterResponse),
    /// A worker, on password and signature.
    Finish,
    /// `Registered`.
    Registered,
}

impl Client {
    /// The keys of the account to be made take longest: begun before there is a connection.
    pub(crate) fn generate_identity(&mut self) {
        if let Some(registration) = &self.config.registration {
            let job = Job::GenerateIdentity {
                name: self.config.username.key().to_owned(),
                bits: registration.bits,
            };
            self.desk.job(job, Pending::Identity);
        }
    }

    pub(crate) fn identity_generated(
        &mut self,
        now: Instant,
        generated: Result<Box<Identity>, String>,
    ) {
        match generated {
            Ok(identity) => self.new_identity = Some(Arc::new(*identity)),
            Err(reason) => return self.fail(now, Failure::Internal { reason }),
        }
        match self.take_step() {
            Step::Register(Registering::Keys(registration, response)) => {
                self.finish_registration(registration, response);
            }
            other => self.set_step(other),
        }
    }

    fn set_step(&mut self, step: Step) {
        if let Link::LoggingIn(login) = &mut self.link {
            login.step = step;
        }
    }

    pub(crate) fn start_registration(&mut self, now: Instant) {
        match self.start_client_registration() {
            None => self.fail(now, Failure::LoginFailed),
            Some(Err(error)) => self.login_error(now, error),
            Some(Ok((registration, start))) => {
                let step = Registering::Response(Box::new(registration), start.request);
                self.say(now, start, Step::Register(step));
            }
        }
    }

    pub(crate) fn registration_message(
        &mut self,
        now: Instant,
        registering: Registering,
        message: LoginServerMessage,
    ) {
        use LoginServerMessage as M;
        match (registering, message) {
            (Registering::Response(registration, request), M::LoginWork(work)) => {
                let job = self.login_work(work, request.to_vec());
                let step = Registering::Work(registration, request);
                self.work(job, Step::Register(step));
            }
            (Registering::Response(registration, _), M::RegisterResponse(response)) => {
                self.finish_registration(registration, response);
            }
            (Registering::Registered, M::Registered(_)) => {
                self.config.registration = None;
                self.new_identity = None;
                self.desk.emit(Event::Registered {
                    user: self.config.username.clone(),
                });
                self.start_login(now);
            }
            _ => self.violation(now, "a message out of turn"),
        }
    }

    fn finish_registration(
        &mut self,
        registration: Box<ClientRegistration>,
        response: RegisterResponse,
    ) {
        let Link::LoggingIn(login) = &mut self.link else {
            return;
        };
        let Some(identity) = &self.new_identity else {
            login.deadline = None;
            login.step = Step::Register(Registering::Keys(registration, response));
            return;
        };
        let wanted = self.config.registration.as_ref();
        let job = Job::FinishRegistration(Box::new(RegistrationJob {
            registration: *registration,
            response,
            identity: Arc::clone(identity),
            channel: login.channel,
            username: self.config.username.clone(),
            invite: wanted.and_then(|registration| registration.invite.clone()),
        }));
        self.work(job, Step::Register(Registering::Finish));
    }

    pub(crate) fn registration_done(&mut self, now: Instant, registering: Registering, done: Done) {
        match (registering, done) {
            (Registering::Work(registration, request), Done::LoginWork(solved)) => {
                let step = Registering::Response(registration, request);
                self.work_solved(now, solved, Step::Register(step));
            }
            (Registering::Finish, Done::Registration(Ok(finish))) => {
                self.say(now, *finish, Step::Register(Registering::Registered));
            }
            (Registering::Finish, Done::Registration(Err(error))) => self.login_error(now, error),
            _ => {
                let reason = "a worker returned something else".to_owned();
                self.fail(now, Failure::Internal { reason });
            }
        }
    }
}
