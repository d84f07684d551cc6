//! From a host's name to its address, without waiting for ever.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, sync_channel};
use std::thread;
use std::time::Duration;

use net::address_towards;

use super::problem::Problem;

/// How long the system's resolver may take before the first connection.
const PATIENCE: Duration = Duration::from_secs(6);

type Answer = std::io::Result<Vec<SocketAddr>>;

/// A name that is being looked up. The system's resolver blocks; when it takes too long it is left to itself.
pub(super) struct Lookup(Receiver<Answer>);

impl Lookup {
    /// Begins; `wake` is called when there is an answer.
    pub(super) fn begin(
        host: &str,
        port: u16,
        wake: impl FnOnce() + Send + 'static,
    ) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(1);
        let name = host.to_owned();
        thread::Builder::new()
            .name("resolve".to_owned())
            .spawn(move || {
                let found = (name.as_str(), port).to_socket_addrs();
                // Nobody listens any more: too late.
                let _ = sender.send(found.map(Iterator::collect));
                wake();
            })?;
        Ok(Self(receiver))
    }

    /// The addresses, none where the name is not known; `None` while there is no answer.
    pub(super) fn poll(&self) -> Option<Vec<SocketAddr>> {
        match self.0.try_recv() {
            Ok(answer) => Some(answer.unwrap_or_default()),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Vec::new()),
        }
    }
}

/// The first address of `host`, which is a name or an address, to which there is a way. IPv4 first, as most servers
/// listen there at least.
pub(super) fn resolve(host: &str, port: u16) -> Result<SocketAddr, Problem> {
    let unknown = |why: String| {
        Problem::unreachable(format!(
            "the host {host} is not known ({why}); check its name and your network"
        ))
    };
    let lookup = Lookup::begin(host, port, || {}).map_err(|error| unknown(error.to_string()))?;
    match lookup.0.recv_timeout(PATIENCE) {
        Ok(Ok(addresses)) => {
            first(&addresses, has_way).ok_or_else(|| unknown("it has no address".into()))
        }
        Ok(Err(error)) => Err(unknown(error.to_string())),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            Err(unknown("the resolver does not answer".into()))
        }
    }
}

/// Where to go after `tried`, which did not answer, now that the host has these addresses: to the next of them.
/// `None` where there is no other.
pub(super) fn after(tried: SocketAddr, addresses: &[SocketAddr]) -> Option<SocketAddr> {
    another(tried, addresses, has_way)
}

fn has_way(address: &SocketAddr) -> bool {
    address_towards(*address).is_some()
}

fn first(addresses: &[SocketAddr], has_way: impl Fn(&SocketAddr) -> bool) -> Option<SocketAddr> {
    let by_hope = |address: &&SocketAddr| (!has_way(address), address.is_ipv6());
    addresses.iter().min_by_key(by_hope).copied()
}

fn another(
    tried: SocketAddr,
    addresses: &[SocketAddr],
    has_way: impl Fn(&SocketAddr) -> bool,
) -> Option<SocketAddr> {
    let Some(place) = addresses.iter().position(|address| *address == tried) else {
        return first(addresses, has_way);
    };
    let (before, from_tried) = addresses.split_at(place);
    let mut in_turn = from_tried.iter().skip(1).chain(before);
    in_turn.find(|address| has_way(address)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(last: u8) -> SocketAddr {
        ([192, 0, 2, last], 5000).into()
    }

    fn v6(last: u16) -> SocketAddr {
        ([0x2001, 0xdb8, 0, 0, 0, 0, 0, last], 5000).into()
    }

    #[test]
    fn the_first_address_is_one_to_which_there_is_a_way() {
        let both = [v6(1), v4(1), v4(2)];
        assert_eq!(first(&both, |_| true), Some(v4(1)));
        assert_eq!(first(&both, SocketAddr::is_ipv6), Some(v6(1)));
        // Without any network one has to do: there may be one in a moment.
        assert_eq!(first(&both, |_| false), Some(v4(1)));
        assert_eq!(first(&[], |_| true), None);
    }

    #[test]
    fn what_does_not_answer_is_followed_by_the_next_and_what_is_gone_by_the_first() {
        let all = [v6(1), v4(1), v4(2)];
        assert_eq!(another(v6(1), &all, |_| true), Some(v4(1)));
        assert_eq!(another(v4(1), &all, |_| true), Some(v4(2)));
        assert_eq!(another(v4(2), &all, |_| true), Some(v6(1)));
        assert_eq!(another(v4(2), &all, SocketAddr::is_ipv4), Some(v4(1)));
        assert_eq!(another(v4(9), &all, |_| true), Some(v4(1)));
        // There is no other, or nobody knows it.
        assert_eq!(another(v4(1), &[v4(1)], |_| true), None);
        assert_eq!(another(v4(1), &all, |_| false), None);
        assert_eq!(another(v4(1), &[], |_| true), None);
    }

    #[test]
    fn a_lookup_says_when_it_is_done() {
        let (sender, done) = sync_channel(1);
        let lookup = Lookup::begin("127.0.0.1", 7, move || sender.send(()).unwrap()).unwrap();
        done.recv().unwrap();
        assert_eq!(lookup.poll().unwrap(), [([127, 0, 0, 1], 7).into()]);
    }
}
