//! The server's machine: a disk that stays, and processes that come and go.

use std::borrow::Cow;

use server::{AdmissionPolicy, Completion, Config, Event, Request, Server, StoreBatch};
use store::relay::{self, Op, Quota};
use tls::WallClock;
use transport::{Instant, Machine, Meta, Transmit};

use chat::puzzle::AdmissionConfig;

use super::crew::Crew;
use super::disk::Disk;
use super::journal::{Engine, Journal};
use super::keys;
use super::malice::{Deceiving, Malice};
use super::meter::{Meter, Probe};
use super::plan::SystemBug;
use super::process::Conditions;
use super::promises::Promises;
use crate::{Rng, Watch};

pub(super) type Relay = Journal<relay::MemoryStore>;

/// What of a server follows from the plan.
#[derive(Clone, Copy, Debug)]
pub(super) struct HostSettings {
    pub(super) seed: u64,
    /// Strangers have to work.
    pub(super) gated: bool,
    pub(super) real_tls: bool,
    pub(super) deceives: bool,
    pub(super) probe: Option<Probe>,
    pub(super) bug: Option<SystemBug>,
}

struct Process {
    server: Server,
    /// What the server holds.
    meter: Meter,
    journal: Relay,
    crew: Crew<StoreBatch, Completion>,
    /// Whose mailbox took nothing when the transaction began that is under way.
    refusing: Option<String>,
}

pub(super) struct Host {
    settings: HostSettings,
    sealing: Watch,
    process: Option<Process>,
    /// Where the process is not.
    disk: Disk,
    clock: WallClock,
    pub(super) conditions: Conditions,
    malice: Option<Malice>,
    /// Of a server that keeps them.
    promises: Option<Promises>,
    /// Whose mailbox takes nothing, and until when.
    pub(super) full: Option<(String, Instant)>,
    /// Processes so far.
    lives: u64,
    /// Why the last one ended by itself.
    pub(super) ended: Option<String>,
    pub(super) events: Vec<Event>,
}

impl Host {
    pub(super) fn new(settings: HostSettings, sealing: &Watch) -> Self {
        Self {
            settings,
            sealing: sealing.clone(),
            process: None,
            disk: Disk::default(),
            clock: WallClock::new(0),
            conditions: Conditions::new(Rng::stream(settings.seed, "host", 0)),
            malice: (settings.deceives)
                .then(|| Malice::new(Rng::stream(settings.seed, "malice", 0))),
            promises: (!settings.deceives).then(Promises::default),
            full: None,
            lives: 0,
            ended: None,
            events: Vec::new(),
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.process.is_some()
    }

    /// How often it has deceived.
    pub(super) fn deceptions(&self) -> u64 {
        self.malice.as_ref().map_or(0, |malice| malice.count)
    }

    /// Bytes that the server holds, if anybody counts.
    pub(super) fn held(&self) -> Option<i64> {
        self.process.as_ref()?.meter.held()
    }

    pub(super) fn server(&self) -> Option<&Server> {
        self.process.as_ref().map(|process| &process.server)
    }

    /// Begins a process with what the disk holds.
    pub(super) fn start(&mut self, now: Instant) {
        self.lives += 1;
        self.tell_clock(now);
        let HostSettings {
            seed,
            gated,
            real_tls,
            probe,
            bug,
            ..
        } = self.settings;
        self.ended = None;
        let mut config = Config::default();
        config.admission = AdmissionPolicy::Open;
        if gated {
            let mut work = AdmissionConfig::default();
            work.difficulty = 4;
            config.admission = AdmissionPolicy::Work(work);
        }
        let life = self.lives << 8;
        let sessions = Rng::stream(seed, "server sessions", life);
        let sessions = keys::server_sessions(real_tls, sessions, &self.clock, &self.sealing);
        let mut index = life;
        let keys = keys::server_keys();
        let mut meter = Meter::new(probe);
        let mut server = meter.count(|| {
            Server::new(config, keys, sessions, &mut || {
                index += 1;
                Box::new(Rng::stream(seed, "server", index))
            })
        });
        server.set_wall_time(self.conditions.wall_ms(now));
        let disk = core::mem::take(&mut self.disk);
        self.process = Some(Process {
            server,
            meter,
            journal: Journal::open_with(disk, bug),
            crew: Crew::new(Rng::stream(seed, "server crew", life)),
            refusing: None,
        });
    }

    /// The process is no more. If it did not end by itself its machine ended, without a word, and so did what
    /// the disk had not synced. Tells whether anything was lost by that.
    pub(super) fn end(&mut self, rng: &mut Rng) -> bool {
        let Some(process) = self.process.take() else {
            return false;
        };
        let (disk, lost) = if self.ended.is_some() {
            process.journal.end(rng)
        } else {
            process.journal.crash(rng)
        };
        self.disk = disk;
        lost
    }

    /// What a process would find, at least, that began after a crash now.
    pub(super) fn recovered(&self) -> Relay {
        Journal::open(self.disk().durable())
    }

    pub(super) fn disk(&self) -> &Disk {
        let running = self.process.as_ref().map(|process| process.journal.disk());
        running.unwrap_or(&self.disk)
    }

    /// The first message that the server has said to be stored when it was not.
    pub(super) fn broken_promise(&self) -> Option<&str> {
        self.promises.as_ref()?.broken.as_deref()
    }

    fn tell_clock(&mut self, now: Instant) {
        self.clock.set(self.conditions.wall_ms(now) / 1000);
    }

    /// Does what the server asks for.
    pub(super) fn drain(&mut self, now: Instant) {
        self.tell_clock(now);
        let wall_ms = self.conditions.wall_ms(now);
        let Some(process) = &mut self.process else {
            return;
        };
        process.server.set_wall_time(wall_ms);
        let full = self.full.as_ref().filter(|(_, until)| now < *until);
        let full = full.map(|(name, _)| name.as_str());
        loop {
            let mut idle = true;
            while let Some(request) = (process.meter).count(|| process.server.poll_request()) {
                idle = false;
                process.take(now, request, &mut self.conditions);
            }
            if let Some(promises) = &mut self.promises {
                // Before anything more is synced.
                process.server.take_promised(&mut promises.named);
                promises.compare(process.journal.disk());
            }
            process.turn_store(now, &mut self.conditions, self.malice.as_mut(), full);
            while let Some(completion) = process.crew.poll(now) {
                idle = false;
                let server = &mut process.server;
                (process.meter).count(|| server.handle_completion(now, completion));
            }
            while let Some(event) = (process.meter).count(|| process.server.poll_event()) {
                idle = false;
                if let Event::Fatal(fatal) = &event {
                    self.ended = Some(fatal.to_string());
                }
                self.events.push(event);
            }
            if idle {
                return;
            }
        }
    }
}

impl Process {
    fn take(&mut self, now: Instant, request: Request, conditions: &mut Conditions) {
        match request {
            Request::Store(batch) => self.crew.transact(batch),
            Request::Job(job) => {
                let completion = if conditions.fails() {
                    Completion::Lost("a worker failed".to_owned())
                } else {
                    Completion::Done(job.run())
                };
                self.crew.work(now, conditions.pace, completion);
            }
        }
    }

