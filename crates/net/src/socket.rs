//! One UDP socket with segmentation offload both ways.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use mio::event::Source;
use mio::{Interest, Registry, Token};
use quinn_udp::{EcnCodepoint, RecvMeta, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Type};
use transport::{Ecn, Machine, Meta};

use crate::Clock;
use crate::outbox::Outbox;
use crate::source::{Sources, local_address};

/// Buffers that one system call fills. Each takes a whole train of merged datagrams; more of them
/// would not fit a second-level cache when trains are long.
const RECEIVE_BUFFERS: usize = 8;

/// The longest UDP payload, or train of merged ones, that the kernel hands over.
const RECEIVE_BUFFER_BYTES: usize = 65_536;

/// Queued ICMP errors that are read at a time.
const ICMP_ERRORS_PER_DRAIN: usize = 64;

/// How a socket is made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BindOptions {
    /// An IPv6 wildcard socket takes IPv4 as well. Default: it does.
    pub dual_stack: bool,
    /// What the kernel is asked to buffer in each direction, in bytes; it may grant less.
    /// Default 4 MiB: 20 ms at 200 MB/s.
    pub buffer_bytes: usize,
    /// Ask for ICMP errors, so that a client learns at once that nobody listens on a port. A server
    /// has no use for them: strangers can cause them. Default: no.
    pub icmp_errors: bool,
    /// Others of this user's sockets may be bound to the same address, and the kernel deals its
    /// senders out among them (SO_REUSEPORT). Default: no. [`crate::bind_workers`] decides by itself.
    pub reuse_port: bool,
    /// How long a [`crate::Driver`] looks again and again before it sleeps: what comes meanwhile is
    /// answered without the 5 to 50 us that waking up takes, timers are due to the microsecond
    /// instead of the millisecond, and a core is busy with waiting. Where the process may, the
    /// kernel is asked to look at the network device itself (SO_BUSY_POLL). Default: not at all.
    pub busy_poll: Duration,
}

impl Default for BindOptions {
    fn default() -> Self {
        Self {
            dual_stack: true,
            buffer_bytes: 4 << 20,
            icmp_errors: false,
            reuse_port: false,
            busy_poll: Duration::ZERO,
        }
    }
}

impl BindOptions {
    /// What suits a client: the defaults, and ICMP errors.
    pub fn client() -> Self {
        Self {
            icmp_errors: true,
            ..Self::default()
        }
    }
}

/// What the network says about a path, unauthenticated: good for a hint to a person, not a reason
/// to give up before the handshake's timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// The host is there and nobody listens on the port.
    #[error("the port is closed")]
    PortClosed,
    /// There is no way to the host or its network.
    #[error("the host cannot be reached")]
    Unreachable,
    /// Something on this machine, such as a firewall, forbids it.
    #[error("sending is not permitted")]
    Forbidden,
}

impl PathError {
    pub(crate) fn of(error: &io::Error) -> Option<Self> {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Some(Self::PortClosed),
            io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::AddrNotAvailable => Some(Self::Unreachable),
            io::ErrorKind::PermissionDenied => Some(Self::Forbidden),
            _ => None,
        }
    }
}

/// How many datagrams pass between the kernel and the program at once; 1 where it cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offload {
    /// With segmentation offload (GSO), as far as the kernel has not refused it yet.
    pub send_segments: usize,
    /// With receive offload (GRO).
    pub receive_segments: usize,
}

/// Counters of a socket. They only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocketStats {
    /// Datagrams received.
    pub received: u64,
    /// Bytes in them.
    pub received_bytes: u64,
    /// Datagrams that were dropped unseen: empty, or from port 0, which nobody can answer.
    pub dropped: u64,
    /// System calls that received something.
    pub receive_calls: u64,
    /// Errors of receiving, such as those that ICMP caused.
    pub receive_errors: u64,
    /// Datagrams sent.
    pub sent: u64,
    /// Bytes in them.
    pub sent_bytes: u64,
    /// System calls that sent something.
    pub send_calls: u64,
    /// Times that the kernel's buffer was full and sending had to wait.
    pub send_blocked: u64,
    /// Sends that the kernel had no memory for.
    pub send_no_buffers: u64,
    /// Sends that were longer than the path takes.
    pub send_too_long: u64,
    /// Sends that failed for another reason: no route, refused, not permitted.
    pub send_errors: u64,
    /// Times that the kernel did not send from the address that was asked, which may have gone, and then
    /// did from one of its own choice. That address is tried again after 5 s.
    pub source_refused: u64,
}

