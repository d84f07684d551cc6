//! What installations show, compared with what was typed.

use chat::Username;
use client::Message;

use super::book::{Book, Letter, hex};
use super::keys;
use crate::seeds::Fault;

/// Letters of one origin that are not shown before another one is.
#[derive(Clone, Copy, Debug, Default)]
struct Missing {
    /// They have places in the conversation, and were sent.
    certain: u64,
    /// And those that may have one.
    possible: u64,
}

impl Book {
    /// An installation shows a message.
    pub(super) fn show(&mut self, by: usize, message: &Message) -> Result<(), String> {
        let id = hex(&message.id);
        let honest = self.is_honest();
        let account = self.account(by);
        // A server that deceives may name any id: then the text, which is signed, says which it is.
        let known = |(key, letter): (&_, &Letter)| match honest {
            true => *key == message.id,
            false => letter.text == message.text,
        };
        let key = (self.letters.iter()).find_map(|entry| known(entry).then_some(*entry.0));
        let letter = key.and_then(|key| self.letters.get(&key));
        let letter = letter.ok_or_else(|| format!("{by} shows {id}, which nobody sent"))?;
        if keys::account_of(&message.from) != self.account(letter.from)
            || keys::account_of(&message.to) != Some(letter.to)
        {
            return Err(format!("{by} shows {id} as from or for somebody else"));
        }
        // It is sealed for its sender's devices too, and one that deceives may send it there.
        let is_senders = !honest && account == self.account(letter.from);
        if account != Some(letter.to) && !is_senders {
            return Err(format!("{by} shows {id}, which is for {}", letter.to));
        }
        if message.text != letter.text {
            return Err(format!("{by} shows {id} with another text"));
        }
        if message.time_ms != letter.time_ms {
            return Err(format!("{by} shows {id} as written at another time"));
        }
        if honest && message.forked {
            return Err(format!("{by} says that {id} contradicts another"));
        }
        self.gap_is_right(by, letter, message.gap)?;
        let origin = (letter.from, letter.to, by);
        let place = letter.place;
        let letter = key.and_then(|key| self.letters.get_mut(&key));
        if letter.is_some_and(|letter| letter.excused.contains(&by) || !letter.shown.insert(by)) {
            return Err(format!("{by} shows {id} a second time"));
        }
        self.shown += 1;
        let untold = self.excused_up_to(origin);
        let order = self.orders.entry(origin).or_default();
        let highest = order.highest;
        if honest && place <= highest {
            return Err(format!("{by} shows {place} after {highest}"));
        }
        let shown = order.show(place, message.gap, untold);
        shown.map_err(|wrong| format!("{by} shows {wrong}"))
    }

    /// The last place that a process had noted as shown and did not show.
    fn excused_up_to(&self, (from, to, by): (usize, usize, usize)) -> u64 {
        let letters = self.letters.values();
        let of_it = letters.filter(|letter| (letter.from, letter.to) == (from, to));
        let excused = of_it.filter(|letter| letter.excused.contains(&by));
        excused.map(|letter| letter.place).max().unwrap_or(0)
    }

    /// What is missing before a letter is marked by a gap, and nothing else is.
    fn gap_is_right(&self, by: usize, letter: &Letter, gap: Option<u64>) -> Result<(), String> {
        let place = letter.place;
        if self.is_honest() && !self.faults.has(Fault::FailedWork) && gap.is_some() {
            return Err(format!("{by} marks a gap of {gap:?} before {place}"));
        }
        let origin = || {
            let of_it = |other: &&Letter| (other.from, other.to) == (letter.from, letter.to);
            self.letters.values().filter(of_it)
        };
        let shown = origin().filter(|other| other.shown.contains(&by));
        let seen = shown.map(|other| other.place).max();
        let Some(seen) = seen.filter(|seen| *seen < place) else {
            return Ok(());
        };
        let between = || origin().filter(|other| (seen + 1..place).contains(&other.place));
        // Where a process had opened one and ended before it was shown, it had marked what was missing before.
        let opened = between().filter(|other| other.excused.contains(&by));
        let opened = opened.map(|other| other.place).max().unwrap_or(0);
        let mut missing = Missing::default();
        for other in between() {
            missing.possible += 1;
            missing.certain += u64::from(other.is_on_its_way() && other.place > opened);
        }
        let Missing { certain, possible } = missing;
        if (certain..=possible).contains(&gap.unwrap_or(0)) {
            return Ok(());
        }
        Err(format!(
            "{by} marks a gap of {gap:?} before {place}, and {certain} to {possible} are missing"
        ))
    }

    /// An installation is told who is online.
    pub(super) fn online(&mut self, by: usize, users: &[Username], more: bool) {
        let accounts: Option<Vec<usize>> = users.iter().map(keys::account_of).collect();
        let ascending = users.is_sorted_by(|one, next| one.key() < next.key());
        let own = self.account(by);
        let known = accounts.filter(|accounts| own.is_some_and(|own| accounts.contains(&own)));
        let Some(known) = known.filter(|_| ascending && !more) else {
            return self.fail(format!(
                "{by} is told that {users:?} are online, more: {more}"
            ));
        };
        let Some(online) = &self.online else {
            return;
        };
        self.lists += 1;
        if !online.iter().eq(&known) {
            let wrong = format!("{by} is told that {known:?} are online, and {online:?} are");
            self.fail(wrong);
        }
    }
}
