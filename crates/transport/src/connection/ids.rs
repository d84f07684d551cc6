//! Connection ids of both ends: issued, used, retired (RFC 9000 §5.1, docs/PROTOCOL.md §4.9).

use codec::Writer;
use internet::{ConnectionId, ResetToken};

use crate::frame::{NewConnectionId, RETIRE_LEN_MAX, encode_retire};
use crate::recovery::SentFrame;
use crate::violation::{Violation, code};

#[cfg(feature = "danger-checking")]
use super::within;

/// The peer always has so many ids of ours: the one that it uses, and two for the next paths.
const ISSUED: usize = 3;

/// A peer may have no more than so many of its ids active.
const ACTIVE_MAX: usize = 8;

/// Numbers further than this above the lowest that has not come are not waited for.
const NUMBERS_AHEAD_MAX: u32 = u64::BITS;

/// Retirements that wait for their acknowledgement.
const RETIRING_MAX: usize = 16;

/// An id and its sequence number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Numbered {
    pub(super) number: u32,
    pub(super) id: ConnectionId,
}

/// What the peer is not known to know. There is none of it for most of a connection's life.
#[derive(Default)]
struct Untold {
    /// Ids of ours, and whether they are to be sent.
    issued: Vec<(NewConnectionId, bool)>,
    /// Numbers of its ids that are not used any more, and whether they are to be sent.
    retired: Vec<(u32, bool)>,
}

/// What stateless resets for ids end with, by the ids' numbers.
#[derive(Default)]
struct Tokens(Vec<(u32, ResetToken)>);

/// The ids of both ends.
pub(super) struct Ids {
    /// Ids under which we receive; the first `len` places are taken.
    active: [Numbered; ISSUED],
    len: u8,
    /// Places in `active` of ids that the peer has retired and the endpoint has not forgotten yet.
    retired: u8,
    /// The next id of ours has this number.
    next: u32,

    /// The id under which the peer receives.
    current: Numbered,
    /// Ids of the peer that were not used yet, lowest number first.
    spares: Vec<Numbered>,
    /// Ids of the peer that are used beside the current one.
    taken: u8,
    /// The lowest number that has not come, and from there on those that have.
    missing: u32,
    came: u64,
    /// Ids of the peer with lower numbers are not to be used.
    retire_prior_to: u32,
    /// Of the peer's ids that are not retired. `None`: the peer resets nothing.
    tokens: Option<Box<Tokens>>,

    untold: Option<Box<Untold>>,
    /// The endpoint has something to do about them.
    pub(super) changed: bool,
}

impl Ids {
    /// `keeps_tokens`: the peer may send stateless resets.
    pub(super) fn new(local: ConnectionId, remote: ConnectionId, keeps_tokens: bool) -> Self {
        let first = |id| Numbered { number: 0, id };
        let mut active = [Numbered::default(); ISSUED];
        active[0] = first(local);
        Self {
            active,
            len: 1,
            retired: 0,
            next: 1,
            current: first(remote),
            spares: Vec::new(),
            taken: 0,
            missing: 1,
            came: 0,
            retire_prior_to: 0,
            tokens: keeps_tokens.then(Box::default),
            untold: None,
            changed: false,
        }
    }

    /// Whether there is anything to tell the peer.
    pub(super) fn wants_to_send(&self) -> bool {
        self.untold.as_ref().is_some_and(|untold| {
            untold.issued.iter().any(|(_, due)| *due) || untold.retired.iter().any(|(_, due)| *due)
        })
    }

    /// Appends frames to `out`, which must not become longer than `limit`.
    pub(super) fn write(
        &mut self,
        limit: usize,
        out: &mut Vec<u8>,
        note: &mut dyn FnMut(SentFrame),
    ) {
        let Some(untold) = &mut self.untold else {
            return;
        };
        let fits = |out: &Vec<u8>, len: usize| limit.saturating_sub(out.len()) >= len;
        for (frame, due) in &mut untold.issued {
            if *due && fits(out, NewConnectionId::LEN_MAX) {
                *due = false;
                frame.encode(&mut Writer::new(out));
                let number = frame.number;
                note(SentFrame::NewConnectionId { number });
            }
        }
        for (number, due) in &mut untold.retired {
            if *due && fits(out, RETIRE_LEN_MAX) {
                *due = false;
                encode_retire(u64::from(*number), &mut Writer::new(out));
                note(SentFrame::RetireConnectionId { number: *number });
            }
        }
    }

    /// A frame of ours about an id has arrived.
    pub(super) fn on_acked(&mut self, frame: &SentFrame) {
        match *frame {
            SentFrame::NewConnectionId { number } => self.forget_issued(number),
            SentFrame::RetireConnectionId { number } => {
                if let Some(untold) = &mut self.untold {
                    untold.retired.retain(|(retired, _)| *retired != number);
                }
            }
            _ => {}
        }
        self.shed();
    }