/// A UDP socket that feeds a [`Machine`] and sends what it has to say.
///
/// It never blocks. Register it with a [`mio::Poll`] for reading and writing; events are edge
/// triggered, so call [`Socket::receive`] until it says that nothing is left.
#[derive(Debug)]
pub struct Socket {
    io: mio::net::UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
    sources: Sources,
    buffers: Box<[u8]>,
    outbox: Outbox,
    stats: SocketStats,
    path_error: Option<PathError>,
    icmp_errors: bool,
}

/// How far a [`Socket::receive`] or a [`Socket::flush`] got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Everything is done; an event will tell when there is more.
    Idle,
    /// The kernel takes no more; an event will tell when it does.
    Blocked,
    /// The budget is used up, or a timer is due: come back at once.
    More,
}

impl Socket {
    /// A socket bound to `address`; port 0 lets the system choose one.
    ///
    /// # Errors
    /// The operating system's, for instance that the address is in use.
    pub fn bind(address: SocketAddr, options: &BindOptions) -> io::Result<Self> {
        let domain = Domain::for_address(address);
        let socket = socket2::Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            let only_v6 = !(options.dual_stack && address.ip() == Ipv6Addr::UNSPECIFIED);
            socket.set_only_v6(only_v6)?;
        }
        if options.reuse_port {
            socket.set_reuse_port(true)?;
        }
        #[cfg(target_os = "linux")]
        if !options.busy_poll.is_zero() {
            let micros = u32::try_from(options.busy_poll.as_micros()).unwrap_or(u32::MAX);
            // Not everybody may; looking ourselves needs no permission.
            let _ = socket.set_busy_poll(micros);
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        let io = mio::net::UdpSocket::from_std(socket.into());
        let state = state_of(&io)?;
        // A kernel that grants less has its reasons, and we live with it.
        let _ = state.set_recv_buffer_size(UdpSockRef::from(&io), options.buffer_bytes);
        let _ = state.set_send_buffer_size(UdpSockRef::from(&io), options.buffer_bytes);
        if options.icmp_errors {
            state.enable_transport_errors(UdpSockRef::from(&io))?;
        }
        let local = io.local_addr()?;
        Ok(Self {
            io,
            state,
            local,
            sources: Sources::new(local),
            buffers: vec![0; RECEIVE_BUFFERS * RECEIVE_BUFFER_BYTES].into_boxed_slice(),
            outbox: Outbox::default(),
            stats: SocketStats::default(),
            path_error: None,
            icmp_errors: options.icmp_errors,
        })
    }

    /// The address that it is bound to.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// What the kernel takes off the program.
    pub fn offload(&self) -> Offload {
        Offload {
            send_segments: self.state.max_gso_segments(),
            receive_segments: self.state.gro_segments(),
        }
    }

    /// Its counters.
    pub fn stats(&self) -> SocketStats {
        self.stats
    }

    /// Counts on from those of the socket whose place it takes.
    pub(crate) fn count_on(&mut self, before: SocketStats) {
        self.stats = before;
    }

    /// The last thing that the network said about a path, and forgets it.
    pub fn take_path_error(&mut self) -> Option<PathError> {
        self.path_error.take()
    }

