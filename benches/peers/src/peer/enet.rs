//! ENet by `rusty_enet`, in a loop of one thread.

use std::cell::Cell;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rusty_enet::{
    Event, Host, HostSettings, MTU_MAX, Packet, PacketReceived, PeerID, Socket, SocketOptions,
};

use super::Peer;
use crate::app::{App, Say};
use crate::child::Desk;
use crate::clock;
use crate::datagrams::{self, ANY_PORT};
use crate::job::{ETHERNET_BYTES, Job, SOCKET_BUFFER_BYTES, Target};

/// What is handed over and has not been sent. ENet itself would take any amount.
const QUEUED_BYTES_MAX: u64 = 512 << 10;

/// Timers are looked at so often.
const TICK: Duration = Duration::from_millis(1);

/// ENet, which protects nothing.
pub struct Enet;

impl Peer for Enet {
    fn settings(&self, _: &Job) -> String {
        format!("no protection, reliable packets on one channel, MTU {ETHERNET_BYTES}, one thread")
    }

    fn serve(&self, desk: &Desk) -> Result<()> {
        let socket = Counted::bind()?;
        desk.ready(&Target {
            address: socket.io.local_addr()?,
            identity: String::new(),
        });
        Loop::new(socket, desk)?.run(desk)
    }

    fn connect(&self, desk: &Desk, target: &Target) -> Result<()> {
        let mut ends = Loop::new(Counted::bind()?, desk)?;
        let connecting = ends.host.connect(target.address, 1, 0);
        connecting.map_err(|error| anyhow!("{error}"))?;
        ends.run(desk)
    }
}

/// One end.
struct Loop {
    host: Host<Counted>,
    sent: Rc<Cell<u64>>,
    app: Box<dyn App>,
    peer: Option<PeerID>,
    queued: u64,
}

impl Loop {
    fn new(socket: Counted, desk: &Desk) -> Result<Self> {
        let sent = Rc::clone(&socket.sent);
        let settings = HostSettings {
            peer_limit: 4,
            channel_limit: 1,
            ..HostSettings::default()
        };
        let mut host = Host::new(socket, settings).map_err(|error| anyhow!("{error}"))?;
        host.set_mtu(ETHERNET_BYTES)
            .map_err(|error| anyhow!("{error}"))?;
        Ok(Self {
            host,
            sent,
            app: desk.app(),
            peer: None,
            queued: 0,
        })
    }

    fn run(mut self, desk: &Desk) -> Result<()> {
        loop {
            while let Some(event) = self.host.service()? {
                match event {
                    Event::Connect { peer, .. } => {
                        self.peer = Some(peer.id());
                        desk.connected();
                    }
                    Event::Receive { packet, .. } => self.app.hear(packet.data()),
                    Event::Disconnect { .. } => bail!("disconnected"),
                }
            }
            let next = self.speak()?;
            self.host.flush();
            let wait = next.map_or(TICK, |ns| clock::until(ns).min(TICK));
            self.wait(wait)?;
        }
    }

    /// Hands over what is to be said, as much as may be queued. Returns when there will be more.
    fn speak(&mut self) -> Result<Option<u64>> {
        let Some(peer) = self.peer else {
            return Ok(None);
        };
        while self.queued < self.sent.get() + QUEUED_BYTES_MAX {
            let data = match self.app.say() {
                Say::Now(data) => data,
                Say::At(ns) => return Ok(Some(ns)),
                Say::Later => return Ok(None),
            };
            self.queued += data.len() as u64;
            self.host
                .peer_mut(peer)
                .send(0, &Packet::reliable(data))
                .map_err(|error| anyhow!("{error}"))?;
            self.app.said();
        }
        Ok(None)
    }

    fn wait(&self, longest: Duration) -> Result<()> {
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: longest.subsec_nanos().into(),
        };
        let mut fds = [PollFd::new(&self.host.socket().io, PollFlags::IN)];
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// A socket that counts what it has sent.
struct Counted {
    io: UdpSocket,
    sent: Rc<Cell<u64>>,
}

impl Counted {
    fn bind() -> Result<Self> {
        Ok(Self {
            io: datagrams::bind(ANY_PORT, SOCKET_BUFFER_BYTES)?.into(),
            sent: Rc::default(),
        })
    }
}

impl Socket for Counted {
    type Address = SocketAddr;
    type Error = io::Error;

    fn init(&mut self, options: SocketOptions) -> io::Result<()> {
        Socket::init(&mut self.io, options)
    }

    fn send(&mut self, address: SocketAddr, data: &[u8]) -> io::Result<usize> {
        let sent = Socket::send(&mut self.io, address, data)?;
        self.sent.set(self.sent.get() + sent as u64);
        Ok(sent)
    }

    fn receive(
        &mut self,
        buffer: &mut [u8; MTU_MAX],
    ) -> io::Result<Option<(SocketAddr, PacketReceived)>> {
        Socket::receive(&mut self.io, buffer)
    }
}