    /// A frame of ours about an id may not have arrived.
    pub(super) fn on_lost(&mut self, frame: &SentFrame) {
        let Some(untold) = &mut self.untold else {
            return;
        };
        match *frame {
            SentFrame::NewConnectionId { number: lost } => {
                let mut issued = untold.issued.iter_mut();
                if let Some((_, due)) = issued.find(|(frame, _)| frame.number == lost) {
                    *due = true;
                }
            }
            SentFrame::RetireConnectionId { number: lost } => {
                let mut retired = untold.retired.iter_mut();
                if let Some((_, due)) = retired.find(|(number, _)| *number == lost) {
                    *due = true;
                }
            }
            _ => {}
        }
    }

    /// Whether nothing that the peer can make grow is beyond its bound (docs/PROTOCOL.md §4.9).
    #[cfg(feature = "danger-checking")]
    pub(super) fn check(&self) -> Result<(), String> {
        let active = 1 + usize::from(self.taken) + self.spares.len();
        within("active ids of the peer", active, ACTIVE_MAX)?;
        let tokens = self.tokens.as_ref().map_or(0, |tokens| tokens.0.len());
        within("reset tokens of the peer", tokens, ACTIVE_MAX)?;
        let Some(untold) = &self.untold else {
            return Ok(());
        };
        within("ids that wait for the peer", untold.issued.len(), ISSUED)?;
        // The limit is looked at when an id comes; what is retired later was active then.
        let most = RETIRING_MAX + ACTIVE_MAX;
        within("retirements that wait", untold.retired.len(), most)
    }

    /// Gives back memory that is not used.
    pub(super) fn rest(&mut self) {
        self.spares.shrink_to_fit();
    }

    /// Forgets what the peer knows by now.
    fn shed(&mut self) {
        let is_empty = |untold: &Untold| untold.issued.is_empty() && untold.retired.is_empty();
        if self.untold.as_deref().is_some_and(is_empty) {
            self.untold = None;
        }
    }
}

/// Ids under which this end receives.
impl Ids {
    fn active(&self) -> &[Numbered] {
        self.active.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Our id of the handshake, for as long as that lasts.
    pub(super) fn first(&self) -> ConnectionId {
        self.active[0].id
    }

    /// All ids that the endpoint has for us.
    pub(super) fn local(&self) -> impl Iterator<Item = ConnectionId> + '_ {
        self.active().iter().map(|active| active.id)
    }

    /// The number of an id of ours.
    pub(super) fn number(&self, id: ConnectionId) -> Option<u32> {
        let found = self.active().iter().find(|active| active.id == id);
        found.map(|found| found.number)
    }

    /// How many ids the peer lacks.
    pub(super) fn wanted(&self) -> usize {
        ISSUED - self.active().len()
    }

    /// The peer is given a new id.
    pub(super) fn issue(&mut self, id: ConnectionId, token: ResetToken) {
        let number = self.next;
        let Some(place) = self.active.get_mut(usize::from(self.len)) else {
            return;
        };
        *place = Numbered { number, id };
        self.len += 1;
        self.next += 1;
        let frame = NewConnectionId {
            number,
            retire_prior_to: 0,
            id,
            token: *token.as_bytes(),
        };
        let untold = self.untold.get_or_insert_default();
        untold.issued.push((frame, true));
    }

    /// The peer uses an id of ours no more; it said so in a packet under the id with number `under`.
    pub(super) fn on_retire(&mut self, number: u64, under: u32) -> Result<(), Violation> {
        let violation = |reason| Err(Violation::new(code::PROTOCOL_VIOLATION, reason));
        if number >= u64::from(self.next) {
            return violation("an id is retired that was not issued");
        }
        if number == u64::from(under) {
            return violation("an id is retired in a packet of its own");
        }
        let place = (self.active().iter()).position(|active| u64::from(active.number) == number);
        if let Some(place) = place {
            self.retired |= 1 << place;
            self.changed = true;
            self.forget_issued(number as u32);
            self.shed();
        }
        Ok(())
    }

    /// Takes out an id that the peer has retired.
    pub(super) fn take_retired(&mut self) -> Option<ConnectionId> {
        let place = self.retired.checked_ilog2()? as usize;
        self.retired &= !(1 << place);
        let id = self.active.get(place)?.id;
        self.active.copy_within(place + 1.., place);
        self.len -= 1;
        Some(id)
    }

    fn forget_issued(&mut self, number: u32) {
        if let Some(untold) = &mut self.untold {
            untold.issued.retain(|(frame, _)| frame.number != number);
        }
    }
}

/// Ids under which the peer receives.
impl Ids {
    /// The peer's id to send to.
    pub(super) fn remote(&self) -> ConnectionId {
        self.current.id
    }

    /// The peer chose its first id.
    pub(super) fn set_first(&mut self, id: ConnectionId) {
        self.current.id = id;
    }

    /// The token of the first id.
    pub(super) fn set_first_token(&mut self, token: ResetToken) {
        if let Some(tokens) = &mut self.tokens {
            tokens.0.push((0, token));
            self.changed = true;
        }
    }

