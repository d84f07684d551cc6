//! What a connection gives back when it is quiet: there may be a hundred thousand like it.

use core::time::Duration;

use crate::{Epoch, Instant};

use super::Connection;
use super::keys::SpaceKeys;
use super::space::index;

/// So long after its last packet a connection rests: after three probe timeouts, by which time its answer
/// is here, but not sooner or later than this. Many that are made at once are awake at once.
const REST_AFTER_MIN: Duration = Duration::from_millis(250);
const REST_AFTER_MAX: Duration = Duration::from_secs(1);

impl Connection {
    /// When the connection comes to rest.
    pub(super) fn rest_at(&self) -> Option<Instant> {
        let awake = self.timers.awake || self.streams.holds_memory();
        let after = (self.rtt.pto() * 3).clamp(REST_AFTER_MIN, REST_AFTER_MAX);
        (awake && self.confirmed).then(|| self.timers.still_since() + after)
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
        if !self.spaces[index(Epoch::Data)].sent.has_eliciting() {
            self.repeats.rest();
        }
        self.streams.release_memory();
    }
}
