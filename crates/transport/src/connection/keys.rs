//! 1-RTT keys and their updates (RFC 9001 §6, docs/PROTOCOL.md §4.7).

use core::time::Duration;

use internet::{
    OpenError, Opened, PACKET_NUMBER_MAX, PacketBuilder, PartialPacket, Unmasked, open_unmasked,
    unmask,
};

use crate::session::{Keys, Session};
use crate::{Epoch, Instant};

/// What a connection keeps of a key's limit to close with: the CLOSE and its repeats, of which there
/// is one for twice as many packets that arrive, each time, and one each probe timeout for three.
const CLOSES_MAX: u64 = 64;

/// How long a key is used for sealing before it is updated.
const UPDATE_AFTER: Duration = Duration::from_secs(600);

/// How many generations of opening keys there are at once: previous, current, next.
pub(super) struct DataKeys {
    /// The generation in use.
    current: Keys,
    /// The generation before, for packets that were overtaken by the update.
    previous: Option<Keys>,
    next: Option<Keys>,
    phase: bool,
    /// Packets sealed under the current key.
    sealed: u64,
    /// First packet number sealed under the current key, and when.
    since: Option<(u64, Instant)>,
    /// Packets that failed to open, over all keys.
    failures: u64,
    /// What has opened under the current key.
    heard: Option<Heard>,
    updates: u64,
}

/// The peer is known to have a key, since it has sealed under it.
#[derive(Clone, Copy)]
struct Heard {
    /// Lowest packet number.
    lowest: u64,
    /// When the first of them came.
    first_at: Instant,
}

/// Why a packet did not open, and whether the connection has to end for it.
pub(super) enum KeyError {
    Dropped(OpenError),
    /// The integrity limit is reached (RFC 9001 §6.6).
    LimitReached,
}

impl DataKeys {
    pub(super) fn new(first: Keys) -> Self {
        Self {
            current: first,
            previous: None,
            next: None,
            phase: false,
            sealed: 0,
            since: None,
            failures: 0,
            heard: None,
            updates: 0,
        }
    }

    /// The key phase bit of what is sent.
    pub(super) fn phase(&self) -> bool {
        self.phase
    }

    /// How often the keys were updated.
    pub(super) fn updates(&self) -> u64 {
        self.updates
    }

    /// Reads the packet number of a packet.
    pub(super) fn unmask(
        &self,
        packet: &PartialPacket,
        largest: Option<u64>,
        bytes: &mut [u8],
    ) -> Result<Unmasked, OpenError> {
        unmask(packet, &*self.current.remote, largest, bytes)
    }

    /// Opens a packet under the generation that its phase bit asks for, updating when the peer has.
    pub(super) fn open(
        &mut self,
        now: Instant,
        unmasked: &Unmasked,
        bytes: &mut [u8],
        session: &mut dyn Session,
    ) -> Result<Opened, KeyError> {
        let opened = if unmasked.key_phase == self.phase {
            open_unmasked(unmasked, &*self.current.remote, bytes)
        } else if let Some(previous) = &self.previous
            && self
                .heard
                .is_none_or(|heard| unmasked.packet_number < heard.lowest)
        {
            // RFC 9001 §6.5: sent before the peer updated, which it may not have done yet.
            open_unmasked(unmasked, &*previous.remote, bytes)
        } else {
            self.open_next(unmasked, bytes, session)
        };
        match opened {
            Ok(opened) => {
                if opened.key_phase == self.phase {
                    let lowest = opened.packet_number;
                    let first_at = now;
                    let heard = self.heard.get_or_insert(Heard { lowest, first_at });
                    heard.lowest = heard.lowest.min(lowest);
                }
                Ok(opened)
            }
            Err(error) => {
                if error == OpenError::Unauthentic {
                    self.failures += 1;
                    if self.failures >= self.current.remote.integrity_limit() {
                        return Err(KeyError::LimitReached);
                    }
                }
                Err(KeyError::Dropped(error))
            }
        }
    }

