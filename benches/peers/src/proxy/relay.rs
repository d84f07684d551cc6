//! Sockets and time around the pipes.

use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::sync::Arc;

use anyhow::Result;
use quinn_udp::EcnCodepoint;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::thread::set_current_timer_slack;

use super::Role;
use super::transit::{BATCH_BYTES, Direction, Due, Hop, Transit};
use crate::clock;
use crate::datagrams::{ANY_PORT, Socket};
use crate::job::SOCKET_BUFFER_BYTES;
use crate::meter::Meter;

/// The process's state.
pub(super) struct Relay {
    ways: Vec<Way>,
    transit: Transit,
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
            transit: Transit::new(role.link, role.seed),
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
        let (kind, transit) = (way.kind, &mut self.transit);
        way.socket.receive(|train| {
            for datagram in train.data.chunks(train.stride) {
                let mut data = transit.buffer();
                data.extend_from_slice(datagram);
                arrived.push((train.from, train.ecn, data));
            }
        })?;
        let now_ns = clock::now_ns();
        for (from, ecn, data) in arrived {
            let (direction, way, to) = match kind {
                Kind::Front(server) => (Direction::ToServer, self.back(index, from)?, server),
                Kind::Back { front, client } => (Direction::ToClient, front, client),
            };
            let ecn = ecn.map(|ecn| ecn as u8);
            self.transit
                .take_in(now_ns, direction, Hop { way, to, ecn }, data);
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
            let meter = &self.meter;
            let each = |late_ns, bytes| {
                meter.took(late_ns);
                meter.received(bytes, 1);
            };
            match self.transit.leave(clock::now_ns(), &mut self.batch, each) {
                Due::Batch { hop, segment } => {
                    if let Some(way) = self.ways.get(hop.way) {
                        let ecn = hop.ecn.and_then(EcnCodepoint::from_bits);
                        way.socket.send(hop.to, &self.batch, segment, ecn)?;
                    }
                }
                Due::At(next_ns) => return Ok(Some(next_ns)),
                Due::Nothing => return Ok(None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::job::Link;

    fn socket() -> UdpSocket {
        let socket = UdpSocket::bind(ANY_PORT).unwrap();
        // Nobody waits so long: a test that fails ends.
        let patience = Some(Duration::from_secs(30));
        socket.set_read_timeout(patience).unwrap();
        socket
    }

    fn hear(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
        let mut buffer = [0; 100];
        let (length, from) = socket.recv_from(&mut buffer).unwrap();
        (buffer[..length].to_vec(), from)
    }

    #[test]
    fn clients_reach_their_servers_and_are_answered_from_where_they_sent() {
        let servers = [socket(), socket()];
        let role = Role {
            link: Link::default(),
            seed: 1,
            servers: servers.each_ref().map(|s| s.local_addr().unwrap()).to_vec(),
        };
        let relay = Relay::new(&role, Arc::default()).unwrap();
        let fronts = relay.fronts().unwrap();
        thread::spawn(move || relay.run());
        let clients = [socket(), socket()];
        let mut backs = Vec::new();
        for (server, front) in servers.iter().zip(&fronts) {
            for (index, client) in clients.iter().enumerate() {
                client.send_to(&[index as u8; 9], front).unwrap();
                let (data, back) = hear(server);
                assert_eq!(data, [index as u8; 9]);
                server.send_to(b"answer", back).unwrap();
                assert_eq!(hear(client), (b"answer".to_vec(), *front));
                backs.push(back);
            }
        }
        // Servers tell clients from each other.
        backs.sort_unstable();
        backs.dedup();
        assert_eq!(backs.len(), 4);
    }
}
