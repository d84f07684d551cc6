use crate::Epoch;
use crate::recovery::{Received, SentPackets};
use crate::stream::{Assembler, SendBuffer};

use super::keys::SpaceKeys;

/// A packet number space: one per epoch (RFC 9000 §12.3).
pub(super) struct Space {
    pub(super) keys: SpaceKeys,
    pub(super) sent: SentPackets,
    pub(super) received: Received,
    /// Our handshake bytes.
    pub(super) crypto_send: SendBuffer,
    /// The peer's.
    pub(super) crypto_receive: Assembler,
    /// Probes to send whatever the congestion window says (RFC 9002 §6.2.4).
    pub(super) probes: u8,
}

impl Space {
    pub(super) fn new() -> Self {
        Self {
            keys: SpaceKeys::None,
            sent: SentPackets::default(),
            received: Received::new(),
            crypto_send: SendBuffer::default(),
            crypto_receive: Assembler::default(),
            probes: 0,
        }
    }
}

/// Index of an epoch's space.
pub(super) const fn index(epoch: Epoch) -> usize {
    match epoch {
        Epoch::Initial => 0,
        Epoch::Handshake => 1,
        Epoch::Data => 2,
    }
}

/// All epochs, in the order in which their packets stand in a datagram.
pub(super) const EPOCHS: [Epoch; 3] = [Epoch::Initial, Epoch::Handshake, Epoch::Data];
