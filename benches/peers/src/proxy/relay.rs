//! Sockets and time around the pipes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::sync::Arc;

use anyhow::Result;
use quinn_udp::EcnCodepoint;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::thread::set_current_timer_slack;

use super::Role;
use super::pipe::Pipe;
use crate::clock;
use crate::datagrams::{ANY_PORT, Socket};
use crate::job::SOCKET_BUFFER_BYTES;
use crate::meter::Meter;

/// What one call sends at most.
const BATCH_BYTES: usize = 60_000;
const BATCH_PACKETS: usize = 32;

/// The process's state.
pub(super) struct Relay {
    ways: Vec<Way>,
    /// Towards servers, and back.
    pipes: [Pipe; 2],
    under_way: BinaryHeap<Reverse<Packet>>,
    number: u64,
    /// Buffers of packets that have arrived.
    spare: Vec<Vec<u8>>,
    batch: Vec<u8>,
    meter: Arc<Meter>,
}

/// A socket, and what becomes of that which it receives.
struct Way {
    socket: Socket,
    kind: Kind,
}

/// Which side of the link a socket is on.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Clients send to it, and it goes on to this server.
    Front(SocketAddr),
    /// One client's at the server's side: what the server answers goes back through `front`.
    Back { front: usize, client: SocketAddr },
}

/// A packet on its way. Ordered by time, then as they came.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Packet {
    due_ns: u64,
    number: u64,
    /// The socket that sends it on, and where to.
    way: usize,
    to: SocketAddr,
    ecn: Option<u8>,
    data: Vec<u8>,
}

impl Relay {
    pub(super) fn new(role: &Role, meter: Arc<Meter>) -> Result<Self> {
        let front = |server: &SocketAddr| {
            Ok(Way {
                socket: Socket::bind(ANY_PORT, SOCKET_BUFFER_BYTES)?,
                kind: Kind::Front(*server),
            })
        };
        let ways: Result<Vec<Way>> = role.servers.iter().map(front).collect();
        // The kernel may wake us late by as much as this.
        set_current_timer_slack(Some(NonZeroU64::MIN))?;
        Ok(Self {
            ways: ways?,
            pipes: [0, 1].map(|direction| Pipe::new(role.link, role.seed * 2 + direction)),
            under_way: BinaryHeap::new(),
            number: 0,
            spare: Vec::new(),
            batch: Vec::with_capacity(BATCH_BYTES),
            meter,
        })
    }

    /// Where clients reach the servers.
    pub(super) fn fronts(&self) -> Result<Vec<SocketAddr>> {
        let ways = self.ways.iter();
        ways.map(|way| way.socket.local_addr()).collect()
    }

    pub(super) fn run(mut self) -> Result<()> {
        loop {
            let next_ns = self.send_due()?;
            let ready = self.wait(next_ns)?;
            for way in ready {
                self.take_in(way)?;
            }
        }
    }

    /// Waits for sockets, at most until something is due. Returns who has something.
    fn wait(&self, next_ns: Option<u64>) -> Result<Vec<usize>> {
        let timeout = next_ns.map(clock::until).map(|wait| Timespec {
            tv_sec: wait.as_secs() as i64,
            tv_nsec: wait.subsec_nanos().into(),
        });
        let sockets = self.ways.iter().map(|way| way.socket.as_fd());
        let mut fds: Vec<PollFd<'_>> = sockets
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready = fds.iter().enumerate();
        let ready = ready.filter(|(_, fd)| !fd.revents().is_empty());
        Ok(ready.map(|(index, _)| index).collect())
    }

    /// Takes what one socket has with one call, so that no direction starves another.
    fn take_in(&mut self, index: usize) -> Result<()> {
        let mut arrived = Vec::new();
        let Some(way) = self.ways.get_mut(index) else {
            return Ok(());
        };
        let kind = way.kind;
        let spare = &mut self.spare;
        way.socket.receive(|train| {
            for datagram in train.data.chunks(train.stride) {
                let mut data = spare.pop().unwrap_or_default();
                data.extend_from_slice(datagram);
                arrived.push((train.from, train.ecn, data));
            }
        })?;
        let now_ns = clock::now_ns();
        for (from, ecn, data) in arrived {
            let (direction, way, to) = match kind {
                Kind::Front(server) => (0, self.back(index, from)?, server),
                Kind::Back { front, client } => (1, front, client),
            };
            match self.pipes[direction].pass(now_ns, data.len()) {
                Ok(due_ns) => {
                    self.number += 1;
                    self.under_way.push(Reverse(Packet {
                        due_ns,
                        number: self.number,
                        way,
                        to,
                        ecn: ecn.map(|ecn| ecn as u8),
                        data,
                    }));
                }
                Err(_) => give_back(&mut self.spare, data),
            }
        }
        Ok(())
    }

    /// The socket that stands for a client at the server's side.
    fn back(&mut self, front: usize, client: SocketAddr) -> Result<usize> {
        let known = self.ways.iter().position(|way| {
            matches!(way.kind, Kind::Back { front: f, client: c } if f == front && c == client)
        });
        if let Some(known) = known {
            return Ok(known);
        }
        self.ways.push(Way {
            socket: Socket::bind(ANY_PORT, SOCKET_BUFFER_BYTES)?,
            kind: Kind::Back { front, client },
        });
        Ok(self.ways.len() - 1)
    }

    /// Sends on what is due, in batches where packets for one address are due together. Returns
    /// when the next is.
    fn send_due(&mut self) -> Result<Option<u64>> {
        loop {
            let now_ns = clock::now_ns();
            let Some(Reverse(first)) = self.under_way.peek() else {
                return Ok(None);
            };
            if first.due_ns > now_ns {
                return Ok(Some(first.due_ns));
            }
            let (way, to, ecn, segment) = (first.way, first.to, first.ecn, first.data.len());
            self.batch.clear();
            let mut count = 0;
            while let Some(Reverse(next)) = self.under_way.peek() {
                let same = (next.way, next.to, next.ecn) == (way, to, ecn);
                let fits = next.data.len() <= segment
                    && self.batch.len() + next.data.len() <= BATCH_BYTES
                    && self.batch.len() == count * segment;
                if next.due_ns > now_ns || !same || (count > 0 && !fits) || count == BATCH_PACKETS {
                    break;
                }
                let Some(Reverse(packet)) = self.under_way.pop() else {
                    break;
                };
                self.batch.extend_from_slice(&packet.data);
                self.meter.took(now_ns - packet.due_ns);
                self.meter.received(packet.data.len(), 1);
                give_back(&mut self.spare, packet.data);
                count += 1;
            }
            if let Some(way) = self.ways.get(way) {
                let ecn = ecn.and_then(EcnCodepoint::from_bits);
                way.socket.send(to, &self.batch, segment, ecn)?;
            }
        }
    }
}

/// Keeps a buffer for the next packet.
fn give_back(spare: &mut Vec<Vec<u8>>, mut data: Vec<u8>) {
    if spare.len() < 4096 {
        data.clear();
        spare.push(data);
    }
}