    /// The tokens of ids that are in use.
    pub(super) fn tokens(&self) -> impl Iterator<Item = ResetToken> + '_ {
        let is_spare = |number| self.spares.iter().any(|spare| spare.number == number);
        let all = self.tokens.iter().flat_map(|tokens| tokens.0.iter());
        let used = all.filter(move |(number, _)| !is_spare(*number));
        used.map(|&(_, token)| token)
    }

    /// Takes an id that was not used yet, for another path.
    pub(super) fn take(&mut self) -> Option<Numbered> {
        if self.spares.is_empty() {
            return None;
        }
        self.taken += 1;
        Some(self.spares.remove(0))
    }

    /// Goes on under an id that was taken, and gives the one before, which counts as taken now.
    pub(super) fn switch(&mut self, to: Numbered) -> Numbered {
        self.changed = true;
        core::mem::replace(&mut self.current, to)
    }

    /// Retires an id that was taken or switched from.
    pub(super) fn retire_taken(&mut self, number: u32) {
        self.changed = true;
        self.taken = self.taken.saturating_sub(1);
        self.retire(number);
    }

    pub(super) fn on_new(&mut self, frame: &NewConnectionId) -> Result<(), Violation> {
        let named = Numbered {
            number: frame.number,
            id: frame.id,
        };
        self.check_known(named, frame.token)?;
        if self.is_new(frame.number)? {
            if frame.number < self.retire_prior_to {
                self.retire(frame.number);
            } else {
                self.add_spare(named, frame.token);
            }
        }
        if frame.retire_prior_to > self.retire_prior_to {
            self.retire_below(frame.retire_prior_to)?;
        }
        let active = 1 + usize::from(self.taken) + self.spares.len();
        let retired = self
            .untold
            .as_ref()
            .map_or(0, |untold| untold.retired.len());
        let full = active > ACTIVE_MAX || retired > RETIRING_MAX;
        if full && !planted!(IdLimitDropped) {
            let reason = "too many connection ids";
            return Err(Violation::new(code::CONNECTION_ID_LIMIT, reason));
        }
        Ok(())
    }

    /// RFC 9000 §19.15: the same number is the same id, and the other way round.
    fn check_known(&self, named: Numbered, token: [u8; ResetToken::LEN]) -> Result<(), Violation> {
        let mut known = self.spares.iter().chain([&self.current]);
        let contradicts =
            |known: &Numbered| (known.number == named.number) != (known.id == named.id);
        let mut tokens = self.tokens.iter().flat_map(|tokens| tokens.0.iter());
        let other_token = |(number, known): &(u32, ResetToken)| {
            *number == named.number && !known.matches_tail(&token)
        };
        if known.any(contradicts) || tokens.any(other_token) {
            let reason = "a connection id contradicts another";
            return Err(Violation::new(code::PROTOCOL_VIOLATION, reason));
        }
        Ok(())
    }

    /// Whether a number comes for the first time.
    fn is_new(&mut self, number: u32) -> Result<bool, Violation> {
        let Some(ahead) = number.checked_sub(self.missing) else {
            return Ok(false);
        };
        if ahead >= NUMBERS_AHEAD_MAX {
            let reason = "connection ids are left out";
            return Err(Violation::new(code::CONNECTION_ID_LIMIT, reason));
        }
        let is_new = self.came & 1 << ahead == 0;
        self.came |= 1 << ahead;
        let run = self.came.trailing_ones();
        self.came = self.came.checked_shr(run).unwrap_or(0);
        self.missing = self.missing.saturating_add(run);
        Ok(is_new)
    }

    fn add_spare(&mut self, named: Numbered, token: [u8; ResetToken::LEN]) {
        let place = (self.spares).partition_point(|spare| spare.number < named.number);
        self.spares.insert(place, named);
        if let Some(tokens) = &mut self.tokens {
            tokens.0.push((named.number, ResetToken::new(token)));
        }
    }

    /// The peer takes ids back. One that is taken for another path is retired with that path.
    fn retire_below(&mut self, number: u32) -> Result<(), Violation> {
        self.retire_prior_to = number;
        let kept = (self.spares).partition_point(|spare| spare.number < number);
        let old: Vec<Numbered> = self.spares.drain(..kept).collect();
        for spare in old {
            self.retire(spare.number);
        }
        if self.current.number < number {
            if self.spares.is_empty() {
                let reason = "no connection id is left";
                return Err(Violation::new(code::PROTOCOL_VIOLATION, reason));
            }
            let next = self.spares.remove(0);
            let old = self.switch(next);
            self.retire(old.number);
        }
        Ok(())
    }

    fn retire(&mut self, number: u32) {
        if let Some(tokens) = &mut self.tokens {
            tokens.0.retain(|(of, _)| *of != number);
        }
        let untold = self.untold.get_or_insert_default();
        untold.retired.push((number, true));
    }
}

#[cfg(test)]
#[path = "ids_tests.rs"]
mod tests;
