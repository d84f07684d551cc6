//! A UDP socket with segmentation offload both ways, for what uses datagrams as they are.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use anyhow::Result;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use quinn_udp::{EcnCodepoint, RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, Type};

/// Buffers that one call fills.
const BUFFERS: usize = 8;

/// What each of them holds: a train of merged datagrams.
const BUFFER_BYTES: usize = 65_536;

/// Where everything here binds.
pub const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A socket with the kernel's buffers of a given size.
///
/// # Errors
/// The operating system's.
pub fn bind(address: SocketAddr, buffer_bytes: usize) -> Result<socket2::Socket> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
    socket.set_recv_buffer_size(buffer_bytes)?;
    socket.set_send_buffer_size(buffer_bytes)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// A socket that does not block, and its buffers.
pub struct Socket {
    io: UdpSocket,
    state: UdpSocketState,
    buffers: Vec<u8>,
}

/// Datagrams of one sender, as they arrived.
#[derive(Debug)]
pub struct Train<'a> {
    /// The sender.
    pub from: SocketAddr,
    /// The datagrams, one behind the other.
    pub data: &'a mut [u8],
    /// The length of each but the last.
    pub stride: usize,
    /// Their ECN bits.
    pub ecn: Option<EcnCodepoint>,
}

impl Socket {
    /// Binds it.
    ///
    /// # Errors
    /// The operating system's.
    pub fn bind(address: SocketAddr, buffer_bytes: usize) -> Result<Self> {
        let io: UdpSocket = bind(address, buffer_bytes)?.into();
        // This makes it not block.
        let state = UdpSocketState::new(UdpSockRef::from(&io))?;
        Ok(Self {
            io,
            state,
            buffers: vec![0; BUFFERS * BUFFER_BYTES],
        })
    }

    /// Where it is.
    ///
    /// # Errors
    /// The operating system's.
    pub fn local_addr(&self) -> Result<SocketAddr> {
        Ok(self.io.local_addr()?)
    }

    /// What to wait for.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }

    /// How many datagrams one call sends.
    pub fn segments_max(&self) -> usize {
        self.state.max_gso_segments()
    }

    /// Sends datagrams of `segment` bytes each, the last one perhaps shorter; `false` when the
    /// kernel's buffer is full, and none of them was taken.
    ///
    /// # Errors
    /// The operating system's.
    pub fn send(
        &self,
        to: SocketAddr,
        contents: &[u8],
        segment: usize,
        ecn: Option<EcnCodepoint>,
    ) -> Result<bool> {
        let transmit = Transmit {
            destination: to,
            ecn,
            contents,
            segment_size: (contents.len() > segment).then_some(segment),
            src_ip: None,
        };
        match self.state.try_send(UdpSockRef::from(&self.io), &transmit) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            // The other end is not there yet, or no longer.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes what has arrived with one call; `false` when that was nothing.
    ///
    /// # Errors
    /// The operating system's.
    pub fn receive(&mut self, mut each: impl FnMut(Train<'_>)) -> Result<bool> {
        let mut metas = [RecvMeta::default(); BUFFERS];
        let mut chunks = self.buffers.chunks_mut(BUFFER_BYTES);
        let mut slices: [IoSliceMut<'_>; BUFFERS] =
            core::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        let io = UdpSockRef::from(&self.io);
        let count = match self.state.recv(io, &mut slices, &mut metas) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok(true),
            Err(error) => return Err(error.into()),
        };
        for (meta, slice) in metas.iter().zip(&mut slices).take(count) {
            each(Train {
                from: meta.addr,
                data: &mut slice[..meta.len],
                stride: meta.stride.max(1),
                ecn: meta.ecn,
            });
        }
        Ok(true)
    }
}

/// A socket, and a poll of mio to wait for it with.
pub struct Polled {
    /// The socket.
    pub socket: Socket,
    poll: Poll,
    events: Events,
}

impl Polled {
    /// Binds a socket.
    ///
    /// # Errors
    /// The operating system's.
    pub fn bind(address: SocketAddr, buffer_bytes: usize) -> Result<Self> {
        let socket = Socket::bind(address, buffer_bytes)?;
        let poll = Poll::new()?;
        let both = Interest::READABLE | Interest::WRITABLE;
        let fd = socket.io.as_raw_fd();
        poll.registry()
            .register(&mut SourceFd(&fd), Token(0), both)?;
        Ok(Self {
            socket,
            poll,
            events: Events::with_capacity(16),
        })
    }

    /// Waits for an event of the socket, which are edge triggered, and not a moment longer than told:
    /// mio alone rounds up to milliseconds.
    ///
    /// # Errors
    /// The operating system's.
    pub fn wait(&mut self, longest: Option<Duration>) -> Result<()> {
        let mut timeout = None;
        if let Some(longest) = longest {
            let time = Timespec {
                tv_sec: longest.as_secs() as i64,
                tv_nsec: longest.subsec_nanos().into(),
            };
            let _ = poll(
                &mut [PollFd::new(self.poll.registry(), PollFlags::IN)],
                Some(&time),
            );
            timeout = Some(Duration::ZERO);
        }
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Sends, and waits for the kernel to take it.
    ///
    /// # Errors
    /// The operating system's.
    pub fn send(&mut self, to: SocketAddr, contents: &[u8], segment: usize) -> Result<()> {
        while !self.socket.send(to, contents, segment, None)? {
            self.wait(None)?;
        }
        Ok(())
    }
}
