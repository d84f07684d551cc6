//! What was said, and what has been heard of it.

use std::collections::{BTreeMap, BTreeSet};

use chat::message::MessageId;
use client::{Delivery, Event, Failure};
use transport::Instant;

use super::keys::CANARY;
use super::order::Order;
use crate::Rng;
use crate::seeds::{Fault, Faults};

/// A message that somebody typed.
pub(super) struct Letter {
    /// The installation it was typed at.
    pub(super) from: usize,
    /// The account it is for.
    pub(super) to: usize,
    pub(super) text: String,
    /// When it was typed, by its sender's clock.
    pub(super) time_ms: u64,
    /// Its place among those from there to there.
    pub(super) place: u64,
    pub(super) said_at: Instant,
    /// The furthest that its sender was told it got.
    pub(super) told: Option<Delivery>,
    /// It was in the memory of a process that has ended, and nowhere else.
    pub(super) is_lost: bool,
    /// The installations that have shown it.
    pub(super) shown: BTreeSet<usize>,
    /// Those whose process ended after they had noted that it is shown, and before it was.
    pub(super) excused: BTreeSet<usize>,
}

impl Letter {
    /// Whether the server has promised to deliver it.
    pub(super) fn is_promised(&self) -> bool {
        matches!(self.told, Some(Delivery::Stored | Delivery::Delivered))
    }

    /// Whether it has a place in its conversation, and was not given up.
    pub(super) fn is_on_its_way(&self) -> bool {
        self.told == Some(Delivery::Queued) || self.is_promised()
    }
}

/// What an installation is known to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Party {
    pub(super) account: usize,
    pub(super) first_login: Option<Instant>,
    /// Its present process has been logged in.
    pub(super) is_proven: bool,
}

/// All letters, and what must hold of them.
pub(super) struct Book {
    pub(super) faults: Faults,
    pub(super) parties: Vec<Party>,
    pub(super) letters: BTreeMap<MessageId, Letter>,
    places: BTreeMap<(usize, usize), u64>,
    /// By sending installation, recipient and showing installation.
    pub(super) orders: BTreeMap<(usize, usize, usize), Order>,
    /// When the present process of the server had read its accounts.
    pub(super) ready_at: Option<Instant>,
    /// The accounts that are online, where that is certain.
    pub(super) online: Option<BTreeSet<usize>>,
    /// How many answers there were while it was.
    pub(super) lists: usize,
    registered: BTreeSet<usize>,
    pub(super) shown: u64,
    /// How often clients told that they have lost a connection.
    pub(super) disconnected: u64,
    /// What must never happen.
    pub(super) wrong: Option<String>,
}

impl Book {
    pub(super) fn new(faults: Faults, accounts: impl Iterator<Item = usize>) -> Self {
        let party = |account| Party {
            account,
            first_login: None,
            is_proven: false,
        };
        Self {
            faults,
            parties: accounts.map(party).collect(),
            letters: BTreeMap::new(),
            places: BTreeMap::new(),
            orders: BTreeMap::new(),
            ready_at: None,
            online: None,
            lists: 0,
            registered: BTreeSet::new(),
            shown: 0,
            disconnected: 0,
            wrong: None,
        }
    }

    pub(super) fn is_registered(&self, account: usize) -> bool {
        self.registered.contains(&account)
    }

    /// Whose an installation is.
    pub(super) fn account(&self, installation: usize) -> Option<usize> {
        self.parties.get(installation).map(|party| party.account)
    }

    /// Whether an installation ever got as far as being logged in.
    pub(super) fn was_online(&self, installation: usize) -> bool {
        let party = self.parties.get(installation);
        party.is_some_and(|party| party.first_login.is_some())
    }

    pub(super) fn is_honest(&self) -> bool {
        !self.faults.has(Fault::Malice)
    }

    pub(super) fn fail(&mut self, wrong: String) {
        self.wrong.get_or_insert(wrong);
    }

