use core::net::{IpAddr, SocketAddr};

use transport::Instant;

/// Kinds of events.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Sent = 1,
    Lost = 2,
    Delivered = 3,
    Timer = 4,
}

/// A running sum (FNV-1a over 64-bit words) of what happens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trace(u64);

impl Default for Trace {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Trace {
    pub(super) fn datagram(
        &mut self,
        kind: Kind,
        at: Instant,
        from: SocketAddr,
        to: SocketAddr,
        len: usize,
    ) {
        self.word(kind as u64);
        self.word(at.as_nanos());
        self.address(from);
        self.address(to);
        self.word(len as u64);
    }

    pub(super) fn timer(&mut self, at: Instant, node: usize) {
        self.word(Kind::Timer as u64);
        self.word(at.as_nanos());
        self.word(node as u64);
    }

    pub(super) fn sum(self) -> u64 {
        self.0
    }

    fn address(&mut self, address: SocketAddr) {
        let bits = match address.ip() {
            IpAddr::V4(v4) => u128::from(v4.to_bits()),
            IpAddr::V6(v6) => v6.to_bits(),
        };
        let [high, low] = [bits >> 64, bits & u128::from(u64::MAX)];
        self.word(u64::try_from(high).unwrap_or_default());
        self.word(u64::try_from(low).unwrap_or_default());
        self.word(u64::from(address.port()));
    }

    fn word(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        self.0 ^= self.0 >> 29;
    }
}
