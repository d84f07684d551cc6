//! Several workers at one address, over real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests of the crate that may"
)]

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crypto::{Secret, Transcript};
use net::{BindOptions, Clock, OsRandom, Socket, Waker, Worker, WorkerStats, bind_workers};
use sim::Rng;
use sim::null::NullSessions;
use transport::{
    Accept, CloseReason, Config, ConnectionHandle, Endpoint, Event, Instant, Machine, Meta, Mode,
    OpenGate, StreamId, Transmit,
};

const PORT: u16 = 7;
const PATIENCE: Duration = Duration::from_secs(20);

fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

fn config() -> Config {
    let mut config = Config::default();
    config.ports.insert(PORT);
    config
}

/// What a worker tells.
enum News {
    Accepted(u8),
    /// A stream has ended: a digest of its bytes.
    Ended([u8; 32]),
}

/// Workers with a thread each, until dropped.
struct Server {
    address: SocketAddr,
    news: Receiver<News>,
    over: Arc<AtomicBool>,
    wakers: Vec<Waker>,
    threads: Vec<JoinHandle<WorkerStats>>,
}

impl Server {
    fn start(count: usize) -> Self {
        let mut workers = bind_workers(loopback(), &BindOptions::default(), count).unwrap();
        let address = workers[0].driver().local_addr();
        let over = Arc::new(AtomicBool::new(false));
        let (sender, news) = channel();
        let wakers = workers.iter_mut().map(|w| w.driver().waker()).collect();
        let threads = workers
            .into_iter()
            .map(|worker| {
                let (sender, over) = (sender.clone(), Arc::clone(&over));
                thread::spawn(move || serve(worker, &sender, &over))
            })
            .collect();
        Self {
            address,
            news,
            over,
            wakers,
            threads,
        }
    }

    fn stop(self) -> Vec<WorkerStats> {
        self.over.store(true, Ordering::Relaxed);
        self.wakers.iter().for_each(Waker::wake);
        self.threads
            .into_iter()
            .map(|t| t.join().unwrap())
            .collect()
    }
}

fn endpoint(worker: &Worker) -> Endpoint {
    let accept = Accept {
        sessions: Box::new(NullSessions::server(Rng::new(worker.index().into()))),
        gate: Box::new(OpenGate),
        secret: Secret::from([7; 32]),
    };
    let config = worker.configure(config());
    Endpoint::server(config, accept, Box::new(OsRandom))
}

fn serve(mut worker: Worker, news: &Sender<News>, over: &AtomicBool) -> WorkerStats {
    let mut endpoint = endpoint(&worker);
    let mut bytes = Vec::new();
    while !over.load(Ordering::Relaxed) {
        worker.turn(&mut endpoint, None).unwrap();
        while let Some((handle, event)) = endpoint.poll_event() {
            match event {
                Event::Connected => news.send(News::Accepted(worker.index())).unwrap(),
                Event::Readable { stream } => {
                    let connection = endpoint.connection(handle).unwrap();
                    let mut chunk = [0; 4096];
                    while let Ok(len) = connection.read(stream, &mut chunk) {
                        bytes.extend_from_slice(&chunk[..len]);
                        if len == 0 {
                            let digest = digest(&std::mem::take(&mut bytes));
                            news.send(News::Ended(digest)).unwrap();
                            connection.finish(stream).unwrap();
                            break;
                        }
                    }
                }
                _ => {}
            }
        }
    }
    // What it has just learnt may still wait to be answered, the end of a handshake for one: a peer
    // that does not hear of that speaks in long packets, which draw no reset.
    worker.turn(&mut endpoint, Some(Duration::ZERO)).unwrap();
    worker.stats()
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Transcript::new("test").field(bytes).sha256()
}

/// A client whose address changes: it sends from the newest of its sockets, and hears on all.
struct Nomad {
    clock: Clock,
    endpoint: Endpoint,
    sockets: Vec<Socket>,
}

/// Hears and does not speak.
struct Ear<'a>(&'a mut Endpoint);

impl Machine for Ear<'_> {
    fn handle_datagram(&mut self, now: Instant, meta: Meta, datagram: &mut [u8]) {
        self.0.handle_datagram(now, meta, datagram);
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_transmit(&mut self, _: Instant, _: usize, _: &mut Vec<u8>) -> Option<Transmit> {
        None
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        None
    }
}

impl Nomad {
    fn new() -> Self {
        let mut nomad = Self {
            clock: Clock::start(),
            endpoint: Endpoint::client(config(), Box::new(OsRandom)),
            sockets: Vec::new(),
        };
        nomad.move_on();
        nomad
    }

    fn move_on(&mut self) {
        let socket = Socket::bind(loopback(), &BindOptions::default()).unwrap();
        self.sockets.push(socket);
    }

    fn connect(&mut self, server: SocketAddr) -> ConnectionHandle {
        let mut sessions = NullSessions::client(Rng::new(1));
        let now = self.clock.now();
        let handle = self.endpoint.connect(now, server, &mut sessions).unwrap();
        self.until(|endpoint| endpoint.connection(handle).unwrap().is_open());
        handle
    }

