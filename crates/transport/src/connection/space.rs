use core::ops::{Index, IndexMut};
use std::sync::LazyLock;

use crate::Epoch;
use crate::recovery::{Received, SentPackets};

use super::crypto_stream::CryptoStream;
use super::keys::SpaceKeys;

/// A packet number space: one per epoch (RFC 9000 §12.3).
pub(super) struct Space {
    pub(super) keys: SpaceKeys,
    pub(super) sent: SentPackets,
    pub(super) received: Received,
    pub(super) crypto: CryptoStream,
    /// Probes to send whatever the congestion window says (RFC 9002 §6.2.4).
    pub(super) probes: u8,
}

impl Space {
    pub(super) fn new() -> Self {
        Self {
            keys: SpaceKeys::None,
            sent: SentPackets::default(),
            received: Received::new(),
            crypto: CryptoStream::default(),
            probes: 0,
        }
    }

    /// One whose keys were dropped.
    fn forgotten() -> Self {
        Self {
            keys: SpaceKeys::Discarded,
            ..Self::new()
        }
    }
}

/// The spaces of a connection, by [`index`]. Those of the handshake are forgotten when it is over.
pub(super) struct Spaces {
    data: Space,
    /// Initial and Handshake.
    handshake: Option<Box<[Space; 2]>>,
}

/// What is found in place of a forgotten space.
static FORGOTTEN: LazyLock<Space> = LazyLock::new(Space::forgotten);

impl Spaces {
    pub(super) fn new() -> Self {
        Self {
            data: Space::new(),
            handshake: Some(Box::new([Space::new(), Space::new()])),
        }
    }

    /// Forgets the handshake's spaces, of which nothing more is to come.
    pub(super) fn forget_handshake(&mut self) {
        self.handshake = None;
    }

    /// The spaces of which something may come.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Space> {
        let handshake = self.handshake.iter().flat_map(|spaces| spaces.iter());
        handshake.chain(core::iter::once(&self.data))
    }
}

impl Index<usize> for Spaces {
    type Output = Space;

    fn index(&self, index: usize) -> &Space {
        match &self.handshake {
            _ if index >= 2 => &self.data,
            Some(spaces) => &spaces[index],
            None => &FORGOTTEN,
        }
    }
}

impl IndexMut<usize> for Spaces {
    fn index_mut(&mut self, index: usize) -> &mut Space {
        if index >= 2 {
            return &mut self.data;
        }
        // Whatever is done to forgotten spaces is forgotten with the next transmission.
        let forgotten = || Box::new([Space::forgotten(), Space::forgotten()]);
        &mut self.handshake.get_or_insert_with(forgotten)[index]
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
