//! What has to become of letters once nothing goes wrong any more.

use client::Delivery;

use super::book::{Book, Letter, hex};
use crate::seeds::Fault;

/// Faults with which a server may forget to tell that something was delivered (docs/PROTOCOL.md §7.5): it has
/// no room to note it, or ends before it has noted it.
const FORGETTING: [Fault; 4] = [
    Fault::Restart,
    Fault::DiskFull,
    Fault::DiskError,
    Fault::FailedWork,
];

impl Book {
    /// Whether a letter has to come to an installation: it was there before the letter was.
    pub(super) fn is_owed(&self, letter: &Letter, to: usize) -> bool {
        self.parties.get(to).is_some_and(|party| {
            let early = party.first_login.is_some_and(|at| at < letter.said_at);
            party.account == letter.to && early
        })
    }

    /// Whether a client may give a letter up with these words, under the faults that are active.
    pub(super) fn may_fail(&self, words: &str) -> bool {
        match words {
            "sealing failed" => self.faults.has(Fault::FailedWork),
            "the client left before the message was on disk" => self.faults.has(Fault::Closes),
            "the disk is full: nothing was written" => self.faults.has(Fault::DiskFull),
            _ => false,
        }
    }

    /// Something that was promised and has not come.
    pub(super) fn unshown(&self) -> Option<String> {
        self.first(|letter| {
            if !letter.is_promised() {
                return None;
            }
            let has = |by: &usize| letter.shown.contains(by) || letter.excused.contains(by);
            let owed = (0..self.parties.len()).filter(|by| self.is_owed(letter, *by));
            let owed: Vec<usize> = owed.collect();
            if let Some(by) = owed.iter().find(|by| !has(by)) {
                return Some(format!("is not shown at {by}"));
            }
            let anywhere = !letter.shown.is_empty() || !letter.excused.is_empty();
            (owed.is_empty() && !anywhere).then(|| "is shown nowhere".to_owned())
        })
    }

    /// The same, and what of a letter its sender still has to be told.
    pub(super) fn unsettled(&self) -> Option<String> {
        let untold = self.first(|letter| {
            let account = |of: usize| self.account(of);
            let to_another = account(letter.from) != Some(letter.to);
            let here = letter.shown.iter().chain(&letter.excused);
            let is_there = here.copied().any(|by| account(by) == Some(letter.to));
            let what = match letter.told {
                None if !letter.is_lost => "is without any word",
                Some(Delivery::Queued) => "is still queued",
                Some(Delivery::Stored) if to_another && is_there && !self.has_any(&FORGETTING) => {
                    "is there, and its sender does not know"
                }
                _ => return None,
            };
            Some(what.to_owned())
        });
        untold.or_else(|| self.unshown())
    }

    /// The first letter of which there is something to say.
    fn first(&self, say: impl Fn(&Letter) -> Option<String>) -> Option<String> {
        self.letters.iter().find_map(|(id, letter)| {
            let what = say(letter)?;
            let (from, to, place) = (letter.from, letter.to, letter.place);
            Some(format!("{from}>{to} #{place} {} {what}", hex(id)))
        })
    }
}
