//! A UDP proxy in user space that loses, doubles, spoils and shuffles what passes through it: a bad
//! network for tests over real sockets, where the kernel offers none.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use transport::Instant;

use crate::{Clock, Waker};

const FRONT: Token = Token(0);
const WAKE: Token = Token(usize::MAX);

/// Clients that a proxy serves; datagrams of more are dropped.
const CLIENTS_MAX: usize = 64;

/// Datagrams that are held at a time; more are dropped.
const HELD_MAX: usize = 65_536;

/// What happens to datagrams, in either direction. The default lets everything pass at once.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Impairment {
    /// What the draws follow from. What they fall upon depends on the machine's timing all the same.
    pub seed: u64,
    /// Probability that a datagram is lost.
    pub loss: f64,
    /// Probability that it arrives twice.
    pub duplication: f64,
    /// Probability that one of its bits is flipped.
    pub corruption: f64,
    /// Probability that it is held back for up to [`Impairment::reordering_delay`].
    pub reordering: f64,
    /// One-way delay.
    pub delay: Duration,
    /// What comes on top, at most, for datagrams that are held back.
    pub reordering_delay: Duration,
}

impl Impairment {
    /// Loses 30 %, duplicates 50 %, corrupts 10 % and reorders 20 %, at 2 ms.
    pub fn dreadful(seed: u64) -> Self {
        Self {
            seed,
            loss: 0.3,
            duplication: 0.5,
            corruption: 0.1,
            reordering: 0.2,
            delay: Duration::from_millis(2),
            reordering_delay: Duration::from_millis(5),
        }
    }
}

/// A running proxy. It ends when it is dropped.
pub struct Proxy {
    local: SocketAddr,
    waker: Waker,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    ended: AtomicBool,
    /// Every client is to get another outward port.
    rebinds: AtomicBool,
    /// Every client that there is, is to be cut off.
    cuts: AtomicBool,
    lost: AtomicU64,
    passed: AtomicU64,
}

impl Proxy {
    /// Starts a proxy on a loopback port of its own in front of `target`.
    ///
    /// # Errors
    /// The operating system's.
    pub fn start(target: SocketAddr, impairment: Impairment) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKE)?;
        let mut front = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0).into())?;
        poll.registry()
            .register(&mut front, FRONT, Interest::READABLE)?;
        let local = front.local_addr()?;
        let shared = Arc::new(Shared::default());
        let forwarder = Forwarder {
            poll,
            target,
            sockets: vec![(front, local)],
            clients: BTreeMap::new(),
            deaf: BTreeSet::new(),
            held: BinaryHeap::new(),
            sequence: 0,
            impairment,
            random: impairment.seed,
            clock: Clock::start(),
            shared: Arc::clone(&shared),
        };
        let thread = std::thread::Builder::new()
            .name("undertone-proxy".to_owned())
            .spawn(move || forwarder.run())?;
        Ok(Self {
            local,
            waker,
            shared,
            thread: Some(thread),
        })
    }

    /// Where to connect to instead of the target.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Gives every client another port towards the target, as a NAT does that has forgotten its
    /// mappings. What is on its way to the old ports is lost.
    pub fn rebind(&self) {
        self.shared.rebinds.store(true, Ordering::SeqCst);
        self.waker.wake();
    }

    /// Nothing passes any more to and from the addresses of the clients that there are, as if their
    /// network was gone; from others it does.
    pub fn cut_off(&self) {
        self.shared.cuts.store(true, Ordering::SeqCst);
        self.waker.wake();
    }

    /// How many datagrams were passed on, and how many lost on purpose.
    pub fn counts(&self) -> (u64, u64) {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (load(&self.shared.passed), load(&self.shared.lost))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        self.waker.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Forwarder {
    poll: Poll,
    target: SocketAddr,
    /// The first faces the clients; each other stands for the client beside it.
    sockets: Vec<(UdpSocket, SocketAddr)>,
    clients: BTreeMap<SocketAddr, usize>,
    /// Clients that were cut off.
    deaf: BTreeSet<SocketAddr>,
    held: BinaryHeap<Held>,
    sequence: u64,
    impairment: Impairment,
    random: u64,
    clock: Clock,
    shared: Arc<Shared>,
}

/// Ordered by time, the soonest greatest.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Held {
    due: core::cmp::Reverse<(Instant, u64)>,
    socket: usize,
    to: SocketAddr,
    bytes: Vec<u8>,
}

