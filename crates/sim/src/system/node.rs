use transport::{Instant, Machine, Meta, Transmit};

use super::host::Host;
use super::installation::Installation;
use super::process::Conditions;

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

    pub(super) fn conditions(&self) -> &Conditions {
        match self {
            Self::Server(host) => &host.conditions,
            Self::Client(installation) => &installation.conditions,
        }
    }

    pub(super) fn conditions_mut(&mut self) -> &mut Conditions {
        match self {
            Self::Server(host) => &mut host.conditions,
            Self::Client(installation) => &mut installation.conditions,
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
        self.conditions_mut().pulse.timeouts += 1;
        self.machine().handle_timeout(now);
    }

    fn poll_transmit(
        &mut self,
        now: Instant,
        max_segments: usize,
        buffer: &mut Vec<u8>,
    ) -> Option<Transmit> {
        let transmit = self.machine().poll_transmit(now, max_segments, buffer)?;
        let segment_len = transmit.segment_len.unwrap_or(transmit.len).max(1);
        let datagrams = transmit.len.div_ceil(segment_len) as u64;
        self.conditions_mut().pulse.datagrams += datagrams;
        Some(transmit)
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.machine().poll_timeout()
    }
}