    /// Drops the previous generation when the peer has been heard under the current one for
    /// `overtaken_max`: no packet is overtaken for longer (RFC 9001 §6.5). A peer that has not been
    /// heard so may not know of the current one, and speaks under the previous one.
    pub(super) fn forget_previous(&mut self, now: Instant, overtaken_max: Duration) {
        if self.previous.is_none() {
            return;
        }
        let unheard = self.since.map(|(_, at)| at);
        let since = match self.heard {
            Some(heard) => Some(heard.first_at),
            None => unheard.filter(|_| planted!(PreviousKeysDroppedUnheard)),
        };
        if since.is_some_and(|at| now.since(at) >= overtaken_max) {
            self.previous = None;
        }
    }

    /// Lets all generations rest, those that are still needed.
    pub(super) fn rest(&mut self, now: Instant, overtaken_max: Duration) {
        self.forget_previous(now, overtaken_max);
        let others = [&mut self.previous, &mut self.next];
        let others = others.into_iter().flatten();
        for keys in core::iter::once(&mut self.current).chain(others) {
            keys.local.rest();
            keys.remote.rest();
        }
    }

    /// The phase has flipped: under the next keys, or it is a forgery.
    fn open_next(
        &mut self,
        unmasked: &Unmasked,
        bytes: &mut [u8],
        session: &mut dyn Session,
    ) -> Result<Opened, OpenError> {
        self.prepare_next(session);
        let next = self.next.as_ref().ok_or(OpenError::Unauthentic)?;
        let opened = open_unmasked(unmasked, &*next.remote, bytes)?;
        self.update();
        Ok(opened)
    }

    fn prepare_next(&mut self, session: &mut dyn Session) {
        if self.next.is_none() {
            self.next = session.next_keys();
        }
    }

    /// The next generation becomes the current one.
    fn update(&mut self) {
        let Some(next) = self.next.take() else {
            return;
        };
        self.previous = Some(core::mem::replace(&mut self.current, next));
        self.phase = !self.phase;
        self.updates += 1;
        self.sealed = 0;
        self.since = None;
        self.heard = None;
    }

    /// Updates the keys if they have sealed `packets_max` or it is time. `largest_acked` shows that
    /// the peer has the current ones: no update before that (RFC 9001 §6.1).
    pub(super) fn update_if_due(
        &mut self,
        now: Instant,
        packets_max: u64,
        largest_acked: Option<u64>,
        session: &mut dyn Session,
    ) {
        let Some((first, since)) = self.since else {
            return;
        };
        let packets_max = packets_max.min(self.current.local.confidentiality_limit() / 2);
        let due = self.sealed >= packets_max || now.since(since) >= UPDATE_AFTER;
        let arrived = largest_acked.is_some_and(|acked| acked >= first);
        if due && (arrived || planted!(KeyUpdateTooEarly)) {
            self.prepare_next(session);
            self.update();
        }
    }

    /// Whether the current key may seal another packet, of this number, that is not a CLOSE: there are
    /// so many for a key (RFC 9001 §6.6), and so many numbers (RFC 9000 §12.3).
    pub(super) fn may_seal(&self, packet_number: u64) -> bool {
        self.sealed + CLOSES_MAX < self.current.local.confidentiality_limit()
            && packet_number <= PACKET_NUMBER_MAX - CLOSES_MAX
    }

    /// Seals a packet under the current keys.
    pub(super) fn seal(&mut self, now: Instant, builder: PacketBuilder, out: &mut Vec<u8>) {
        self.since.get_or_insert((builder.packet_number(), now));
        self.sealed += 1;
        builder.finish(out, &*self.current.local);
    }
}

/// The keys of one packet number space.
pub(super) enum SpaceKeys {
    /// Not agreed on yet.
    None,
    /// One generation, for the handshake.
    Fixed(Keys),
    Data(Box<DataKeys>),
    /// Dropped (RFC 9001 §4.9).
    Discarded,
}

impl SpaceKeys {
    pub(super) fn new(epoch: Epoch, keys: Keys) -> Self {
        match epoch {
            Epoch::Data => Self::Data(Box::new(DataKeys::new(keys))),
            Epoch::Initial | Epoch::Handshake => Self::Fixed(keys),
        }
    }

    /// Whether packets can be sealed and opened.
    pub(super) fn are_ready(&self) -> bool {
        matches!(self, Self::Fixed(_) | Self::Data(_))
    }
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
