//! A client's machine: a disk that stays, and processes that come and go.

use core::net::SocketAddr;

use chat::message::MessageId;
use client::{
    Client, Completion, Config, Done, Event, Job, Outcome, Registration, Request, RequestId, Work,
};
use crypto::RsaBits;
use store::{Store, device};
use tls::WallClock;
use transport::{Instant, Machine, Meta, Transmit};

use super::crew::Crew;
use super::disk::Disk;
use super::journal::{Engine, Journal};
use super::keys;
use super::plan::{SystemBug, SystemPlan};
use super::process::Conditions;
use crate::{Rng, Watch};

pub(super) type Device = Journal<device::MemoryStore>;

struct Transaction {
    id: RequestId,
    ops: Vec<device::Op>,
}

struct Process {
    client: Client,
    journal: Device,
    crew: Crew<Transaction, Completion>,
    random: Rng,
}

pub(super) struct Installation {
    seed: u64,
    /// Which of the world's, from 0.
    pub(super) index: usize,
    /// Whose.
    pub(super) account: usize,
    /// It makes the account if it is not there.
    registers: bool,
    real_tls: bool,
    bug: Option<SystemBug>,
    server: SocketAddr,
    sealing: Watch,
    process: Option<Process>,
    /// Where the process is not.
    disk: Disk,
    clock: WallClock,
    pub(super) conditions: Conditions,
    lives: u64,
    /// The present process is over by itself.
    pub(super) is_over: bool,
    pub(super) events: Vec<Event>,
}

