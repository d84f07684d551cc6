//! The server that people run, with its store in memory.

use std::sync::Arc;

use chat::login::{KsfId, ServerSecrets};
use chat::puzzle::AdmissionConfig;
use crypto::Secret;
use crypto::fixtures::{SeededRandom, rsa3072_signing};
use server::{AdmissionPolicy, Completion, Config, Event, Request, Server, ServerKeys};
use sim::Rng;
use sim::null::NullSessions;
use store::relay::MemoryStore;
use transport::Instant;

use core::time::Duration;

pub struct Real {
    pub server: Server,
    pub store: MemoryStore,
    pub events: Vec<Event>,
    done: Vec<(Instant, Completion)>,
    seed: u64,
}

/// How long its store takes for a transaction.
const COMMIT_TIME: Duration = Duration::from_millis(2);

fn begin(seed: u64) -> Server {
    let mut config = Config::default();
    let mut admission = AdmissionConfig::default();
    admission.difficulty = 6;
    config.admission = AdmissionPolicy::Work(admission);
    // What a password is checked with is the same after a restart.
    let passwords = ServerSecrets::generate(&mut SeededRandom::new(99));
    let identity = Arc::new(rsa3072_signing(0));
    let spki = identity.verifying_key().spki_der().to_vec();
    let keys = ServerKeys {
        identity,
        passwords: passwords.with_ksf(KsfId::DangerCheap),
        endpoint: Secret::from([9; 32]),
    };
    let sessions = NullSessions::server(Rng::stream(seed, "sessions", 1)).with_identity(spki);
    let mut index = 0;
    Server::new(config, keys, Box::new(sessions), &mut || {
        index += 1;
        Box::new(Rng::stream(seed, "server", index))
    })
}

impl Real {
    pub fn new(seed: u64) -> Self {
        Self {
            server: begin(seed),
            store: MemoryStore::default(),
            events: Vec::new(),
            done: Vec::new(),
            seed,
        }
    }

    /// The process is killed and begins anew with what its disk holds.
    pub fn restart(&mut self) {
        self.seed += 1;
        self.server = begin(self.seed);
        self.done.clear();
    }

    pub fn timeout(&mut self) -> Option<Instant> {
        use transport::Machine;
        let work = self.done.iter().map(|(at, _)| *at).min();
        self.server.poll_timeout().into_iter().chain(work).min()
    }

    /// Does what the server asks for.
    pub fn drain(&mut self, now: Instant, wall_ms: u64) {
        loop {
            self.server.set_wall_time(wall_ms);
            let mut idle = true;
            while let Some(request) = self.server.poll_request() {
                idle = false;
                let completion = match request {
                    Request::Store(batch) => Completion::Stored(batch.commit(&mut self.store)),
                    Request::Job(job) => Completion::Done(job.run()),
                };
                self.done.push((now + COMMIT_TIME, completion));
            }
            while let Some(at) = self.done.iter().position(|(at, _)| *at <= now) {
                idle = false;
                let (_, completion) = self.done.remove(at);
                self.server.handle_completion(now, completion);
            }
            while let Some(event) = self.server.poll_event() {
                idle = false;
                self.events.push(event);
            }
            if idle {
                return;
            }
        }
    }
}
