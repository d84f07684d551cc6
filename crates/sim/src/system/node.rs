use transport::{Instant, Machine, Meta, Transmit};

use super::host::Host;
use super::installation::Installation;

/// A machine of the system's world.
pub(super) enum Node {
    Server(Box<Host>),
    Client(Box<Installation>),
}

impl Node {
    pub(super) fn drain(&mut self, now: Instant) {
        match self {
            Self::Server(host) => host.drain(now),
            Self::Client(installation) => installation.drain(now),
        }
    }

    fn machine(&mut self) -> &mut dyn Machine {
        match self {
            Self::Server(host) => &mut **host,
            Self::Client(installation) => &mut **installation,
        }
    }
}

impl Machine for Node {
    fn handle_datagram(&mut self, now: Instant, meta: Meta, datagram: &mut [u8]) {
        self.machine().handle_datagram(now, meta, datagram);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.machine().handle_timeout(now);
    }

    fn poll_transmit(
        &mut self,
        now: Instant,
        max_segments: usize,
        buffer: &mut Vec<u8>,
    ) -> Option<Transmit> {
        self.machine().poll_transmit(now, max_segments, buffer)
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.machine().poll_timeout()
    }
}
