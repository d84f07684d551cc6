//! A server that deceives: what it hands out is not what was put in.

use std::collections::VecDeque;

use store::relay::{Entry, Op, Outcome};
use store::{Store, StoreError};

use super::host::Relay;
use super::keys;
use super::meter::Meter;
use crate::Rng;

/// Entries that are kept to be shown again, to whomever.
const KEPT: usize = 64;

/// What a deceiver knows and how it chooses.
pub(super) struct Malice {
    rng: Rng,
    seen: VecDeque<Entry>,
    /// How often it deceived.
    pub(super) count: u64,
}

impl Malice {
    pub(super) fn new(rng: Rng) -> Self {
        Self {
            rng,
            seen: VecDeque::new(),
            count: 0,
        }
    }

    /// A page of a mailbox, as its owner is to see it. Positions stay as they are: what the server's
    /// own bookkeeping needs is not its users' concern.
    fn tamper(&mut self, entries: &mut Vec<Entry>) {
        for entry in entries.iter() {
            self.seen.push_back(entry.clone());
        }
        let old = self.seen.len().saturating_sub(KEPT);
        self.seen.drain(..old);
        for index in 0..entries.len() {
            if self.rng.chance(0.5) {
                self.count += 1;
                self.spoil(entries, index);
            }
        }
    }

    fn spoil(&mut self, entries: &mut Vec<Entry>, index: usize) {
        let (kind, other) = (self.rng.below(8), self.below(entries.len()));
        let known = self.below(self.seen.len());
        let (Some(known), Some(other)) =
            (self.seen.get(known).cloned(), entries.get(other).cloned())
        else {
            return;
        };
        let bit = self.rng.next_u64();
        let Some(entry) = entries.get_mut(index) else {
            return;
        };
        match kind {
            // Another's, or an old one again.
            0 | 1 => replace(entry, &known),
            2 => entry.sealed.clone_from(&known.sealed),
            3 => entry.message_id = known.message_id,
            4 => entry.sender = name(bit),
            5 => replace(entry, &other),
            6 => {
                let len = entry.sealed.len().max(1) as u64;
                let place = usize::try_from(bit % len).unwrap_or(0);
                if let Some(byte) = entry.sealed.get_mut(place) {
                    *byte ^= 1 << (bit >> 61);
                }
            }
            _ => {
                entries.remove(index);
            }
        }
    }

    fn below(&mut self, len: usize) -> usize {
        usize::try_from(self.rng.below(len as u64)).unwrap_or(0)
    }
}

fn replace(entry: &mut Entry, by: &Entry) {
    let position = entry.position;
    *entry = by.clone();
    entry.position = position;
}

fn name(draw: u64) -> String {
    let account = usize::try_from(draw % keys::ACCOUNTS_MAX).unwrap_or(0);
    keys::name(account).display().to_owned()
}

/// A store behind a deceiver, if there is one. Most of what is stored it does not hand on at once, but
/// keeps for whoever reads the mailbox.
pub(super) struct Deceiving<'a> {
    pub(super) store: &'a mut Relay,
    pub(super) malice: Option<&'a mut Malice>,
    /// What the server is given counts as the server's.
    pub(super) meter: &'a mut Meter,
}

impl Store for Deceiving<'_> {
    type Op = Op;
    type Outcome = Outcome;

    fn commit(&mut self, batch: &[Op]) -> Result<Vec<Outcome>, StoreError> {
        let mut outcomes = self.store.commit(batch)?;
        if let Some(malice) = &mut self.malice {
            for outcome in &mut outcomes {
                match outcome {
                    Outcome::Entries(entries) => malice.tamper(entries),
                    Outcome::Stored { .. } if malice.rng.chance(0.7) => {
                        *outcome = Outcome::Duplicate;
                    }
                    _ => {}
                }
            }
        }
        Ok(self.meter.count(|| outcomes.clone()))
    }
}