impl Installation {
    pub(super) fn new(plan: &SystemPlan, index: usize, account: usize, sealing: &Watch) -> Self {
        let seed = plan.seed;
        Self {
            seed,
            index,
            account,
            registers: false,
            real_tls: plan.real_tls,
            bug: plan
                .bug
                .filter(|bug| *bug != SystemBug::TransactionsForgotten),
            server: keys::SERVER,
            sealing: sealing.clone(),
            process: None,
            disk: Disk::default(),
            clock: WallClock::new(0),
            conditions: Conditions::new(Rng::stream(seed, "installation", index as u64)),
            lives: 0,
            is_over: false,
            events: Vec::new(),
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.process.is_some()
    }

    pub(super) fn client(&self) -> Option<&Client> {
        self.process.as_ref().map(|process| &process.client)
    }

    /// Whether it is logged in now.
    pub(super) fn is_online(&self) -> bool {
        self.client().is_some_and(Client::is_online)
    }

    pub(super) fn set_registers(&mut self, registers: bool) {
        self.registers = registers;
    }

    /// Begins a process with what the disk holds.
    pub(super) fn start(&mut self, now: Instant) {
        self.lives += 1;
        self.tell_clock(now);
        let stream = self.lives << 8 | self.index as u64;
        let rng = |concern| Rng::stream(self.seed, concern, stream);
        let password = keys::password(self.account);
        let mut config = Config::new(self.server, keys::name(self.account), password);
        config.registration = self.registers.then_some(Registration {
            invite: None,
            bits: RsaBits::B3072,
        });
        let channel = keys::channel(
            self.real_tls,
            rng("client sessions"),
            &self.clock,
            &self.sealing,
        );
        let client = Client::new(
            config,
            channel,
            Box::new(rng("client")),
            Box::new(rng("endpoint")),
        );
        let Ok(mut client) = client else {
            unreachable!("the password is one");
        };
        client.set_wall_time(self.conditions.wall_ms(now));
        client.start(now);
        self.is_over = false;
        self.process = Some(Process {
            client,
            journal: Journal::open_with(core::mem::take(&mut self.disk), self.bug),
            crew: Crew::new(rng("client crew")),
            random: rng("jobs"),
        });
    }

    /// The process is no more. If it did not end by itself its machine ended, without a word, and so did what
    /// the disk had not synced. Tells whether anything was lost by that.
    pub(super) fn end(&mut self, rng: &mut Rng) -> bool {
        self.events.clear();
        let Some(process) = self.process.take() else {
            return false;
        };
        let (disk, lost) = if self.is_over {
            process.journal.end(rng)
        } else {
            process.journal.crash(rng)
        };
        self.disk = disk;
        lost
    }

    /// What a process would find, at least, that began after a crash now.
    pub(super) fn recovered(&self) -> Device {
        Journal::open(self.disk().durable())
    }

    pub(super) fn disk(&self) -> &Disk {
        let running = self.process.as_ref().map(|process| process.journal.disk());
        running.unwrap_or(&self.disk)
    }

    /// Somebody types a message. `None`: it is not taken.
    pub(super) fn send(&mut self, now: Instant, to: usize, text: String) -> Option<MessageId> {
        let process = self.process.as_mut()?;
        process.client.set_wall_time(self.conditions.wall_ms(now));
        process.client.send(now, &keys::name(to), text).ok()
    }

    /// Somebody asks who is there.
    pub(super) fn list(&mut self, now: Instant) {
        if let Some(process) = &mut self.process {
            let _ = process.client.list(now);
        }
    }

    /// Somebody wants to leave. Tells whether anybody was there.
    pub(super) fn leave(&mut self, now: Instant) -> bool {
        let running = self.process.as_mut().filter(|_| !self.is_over);
        let running = running.map(|process| process.client.shutdown(now, false));
        running.is_some()
    }

    /// The machine is somewhere else now, and the program has noticed.
    pub(super) fn network_changed(&mut self, now: Instant) {
        if let Some(process) = &mut self.process {
            process.client.network_changed(now);
        }
    }

    fn tell_clock(&mut self, now: Instant) {
        self.clock.set(self.conditions.wall_ms(now) / 1000);
    }

    /// Does what the client asks for.
    pub(super) fn drain(&mut self, now: Instant) {
        self.tell_clock(now);
        let wall_ms = self.conditions.wall_ms(now);
        let Some(process) = &mut self.process else {
            return;
        };
        process.client.set_wall_time(wall_ms);
        loop {
            let mut idle = true;
            while let Some(request) = process.client.poll_request() {
                idle = false;
                process.take(now, request, &mut self.conditions);
            }
            process.turn_store(now, &mut self.conditions);
            while let Some(completion) = process.crew.poll(now) {
                idle = false;
                process.client.handle_completion(now, completion);
            }
            while let Some(event) = process.client.poll_event() {
                idle = false;
                self.is_over |= matches!(event, Event::Failed(_) | Event::Bye);
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
        let id = request.id;
        let outcome = match request.work {
            Work::Store(ops) => return self.crew.transact(Transaction { id, ops }),
            Work::Job(Job::GenerateIdentity { name, .. }) => {
                Outcome::Done(Done::Identity(keys::identity(&name).map(Box::new)))
            }
            Work::Job(_) if conditions.fails() => Outcome::Panicked,
            Work::Job(job) => Outcome::Done(job.run(&mut self.random)),
        };
        let completion = Completion { id, outcome };
        self.crew.work(now, conditions.pace, completion);
    }

    fn turn_store(&mut self, now: Instant, conditions: &mut Conditions) {
        let pace = conditions.pace;
        loop {
            if let Some(Transaction { id, ops }) = self.crew.end(now) {
                let outcome = Outcome::Stored(self.journal.commit(&ops));
                self.crew.finished(now, pace, Completion { id, outcome });
            }
            let Some(transaction) = self.crew.begin(now, pace) else {
                return;
            };
            let writes = !transaction.ops.iter().all(device::MemoryStore::is_load);
            let fault = conditions.meets(now, writes);
            self.journal.write(&transaction.ops, fault);
        }
    }
}

impl Machine for Installation {
    fn handle_datagram(&mut self, now: Instant, meta: Meta, datagram: &mut [u8]) {
        if let Some(process) = &mut self.process {
            process.client.handle_datagram(now, meta, datagram);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if let Some(process) = &mut self.process {
            process.client.handle_timeout(now);
        }
    }

    fn poll_transmit(
        &mut self,
        now: Instant,
        max_segments: usize,
        buffer: &mut Vec<u8>,
    ) -> Option<Transmit> {
        let process = self.process.as_mut()?;
        process.client.poll_transmit(now, max_segments, buffer)
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        let process = self.process.as_mut()?;
        let crew = process.crew.next_at();
        process.client.poll_timeout().into_iter().chain(crew).min()
    }
}
