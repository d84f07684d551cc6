//! A server that deceives: what it hands out is not what was put in, and not all of that is kept.
//!
//! Its store lies, about everything that is in it; the server itself keeps to the protocol, and does not lie about the
//! directory, which it signs: whoever is given another than others learns of it from them (`DirectoryFork`), and from
//! nobody else. One that says anything at any time is in the client's own tests.

use std::collections::VecDeque;

use store::relay::{Account, Credentials, Entry, Notice, Op, Outcome, Refusal};
use store::{Store, StoreError};

use super::host::{Relay, without_room};
use super::keys;
use super::meter::Meter;
use crate::Rng;

/// Entries that are kept to be shown again, to whomever.
const KEPT: usize = 64;

/// What a deceiver knows and how it chooses.
pub(super) struct Malice {
    rng: Rng,
    seen: VecDeque<Entry>,
    /// The last account that somebody asked for.
    account: Option<Credentials>,
    /// How often it deceived.
    pub(super) count: u64,
}

impl Malice {
    pub(super) fn new(rng: Rng) -> Self {
        Self {
            rng,
            seen: VecDeque::new(),
            account: None,
            count: 0,
        }
    }

    /// What the server is told that its store says.
    fn retell(&mut self, op: &Op, outcome: &mut Outcome) {
        match (op, &mut *outcome) {
            (_, Outcome::Entries(entries)) => self.tamper(entries),
            (_, Outcome::Account(Some(account))) => self.swap_keys(account),
            (_, Outcome::Notices(notices)) => self.forge(notices),
            // Thrown away.
            (Op::Append(_), Outcome::Count(_)) => *outcome = Outcome::Duplicate,
            (_, Outcome::Stored { .. }) if self.rng.chance(0.7) => *outcome = Outcome::Duplicate,
            // Any number may be said to come next.
            (Op::Append(append), Outcome::Stored { .. }) if self.deceives(0.2) => {
                let expected = append.sequence.saturating_add(self.rng.below(3)) - 1;
                let reason = Refusal::Gap { expected };
                let remembered = false;
                *outcome = Outcome::Refused { reason, remembered };
            }
            _ => {}
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
            if self.deceives(0.5) {
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
            6 => flip(&mut entry.sealed, bit),
            _ => {
                entries.remove(index);
            }
        }
    }

    /// An account, as it is told to whoever looks it up or logs in to it.
    fn swap_keys(&mut self, account: &mut Account) {
        let keys = &mut account.credentials;
        let other = self.account.replace(keys.clone());
        let other = other.unwrap_or_else(|| keys.clone());
        if !self.deceives(0.2) {
            return;
        }
        let bit = self.rng.next_u64();
        match self.rng.below(8) {
            0 | 1 => impersonate(&account.name, keys),
            2 => {
                (keys.sig_key, keys.enc_key) = (other.sig_key, other.enc_key);
                keys.enc_certificate = other.enc_certificate;
            }
            3 => {
                (keys.enc_key, keys.enc_certificate) = (other.enc_key, other.enc_certificate);
            }
            4 => keys.sig_key = other.sig_key,
            5 => keys.key_bag = other.key_bag,
            6 => flip(&mut keys.enc_key, bit),
            _ => flip(&mut keys.key_bag, bit),
        }
    }

    /// What a device is told has become of its messages, in its absence.
    fn forge(&mut self, notices: &mut Vec<Notice>) {
        if !notices.is_empty() && self.deceives(0.5) {
            let known = self.below(self.seen.len());
            let mut forged = notices[self.below(notices.len())].clone();
            if let Some(known) = self.seen.get(known) {
                forged.message_id = known.message_id;
            }
            notices.push(forged);
        }
    }

    /// Whether a message is to be taken and thrown away.
    fn forgets(&mut self, op: &Op) -> bool {
        matches!(op, Op::Append(_)) && self.deceives(0.1)
    }

    fn deceives(&mut self, chance: f64) -> bool {
        let deceives = self.rng.chance(chance);
        self.count += u64::from(deceives);
        deceives
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

/// Keys of the server's own making, in somebody's name.
fn impersonate(name: &str, credentials: &mut Credentials) {
    if let Some(impostor) = keys::impostor(name) {
        let public = impostor.public();
        credentials.sig_key = public.signing_key().spki_der().to_vec();
        credentials.enc_key = public.encryption_key().spki_der().to_vec();
        credentials.enc_certificate = public.certificate().to_vec();
    }
}

/// Changes one bit.
fn flip(bytes: &mut [u8], draw: u64) {
    let len = bytes.len().max(1) as u64;
    let place = usize::try_from(draw % len).unwrap_or(0);
    if let Some(byte) = bytes.get_mut(place) {
        *byte ^= 1 << (draw >> 61);
    }
}

fn name(draw: u64) -> String {
    let account = usize::try_from(draw % keys::ACCOUNTS_MAX).unwrap_or(0);
    keys::name(account).display().to_owned()
}

/// A store behind a deceiver, if there is one. Most of what is stored it does not hand on at once, but
/// keeps for whoever reads the mailbox.
pub(super) struct Deceiving<'a> {
    pub(super) store: &'a mut Relay,
    /// Whose mailbox takes nothing.
    pub(super) refusing: Option<&'a str>,
    pub(super) malice: Option<&'a mut Malice>,
    /// What the server is given counts as the server's.
    pub(super) meter: &'a mut Meter,
}

impl Store for Deceiving<'_> {
    type Op = Op;
    type Outcome = Outcome;

    fn commit(&mut self, batch: &[Op]) -> Result<Vec<Outcome>, StoreError> {
        let (batch, _) = without_room(batch, self.refusing);
        let Some(malice) = &mut self.malice else {
            let outcomes = self.store.commit(&batch)?;
            return Ok(self.meter.count(|| outcomes.clone()));
        };
        // In place of a message that is thrown away something is asked that changes nothing.
        let kept = batch.iter().map(|op| match malice.forgets(op) {
            true => Op::CountDemoAccounts,
            false => op.clone(),
        });
        let kept: Vec<Op> = kept.collect();
        let mut outcomes = self.store.commit(&kept)?;
        for (op, outcome) in batch.iter().zip(&mut outcomes) {
            malice.retell(op, outcome);
        }
        Ok(self.meter.count(|| outcomes.clone()))
    }
}
