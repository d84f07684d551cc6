//! The way to a client's server: from which socket, and to which address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use ::client::Client;
use net::{BindOptions, Driver, Roaming};
use transport::Instant;

use super::resolve::{Lookup, after};

/// Where the server is, and what to do when it is not heard of any more.
pub(super) struct Way {
    host: String,
    address: SocketAddr,
    roaming: Roaming,
    /// The server's name is being looked up once more.
    lookup: Option<Lookup>,
    /// At which of the client's attempts that was last done.
    looked_up_at: u32,
}

impl Way {
    /// To the server that has this name and was found at this address.
    pub(super) fn new(host: String, address: SocketAddr) -> Self {
        Self {
            host,
            address,
            roaming: Roaming::new(address),
            lookup: None,
            looked_up_at: 0,
        }
    }

    /// Where the server is taken to be.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How long the driver may wait at most.
    pub(super) fn patience(&self, now: Instant) -> Duration {
        self.roaming.patience(now)
    }

    /// Goes on from another socket when this one leads nowhere any more.
    pub(super) fn roam(&mut self, client: &mut Client, driver: &mut Driver) {
        let now = driver.now();
        let silence = client.silence(now);
        if !(self.roaming).is_due(now, silence, driver.stats()) {
            return;
        }
        // Without another socket the old one has to do: it may lead elsewhere by now.
        let _ = driver.rebind(any_port(self.address), &BindOptions::client());
        client.network_changed(now);
    }

    /// The connection is lost. The first attempt goes where the server was.
    pub(super) fn lost(&mut self, client: &Client) {
        self.looked_up_at = client.attempts();
        // An answer to what was asked the last time tells nothing of now.
        self.lookup = None;
    }

    /// While there is no connection: looks the server's name up once more for each attempt that failed. It may be
    /// somewhere else by now, or be reached by another of its addresses.
    pub(super) fn look_again(&mut self, client: &mut Client, driver: &mut Driver) {
        let attempts = client.attempts();
        if self.lookup.is_none() && attempts > self.looked_up_at {
            self.looked_up_at = attempts;
            let waker = driver.waker();
            let port = self.address.port();
            // Without a thread the next attempt goes where the last one did.
            self.lookup = Lookup::begin(&self.host, port, move || waker.wake()).ok();
        }
        let Some(addresses) = self.lookup.as_ref().and_then(Lookup::poll) else {
            return;
        };
        self.lookup = None;
        if let Some(address) = after(self.address, &addresses)
            && self.can_send_to(address, driver)
        {
            self.address = address;
            self.roaming = Roaming::new(address);
            client.server_moved(address);
        }
    }

    /// Whether there is a socket for addresses of this family, once there is another where need be.
    fn can_send_to(&self, address: SocketAddr, driver: &mut Driver) -> bool {
        address.is_ipv4() == self.address.is_ipv4()
            || driver
                .rebind(any_port(address), &BindOptions::client())
                .is_ok()
    }
}

/// Any port of any address of the same family.
pub(super) fn any_port(address: SocketAddr) -> SocketAddr {
    let any: IpAddr = match address.ip() {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    SocketAddr::new(any, 0)
}
