//! A link that is not as good as loopback: a process between client and server.

mod pipe;
mod relay;
mod transit;

use std::net::SocketAddr;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::child;
use crate::job::Link;
use crate::meter::Snapshot;
use crate::run::Process;

/// What the process is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Role {
    /// What the link is like, in both directions.
    link: Link,
    /// What its chance depends on.
    seed: u64,
    /// Who is behind it.
    servers: Vec<SocketAddr>,
}

/// The process. It ends with this value.
pub struct Proxy {
    process: Process,
}

impl Proxy {
    /// Puts one link in front of servers. Returns where each is reached through it.
    ///
    /// # Errors
    /// The operating system's.
    pub fn start(link: Link, seed: u64, servers: &[SocketAddr]) -> Result<(Self, Vec<SocketAddr>)> {
        let role = Role {
            link,
            seed,
            servers: servers.to_vec(),
        };
        let mut process = Process::spawn("proxy", &serde_json::to_string(&role)?)?;
        let fronts = process.fronts()?;
        Ok((Self { process }, fronts))
    }

    /// What passed, and by how much later than it should have: its samples.
    ///
    /// # Errors
    /// When it has ended.
    pub fn snapshot(&mut self) -> Result<Snapshot> {
        self.process.snapshot()
    }
}

/// The process's work, which has no end.
///
/// # Errors
/// The operating system's.
pub fn run(role: &str) -> Result<()> {
    let role: Role = serde_json::from_str(role)?;
    let meter = child::answering();
    let relay = relay::Relay::new(&role, meter)?;
    child::tell(&child::Line::Fronts(relay.fronts()?));
    relay.run()
}
