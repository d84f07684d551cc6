//! Addresses that have to prove that somebody receives there (RFC 9000 §8.2, docs/PROTOCOL.md §4.10).

use core::time::Duration;
use std::collections::VecDeque;

use crate::Instant;
use crate::datagram::Addresses;
use crate::frame::PathData;

use super::DATAGRAM_MIN;
use super::ids::Numbered;
#[cfg(feature = "danger-checking")]
use super::within;

/// Addresses that are looked at besides the one in use.
const CANDIDATES_MAX: usize = 4;

/// Answers to challenges that wait to be sent to one address. Older ones go.
const ANSWERS_MAX: usize = 4;

/// A challenge is sent so many times, at intervals that double.
const ATTEMPTS: u8 = 6;

/// And grow no further than this.
const INTERVAL_MAX: Duration = Duration::from_secs(1);

/// So long an address is remembered from which only probes came.
const FORGET_AFTER: Duration = Duration::from_secs(1);

/// A challenge that is sent until it is answered or given up.
#[derive(Debug)]
pub(super) struct Validation {
    data: PathData,
    attempts: u8,
    /// It went out in a datagram of full length.
    full: bool,
    interval: Duration,
    next: Instant,
}

/// What an answer has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// Somebody receives there.
    Address,
    /// And the path takes full datagrams (RFC 9000 §8.2.1).
    Path,
}

impl Validation {
    pub(super) fn new(now: Instant, data: PathData, interval: Duration) -> Self {
        Self {
            data,
            attempts: 0,
            full: false,
            interval,
            next: now,
        }
    }

    /// Whether it is time for a challenge, in a datagram that is `full` or not: a first full one goes
    /// as soon as it may.
    fn is_due(&self, now: Instant, full: bool) -> bool {
        let is_news = full && !self.full;
        (self.next <= now || is_news) && self.attempts < ATTEMPTS
    }

    /// The challenge, if it is time to send it, which it then counts as.
    pub(super) fn take_due(&mut self, now: Instant, full: bool) -> Option<PathData> {
        if !self.is_due(now, full) {
            return None;
        }
        self.attempts += 1;
        self.full |= full;
        self.next = now + self.interval;
        self.interval = (self.interval * 2).min(INTERVAL_MAX.max(self.interval));
        Some(if full { self.full_data() } else { self.data })
    }

    /// What goes in full datagrams, so that answers differ. Who has received a short one can make it
    /// up, and only deceives himself about the path.
    fn full_data(&self) -> PathData {
        let mut data = self.data;
        data[0] ^= 1;
        data
    }

    /// What it shows that these bytes have come back.
    fn proof(&self, data: PathData) -> Option<Proof> {
        match data {
            _ if self.attempts == 0 => None,
            _ if data == self.full_data() && self.full => Some(Proof::Path),
            _ if data == self.data => Some(Proof::Address),
            _ => None,
        }
    }

    /// All attempts but the first are still to come.
    fn begin_again(&mut self) {
        self.attempts = self.attempts.min(1);
    }

    /// When something is to be done about it.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    fn has_failed(&self, now: Instant) -> bool {
        self.attempts >= ATTEMPTS && self.next <= now
    }
}

/// Answers to challenges, the newest last.
#[derive(Debug, Default)]
pub(super) struct Answers(VecDeque<PathData>);

impl Answers {
    pub(super) fn push(&mut self, data: PathData) {
        if self.0.len() >= ANSWERS_MAX && !planted!(AnswersUnbounded) {
            self.0.pop_front();
        }
        self.0.push_back(data);
    }

    pub(super) fn take(&mut self) -> Vec<PathData> {
        core::mem::take(&mut self.0).into()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A path beside the one in use: another address of the peer's, or another of ours.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) addresses: Addresses,
    /// Bytes that came from there, and that were sent there (RFC 9000 §8.1).
    received: u64,
    sent: u64,
    /// Somebody receives there: it may be sent to without limit.
    proven: bool,
    /// The path is valid, and something newer has come from elsewhere.
    valid: bool,
    pub(super) answers: Answers,
    /// The peer seems to have moved there.
    pub(super) validation: Option<Validation>,
    /// The peer's id that is used there, if not the present one.
    pub(super) id: Option<Numbered>,
    heard: Instant,
}

impl Candidate {
    /// How long a datagram to this address may be.
    pub(super) fn room(&self) -> usize {
        if self.proven {
            return DATAGRAM_MIN;
        }
        let room = (self.received.saturating_mul(3)).saturating_sub(self.sent);
        usize::try_from(room).map_or(DATAGRAM_MIN, |room| room.min(DATAGRAM_MIN))
    }

