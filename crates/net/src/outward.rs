//! Which address of this machine others see.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Socket, Type};

/// The address from which this machine reaches `remote`, as its routing table has it at present;
/// `None` if it does not reach it. Nothing is sent.
pub fn address_towards(remote: SocketAddr) -> Option<IpAddr> {
    let socket = Socket::new(Domain::for_address(remote), Type::DGRAM, None).ok()?;
    // Connecting a datagram socket only chooses a route.
    socket.connect(&remote.into()).ok()?;
    let local = socket.local_addr().ok()?.as_socket()?.ip();
    (!local.is_unspecified()).then_some(local)
}

/// The address from which this machine reaches the network, as its routing table has it; `None` if
/// it has no network. Nothing is sent.
pub fn outward_address(ipv6: bool) -> Option<IpAddr> {
    // Addresses of documentation (RFC 5737, RFC 3849): routed like any other, used by nobody.
    let somewhere = if ipv6 {
        let address = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
        SocketAddr::from((address, 9))
    } else {
        SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 9))
    };
    address_towards(somewhere)
}
