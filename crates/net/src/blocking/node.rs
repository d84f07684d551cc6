use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::thread::JoinHandle;
use std::time::Duration;

use transport::{Accept, Config, Endpoint, Sessions};

use super::command::{Command, Remote};
use super::connection::Connection;
use super::service::Service;
use super::solver::Solver;
use crate::{BindOptions, Driver, OsRandom};

/// An endpoint with a thread of its own.
///
/// Dropping it closes its connections: what was written to finished streams gets up to three seconds to
/// be acknowledged first. Handles that are left then fail.
pub struct Node {
    remote: Remote,
    local: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl Node {
    /// A node that only connects, from a port that the system chooses.
    ///
    /// # Errors
    /// The operating system's, when there is no socket or thread to be had.
    pub fn client(config: Config) -> io::Result<Self> {
        Self::client_over(Self::client_driver()?, config)
    }

    /// As [`Node::client`], over a socket bound with [`Driver::bind`]: at an address of one's own, with
    /// the kernel's buffers and all else that [`BindOptions`] says. [`BindOptions::client`] is what the
    /// others begin from.
    ///
    /// # Errors
    /// The operating system's, when there is no thread to be had.
    pub fn client_over(driver: Driver, config: Config) -> io::Result<Self> {
        let endpoint = Endpoint::client(config, Box::new(OsRandom));
        Self::start(driver, endpoint, None)
    }

    /// As [`Node::client`], for servers that want a proof of work: `solve` is given a challenge's body
    /// and the SHA-256 of our first handshake message, and returns the token that answers it, or
    /// why it does not. It runs in a thread of its own.
    ///
    /// # Errors
    /// The operating system's, when there is no socket or thread to be had.
    pub fn client_solving(
        config: Config,
        solve: impl Fn(&[u8], &[u8; 32]) -> Result<Vec<u8>, String> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Self::client_solving_over(Self::client_driver()?, config, solve)
    }

    /// [`Node::client_solving`] and [`Node::client_over`] in one.
    ///
    /// # Errors
    /// The operating system's, when there is no thread to be had.
    pub fn client_solving_over(
        driver: Driver,
        config: Config,
        solve: impl Fn(&[u8], &[u8; 32]) -> Result<Vec<u8>, String> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let solver = Solver::start(solve, driver.waker())?;
        let endpoint = Endpoint::client(config, Box::new(OsRandom));
        Self::start(driver, endpoint, Some(solver))
    }

    fn client_driver() -> io::Result<Driver> {
        let options = BindOptions::client();
        let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
        // A machine without IPv6 has IPv4.
        Driver::bind(any, &options)
            .or_else(|_| Driver::bind((Ipv4Addr::UNSPECIFIED, 0).into(), &options))
    }

    /// A node that accepts connections at `address`, and may connect as well. Port 0 lets the system
    /// choose one ([`Node::local_addr`]). Peers may open streams to the ports of `config`.
    ///
    /// # Errors
    /// The operating system's, for instance that the address is in use.
    pub fn server(address: SocketAddr, config: Config, accept: Accept) -> io::Result<Self> {
        let driver = Driver::bind(address, &BindOptions::default())?;
        Self::server_over(driver, config, accept)
    }

    /// As [`Node::server`], over a socket bound with [`Driver::bind`], and with the [`BindOptions`] given
    /// there. Several nodes at one address ([`BindOptions::reuse_port`]) hand each other nothing: there
    /// [`crate::bind_workers`] serves better.
    ///
    /// # Errors
    /// The operating system's, when there is no thread to be had.
    pub fn server_over(driver: Driver, config: Config, accept: Accept) -> io::Result<Self> {
        let endpoint = Endpoint::server(config, accept, Box::new(OsRandom));
        Self::start(driver, endpoint, None)
    }

    fn start(driver: Driver, endpoint: Endpoint, solver: Option<Solver>) -> io::Result<Self> {
        let (remote, commands) = Remote::new(driver.waker(), driver.clock());
        let local = driver.local_addr();
        let service = Service::new(driver, endpoint, commands, solver);
        let thread = std::thread::Builder::new()
            .name("undertone-node".to_owned())
            .spawn(move || service.run())?;
        Ok(Self {
            remote,
            local,
            thread: Some(thread),
        })
    }

    /// The address that it is bound to.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Connects to `remote`, whose identity `sessions` decides about.
    ///
    /// # Errors
    /// `TimedOut`, `ConnectionRefused` (nobody listens there), `HostUnreachable` or
    /// `ConnectionAborted` (the handshake failed, for instance because the peer is not whom we trust); the
    /// inner error is a [`transport::CloseReason`] or a [`crate::PathError`].
    pub fn connect(
        &self,
        remote: SocketAddr,
        sessions: Box<dyn Sessions>,
    ) -> io::Result<Connection> {
        let peer = self.remote.ask(|reply| Command::Connect {
            remote,
            sessions,
            reply,
        })?;
        Ok(Connection::new(self.remote.clone(), peer))
    }

    /// The next connection that a peer has opened, when it comes.
    ///
    /// # Errors
    /// `NotConnected`, when the node's thread could not go on.
    pub fn accept(&self) -> io::Result<Connection> {
        self.accept_within(None)
    }

    /// The next connection that a peer opens within `timeout` (`None`: ever).
    ///
    /// # Errors
    /// `TimedOut`, and as [`Node::accept`].
    pub fn accept_within(&self, timeout: Option<Duration>) -> io::Result<Connection> {
        let peer = self
            .remote
            .ask(|reply| Command::Accept { timeout, reply })?;
        Ok(Connection::new(self.remote.clone(), peer))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.remote.tell(Command::Shutdown);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
