//! When something is due, and what then happens.

use core::time::Duration;

use crate::event::CloseReason;
use crate::recovery::{MAX_ACK_DELAY, Rtt};
use crate::{Config, Epoch, Instant, Side};

use super::Connection;
use super::close::State;
use super::space::index;

/// A connection is not over for want of a sign of the peer before so many probe timeouts (RFC 9000
/// §10.1): loss alone must not end it.
const IDLE_PTOS: u32 = 3;

/// But they count for no more than this: a peer that acknowledges late makes them as long as it likes,
/// and must not be remembered longer for that when it is gone. A path has to have a round trip of
/// three seconds to come near it.
const IDLE_PTOS_MAX: Duration = Duration::from_secs(30);

/// Deadlines that are not derived from other state.
#[derive(Debug)]
pub(super) struct Timers {
    /// The handshake is given up.
    handshake: Instant,
    /// The connection is over for want of a sign of the peer.
    pub(super) idle: Instant,
    /// When we first sent something that asks for an answer since anything arrived.
    asked_at: Option<Instant>,
    /// A packet was sent or received since the connection last rested.
    pub(super) awake: bool,
    /// When anything was sent last, or the last probe was due.
    quiet_since: Instant,
    /// When the last packet arrived.
    heard_at: Instant,
    /// When the pacer lets the next packet go.
    pub(super) pacing: Option<Instant>,
}

impl Timers {
    pub(super) fn new(now: Instant, config: &Config) -> Self {
        let least = idle_least(Rtt::default().pto() + MAX_ACK_DELAY);
        Self {
            handshake: now + config.handshake_timeout,
            idle: now + config.idle_timeout.max(least),
            asked_at: Some(now),
            awake: true,
            quiet_since: now,
            heard_at: now,
            pacing: None,
        }
    }

    pub(super) fn on_connected(&mut self, now: Instant, idle: Duration) {
        self.idle = now + idle;
    }

    /// A packet has arrived.
    pub(super) fn on_received(&mut self, now: Instant, idle: Duration) {
        if !planted!(IdleTimerNotRenewed) {
            self.idle = now + idle;
        }
        self.asked_at = None;
        self.heard_at = now;
        self.awake = true;
    }

    /// A datagram was sent. RFC 9000 §10.1: the first that asks for an answer restarts the clock.
    pub(super) fn on_sent(&mut self, now: Instant, eliciting: bool, idle: Duration) {
        self.quiet_since = now;
        self.awake = true;
        if eliciting && self.asked_at.is_none() {
            self.asked_at = Some(now);
            self.idle = now + idle;
        }
    }

    /// For how long an answer has been owed.
    pub(super) fn unanswered(&self, now: Instant) -> Duration {
        self.asked_at.map_or(Duration::ZERO, |at| now.since(at))
    }

    pub(super) fn on_probe(&mut self, now: Instant) {
        self.quiet_since = now;
    }

    /// When anything was sent last.
    pub(super) fn quiet_since(&self) -> Instant {
        self.quiet_since
    }

    /// When anything was sent or received last.
    pub(super) fn still_since(&self) -> Instant {
        self.quiet_since.max(self.heard_at)
    }
}

impl Connection {
    /// The idle timeout in force: neither end can wish it below three probe timeouts, so keep-alives
    /// stay rare as well (docs/PROTOCOL.md §4.6).
    pub(super) fn idle_after(&self) -> Duration {
        if self.idle_timeout >= IDLE_PTOS_MAX {
            // Asked with every packet, and mostly so.
            return self.idle_timeout;
        }
        let pto = self.rtt.pto() + self.peer_ack_delay();
        self.idle_timeout.max(idle_least(pto))
    }

    /// When a ping keeps the connection alive; well before the idle timeout.
    fn keep_alive_at(&self) -> Option<Instant> {
        let mut interval = self.config.keep_alive?.min(self.idle_after() / 2);
        if self.side == Side::Server {
            // A client is asked only if it has not asked: one ping is enough for both.
            interval += interval / 4;
        }
        // One that is due already waits for the window.
        (self.is_open() && !self.ping_due).then(|| self.timers.quiet_since() + interval)
    }

    /// When [`Connection::handle_timeout`] is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Gone => None,
            State::Closing(closing) => Some(closing.deadline.min(closing.resend)),
            State::Handshaking => {
                let deadline = self.timers.handshake.min(self.timers.idle);
                [Some(deadline), self.loss_timeout(), self.timers.pacing]
                    .into_iter()
                    .flatten()
                    .min()
            }
            State::Open => {
                let ack = self.spaces[index(Epoch::Data)].received.due();
                [
                    Some(self.timers.idle),
                    self.keep_alive_at(),
                    self.loss_timeout(),
                    self.timers.pacing,
                    ack,
                    self.rest_at(),
                    self.paths.as_ref().and_then(|paths| paths.next()),
                ]
                .into_iter()
                .flatten()
                .min()
            }
        }
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.log.at(now);
        match self.state {
            State::Gone => return,
            State::Closing(_) => return self.on_closing_timeout(now),
            State::Handshaking if now >= self.timers.handshake => {
                return self.abandon(CloseReason::HandshakeTimeout);
            }
            State::Handshaking | State::Open if now >= self.timers.idle => {
                return self.abandon(CloseReason::IdleTimeout);
            }
            State::Handshaking | State::Open => {}
        }
        if self.timers.pacing.is_some_and(|at| at <= now) {
            self.timers.pacing = None;
        }
        if self.keep_alive_at().is_some_and(|at| at <= now) {
            self.ping_due = true;
            if !self.spaces[index(Epoch::Data)].sent.has_eliciting() {
                self.keeping_alive = true;
            }
        }
        if self.rest_at().is_some_and(|at| at <= now) {
            self.rest(now);
        }
        if self.paths.is_some() {
            self.on_path_timeout(now);
        }
        if self.loss_timeout().is_some_and(|at| at <= now) {
            self.on_loss_timeout(now);
        }
    }
}

/// The shortest idle timeout, by the probe timeout.
fn idle_least(pto: Duration) -> Duration {
    (pto * IDLE_PTOS).min(IDLE_PTOS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probe_timeouts_lengthen_an_idle_timeout_and_not_without_end() {
        let least = |ms| idle_least(Duration::from_millis(ms)).as_millis();
        assert_eq!([30, 4000, 300_000].map(least), [90, 12_000, 30_000]);
    }
}