    /// What is to be typed next at `from` for `to`: at most `len` bytes, or as many as it takes to be
    /// told from all others.
    pub(super) fn compose(&mut self, from: usize, to: usize, len: usize) -> (u64, String) {
        let place = self.places.entry((from, to)).or_insert(0);
        *place += 1;
        let mut text = format!("{CANARY} {from}>{to} #{place} ");
        let mut rng = Rng::stream(*place, &text, 0);
        while text.len() < len {
            let letter = u8::try_from(rng.below(26)).unwrap_or(0);
            text.push(char::from(b'a' + letter));
        }
        (*place, text)
    }

    /// It was taken, under this id.
    pub(super) fn said(
        &mut self,
        (now, time_ms): (Instant, u64),
        id: MessageId,
        from: usize,
        to: usize,
        (place, text): (u64, String),
    ) {
        let letter = Letter {
            from,
            to,
            text,
            time_ms,
            place,
            said_at: now,
            told: None,
            is_lost: false,
            shown: BTreeSet::new(),
            excused: BTreeSet::new(),
        };
        if self.letters.insert(id, letter).is_some() {
            self.fail(format!("the id {} was given twice", hex(&id)));
        }
    }

    /// An installation tells its user something.
    pub(super) fn heard(&mut self, now: Instant, by: usize, event: &Event) {
        let honest = self.is_honest();
        match event {
            Event::Message(message) => {
                if let Err(wrong) = self.show(by, message) {
                    self.fail(wrong);
                }
            }
            Event::Status {
                id, state, reason, ..
            } => self.status(by, *id, *state, reason.as_deref()),
            Event::Registered { .. } => self.register(by),
            Event::Online { users, more } if honest => self.online(by, users, *more),
            Event::Disconnected { reason, .. } => self.lost(by, reason),
            Event::LoggedIn { .. } => {
                self.register(by);
                if let Some(party) = self.parties.get_mut(by) {
                    party.first_login.get_or_insert(now);
                    party.is_proven = true;
                }
            }
            Event::Failed(Failure::NameTaken) => self.register(by),
            // A worker that fails at a message would fail at it for ever.
            Event::Unreadable { id, .. } if honest && self.faults.has(Fault::FailedWork) => {
                self.noted_as_shown(by, id);
            }
            Event::Unreadable { reason, id, .. } if honest => {
                self.fail(format!("{by} cannot read {}: {reason}", hex(id)));
            }
            Event::KeyChanged { name, .. } => {
                self.fail(format!("{by} is told that {name:?} has another key"));
            }
            Event::DirectoryFork { from, .. } => {
                self.fail(format!("{by} sees another directory than {from:?}"));
            }
            Event::Failed(failure) if honest && !self.is_excusable(now, by, failure) => {
                self.fail(format!("{by} gave up: {failure}"));
            }
            _ => {}
        }
    }

    fn register(&mut self, by: usize) {
        if let Some(party) = self.parties.get(by) {
            self.registered.insert(party.account);
        }
    }

    /// A process begins at an installation.
    pub(super) fn begins(&mut self, by: usize) {
        if let Some(party) = self.parties.get_mut(by) {
            party.is_proven = false;
        }
    }

    fn status(&mut self, by: usize, id: MessageId, state: Delivery, reason: Option<&str>) {
        let Some(letter) = self.letters.get_mut(&id) else {
            if self.is_honest() {
                self.fail(format!("{by} is told of {}, which nobody sent", hex(&id)));
            }
            return;
        };
        if letter.from != by {
            // Another device of the account is told of what this one sent.
            return;
        }
        let before = letter.told;
        letter.told = before.max(Some(state));
        let promised = matches!(before, Some(Delivery::Stored | Delivery::Delivered));
        if state != Delivery::Failed {
            return;
        }
        let reason = reason.unwrap_or_default();
        if promised {
            self.fail(format!("{} was stored and has failed: {reason}", hex(&id)));
        } else if self.is_honest() && !self.may_fail(reason) {
            self.fail(format!("{} has failed: {reason}", hex(&id)));
        }
    }

    /// The installation's disk says that it has shown this.
    pub(super) fn noted_as_shown(&mut self, by: usize, id: &MessageId) -> bool {
        let Some(letter) = self.letters.get_mut(id) else {
            return false;
        };
        !letter.shown.contains(&by) && letter.excused.insert(by)
    }
}

pub(super) fn hex(id: &MessageId) -> String {
    id.iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