    fn until(&mut self, mut done: impl FnMut(&mut Endpoint) -> bool) {
        let end = self.clock.now() + PATIENCE;
        loop {
            let now = self.clock.now();
            assert!(now < end, "nothing comes");
            for socket in &mut self.sockets {
                let mut ear = Ear(&mut self.endpoint);
                socket.receive(&self.clock, &mut ear, 64).unwrap();
            }
            self.endpoint.handle_timeout(now);
            let newest = self.sockets.last_mut().unwrap();
            newest.flush(&self.clock, &mut self.endpoint, 64);
            if done(&mut self.endpoint) {
                return;
            }
            thread::sleep(Duration::from_micros(200));
        }
    }

    fn write(&mut self, handle: ConnectionHandle, stream: StreamId, data: &[u8]) {
        let connection = self.endpoint.connection(handle).unwrap();
        assert_eq!(connection.write(stream, data), Ok(data.len()));
    }
}

#[test]
fn peers_are_dealt_out_among_workers() {
    let server = Server::start(4);
    let mut nomads: Vec<_> = (0..24).map(|_| Nomad::new()).collect();
    for nomad in &mut nomads {
        nomad.connect(server.address);
    }
    let workers: BTreeSet<u8> = nomads
        .iter()
        .map(|_| match server.news.recv_timeout(PATIENCE).unwrap() {
            News::Accepted(worker) => worker,
            News::Ended(_) => panic!("nothing was sent"),
        })
        .collect();
    assert!(workers.len() > 1, "one worker has them all: {workers:?}");
    assert!(workers.iter().all(|&worker| worker < 4));
    let stats = server.stop();
    assert!(stats.iter().all(|stats| stats.handed_over == 0));
}

#[test]
fn a_connection_survives_when_its_packets_come_to_another_worker() {
    let server = Server::start(4);
    let mut nomad = Nomad::new();
    let handle = nomad.connect(server.address);
    let connection = nomad.endpoint.connection(handle).unwrap();
    let stream = connection.open(PORT, Mode::Bytes).unwrap();
    let mut bytes = Vec::new();
    for round in 0..16u8 {
        let piece: Vec<u8> = (0..20_000u32).map(|i| (i % 251) as u8 ^ round).collect();
        nomad.write(handle, stream, &piece);
        bytes.extend(piece);
        // Until all of this round has arrived.
        nomad.until(|endpoint| {
            let stats = endpoint.connection(handle).unwrap().stats();
            stats.bytes_in_flight == 0
        });
        nomad.move_on();
    }
    nomad
        .endpoint
        .connection(handle)
        .unwrap()
        .finish(stream)
        .unwrap();
    let mut finished = false;
    nomad.until(|endpoint| {
        while let Some((_, event)) = endpoint.poll_event() {
            assert!(!matches!(event, Event::Closed(_)), "{event:?}");
            finished |= matches!(event, Event::Finished { .. });
        }
        finished
    });
    let ended = server.news.iter().find_map(|news| match news {
        News::Ended(digest) => Some(digest),
        News::Accepted(_) => None,
    });
    assert_eq!(ended, Some(digest(&bytes)));
    let stats = server.stop();
    let handed_over: u64 = stats.iter().map(|stats| stats.handed_over).sum();
    let taken_over: u64 = stats.iter().map(|stats| stats.taken_over).sum();
    assert!(handed_over > 0, "sixteen addresses came to one worker");
    assert_eq!(handed_over, taken_over);
}

#[test]
fn only_the_owner_resets_a_connection_that_is_gone() {
    let server = Server::start(4);
    let address = server.address;
    let mut owners = [false; 4];
    let mut clients: Vec<_> = (0..6)
        .map(|_| {
            let mut nomad = Nomad::new();
            let handle = nomad.connect(address);
            match server.news.recv_timeout(PATIENCE).unwrap() {
                News::Accepted(owner) => owners[usize::from(owner)] = true,
                News::Ended(_) => panic!("nothing was sent"),
            }
            (nomad, handle)
        })
        .collect();
    server.stop();
    // It starts again, with the same address and secret, and its clients have moved.
    let mut workers = bind_workers(address, &BindOptions::default(), 4).unwrap();
    let mut endpoints: Vec<_> = workers.iter().map(endpoint).collect();
    for (nomad, handle) in &mut clients {
        nomad.move_on();
        let connection = nomad.endpoint.connection(*handle).unwrap();
        let stream = connection.open(PORT, Mode::Bytes).unwrap();
        nomad.write(*handle, stream, b"still there?");
        let mut end = None;
        nomad.until(|client| {
            for (worker, endpoint) in workers.iter_mut().zip(&mut endpoints) {
                worker.turn(endpoint, Some(Duration::ZERO)).unwrap();
            }
            while let Some((_, event)) = client.poll_event() {
                if let Event::Closed(reason) = event {
                    end = Some(reason);
                }
            }
            end.is_some()
        });
        assert_eq!(end, Some(CloseReason::StatelessReset));
    }
    let resetting: Vec<bool> = endpoints.iter().map(|e| e.stats().resets > 0).collect();
    assert_eq!(resetting, owners);
}

#[test]
fn a_number_of_workers_that_cannot_be_is_refused() {
    for count in [0, 256] {
        let bound = bind_workers(loopback(), &BindOptions::default(), count);
        assert_eq!(bound.unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
    }
    let mut alone = bind_workers(loopback(), &BindOptions::default(), 1).unwrap();
    let address = alone[0].driver().local_addr();
    let second = bind_workers(address, &BindOptions::default(), 1);
    assert_eq!(second.unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
}
