use core::time::Duration;
use std::collections::VecDeque;

use chat::login::{ServerLogin, Ticket};
use chat::message::{DeviceId, LoginStart, LoginWork, MessageId, RegisterStart};
use chat::{SourcePrefix, Username};
use store::relay::{Account, Op};
use transport::{Instant, StreamId};

use crate::limits::{LOGIN_TIMEOUT, PEER_OP_BYTES_MAX, PEER_OPS_MAX, TOLD_FOR, TOLD_MAX};
use crate::pace::Pace;
use crate::pipe::{Pipe, Port};
use crate::window::Window;

/// A connection whose handshake is done.
pub(crate) struct Peer {
    /// Where it comes from: what limits for strangers count by.
    pub(crate) source: SourcePrefix,
    /// `E`.
    pub(crate) channel: [u8; 32],
    pub(crate) login: Option<Pipe>,
    pub(crate) session: Option<Pipe>,
    pub(crate) phase: Phase,
    /// Waits in the queue of those that there is something to do for.
    pub(crate) queued: bool,
    /// Its mailbox waits to be read.
    pub(crate) reading: bool,
}

pub(crate) enum Phase {
    /// Not logged in.
    Stranger(Box<Stranger>),
    /// Logged in.
    User(Box<User>),
    /// It has its last words; the connection closes when they have arrived, or then.
    Leaving(Leaving),
}

pub(crate) struct Leaving {
    pub(crate) code: u64,
    pub(crate) reason: &'static str,
    pub(crate) until: Instant,
}

/// A connection that has to log in, or to go.
pub(crate) struct Stranger {
    pub(crate) step: Step,
    pub(crate) until: Instant,
    extended: bool,
    pub(crate) messages: u32,
    pub(crate) login_responses: u32,
    pub(crate) register_responses: u32,
}

/// What is expected next. Each step is consumed by what it leads to, so none is taken twice.
#[derive(Default)]
pub(crate) enum Step {
    /// `LoginStart` or `RegisterStart`.
    #[default]
    Start,
    /// `LoginWorkSolution`.
    Work(LoginWork, Asked),
    /// The store, for the account.
    Loading(LoginStart, Ticket),
    /// `LoginFinish`.
    Password(Box<PasswordStep>),
    /// `Proof`.
    Proof(Box<Account>, Username, [u8; 32]),
    /// The store, for the device.
    Touching(Username, DeviceId),
    /// `RegisterFinish`.
    Register(Username),
    /// The store, for the registration.
    Storing,
}

/// What is answered once the work is done.
pub(crate) enum Asked {
    Login(LoginStart),
    Register(RegisterStart),
}

pub(crate) struct PasswordStep {
    pub(crate) login: ServerLogin,
    pub(crate) account: Option<Box<Account>>,
    pub(crate) username: Username,
    pub(crate) ticket: Ticket,
}

/// A device that is logged in.
pub(crate) struct User {
    pub(crate) name: Username,
    pub(crate) device: DeviceId,
    /// When it was last noted that the device is there.
    pub(crate) seen_ms: u64,
    pub(crate) window: Window,
    pub(crate) pace: Pace,
    /// Operations that the store has not answered, and bytes of sealed messages in them.
    pub(crate) ops: usize,
    pub(crate) op_bytes: usize,
    /// The directory is on its way to the login's stream.
    pub(crate) directory_for_login: bool,
    /// A `ManifestRequest` that is not answered: its number and the version that the client has.
    pub(crate) directory_for_session: Option<(u64, u64)>,
    /// Messages whose delivery it was told of lately.
    pub(crate) told: VecDeque<(Instant, MessageId, Username)>,
    /// Notices that it was told and that the store still has, and when they can go.
    pub(crate) noticed: Vec<MessageId>,
    pub(crate) noticed_until: Instant,
}

