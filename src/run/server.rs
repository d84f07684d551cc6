//! A server, from its settings to its end.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ::server::{Completion, Config, Event, Request, Server};
use crypto::{Fingerprint, random_array};
use net::{BindOptions, Driver, OsRandom, Waker, unix_time_ms, unix_time_s};
use store::Store;
use store::relay::{Op, Outcome, SqliteStore};
use tls::{Lifetime, NodeCertificate, ServerSessions, WallClock};

use crate::cli::folders::{create_private_folder, sync_folder};

use super::crew::{Crew, Finished};
use super::keys::{self, Keys, Turn};
use super::metrics::{Exporter, People, Snapshot};
use super::problem::Problem;
use super::seed;
use super::signals::Endings;

/// How often the node's certificate is looked at.
const RENEWAL_CHECK: Duration = Duration::from_secs(60);

/// How the folders begin in which everything is kept that was replaced.
const ASIDE: &str = "replaced-";

/// What an invitation's code holds, as hexadecimal digits: not to be guessed.
const INVITATION_BYTES: usize = 16;

/// What a server is to do.
pub struct Settings {
    /// Where its keys and its database are.
    pub folder: PathBuf,
    /// Where it listens; port 0 lets the system choose.
    pub bind: SocketAddr,
    /// Whether accounts whose passwords everybody knows may be reached from other machines.
    pub allow_demo_accounts: bool,
    /// Where to tell what is counted, if anywhere.
    pub metrics: Option<SocketAddr>,
    /// The machine's own.
    pub config: Config,
}

/// A server that listens.
pub struct Listening {
    /// Where.
    pub address: SocketAddr,
    /// Its identity.
    pub fingerprint: Fingerprint,
    /// The identity was made just now.
    pub is_new: bool,
    /// Where it tells what it counts.
    pub metrics: Option<SocketAddr>,
}

/// Ends a running server from another thread.
pub enum Stop {
    /// Only signals do.
    Signals,
    /// The flag, looked at when the server is woken.
    Flag(std::sync::Arc<std::sync::atomic::AtomicBool>),
}

/// A server, its socket and its helpers, ready to run.
pub struct Host {
    server: Server,
    driver: Driver,
    crew: Crew<SqliteStore, (), Completion>,
    endings: Option<Endings>,
    stop: Stop,
    clock: WallClock,
    identity: crypto::SecretBytes,
    sessions: ServerSessions,
    exporter: Option<Exporter>,
    people: People,
    stopping: bool,
}

/// The demo accounts that were made, and those that were there.
#[derive(Debug, Default)]
pub struct Seeded {
    /// Names of new accounts.
    pub made: Vec<String>,
    /// Names that had an account.
    pub kept: Vec<String>,
    /// Where everything went that was there before.
    pub set_aside: Option<PathBuf>,
}

/// Moves everything in `folder` aside and makes new keys and demo accounts.
///
/// # Errors
/// The folder cannot be used, or its files belong to a running server.
pub fn renew_and_seed(folder: &Path) -> Result<Seeded, Problem> {
    let turn = Turn::take(folder)?;
    let set_aside = set_aside(folder)?;
    Ok(Seeded {
        set_aside,
        ..seed_in(&turn, folder)?
    })
}

/// Nothing is deleted: who overwrites by mistake finds it all in a folder beside.
///
/// The identity goes first and the database last, so that nothing starts with half of a set: without its
/// identity a server with a database does not start. What was interrupted goes on into the same folder.
fn set_aside(folder: &Path) -> Result<Option<PathBuf>, Problem> {
    if folder.join(keys::DATABASE).exists() {
        // Fails while another process has it open.
        drop(open_store(folder)?);
    }
    let failed = |error: std::io::Error| {
        Problem::other(format!(
            "cannot move what is in {}: {error}",
            folder.display()
        ))
    };
    let names = names_in(folder).map_err(failed)?;
    let present = in_order(&names);
    if present.is_empty() {
        return Ok(None);
    }
    let aside = match interrupted(folder, &names) {
        Some(aside) => aside,
        None => folder.join(format!("{ASIDE}{}", unix_time_ms())),
    };
    create_private_folder(&aside)?;
    for name in present {
        std::fs::rename(folder.join(name), aside.join(name)).map_err(failed)?;
    }
    // Found there after a power cut, before new ones take their place here.
    sync_folder(&aside).map_err(failed)?;
    sync_folder(folder).map_err(failed)?;
    Ok(Some(aside))
}

