//! Several drivers at one address, each with a machine and a thread of its own.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use transport::{Config, Instant, Machine, Meta, Transmit};

use crate::{BindOptions, Driver, Turn, Waker};

/// As many workers as connection ids can name.
pub const WORKERS_MAX: usize = 255;

/// Datagrams that wait to be taken over by a worker; more are dropped, as a full socket would.
const PARCELS_MAX: usize = 1024;

/// Datagrams that a worker takes over in one turn.
const PARCELS_PER_TURN: usize = 512;

/// Binds `count` sockets to `address`, each with a driver of its own; port 0 lets the system choose
/// one port for all.
///
/// The kernel deals peers out among the sockets by their addresses (SO_REUSEPORT), so a connection's
/// packets come to one worker: the one whose endpoint accepted it. When a peer's address changes
/// they may come to another, which reads in the connection id whose they are and hands them over.
/// Nothing is shared but that.
///
/// Of `options`, [`BindOptions::reuse_port`] does not count: several share the address, one has it
/// for itself. Sockets of others, who would not hand over what is a worker's, belong at no address of workers.
///
/// ```no_run
/// # fn serve(accept: fn() -> transport::Accept) -> std::io::Result<()> {
/// let address = "0.0.0.0:5000".parse().unwrap();
/// let mut threads = Vec::new();
/// for mut worker in net::bind_workers(address, &net::BindOptions::default(), 4)? {
///     let config = worker.configure(transport::Config::default());
///     // Every worker's `Accept` has the same secret, and its gate the same keys.
///     let accept = accept();
///     threads.push(std::thread::spawn(move || -> std::io::Result<()> {
///         let mut endpoint = transport::Endpoint::server(config, accept, Box::new(net::OsRandom));
///         loop {
///             worker.turn(&mut endpoint, None)?;
///             while let Some((connection, event)) = endpoint.poll_event() { /* act */ }
///         }
///     }));
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// The operating system's, for instance that somebody else has the address; `InvalidInput` for no
/// worker, or more than [`WORKERS_MAX`].
pub fn bind_workers(
    address: SocketAddr,
    options: &BindOptions,
    count: usize,
) -> io::Result<Vec<Worker>> {
    if count == 0 || count > WORKERS_MAX {
        let reason = "1 to 255 workers share an address";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    }
    let options = BindOptions {
        reuse_port: count > 1,
        ..options.clone()
    };
    let mut drivers = vec![Driver::bind(address, &options)?];
    // All sockets are there before the first packet is dealt out.
    while let Some(first) = drivers.first().filter(|_| drivers.len() < count) {
        drivers.push(Driver::bind(first.local_addr(), &options)?);
    }
    let (mut peers, mut inboxes) = (Vec::new(), Vec::new());
    for driver in &drivers {
        let (parcels, inbox) = sync_channel(PARCELS_MAX);
        let waker = driver.waker();
        peers.push(Peer { parcels, waker });
        inboxes.push(inbox);
    }
    let peers: Arc<[Peer]> = peers.into();
    let workers = drivers.into_iter().zip(inboxes).zip(0u8..);
    Ok(workers
        .map(|((driver, inbox), index)| Worker {
            driver,
            index,
            inbox,
            peers: Arc::clone(&peers),
            owed: Vec::new(),
            stats: WorkerStats::default(),
        })
        .collect())
}

/// A [`Driver`] of several at one address ([`bind_workers`]). It belongs into a thread of its own,
/// with a machine of its own.
#[derive(Debug)]
pub struct Worker {
    driver: Driver,
    index: u8,
    inbox: Receiver<Parcel>,
    peers: Arc<[Peer]>,
    /// Workers that were handed something and not woken yet.
    owed: Vec<u8>,
    stats: WorkerStats,
}

/// Counters of a worker. They only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerStats {
    /// Datagrams of other workers' connections that were handed over.
    pub handed_over: u64,
    /// Such datagrams that were dropped, because their worker was behind or gone.
    pub dropped: u64,
    /// Datagrams that other workers handed over.
    pub taken_over: u64,
}

/// Another worker, as seen from each.
#[derive(Debug)]
struct Peer {
    parcels: SyncSender<Parcel>,
    waker: Waker,
}

/// A datagram on its way between workers.
#[derive(Debug)]
struct Parcel {
    meta: Meta,
    datagram: Box<[u8]>,
}

impl Worker {
    /// Its number, from 0.
    pub fn index(&self) -> u8 {
        self.index
    }

    /// `config` for this worker's endpoint: its connection ids say whose they are.
    pub fn configure(&self, config: Config) -> Config {
        let mut config = config;
        config.worker = self.index;
        config.workers = u8::try_from(self.peers.len()).unwrap_or(u8::MAX);
        config
    }

    /// The driver below, for its clock, its waker and what else the caller waits for. Its turns are
    /// this worker's business.
    pub fn driver(&mut self) -> &mut Driver {
        &mut self.driver
    }

    /// The counters of what passed between workers.
    pub fn stats(&self) -> WorkerStats {
        self.stats
    }