impl Peer {
    pub(crate) fn new(now: Instant, source: SourcePrefix, channel: [u8; 32]) -> Self {
        Self {
            source,
            channel,
            login: None,
            session: None,
            phase: Phase::Stranger(Box::new(Stranger {
                step: Step::Start,
                until: now + LOGIN_TIMEOUT,
                extended: false,
                messages: 0,
                login_responses: 0,
                register_responses: 0,
            })),
            queued: false,
            reading: false,
        }
    }

    pub(crate) fn stranger(&mut self) -> Option<&mut Stranger> {
        match &mut self.phase {
            Phase::Stranger(stranger) => Some(stranger),
            _ => None,
        }
    }

    pub(crate) fn user(&mut self) -> Option<&mut User> {
        match &mut self.phase {
            Phase::User(user) => Some(user),
            _ => None,
        }
    }

    pub(crate) fn pipes(&mut self) -> impl Iterator<Item = &mut Pipe> {
        self.login.iter_mut().chain(&mut self.session)
    }

    pub(crate) fn pipe(&mut self, port: Port) -> Option<&mut Pipe> {
        match port {
            Port::Login => self.login.as_mut(),
            Port::Session => self.session.as_mut(),
        }
    }

    pub(crate) fn pipe_of(&mut self, stream: StreamId) -> Option<&mut Pipe> {
        self.pipes().find(|pipe| pipe.stream == stream)
    }

    /// Whether the next message of the client can be taken; if not, something that is under way
    /// comes first.
    pub(crate) fn may_read(&self) -> bool {
        let mut pipes = self.login.iter().chain(&self.session);
        if pipes.any(|pipe| !pipe.has_room()) {
            return false;
        }
        match &self.phase {
            Phase::Stranger(stranger) => stranger.step.is_clients_turn(),
            Phase::User(user) => user.ops < PEER_OPS_MAX && user.op_bytes < PEER_OP_BYTES_MAX,
            Phase::Leaving(_) => false,
        }
    }

    /// Whether messages can be sent to it: less than a page waits, so that a slow reader holds at
    /// most two.
    pub(crate) fn is_flowing(&self) -> bool {
        self.session.as_ref().is_some_and(Pipe::has_room)
    }
}

impl Stranger {
    pub(crate) fn take_step(&mut self) -> Step {
        core::mem::take(&mut self.step)
    }

    /// It has to work: its time begins anew, once.
    pub(crate) fn extend(&mut self, now: Instant) -> Option<Instant> {
        if core::mem::replace(&mut self.extended, true) {
            return None;
        }
        self.until = now + LOGIN_TIMEOUT;
        Some(self.until)
    }
}

impl Step {
    /// Whether it is the client's turn.
    const fn is_clients_turn(&self) -> bool {
        matches!(
            self,
            Self::Start | Self::Work(..) | Self::Password(_) | Self::Proof(..) | Self::Register(_)
        )
    }
}

impl User {
    pub(crate) fn new(name: Username, device: DeviceId, wall_ms: u64) -> Self {
        Self {
            name,
            device,
            seen_ms: wall_ms,
            window: Window::default(),
            pace: Pace::default(),
            ops: 0,
            op_bytes: 0,
            directory_for_login: true,
            directory_for_session: None,
            told: VecDeque::new(),
            noticed: Vec::new(),
            noticed_until: Instant::ZERO,
        }
    }

    /// Notes that the device is there.
    pub(crate) fn seen(&self, wall_ms: u64) -> Op {
        Op::SeeDevice {
            account: self.name.key().to_owned(),
            device: self.device,
            now_ms: wall_ms,
        }
    }

    /// Remembers for a while what it is told now, if there is room.
    pub(crate) fn remember_told(&mut self, now: Instant, id: MessageId, by: &Username) -> bool {
        self.forget_told(now, TOLD_FOR);
        let has_room = self.told.len() < TOLD_MAX;
        if has_room {
            self.told.push_back((now, id, by.clone()));
        }
        has_room
    }

    /// Forgets what was told so long ago that it has arrived or never will.
    pub(crate) fn forget_told(&mut self, now: Instant, after: Duration) {
        while self
            .told
            .pop_front_if(|(at, ..)| now.since(*at) > after)
            .is_some()
        {}
    }
}
