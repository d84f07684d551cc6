//! What must hold of a machine after everything that happens to it.

use super::host::Host;
use super::installation::Installation;
use super::node::Node;

/// Connections that the server keeps for a client at a time: the last one, and those before it that
/// nobody has told it are over, each for no longer than its idle timeout.
const CONNECTIONS_MAX: usize = 12;

/// Bytes that a server holds for nobody in particular: for its throttles, its directory.
const HELD_MAX: i64 = 6 << 20;

/// Bytes that it holds for a connection: a quarter of what may be on its way to a client that acknowledges nothing, since no window is ever
/// full in these worlds.
const PEER_HELD_MAX: i64 = 1 << 20;

impl Node {
    /// Looks at a machine in a world with so many clients.
    pub(super) fn check(&self, clients: usize) -> Result<(), String> {
        match self {
            Self::Server(host) => host.check(clients),
            Self::Client(client) => client.check(),
        }
    }
}

impl Host {
    fn check(&self, clients: usize) -> Result<(), String> {
        if self.disk().is_readable() {
            return Err("the server's disk holds a canary".to_owned());
        }
        if let Some(broken) = self.broken_promise() {
            return Err(broken.to_owned());
        }
        let Some(server) = self.server() else {
            return Ok(());
        };
        (server.check()).map_err(|wrong| format!("in the server: {wrong}"))?;
        let there = server.stats().connections;
        if there > clients * CONNECTIONS_MAX {
            return Err(format!("the server has {there} connections with {clients}"));
        }
        let peers = i64::try_from(there).unwrap_or(0);
        let most = HELD_MAX + PEER_HELD_MAX * peers;
        match self.held() {
            Some(held) if held > most => Err(format!(
                "the server holds {held} bytes for {there} connections"
            )),
            _ => Ok(()),
        }
    }
}

impl Installation {
    fn check(&self) -> Result<(), String> {
        let index = self.index;
        if self.disk().is_readable() {
            return Err(format!("the disk of {index} holds a canary"));
        }
        let checked = self.client().map_or(Ok(()), client::Client::check);
        checked.map_err(|wrong| format!("in {index}: {wrong}"))
    }
}
