//! Peers and ends that move to other addresses (RFC 9000 §9, docs/PROTOCOL.md §4.10).

use core::time::Duration;

use crypto::Transcript;

use crate::congestion::{Controller, Pacer};
use crate::datagram::Addresses;
use crate::event::Event;
use crate::frame::PathData;
use crate::recovery::{Reordering, Rtt};
use crate::{Epoch, Instant, Side};

use super::path_mtu::Mtu;
use super::space::index;
use super::validation::{Candidate, Move, Validation};
use super::{Connection, DATAGRAM_MIN};

/// A challenge is not sent again sooner than this.
const INTERVAL_MIN: Duration = Duration::from_millis(50);

/// Why a connection cannot move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// Only clients move.
    #[error("a server stays where it is")]
    NotClient,
    /// The handshake is not confirmed yet, or the connection is over.
    #[error("the connection is not open, or not confirmed yet")]
    NotConfirmed,
}

/// What is known of a path, and of no other.
pub(super) struct PathState {
    rtt: Rtt,
    reordering: Reordering,
    congestion: Box<dyn Controller>,
    pacer: Pacer,
    mtu: Mtu,
}

impl Connection {
    /// This end's address has changed, or is about to: goes on over the new path at once, under an id
    /// of the server's that was not used before, so that who watches both paths does not see that they
    /// are one connection. A server gives two of them, and another for each that is used; who moves a
    /// third time before those have come goes on under the same id, since a connection that can be told
    /// to have moved is better than none (docs/PROTOCOL.md §4.10). What was on its way is sent again, and what was learnt of the old path is
    /// not applied to the new one. [`Event::Migrated`] follows when the server has answered over the
    /// new path, [`Event::MigrationFailed`] when it has not after six challenges (2 to 6 s): then the
    /// connection goes on as before, for what that is worth.
    ///
    /// A server finds out by itself that its peer's address has changed (NAT rebinding); a client that
    /// knows should say so.
    ///
    /// # Errors
    /// [`MigrateError`]; nothing has changed then.
    pub fn migrate(&mut self, now: Instant) -> Result<(), MigrateError> {
        if self.side == Side::Server {
            return Err(MigrateError::NotClient);
        }
        if !self.can_migrate() {
            return Err(MigrateError::NotConfirmed);
        }
        self.log.at(now);
        let validation = self.validation(now);
        self.abandon_packets(now);
        // More than a probe, so that the server follows.
        self.ask(true);
        let fresh = self.ids.take();
        let attempted = fresh.map(|fresh| self.ids.switch(fresh));
        let before = self.paths.as_mut().and_then(|paths| paths.moving.take());
        let (fallback, left) = match before {
            None => (attempted, self.leave_path()),
            Some(before) => {
                self.leave_path();
                // What the last attempt began with is still what to go back to.
                if let (Some(_), Some(attempted)) = (before.fallback, attempted) {
                    self.ids.retire_taken(attempted.number);
                }
                (before.fallback.or(attempted), before.left)
            }
        };
        let paths = self.paths.get_or_insert_default();
        paths.moving = Some(Move {
            validation,
            fallback,
            left,
        });
        Ok(())
    }

    /// Whether [`Connection::migrate`] would do anything.
    pub fn can_migrate(&self) -> bool {
        self.side == Side::Client && self.confirmed && self.is_open()
    }

    /// For how long the peer has not answered, by any packet at all, what asks for an answer; zero
    /// while nothing does. Seconds of it mean that one end's way to the network is not what it was.
    pub fn unanswered(&self, now: Instant) -> Duration {
        self.timers.unanswered(now)
    }

    /// Whether [`Connection::migrate`] was called and its outcome is open.
    pub fn is_migrating(&self) -> bool {
        self.paths
            .as_ref()
            .is_some_and(|paths| paths.moving.is_some())
    }

    /// A packet of `len` bytes has authenticated that came over another path than the one in use, from
    /// another address or to another of ours, under an id of ours with number `under`.
    pub(super) fn on_packet_from_elsewhere(
        &mut self,
        now: Instant,
        addresses: Addresses,
        under: u32,
        len: usize,
    ) {
        let paths = self.paths.get_or_insert_default();
        if let Some(gone) = paths.on_packet(now, addresses, len) {
            self.forget_candidate(&gone);
        }
        // RFC 9000 §9.5: who moves under another id gets answers under another, too, and what leaves
        // from another address of ours has another in any case.
        let is_ours_another = addresses.local != self.addresses.local;
        if (under > self.under || is_ours_another)
            && let Some(candidate) = self.paths.as_mut().and_then(|p| p.candidate(addresses))
            && candidate.id.is_none()
        {
            candidate.id = self.ids.take();
        }
    }

    /// The newest packet of all, and it was no mere probe, came over the path `addresses`, under an
    /// id of ours with number `under`.
    pub(super) fn on_newest_packet(&mut self, now: Instant, addresses: Addresses, under: u32) {
        if addresses == self.addresses {
            self.under = under;
            // Whoever sent what came from elsewhere, the peer is here.
            while let Some(gone) = self.paths.as_mut().and_then(|p| p.take_challenged()) {
                self.forget_candidate(&gone);
            }
            return;
        }
        if let Some(valid) = self.paths.as_mut().and_then(|p| p.on_newest(addresses)) {
            return self.follow(now, &valid);
        }
        let known = self.paths.as_mut().and_then(|p| p.candidate(addresses));
        if known.is_none_or(|candidate| candidate.validation.is_some()) {
            return;
        }
        let validation = self.validation(now);
        let asked = self.challenge_data();
        let paths = self.paths.get_or_insert_default();
        // RFC 9000 §9.3.3: is the peer not where it was, after all?
        paths.asked = Some(asked);
        if let Some(candidate) = paths.candidate(addresses) {
            candidate.validation = Some(validation);
        }
    }