    fn turn_store(
        &mut self,
        now: Instant,
        conditions: &mut Conditions,
        mut malice: Option<&mut Malice>,
        full: Option<&str>,
    ) {
        let pace = conditions.pace;
        loop {
            if let Some(batch) = self.crew.end(now) {
                let done = batch.commit(&mut Deceiving {
                    store: &mut self.journal,
                    refusing: self.refusing.as_deref(),
                    malice: malice.as_deref_mut(),
                    meter: &mut self.meter,
                });
                self.crew.finished(now, pace, Completion::Stored(done));
            }
            let Some(batch) = self.crew.begin(now, pace) else {
                return;
            };
            let writes = !batch.ops().iter().all(relay::MemoryStore::is_load);
            let fault = conditions.meets(now, writes);
            self.refusing = full.map(str::to_owned);
            let (ops, refused) = without_room(batch.ops(), full);
            conditions.met.full_mailboxes += refused;
            self.journal.write(&ops, fault);
        }
    }
}

/// The same, but there is no room for what somebody is sent. Tells how much that is.
pub(super) fn without_room<'a>(ops: &'a [Op], full: Option<&str>) -> (Cow<'a, [Op]>, u64) {
    let Some(full) = full else {
        return (Cow::Borrowed(ops), 0);
    };
    let mut ops = ops.to_vec();
    let mut refused = 0;
    for op in &mut ops {
        if let Op::Append(append) = op
            && append.recipient == full
        {
            append.quota = Quota {
                messages: 0,
                bytes: 0,
            };
            refused += 1;
        }
    }
    (Cow::Owned(ops), refused)
}

impl Machine for Host {
    fn handle_datagram(&mut self, now: Instant, meta: Meta, datagram: &mut [u8]) {
        if let Some(process) = &mut self.process {
            let server = &mut process.server;
            (process.meter).count(|| server.handle_datagram(now, meta, datagram));
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if let Some(process) = &mut self.process {
            let server = &mut process.server;
            (process.meter).count(|| server.handle_timeout(now));
        }
    }

    fn poll_transmit(
        &mut self,
        now: Instant,
        max_segments: usize,
        buffer: &mut Vec<u8>,
    ) -> Option<Transmit> {
        let process = self.process.as_mut()?;
        let server = &mut process.server;
        (process.meter).count(|| server.poll_transmit(now, max_segments, buffer))
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        let process = self.process.as_mut()?;
        let crew = process.crew.next_at();
        process.server.poll_timeout().into_iter().chain(crew).min()
    }
}