    /// As [`Driver::turn`]; datagrams of other workers' connections are handed over, and those that
    /// others handed over are taken in.
    ///
    /// # Errors
    /// As [`Driver::turn`].
    pub fn turn(&mut self, machine: &mut impl Machine, wait: Option<Duration>) -> io::Result<Turn> {
        let mut sorting = Sorting {
            machine,
            peers: &self.peers,
            owed: &mut self.owed,
            stats: &mut self.stats,
        };
        let turn = self.driver.turn(&mut sorting, wait);
        for owed in self.owed.drain(..) {
            if let Some(peer) = self.peers.get(usize::from(owed)) {
                peer.waker.wake();
            }
        }
        let mut turn = turn?;
        if turn.woken {
            turn.received |= self.take_over(machine);
            self.driver.flush(machine);
        }
        Ok(turn)
    }

    /// As [`Driver::flush`].
    pub fn flush(&mut self, machine: &mut impl Machine) {
        self.driver.flush(machine);
    }

    /// Takes in what others handed over. Returns whether there was anything.
    fn take_over(&mut self, machine: &mut impl Machine) -> bool {
        let now = self.driver.now();
        for count in 0..PARCELS_PER_TURN {
            let Ok(mut parcel) = self.inbox.try_recv() else {
                return count > 0;
            };
            self.stats.taken_over += 1;
            machine.handle_datagram(now, parcel.meta, &mut parcel.datagram);
            // Ours, whatever becomes of it: nothing is handed on twice.
            machine.take_stray();
        }
        self.driver.waker().wake();
        true
    }
}

/// A machine of which other workers' datagrams are taken aside.
struct Sorting<'a, M> {
    machine: &'a mut M,
    peers: &'a [Peer],
    owed: &'a mut Vec<u8>,
    stats: &'a mut WorkerStats,
}

impl<M: Machine> Machine for Sorting<'_, M> {
    fn handle_datagram(&mut self, now: Instant, meta: Meta, datagram: &mut [u8]) {
        self.machine.handle_datagram(now, meta, datagram);
        if let Some(owner) = self.machine.take_stray() {
            self.hand_over(owner, meta, datagram);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.machine.handle_timeout(now);
    }

    fn poll_transmit(
        &mut self,
        now: Instant,
        max_segments: usize,
        buffer: &mut Vec<u8>,
    ) -> Option<Transmit> {
        self.machine.poll_transmit(now, max_segments, buffer)
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.machine.poll_timeout()
    }

    fn may_wait(&self) -> bool {
        self.machine.may_wait()
    }
}

impl<M> Sorting<'_, M> {
    /// Into the owner's queue, which is woken at the end of the turn.
    fn hand_over(&mut self, owner: u8, meta: Meta, datagram: &[u8]) {
        let parcel = Parcel {
            meta,
            datagram: datagram.into(),
        };
        let queued = match self.peers.get(usize::from(owner)) {
            Some(peer) => peer.parcels.try_send(parcel),
            None => Err(TrySendError::Disconnected(parcel)),
        };
        if queued.is_err() {
            self.stats.dropped += 1;
            return;
        }
        self.stats.handed_over += 1;
        if !self.owed.contains(&owner) {
            self.owed.push(owner);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    /// Everything that it hears is the other worker's.
    #[derive(Default)]
    struct Lost {
        heard: usize,
    }

    impl Machine for Lost {
        fn handle_datagram(&mut self, _: Instant, _: Meta, _: &mut [u8]) {
            self.heard += 1;
        }

        fn handle_timeout(&mut self, _: Instant) {}

        fn poll_transmit(&mut self, _: Instant, _: usize, _: &mut Vec<u8>) -> Option<Transmit> {
            None
        }

        fn poll_timeout(&mut self) -> Option<Instant> {
            None
        }

        fn take_stray(&mut self) -> Option<u8> {
            Some(1)
        }
    }

    #[test]
    fn what_a_worker_is_behind_with_is_dropped() {
        let any = (Ipv4Addr::LOCALHOST, 0).into();
        let mut workers = bind_workers(any, &BindOptions::default(), 2).unwrap();
        let sender = mio::net::UdpSocket::bind(any).unwrap();
        let address = workers[0].driver().local_addr();
        let mut lost = Lost::default();
        let mut sent = 0;
        while sent < PARCELS_MAX + 100 {
            sender.send_to(&[7; 64], address).unwrap();
            sent += 1;
            // The kernel has dealt the sender out to one of both: whichever it is hands over.
            for worker in &mut workers {
                let mut sorting = Sorting {
                    machine: &mut lost,
                    peers: &worker.peers,
                    owed: &mut worker.owed,
                    stats: &mut worker.stats,
                };
                let now = Some(Duration::ZERO);
                worker.driver.turn(&mut sorting, now).unwrap();
            }
        }
        let [first, second] = &mut workers[..] else {
            panic!("two were asked for");
        };
        let handed_over = first.stats.handed_over + second.stats.handed_over;
        let dropped = first.stats.dropped + second.stats.dropped;
        assert_eq!((handed_over, dropped), (PARCELS_MAX as u64, 100));
        // The owner takes them over in its own time, and hands nothing on.
        let mut owner = Lost::default();
        while second.take_over(&mut owner) {}
        assert_eq!(owner.heard, PARCELS_MAX);
        assert_eq!(second.stats.taken_over, PARCELS_MAX as u64);
        let after = first.stats.handed_over + second.stats.handed_over;
        assert_eq!(after, handed_over);
    }
}