/// What is in `folder`, in the order of names.
fn names_in(folder: &Path) -> std::io::Result<Vec<String>> {
    let entries = std::fs::read_dir(folder)?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<std::io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

/// Those of the names that are a server's, in the order in which they are to be moved.
fn in_order(names: &[String]) -> Vec<&str> {
    let (first, last) = (keys::IDENTITY, keys::DATABASE);
    // The database has files beside it.
    let is_ours = |name: &&str| {
        let ours = [first, keys::PASSWORDS, keys::ENDPOINT, last];
        ours.iter().any(|own| name.starts_with(own))
    };
    let mut ours: Vec<_> = names.iter().map(String::as_str).filter(is_ours).collect();
    ours.sort_by_key(|&name| (name == last, name != first));
    ours
}

/// Where an earlier call had begun to move to: a folder with an identity and no database, while there is a
/// database here and no identity.
fn interrupted(folder: &Path, names: &[String]) -> Option<PathBuf> {
    let has =
        |folder: &Path| [keys::IDENTITY, keys::DATABASE].map(|name| folder.join(name).exists());
    let folders = names.iter().filter(|name| name.starts_with(ASIDE));
    let mut folders = folders.map(|name| folder.join(name));
    (has(folder) == [false, true])
        .then(|| folders.rfind(|aside| has(aside) == [true, false]))
        .flatten()
}

/// Makes the server's keys and the demo accounts in `folder`, where they are missing.
///
/// # Errors
/// The folder cannot be used, or its files belong to a running server.
pub fn seed(folder: &Path) -> Result<Seeded, Problem> {
    seed_in(&Turn::take(folder)?, folder)
}

fn seed_in(turn: &Turn, folder: &Path) -> Result<Seeded, Problem> {
    let keys = keys::load_or_make(turn, folder, &mut OsRandom)?;
    let mut store = open_store(folder)?;
    let mut seeded = Seeded::default();
    let mut missing = Vec::new();
    for name in seed::NAMES {
        match is_there(&mut store, name)? {
            true => seeded.kept.push(name.to_owned()),
            false => missing.push(name),
        }
    }
    let accounts = seed::accounts(&keys.server.passwords, &missing)?;
    let ops: Vec<Op> = accounts
        .into_iter()
        .map(::server::accounts::insert)
        .collect();
    commit(&mut store, &ops)?;
    seeded.made = missing.into_iter().map(str::to_owned).collect();
    Ok(seeded)
}

fn is_there(store: &mut SqliteStore, name: &str) -> Result<bool, Problem> {
    let name = name.to_lowercase();
    let outcomes = commit(store, &[Op::LoadAccount { name }])?;
    Ok(matches!(outcomes.first(), Some(Outcome::Account(Some(_)))))
}

/// The identity in `folder`, made if there is none.
///
/// # Errors
/// The folder cannot be used.
pub fn identity(folder: &Path) -> Result<Fingerprint, Problem> {
    let keys = match keys::load(folder)? {
        // Nothing has to be written.
        Some(keys) => keys,
        None => keys::load_or_make(&Turn::take(folder)?, folder, &mut OsRandom)?,
    };
    Ok(keys.server.identity.verifying_key().fingerprint())
}

/// Makes an invitation, good for one registration, and gives its code.
///
/// # Errors
/// The folder cannot be used, or its files belong to a running server.
pub fn invite(folder: &Path) -> Result<String, Problem> {
    let turn = Turn::take(folder)?;
    // A server without keys, and with a database, would not start any more.
    keys::load_or_make(&turn, folder, &mut OsRandom)?;
    let mut store = open_store(folder)?;
    let bytes: [u8; INVITATION_BYTES] = random_array(&mut OsRandom);
    let code = bytes.map(|byte| format!("{byte:02x}")).concat();
    commit(
        &mut store,
        &[::server::accounts::invitation(code.as_bytes())],
    )?;
    Ok(code)
}

fn open_store(folder: &Path) -> Result<SqliteStore, Problem> {
    Ok(SqliteStore::open(&folder.join(keys::DATABASE))?)
}

fn commit(store: &mut SqliteStore, ops: &[Op]) -> Result<Vec<Outcome>, Problem> {
    Ok(store.commit(ops)?)
}

impl Host {
    /// Opens everything and binds the socket.
    ///
    /// # Errors
    /// Anything that keeps it from serving, in words that say what to do.
    pub fn open(settings: Settings, stop: Stop) -> Result<(Self, Listening), Problem> {
        let turn = Turn::take(&settings.folder)?;
        let Keys {
            server: server_keys,
            identity_pkcs8,
            is_new,
        } = keys::load_or_make(&turn, &settings.folder, &mut OsRandom)?;
        let fingerprint = server_keys.identity.verifying_key().fingerprint();
        let mut store = open_store(&settings.folder)?;
        drop(turn);
        if !settings.bind.ip().is_loopback() && !settings.allow_demo_accounts {
            refuse_demo_accounts(&mut store)?;
        }
        let clock = WallClock::new(unix_time_s());
        let certificate = issue(&identity_pkcs8, &clock)?;
        let sessions = ServerSessions::new(certificate, &clock)
            .map_err(|error| Problem::other(format!("cannot make the channel: {error}")))?;
        let driver = bind(settings.bind)?;
        let crew = Crew::start("server", store, &driver.waker())
            .map_err(|error| Problem::other(format!("cannot start a thread: {error}")))?;
        let waker = driver.waker();
        let endings = match stop {
            Stop::Signals => Some(Endings::listen(move || waker.wake(), || {})?),
            Stop::Flag(_) => None,
        };
        let channel = Box::new(sessions.clone());
        let mut random = || -> Box<dyn crypto::Random> { Box::new(OsRandom) };
        let server = Server::new(settings.config, server_keys, channel, &mut random);
        let exporter = (settings.metrics)
            .map(|address| Exporter::start(address, driver.waker()))
            .transpose()?;
        let listening = Listening {
            address: driver.local_addr(),
            fingerprint,
            is_new,
            metrics: exporter.as_ref().map(Exporter::address),
        };
        let host = Self {
            server,
            driver,
            crew,
            endings,
            stop,
            clock,
            identity: identity_pkcs8,
            sessions,
            exporter,
            people: People::default(),
            stopping: false,
        };
        Ok((host, listening))
    }

    /// Wakes the server, so that it looks at its [`Stop::Flag`].
    pub fn waker(&self) -> Waker {
        self.driver.waker()
    }

    /// Serves until it is told to stop. `log` is told what happens.
    ///
    /// # Errors
    /// The disk or the machine failed: nothing more was acknowledged.
    pub fn run(mut self, log: &mut dyn FnMut(&Event)) -> Result<(), Problem> {
        self.server.set_wall_time(unix_time_ms());
        loop {
            if let Some(end) = self.settle(log) {
                self.driver.flush(&mut self.server);
                return end;
            }
            self.driver
                .turn(&mut self.server, Some(RENEWAL_CHECK))
                .map_err(|error| Problem::other(format!("the socket failed: {error}")))?;
            self.take_in();
        }
    }

    /// What came from elsewhere than the socket.
    fn take_in(&mut self) {
        let unix_ms = unix_time_ms();
        self.server.set_wall_time(unix_ms);
        self.clock.set(unix_ms / 1000);
        let now = self.driver.now();
        while let Some(finished) = self.crew.poll() {
            let completion = match finished {
                Finished::Done(completion) => completion,
                Finished::Panicked(()) => Completion::Lost("a worker failed".into()),
            };
            self.server.handle_completion(now, completion);
        }
        if self.crew.is_lost() {
            let lost = Completion::Lost("the store's thread failed".into());
            self.server.handle_completion(now, lost);
        }
        if self.is_told_to_stop() && !core::mem::replace(&mut self.stopping, true) {
            self.server.shutdown(now);
        }
        if let Some(exporter) = &self.exporter {
            exporter.answer(|| Snapshot {
                endpoint: self.server.stats(),
                socket: self.driver.stats(),
                strangers: self.server.strangers(),
                people: self.people,
            });
        }
        if self.sessions.needs_renewal()
            && let Ok(certificate) = issue(&self.identity, &self.clock)
        {
            self.sessions.renew(certificate);
        }
    }

    fn is_told_to_stop(&self) -> bool {
        let signalled = (self.endings.as_ref()).is_some_and(|endings| endings.pending() > 0);
        let flagged = match &self.stop {
            Stop::Signals => false,
            Stop::Flag(flag) => flag.load(std::sync::atomic::Ordering::Relaxed),
        };
        signalled || flagged
    }

    /// Hands out requests and tells events. Gives how it ended, once it has.
    fn settle(&mut self, log: &mut dyn FnMut(&Event)) -> Option<Result<(), Problem>> {
        while let Some(request) = self.server.poll_request() {
            match request {
                Request::Store(batch) => self
                    .crew
                    .transact(move |store| Completion::Stored(batch.commit(store))),
                Request::Job(job) => self.crew.work((), move || Completion::Done(job.run())),
            }
        }
        while let Some(event) = self.server.poll_event() {
            log(&event);
            self.people.count(&event);
            match event {
                Event::Stopped => return Some(Ok(())),
                Event::Fatal(fatal) => return Some(Err(Problem::other(fatal.to_string()))),
                _ => {}
            }
        }
        None
    }
}

fn refuse_demo_accounts(store: &mut SqliteStore) -> Result<(), Problem> {
    match commit(store, &[Op::CountDemoAccounts])?.first() {
        Some(Outcome::Count(0)) => Ok(()),
        _ => Err(Problem::usage(
            "this server has demo accounts, whose passwords everybody knows; it listens on this \
             machine only, unless you say --allow-demo-accounts"
                .into(),
        )),
    }
}

fn issue(identity: &crypto::SecretBytes, clock: &WallClock) -> Result<NodeCertificate, Problem> {
    NodeCertificate::issue(identity.expose(), clock.now(), Lifetime::Online)
        .map_err(|error| Problem::other(format!("cannot issue a certificate: {error}")))
}

fn bind(address: SocketAddr) -> Result<Driver, Problem> {
    Driver::bind(address, &BindOptions::default()).map_err(|error| {
        let hint = match error.kind() {
            std::io::ErrorKind::AddrInUse => "; another server has this port: choose one with -sp",
            std::io::ErrorKind::AddrNotAvailable => "; this machine does not have that address",
            std::io::ErrorKind::PermissionDenied => "; ports below 1024 are for the system",
            _ => "",
        };
        Problem::other(format!("cannot listen on {address}: {error}{hint}"))
    })
}
