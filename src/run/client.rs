//! A client, from its settings to its end.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ::client::{
    Channel, Client, Completion, Config, Event, Failure, Outcome, Registration, RequestId,
    SendError, Work,
};
use chat::Username;
use crypto::{Fingerprint, SecretBytes};
use net::{BindOptions, Clock, Driver, OsRandom, Waker, unix_time_ms, unix_time_s};
use store::Store;
use store::device::SqliteStore;
use tls::{ClientSessions, Trust, WallClock};
use transport::Instant;

use super::crew::{Crew, Finished};
use super::problem::Problem;
use super::qlog::log_into;
use super::resolve::resolve;
use super::signals::Endings;
use super::way::{Way, any_port};

/// What a client is to do.
pub struct Settings {
    /// The server's name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whom to take for the server.
    pub trust: Trust,
    /// As whom.
    pub username: Username,
    /// With what password.
    pub password: SecretBytes,
    /// Make the account first.
    pub registration: Option<Registration>,
    /// This installation's database.
    pub database: PathBuf,
    /// Where to write event logs of connections, if anywhere.
    pub qlog: Option<PathBuf>,
    /// Leave at SIGINT, SIGTERM and SIGHUP; else they are somebody else's.
    pub heeds_signals: bool,
}

/// What a person or a script wants done.
pub enum Command {
    /// Who is online?
    List,
    /// Send this text.
    Send {
        /// To whom.
        to: Username,
        /// The text, as it was given.
        text: String,
    },
    /// Leave, once everything is stored or failed; without a connection at once, as what is queued
    /// is on disk. Said again it changes nothing while there is a connection.
    Quit,
    /// Leave once everything is stored or failed, however long that takes. After [`Command::Quit`]
    /// it changes nothing.
    Drain,
}

/// Where a client's commands come from and its events go.
pub trait Front {
    /// Told once, before anything else: how to be woken when there is a command.
    fn start(&mut self, waker: Waker) -> Result<(), Problem>;

    /// What has to be done before the process ends without another word, such as for the terminal's settings.
    fn put_back(&self) -> Box<dyn Fn() + Send> {
        Box::new(|| {})
    }

    /// Whether it was interrupted since the last call: the client is to leave as at [`Command::Quit`], but at once before
    /// the first login, and when said again. Asked also while a command waits for room.
    fn is_interrupted(&mut self) -> bool;

    /// The next command, if there is one.
    fn poll(&mut self) -> Option<Command>;

    /// Something happened.
    fn show(&mut self, event: &Event);

    /// A command could not be carried out.
    fn refuse(&mut self, reason: &str);

    /// The server proved its identity: from now on it is known by this key.
    fn pin(&mut self, fingerprint: Fingerprint);
}

/// How long it may take to find the server and to reach it, together.
const REACH_PATIENCE: Duration = Duration::from_millis(9_500);

/// Runs a client until it leaves or gives up.
///
/// # Errors
/// What kept it from leaving in peace. The front was told of it already if it was an event.
pub fn run(settings: Settings, front: &mut dyn Front) -> Result<(), Ended> {
    let clock = Clock::start();
    let address = resolve(&settings.host, settings.port)?;
    let left = REACH_PATIENCE.saturating_sub(clock.now().since(Instant::ZERO));
    Desk::open(settings, address, left, front)?.run(front)
}

/// How a client ended other than by leaving.
pub enum Ended {
    /// It could not begin, or this machine failed it.
    Problem(Problem),
    /// It gave up; the front has been told.
    Failure(Failure),
}

impl From<Problem> for Ended {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// How long a client that leaves stays for what is not stored yet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stay {
    /// As long as there is a connection.
    WhileConnected,
    /// Until everything is stored or failed.
    UntilDone,
}

/// A client, its socket and its helpers.
struct Desk {
    client: Client,
    driver: Driver,
    crew: Crew<SqliteStore, RequestId, Completion>,
    endings: Option<Endings>,
    clock: WallClock,
    way: Way,
    /// Logged in, and the connection stands.
    is_online: bool,
    /// The connection was lost and is being made again.
    is_away: bool,
    /// It is leaving, and whether it stays for as long as it takes.
    leaving: Option<Stay>,
    /// A command that the client has no room for yet. Until it has, no other is taken, so that
    /// whoever gives them waits and nothing is lost.
    held: Option<Command>,
}

impl Desk {
    /// `patience` is how long the first connection may take at most. The front starts before other
    /// threads do, which have to leave to it what stops the process.
    fn open(
        settings: Settings,
        address: SocketAddr,
        patience: Duration,
        front: &mut dyn Front,
    ) -> Result<Self, Problem> {
        let clock = WallClock::new(unix_time_s());
        let sessions = ClientSessions::new(settings.trust, &clock)
            .map_err(|error| Problem::other(error.to_string()))?;
        let refused = sessions.clone();
        let channel = Channel {
            sessions: Box::new(sessions),
            refused_key: Box::new(move || {
                let mismatch = refused.refused_key()?;
                Some((*mismatch.expected.first()?, mismatch.presented))
            }),
        };
        let mut config = Config::new(address, settings.username, settings.password);
        config.registration = settings.registration;
        log_into(&mut config.transport, settings.qlog.as_deref())?;
        config.connect_timeout = config.connect_timeout.min(patience);
        let client = Client::new(config, channel, Box::new(OsRandom), Box::new(OsRandom))
            .map_err(|error| Problem::usage(error.to_string()))?;
        let store = SqliteStore::open(&settings.database).map_err(Problem::from)?;
        let machine = |error| Problem::other(format!("cannot open a UDP socket: {error}"));
        let driver = Driver::bind(any_port(address), &BindOptions::client()).map_err(machine)?;
        front.start(driver.waker())?;
        let crew = Crew::start("client", store, &driver.waker())
            .map_err(|error| Problem::other(format!("cannot start a thread: {error}")))?;
        let waker = driver.waker();
        let endings = match settings.heeds_signals {
            true => Some(Endings::listen(move || waker.wake(), front.put_back())?),
            false => None,
        };
        Ok(Self {
            client,
            driver,
            crew,
            endings,
            clock,
            way: Way::new(settings.host, address),
            is_online: false,
            is_away: false,
            leaving: None,
            held: None,
        })
    }