impl Forwarder {
    fn run(mut self) {
        let mut events = Events::with_capacity(64);
        while !self.shared.ended.load(Ordering::Relaxed) {
            let now = self.clock.now();
            let wait = self.held.peek().map(|held| held.due.0.0.since(now));
            match self.poll.poll(&mut events, wait) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return,
                _ => {}
            }
            if self.shared.rebinds.swap(false, Ordering::SeqCst) {
                // Old sockets stay, so that their ports are not used again; nobody reads them.
                self.clients.clear();
            }
            if self.shared.cuts.swap(false, Ordering::SeqCst) {
                self.deaf.extend(self.clients.keys());
                self.clients.clear();
            }
            for event in &events {
                if event.token() != WAKE {
                    self.receive(event.token().0);
                }
            }
            self.release();
        }
    }

    /// Takes in everything that has come to one socket.
    fn receive(&mut self, index: usize) {
        let mut buffer = vec![0; 65_536];
        while let Some((socket, client)) = self.sockets.get(index) {
            let client = *client;
            match socket.recv_from(&mut buffer) {
                Ok((len, from)) => {
                    let bytes = buffer.get(..len).unwrap_or_default().to_vec();
                    if index != FRONT.0 {
                        // A port that a client no longer has leads nowhere.
                        if self.clients.get(&client) == Some(&index) {
                            self.spoil(FRONT.0, client, bytes);
                        }
                    } else if self.deaf.contains(&from) {
                        self.shared.lost.fetch_add(1, Ordering::Relaxed);
                    } else if let Some(back) = self.back_for(from) {
                        self.spoil(back, self.target, bytes);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // What ICMP reports is of no interest here.
                Err(_) => {}
            }
        }
    }

    /// The socket that stands for `client`.
    fn back_for(&mut self, client: SocketAddr) -> Option<usize> {
        if let Some(index) = self.clients.get(&client) {
            return Some(*index);
        }
        let index = self.sockets.len();
        if index > CLIENTS_MAX {
            return None;
        }
        let any: SocketAddr = match self.target {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let mut socket = UdpSocket::bind(any).ok()?;
        let registry = self.poll.registry();
        let readable = Interest::READABLE;
        registry
            .register(&mut socket, Token(index), readable)
            .ok()?;
        self.sockets.push((socket, client));
        self.clients.insert(client, index);
        Some(index)
    }

    /// Decides what becomes of a datagram.
    fn spoil(&mut self, socket: usize, to: SocketAddr, mut bytes: Vec<u8>) {
        let impairment = self.impairment;
        let [lost, doubled, corrupted, overtaken] = [
            impairment.loss,
            impairment.duplication,
            impairment.corruption,
            impairment.reordering,
        ]
        .map(|probability| self.chance(probability));
        if lost || self.held.len() >= HELD_MAX {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let mut due = self.clock.now() + impairment.delay;
        if overtaken {
            let most = u64::try_from(impairment.reordering_delay.as_nanos()).unwrap_or(u64::MAX);
            due += Duration::from_nanos(self.next_u64() % most.max(1));
        }
        if doubled {
            self.hold(due, socket, to, bytes.clone());
        }
        if corrupted && !bytes.is_empty() {
            let bit = self.next_u64() % (bytes.len() as u64 * 8);
            let index = usize::try_from(bit / 8).unwrap_or_default();
            if let Some(byte) = bytes.get_mut(index) {
                *byte ^= 1 << (bit % 8);
            }
        }
        self.hold(due, socket, to, bytes);
    }

    fn hold(&mut self, due: Instant, socket: usize, to: SocketAddr, bytes: Vec<u8>) {
        self.sequence += 1;
        self.held.push(Held {
            due: core::cmp::Reverse((due, self.sequence)),
            socket,
            to,
            bytes,
        });
    }

    /// Sends what is due.
    fn release(&mut self) {
        let now = self.clock.now();
        while self.held.peek().is_some_and(|held| held.due.0.0 <= now) {
            let Some(held) = self.held.pop() else {
                return;
            };
            if let Some((socket, _)) = self.sockets.get(held.socket) {
                // A full buffer is one more loss.
                let _ = socket.send_to(&held.bytes, held.to);
                self.shared.passed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn chance(&mut self, probability: f64) -> bool {
        ((self.next_u64() >> 11) as f64 / (1u64 << 53) as f64) < probability
    }

    /// SplitMix64.
    fn next_u64(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