    /// The peer asks for the same bytes back.
    pub(super) fn on_path_challenge(&mut self, addresses: Addresses, data: PathData) {
        let is_here = self.side == Side::Client || addresses == self.addresses;
        let paths = self.paths.get_or_insert_default();
        if is_here {
            paths.answers.push(data);
            // RFC 9000 §9.3.3: more than a probe, so that the peer finds us here and not at the
            // address of somebody who repeats our packets.
            self.ask(true);
        } else if let Some(candidate) = paths.candidate(addresses) {
            candidate.answers.push(data);
        }
    }

    /// The peer has sent a challenge's bytes back.
    pub(super) fn on_path_response(&mut self, now: Instant, data: PathData) {
        let Some(paths) = &mut self.paths else {
            return;
        };
        if paths.confirms_move(data)
            && let Some(done) = paths.moving.take()
        {
            if let Some(old) = done.fallback {
                self.ids.retire_taken(old.number);
            }
            self.on_migrated();
        } else if let Some(candidate) = paths.take_validated(data) {
            self.follow(now, &candidate);
        }
    }

    /// The peer has proven to receive over another path: it is there that we send from now on.
    fn follow(&mut self, now: Instant, candidate: &Candidate) {
        self.abandon_packets(now);
        // RFC 9000 §9.4: behind another port of the same host is most likely the same path.
        let (old, new) = (self.addresses, candidate.addresses);
        if (new.remote.ip(), new.local) != (old.remote.ip(), old.local) {
            self.leave_path();
        }
        self.addresses = new;
        if let Some(id) = candidate.id {
            let old = self.ids.switch(id);
            self.ids.retire_taken(old.number);
        }
        self.on_migrated();
    }

    fn on_migrated(&mut self) {
        self.notes.counters.migrations += 1;
        self.streams.push_event(Event::Migrated);
    }

    /// Time has passed: gives up who does not answer.
    pub(super) fn on_path_timeout(&mut self, now: Instant) {
        while let Some(gone) = self.paths.as_mut().and_then(|p| p.take_over(now)) {
            self.forget_candidate(&gone);
        }
        let Some(paths) = &mut self.paths else {
            return;
        };
        if paths.move_has_failed(now)
            && let Some(failed) = paths.moving.take()
        {
            self.abandon_packets(now);
            if let Some(old) = failed.fallback {
                let attempted = self.ids.switch(old);
                self.ids.retire_taken(attempted.number);
            }
            self.return_to(failed.left);
            self.notes.counters.migrations_failed += 1;
            self.streams.push_event(Event::MigrationFailed);
        }
        if self.paths.as_ref().is_some_and(|paths| paths.is_over()) {
            self.paths = None;
        }
    }

    fn forget_candidate(&mut self, gone: &Candidate) {
        if let Some(id) = gone.id {
            // It was shown at that address, so it does not serve another.
            self.ids.retire_taken(id.number);
        }
    }

    fn validation(&mut self, now: Instant) -> Validation {
        let data = self.challenge_data();
        Validation::new(now, data, self.rtt.pto().max(INTERVAL_MIN))
    }

    /// Eight bytes that nobody can guess, different each time.
    fn challenge_data(&mut self) -> PathData {
        self.challenged = self.challenged.wrapping_add(1);
        let digest = Transcript::new("path-challenge")
            .u64(self.path_seed)
            .u64(u64::from(self.challenged))
            .sha256();
        let [a, b, c, d, e, f, g, h, ..] = digest;
        [a, b, c, d, e, f, g, h]
    }

    /// What is on its way went over another path: it is sent again, and says nothing of this one
    /// (RFC 9000 §9.4).
    fn abandon_packets(&mut self, now: Instant) {
        self.abandon_all(now);
        self.pto_count = 0;
        self.window_limited = false;
        self.timers.pacing = None;
    }

    /// Begins anew with a path of which nothing is known, and gives what was known of the other.
    fn leave_path(&mut self) -> PathState {
        let mss = DATAGRAM_MIN as u64;
        let mut mtu = self.mtu.clone();
        mtu.reset();
        self.ecn.on_new_path();
        let sent = &mut self.spaces[index(Epoch::Data)].sent;
        PathState {
            rtt: core::mem::take(&mut self.rtt),
            reordering: sent.change_path(Reordering::default()),
            congestion: core::mem::replace(
                &mut self.congestion,
                self.config.congestion.controller(mss),
            ),
            pacer: core::mem::replace(&mut self.pacer, Pacer::new(mss)),
            mtu: core::mem::replace(&mut self.mtu, mtu),
        }
    }

    fn return_to(&mut self, left: PathState) {
        self.ecn.on_new_path();
        (self.rtt, self.congestion) = (left.rtt, left.congestion);
        (self.pacer, self.mtu) = (left.pacer, left.mtu);
        self.spaces[index(Epoch::Data)]
            .sent
            .change_path(left.reordering);
    }
}
