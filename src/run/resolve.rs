//! From a host's name to its address, without waiting for ever.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::time::Duration;

use super::problem::Problem;

/// How long the system's resolver may take.
const PATIENCE: Duration = Duration::from_secs(6);

/// The first address of `host`, which is a name or an address. IPv4 first, as most servers listen
/// there at least.
pub(super) fn resolve(host: &str, port: u16) -> Result<SocketAddr, Problem> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let name = host.to_owned();
    // The system's resolver blocks; when it takes too long it is left to itself.
    let thread = std::thread::Builder::new().name("resolve".into());
    let resolver = thread.spawn(move || {
        let found = (name.as_str(), port).to_socket_addrs();
        // Nobody listens any more: too late.
        let _ = sender.send(found.map(Iterator::collect::<Vec<_>>));
    });
    let unknown = |why: String| {
        Problem::unreachable(format!(
            "the host {host} is not known ({why}); check its name and your network"
        ))
    };
    resolver.map_err(|error| unknown(error.to_string()))?;
    match receiver.recv_timeout(PATIENCE) {
        Ok(Ok(addresses)) => addresses
            .iter()
            .find(|address| address.is_ipv4())
            .or(addresses.first())
            .copied()
            .ok_or_else(|| unknown("it has no address".into())),
        Ok(Err(error)) => Err(unknown(error.to_string())),
        Err(_) => Err(unknown("the resolver does not answer".into())),
    }
}