    pub(super) fn on_sent(&mut self, len: usize) {
        self.sent += len as u64;
    }

    fn is_over(&self, now: Instant) -> bool {
        match &self.validation {
            Some(validation) => validation.has_failed(now),
            None => self.answers.is_empty() && now.since(self.heard) >= FORGET_AFTER,
        }
    }

    fn next(&self) -> Instant {
        match &self.validation {
            Some(validation) => validation.next(),
            None => self.heard + FORGET_AFTER,
        }
    }
}

/// A client's move to another address of its own.
pub(super) struct Move<S> {
    pub(super) validation: Validation,
    /// The id to go back to.
    pub(super) fallback: Option<Numbered>,
    /// What was known of the path before.
    pub(super) left: S,
}

/// All that there is beside the path in use. Most connections never have any of it.
pub(super) struct Paths<S> {
    candidates: Vec<Candidate>,
    /// Where the newest packet came from that was no mere probe, if not over the path in use: only there
    /// may the peer have moved (RFC 9000 §9.3).
    newest: Option<Addresses>,
    /// Answers for the path in use.
    pub(super) answers: Answers,
    /// Whether the peer is still there: asked once when it seems to have moved.
    pub(super) asked: Option<PathData>,
    pub(super) moving: Option<Move<S>>,
}

impl<S> Default for Paths<S> {
    fn default() -> Self {
        Self {
            candidates: Vec::new(),
            newest: None,
            answers: Answers::default(),
            asked: None,
            moving: None,
        }
    }
}

impl<S> Paths<S> {
    /// Nothing is left to be done.
    pub(super) fn is_over(&self) -> bool {
        self.candidates.is_empty()
            && self.answers.is_empty()
            && self.asked.is_none()
            && self.moving.is_none()
    }

    /// Whether nothing that the peer can make grow is beyond its bound (docs/PROTOCOL.md §4.10).
    #[cfg(feature = "danger-checking")]
    pub(super) fn check(&self) -> Result<(), String> {
        within("addresses looked at", self.candidates.len(), CANDIDATES_MAX)?;
        let candidates = self.candidates.iter().map(|candidate| &candidate.answers);
        candidates.chain([&self.answers]).try_for_each(|answers| {
            within(
                "answers that wait for an address",
                answers.0.len(),
                ANSWERS_MAX,
            )
        })
    }

    pub(super) fn candidate(&mut self, addresses: Addresses) -> Option<&mut Candidate> {
        let mut candidates = self.candidates.iter_mut();
        candidates.find(|candidate| candidate.addresses == addresses)
    }

    /// A packet of `len` bytes has come over a path that is not in use. What makes room for it is
    /// returned.
    pub(super) fn on_packet(
        &mut self,
        now: Instant,
        addresses: Addresses,
        len: usize,
    ) -> Option<Candidate> {
        if let Some(candidate) = self.candidate(addresses) {
            candidate.received += len as u64;
            candidate.heard = now;
            return None;
        }
        let full = self.candidates.len() >= CANDIDATES_MAX;
        let oldest = full.then(|| self.candidates.remove(0));
        self.candidates.push(Candidate {
            addresses,
            received: len as u64,
            sent: 0,
            proven: false,
            valid: false,
            answers: Answers::default(),
            validation: None,
            id: None,
            heard: now,
        });
        oldest
    }

    /// The newest packet of all came over the path `addresses`, which is not in use, and was no mere probe.
    /// Takes the candidate out if its path is valid already.
    pub(super) fn on_newest(&mut self, addresses: Addresses) -> Option<Candidate> {
        self.newest = Some(addresses);
        let is_it = |candidate: &Candidate| candidate.addresses == addresses && candidate.valid;
        let place = self.candidates.iter().position(is_it)?;
        Some(self.candidates.remove(place))
    }

    /// The candidate that has something due.
    pub(super) fn due(&mut self, now: Instant) -> Option<&mut Candidate> {
        let is_due = |candidate: &&mut Candidate| {
            let validation = candidate.validation.as_ref();
            let is_full = candidate.room() >= DATAGRAM_MIN;
            !candidate.answers.is_empty() || validation.is_some_and(|v| v.is_due(now, is_full))
        };
        self.candidates.iter_mut().find(is_due)
    }

