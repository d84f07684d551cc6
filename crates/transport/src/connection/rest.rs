//! What a connection gives back when it is quiet: there may be a hundred thousand like it.

use core::time::Duration;

use crate::{Epoch, Instant};

use super::Connection;
use super::keys::SpaceKeys;
use super::space::index;

/// So long after its last packet a connection rests.
const REST_AFTER: Duration = Duration::from_secs(1);

impl Connection {
    /// When the connection comes to rest.
    pub(super) fn rest_at(&self) -> Option<Instant> {
        let awake = self.timers.awake || self.streams.holds_memory();
        (awake && self.confirmed).then(|| self.timers.quiet_since() + REST_AFTER)
    }

    /// Gives back whatever the next packet can bring again.
    pub(super) fn rest(&mut self, now: Instant) {
        self.timers.awake = false;
        self.session.shed();
        self.spaces.forget_handshake();
        let overtaken_max = self.rtt.pto() * 3;
        let space = &mut self.spaces[index(Epoch::Data)];
        if let SpaceKeys::Data(keys) = &mut space.keys {
            keys.rest(now, overtaken_max);
        }
        space.sent.rest();
        space.received.rest();
        space.crypto.rest();
        self.ids.rest();
        self.repeats.rest();
        self.streams.release_memory();
    }
}