    /// Hands what has arrived to `machine`, at most about `budget` datagrams, and no longer than
    /// until a timer of the machine is due, so that a flood starves nobody.
    ///
    /// # Errors
    /// Only those that make the socket useless. What a stranger can cause is counted.
    pub fn receive(
        &mut self,
        clock: &Clock,
        machine: &mut impl Machine,
        budget: usize,
    ) -> io::Result<Progress> {
        let mut left = budget;
        loop {
            let mut metas = [RecvMeta::default(); RECEIVE_BUFFERS];
            let mut slices = self.buffers.chunks_mut(RECEIVE_BUFFER_BYTES);
            let mut slices: [IoSliceMut<'_>; RECEIVE_BUFFERS] =
                core::array::from_fn(|_| IoSliceMut::new(slices.next().unwrap_or_default()));
            let received = self
                .state
                .recv(UdpSockRef::from(&self.io), &mut slices, &mut metas);
            let count = match received {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Progress::Idle);
                }
                Err(error) => {
                    self.note_receive_error(error)?;
                    left = left.saturating_sub(1);
                    if left == 0 {
                        return Ok(Progress::More);
                    }
                    continue;
                }
            };
            let now = clock.now();
            self.stats.receive_calls += 1;
            for (meta, buffer) in metas.iter().zip(&mut slices).take(count) {
                let train = buffer.get_mut(..meta.len).unwrap_or_default();
                let fed = feed(machine, now, meta, train, &mut self.stats);
                left = left.saturating_sub(fed);
            }
            // Fewer than it asked for were all that there were: the next will be an event. (Where
            // a call takes in one at a time, one says nothing.)
            if count < RECEIVE_BUFFERS && quinn_udp::BATCH_SIZE >= RECEIVE_BUFFERS {
                return Ok(Progress::Idle);
            }
            if left == 0 || machine.poll_timeout().is_some_and(|due| due <= now) {
                return Ok(Progress::More);
            }
        }
    }

    /// Sends what `machine` has to say, at most about `budget` system calls.
    ///
    /// What the kernel cannot take now is kept and sent by the next call. What it refuses is
    /// counted and given up: to the machine it is a lost datagram.
    pub fn flush(&mut self, clock: &Clock, machine: &mut impl Machine, budget: usize) -> Progress {
        for _ in 0..budget {
            if self.outbox.is_empty() {
                let segments = self.state.max_gso_segments();
                if !self.outbox.fill(clock.now(), machine, segments) {
                    return Progress::Idle;
                }
            }
            let (sources, stats) = (&mut self.sources, &mut self.stats);
            let state = &mut self.state;
            match self.outbox.send(clock, &self.io, state, sources, stats) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Progress::Blocked;
                }
                Err(error) => {
                    if let Some(path_error) = PathError::of(&error) {
                        self.path_error = Some(path_error);
                    }
                    self.drain_icmp_errors();
                }
            }
        }
        Progress::More
    }

    /// Errors that ICMP caused surface here as well; none of them is the socket's own.
    fn note_receive_error(&mut self, error: io::Error) -> io::Result<()> {
        self.stats.receive_errors += 1;
        if let Some(path_error) = PathError::of(&error) {
            self.path_error = Some(path_error);
        }
        self.drain_icmp_errors();
        match error.raw_os_error() {
            // No peer can cause these.
            Some(libc::EBADF | libc::ENOTSOCK | libc::EFAULT | libc::EINVAL) => Err(error),
            _ => Ok(()),
        }
    }

    /// Frees the memory that queued errors hold. What they say has already been told by the error
    /// of the call that surfaced them.
    fn drain_icmp_errors(&mut self) {
        if !self.icmp_errors {
            return;
        }
        for _ in 0..ICMP_ERRORS_PER_DRAIN {
            match self.state.recv_transport_error(UdpSockRef::from(&self.io)) {
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break,
            }
        }
    }
}

impl Source for Socket {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        self.io.register(registry, token, interests)
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        self.io.reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.io.deregister(registry)
    }
}

/// What quinn-udp knows of a socket, as of a new one.
pub(crate) fn state_of(io: &mio::net::UdpSocket) -> io::Result<UdpSocketState> {
    let state = UdpSocketState::new(UdpSockRef::from(io))?;
    #[cfg(target_os = "linux")]
    crate::timestamps::disable(io);
    Ok(state)
}

/// Splits a train of merged datagrams and hands over each. Returns what it costs the budget.
fn feed(
    machine: &mut impl Machine,
    now: transport::Instant,
    meta: &RecvMeta,
    train: &mut [u8],
    stats: &mut SocketStats,
) -> usize {
    let remote = canonical(meta.addr);
    // Nobody can answer port 0, and trying is an error that would turn offload off for good.
    if train.is_empty() || remote.port() == 0 {
        stats.dropped += 1;
        return 1;
    }
    let meta_out = Meta {
        remote,
        local: local_address(meta.dst_ip),
        ecn: meta.ecn.map(from_codepoint),
    };
    stats.received_bytes += train.len() as u64;
    let mut count = 0;
    for datagram in train.chunks_mut(meta.stride.max(1)) {
        machine.handle_datagram(now, meta_out, datagram);
        count += 1;
    }
    stats.received += count as u64;
    count
}

/// An IPv4 address that came through a dual-stack socket, as IPv4.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(v4) => SocketAddr::new(v4.into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

fn from_codepoint(codepoint: EcnCodepoint) -> Ecn {
    match codepoint {
        EcnCodepoint::Ect0 => Ecn::Ect0,
        EcnCodepoint::Ect1 => Ecn::Ect1,
        EcnCodepoint::Ce => Ecn::Ce,
    }
}

#[cfg(test)]
mod tests;