    fn run(mut self, front: &mut dyn Front) -> Result<(), Ended> {
        self.tell_time();
        self.client.start(self.driver.now());
        loop {
            if let Some(end) = self.settle(front) {
                self.driver.flush(&mut self.client);
                return end;
            }
            let patience = self.way.patience(self.driver.now());
            self.driver
                .turn(&mut self.client, Some(patience))
                .map_err(|error| Problem::other(format!("the socket failed: {error}")))?;
            self.tell_time();
            self.way.roam(&mut self.client, &mut self.driver);
            if self.is_away {
                self.way.look_again(&mut self.client, &mut self.driver);
            }
            self.take_in(front);
            if self.crew.is_lost() {
                return Err(Problem::other("the local store's thread is lost".into()).into());
            }
        }
    }

    fn tell_time(&mut self) {
        let unix_ms = unix_time_ms();
        self.client.set_wall_time(unix_ms);
        self.clock.set(unix_ms / 1000);
    }

    /// What came from elsewhere than the socket.
    fn take_in(&mut self, front: &mut dyn Front) {
        let now = self.driver.now();
        if let Some(error) = self.driver.take_path_error() {
            let address = self.way.address();
            let reason =
                format!("{address}: {error}; is the server running, and is this its port?");
            self.client.path_error(now, &reason);
        }
        while let Some(finished) = self.crew.poll() {
            let completion = match finished {
                Finished::Done(completion) => completion,
                Finished::Panicked(id) => Completion {
                    id,
                    outcome: Outcome::Panicked,
                },
            };
            self.client.handle_completion(now, completion);
        }
        // Asked before: what was typed before comes first.
        let is_interrupted = front.is_interrupted();
        let is_signalled = (self.endings.as_ref()).is_some_and(|endings| endings.pending() > 0);
        while let Some(command) = self.held.take().or_else(|| front.poll()) {
            self.obey(command, front);
            if self.held.is_some() {
                break;
            }
        }
        if is_interrupted || is_signalled {
            self.interrupt();
        }
    }

    fn obey(&mut self, command: Command, front: &mut dyn Front) {
        let now = self.driver.now();
        match command {
            Command::List => {
                if self.client.list(now).is_err() {
                    self.held = Some(Command::List);
                }
            }
            Command::Send { to, text } => match self.client.send(now, &to, text.clone()) {
                Ok(_) => {}
                Err(SendError::Full) => self.held = Some(Command::Send { to, text }),
                Err(error) => front.refuse(&error.to_string()),
            },
            Command::Quit if self.is_away => self.leave_at_once(),
            Command::Quit => self.leave(Stay::WhileConnected),
            Command::Drain => self.leave(Stay::UntilDone),
        }
    }

    fn interrupt(&mut self) {
        if self.is_online && self.leaving.is_none() {
            self.leave(Stay::WhileConnected);
        } else {
            self.leave_at_once();
        }
    }

    /// Leaves when everything said is stored or failed, unless it is leaving already: to the machine
    /// a second word means at once.
    fn leave(&mut self, stay: Stay) {
        if self.leaving.is_none() {
            self.leaving = Some(stay);
            self.client.shutdown(self.driver.now(), true);
        }
    }

    fn leave_at_once(&mut self) {
        self.leaving = Some(Stay::WhileConnected);
        self.client.shutdown(self.driver.now(), false);
    }

    fn lost_connection(&mut self) {
        (self.is_online, self.is_away) = (false, true);
        self.way.lost(&self.client);
        if self.leaving == Some(Stay::WhileConnected) {
            self.leave_at_once();
        }
    }

    /// Hands out requests and shows events until there are none. Gives how it ended, once it has.
    fn settle(&mut self, front: &mut dyn Front) -> Option<Result<(), Ended>> {
        loop {
            while let Some(request) = self.client.poll_request() {
                let id = request.id;
                match request.work {
                    Work::Job(job) => self.crew.work(id, move || {
                        let outcome = Outcome::Done(job.run(&mut OsRandom));
                        Completion { id, outcome }
                    }),
                    Work::Store(ops) => self.crew.transact(move |store| {
                        let outcome = Outcome::Stored(store.commit(&ops));
                        Completion { id, outcome }
                    }),
                }
            }
            let event = self.client.poll_event()?;
            if let Event::ServerPinned { fingerprint } = event {
                front.pin(fingerprint);
            }
            front.show(&event);
            match event {
                Event::Disconnected { .. } => self.lost_connection(),
                Event::LoggedIn { .. } => (self.is_online, self.is_away) = (true, false),
                Event::Bye => return Some(Ok(())),
                Event::Failed(failure) => return Some(Err(Ended::Failure(failure))),
                _ => {}
            }
        }
    }
}