    /// Takes out the candidate whose path this answer shows to be valid, if nothing newer has come from
    /// elsewhere: then it is kept for when something does from there. Of one whose challenge was not full
    /// the answer shows the address: a full one is due then.
    pub(super) fn take_validated(&mut self, data: PathData) -> Option<Candidate> {
        let proof = |candidate: &Candidate| candidate.validation.as_ref()?.proof(data);
        let place = (self.candidates.iter()).position(|candidate| proof(candidate).is_some())?;
        let candidate = self.candidates.get_mut(place)?;
        if proof(candidate) == Some(Proof::Address) {
            if !candidate.proven {
                candidate.proven = true;
                // The full one has all its attempts before it.
                if let Some(validation) = &mut candidate.validation {
                    validation.begin_again();
                }
            }
            return None;
        }
        if self.newest != Some(candidate.addresses) {
            (candidate.proven, candidate.valid) = (true, true);
            candidate.validation = None;
            return None;
        }
        Some(self.candidates.remove(place))
    }

    /// The peer is where it was: takes out an address to which it seemed to have moved.
    pub(super) fn take_challenged(&mut self) -> Option<Candidate> {
        self.newest = None;
        let is_it = |candidate: &Candidate| candidate.validation.is_some() || candidate.valid;
        let place = self.candidates.iter().position(is_it)?;
        Some(self.candidates.remove(place))
    }

    /// Takes out an address that did not answer.
    pub(super) fn take_over(&mut self, now: Instant) -> Option<Candidate> {
        let place = self.candidates.iter().position(|c| c.is_over(now))?;
        Some(self.candidates.remove(place))
    }

    /// Whether this answers the client's own challenge.
    pub(super) fn confirms_move(&self, data: PathData) -> bool {
        let moving = self.moving.as_ref();
        moving.is_some_and(|moving| moving.validation.proof(data).is_some())
    }

    pub(super) fn move_has_failed(&self, now: Instant) -> bool {
        let moving = self.moving.as_ref();
        moving.is_some_and(|moving| moving.validation.has_failed(now))
    }

    /// When something is to be done.
    pub(super) fn next(&self) -> Option<Instant> {
        let candidates = self.candidates.iter().map(Candidate::next);
        let moving = self.moving.iter().map(|moving| moving.validation.next());
        candidates.chain(moving).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_answers_the_last_short_challenge_gets_a_full_one() {
        let mut paths: Paths<()> = Paths::default();
        let mut now = Instant::ZERO;
        let there = Addresses {
            remote: ([192, 0, 2, 1], 1).into(),
            local: None,
        };
        paths.on_packet(now, there, 100);
        let data = [7; 8];
        let second = Duration::from_secs(1);
        let candidate = paths.candidate(there).unwrap();
        candidate.validation = Some(Validation::new(now, data, second));
        assert!(paths.on_newest(there).is_none());
        for _ in 0..ATTEMPTS {
            let candidate = paths.due(now).unwrap();
            let validation = candidate.validation.as_mut().unwrap();
            assert_eq!(validation.take_due(now, false), Some(data));
            now = validation.next();
        }
        assert!(paths.take_validated(data).is_none(), "only the address");
        let candidate = paths.due(now).expect("a full challenge");
        let validation = candidate.validation.as_mut().unwrap();
        let full = validation.take_due(now, true).unwrap();
        assert_ne!(full, data);
        let valid = paths.take_validated(full).map(|c| c.addresses);
        assert_eq!(valid, Some(there));
    }

    /// One address of the peer's, and two of ours that it asks at.
    #[test]
    fn another_address_of_ours_is_another_path() {
        let mut paths: Paths<()> = Paths::default();
        let at = |last: u8| Addresses {
            remote: ([192, 0, 2, 1], 1).into(),
            local: Some([198, 51, 100, last].into()),
        };
        for last in [1, 2] {
            paths.on_packet(Instant::ZERO, at(last), 500);
            let mut validation = Validation::new(Instant::ZERO, [last; 8], FORGET_AFTER);
            validation.take_due(Instant::ZERO, true);
            paths.candidate(at(last)).unwrap().validation = Some(validation);
        }
        // Neither earns anything for the other.
        paths.candidate(at(1)).unwrap().on_sent(1500);
        assert_eq!(paths.candidate(at(1)).unwrap().room(), 0);
        assert_eq!(paths.candidate(at(2)).unwrap().room(), DATAGRAM_MIN);
        assert!(paths.on_newest(at(2)).is_none());
        let full = |last: u8| [last ^ 1, last, last, last, last, last, last, last];
        assert!(paths.take_validated(full(1)).is_none(), "it is older");
        let valid = paths.take_validated(full(2)).map(|c| c.addresses);
        assert_eq!(valid, Some(at(2)));
        let valid = paths.on_newest(at(1)).map(|c| c.addresses);
        assert_eq!(valid, Some(at(1)), "it was valid already");
    }
}
