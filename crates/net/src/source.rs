//! Which address of this machine an answer leaves from.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use transport::Instant;

/// Addresses that are known not to work, at a time; of more the oldest is tried again.
const REFUSED_MAX: usize = 8;

/// After so long an address is tried again: it may have come back.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// What a socket says of the source of what it sends. One that is bound to an address has nothing to
/// say; where a wildcard lets the kernel choose, an answer has to leave from the address that was asked.
#[derive(Debug)]
pub(crate) struct Sources {
    wildcard: bool,
    ipv6: bool,
    /// Addresses that the kernel did not send from, and when.
    refused: Vec<(IpAddr, Instant)>,
}

impl Sources {
    /// For a socket bound to this address.
    pub(crate) fn new(bound: SocketAddr) -> Self {
        Self {
            wildcard: bound.ip().is_unspecified(),
            ipv6: bound.is_ipv6(),
            refused: Vec::new(),
        }
    }

    /// The source to ask the kernel for, when `local` is the one that is wanted. `now` is called only if
    /// it matters.
    pub(crate) fn source(
        &self,
        local: Option<IpAddr>,
        now: impl FnOnce() -> Instant,
    ) -> Option<IpAddr> {
        let local = local.filter(|_| self.wildcard)?;
        if let Some((_, at)) = self.refused.iter().find(|(ip, _)| *ip == local)
            && now().since(*at) < RETRY_AFTER
        {
            return None;
        }
        Some(as_family(local, self.ipv6))
    }

    /// `local` is none of this machine's addresses any more, as it seems.
    pub(crate) fn refuse(&mut self, local: IpAddr, now: Instant) {
        self.refused.retain(|(ip, _)| *ip != local);
        if self.refused.len() >= REFUSED_MAX {
            self.refused.remove(0);
        }
        self.refused.push((local, now));
    }

    /// `remote` as the socket takes it.
    pub(crate) fn destination(&self, remote: SocketAddr) -> SocketAddr {
        match as_family(remote.ip(), self.ipv6) {
            ip if ip == remote.ip() => remote,
            ip => SocketAddr::new(ip, remote.port()),
        }
    }
}

/// Whether a send may have failed because its source is not an address of this machine, or leads
/// nowhere: Linux says ENETUNREACH for IPv4, EINVAL for IPv6 and for what is nobody's address.
pub(crate) fn may_be_source(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::InvalidInput | ErrorKind::AddrNotAvailable | ErrorKind::NetworkUnreachable
    )
}

/// Where a datagram arrived, from what the kernel says: nothing where that is no address to send from.
pub(crate) fn local_address(destination: Option<IpAddr>) -> Option<IpAddr> {
    let ip = destination?.to_canonical();
    let is_nobodys = ip.is_unspecified() || ip.is_multicast() || ip == Ipv4Addr::BROADCAST;
    (!is_nobodys).then_some(ip)
}

fn as_family(ip: IpAddr, ipv6: bool) -> IpAddr {
    match ip {
        IpAddr::V4(v4) if ipv6 => v4.to_ipv6_mapped().into(),
        _ => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn sources(bound: &str) -> Sources {
        Sources::new(SocketAddr::new(ip(bound), 9))
    }

    fn source(sources: &Sources, local: &str, seconds: u64) -> Option<IpAddr> {
        let now = Instant::ZERO + Duration::from_secs(seconds);
        sources.source(Some(ip(local)), || now)
    }

    #[test]
    fn only_a_wildcard_needs_to_say_a_source() {
        let never = || -> Instant { unreachable!("nothing is refused") };
        for bound in ["127.0.0.1", "::1", "2001:db8::1"] {
            let sources = sources(bound);
            assert_eq!(sources.source(Some(ip("192.0.2.1")), never), None);
        }
        let wildcard = sources("0.0.0.0");
        assert_eq!(wildcard.source(None, never), None, "a client");
        let asked = Some(ip("192.0.2.1"));
        assert_eq!(wildcard.source(asked, never), asked);
        let dual = sources("::");
        assert_eq!(dual.source(asked, never), Some(ip("::ffff:192.0.2.1")));
        let asked = Some(ip("2001:db8::1"));
        assert_eq!(dual.source(asked, never), asked);
    }

    #[test]
    fn what_was_refused_is_left_alone_for_a_while() {
        let mut sources = sources("0.0.0.0");
        sources.refuse(ip("192.0.2.1"), Instant::ZERO);
        assert_eq!(source(&sources, "192.0.2.1", 4), None);
        assert!(source(&sources, "192.0.2.2", 4).is_some());
        assert!(source(&sources, "192.0.2.1", 5).is_some());
        // And again, when it has not come back.
        sources.refuse(ip("192.0.2.1"), Instant::ZERO + Duration::from_secs(5));
        assert_eq!(source(&sources, "192.0.2.1", 9), None);
        assert_eq!(sources.refused.len(), 1);
    }

    #[test]
    fn few_refused_addresses_are_remembered() {
        let mut sources = sources("0.0.0.0");
        for last in 0..100 {
            sources.refuse([192, 0, 2, last].into(), Instant::ZERO);
        }
        assert_eq!(sources.refused.len(), REFUSED_MAX);
        assert!(source(&sources, "192.0.2.0", 0).is_some());
        assert_eq!(source(&sources, "192.0.2.99", 0), None);
    }

    #[test]
    fn addresses_that_are_nobodys_are_no_sources() {
        for nobodys in ["255.255.255.255", "224.0.0.1", "ff02::1", "::", "0.0.0.0"] {
            assert_eq!(local_address(Some(ip(nobodys))), None, "{nobodys}");
        }
        let mapped = local_address(Some(ip("::ffff:192.0.2.1")));
        assert_eq!(mapped, Some(ip("192.0.2.1")), "as the family it is");
        let own = Some(ip("2001:db8::1"));
        assert_eq!(local_address(own), own);
        assert_eq!(local_address(None), None);
    }
}
