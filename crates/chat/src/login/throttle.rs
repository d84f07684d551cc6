use crypto::{Random, Secret};

use crate::sketch::Sketch;
use crate::source::SourcePrefix;
use crate::{Username, puzzle};

const SECOND_NS: u64 = 1_000_000_000;

/// Failures that cost nothing: people mistype.
const FREE_FAILURES: u64 = 3;
/// The longest pause between two attempts at one account from one source.
const PAUSE_MAX_S: u64 = 60;
/// Work for a registration, log2 of hashes.
const REGISTRATION_DIFFICULTY: u8 = 16;

/// Counts rise no further: so long after the last failure all is forgotten.
const PAIR_MAX: u64 = 16;
const PAIR_DRAIN_NS: u64 = 300 * SECOND_NS;
const WIDE_MAX: u64 = 256;
const ACCOUNT_DRAIN_NS: u64 = 60 * SECOND_NS;
const SOURCE_DRAIN_NS: u64 = 30 * SECOND_NS;

/// Makes guessing passwords dear (PROTOCOL.md §6.8), known name or not.
///
/// - Every answered `LoginStart` is a failure until its KE3 is valid.
/// - For one account from one source, pauses grow from 1 s to 60 s after three failures. So a
///   guesser is slowed, and the owner, who is elsewhere, is not.
/// - For an account from anywhere, and for a source at any account, only the work rises: from 2^14
///   to 2^20 hashes.
///
/// Memory is fixed, 4 MiB, so that invented names cost nothing.
pub struct Throttle {
    pairs: Sketch,
    pauses: Sketch,
    accounts: Sketch,
    sources: Sketch,
}

/// What an attempt costs now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Price {
    /// Nothing.
    Free,
    /// `LoginWork` of this difficulty.
    Work(u8),
    /// Too early: `TooManyAttempts`, with this many seconds.
    Wait(u32),
}

/// An answered attempt, to be given back when its KE3 is valid.
#[derive(Clone, Debug)]
pub struct Ticket {
    username: Username,
    source: SourcePrefix,
    answered_ns: u64,
    pause_s: u64,
}

impl Throttle {
    /// A throttle that has seen nothing.
    pub fn new(random: &mut dyn Random) -> Self {
        let mut sketch = |drain_ns| Sketch::new(Secret::generate(random), drain_ns);
        Self {
            pairs: sketch(PAIR_DRAIN_NS),
            pauses: sketch(SECOND_NS),
            accounts: sketch(ACCOUNT_DRAIN_NS),
            sources: sketch(SOURCE_DRAIN_NS),
        }
    }

    /// What a `LoginStart` costs. Nothing is counted yet.
    pub fn price(&self, now_ns: u64, username: &Username, source: SourcePrefix) -> Price {
        let pause_s = self.pauses.count(now_ns, &pair(username, &source));
        if pause_s > 0 {
            return Price::Wait(u32::try_from(pause_s).unwrap_or(u32::MAX));
        }
        let of_account = self.accounts.count(now_ns, &[username.key().as_bytes()]);
        let of_source = self.sources.count(now_ns, &[source.as_bytes()]);
        match difficulty(of_account.max(of_source)) {
            Some(difficulty) => Price::Work(difficulty),
            None => Price::Free,
        }
    }

    /// Counts an attempt that is about to be answered with a `LoginResponse`. Fails with the
    /// seconds to wait if another attempt was answered since its price was asked: several
    /// connections guess no faster than one.
    pub fn answer(
        &mut self,
        now_ns: u64,
        username: &Username,
        source: SourcePrefix,
    ) -> Result<Ticket, u32> {
        if let Price::Wait(seconds) = self.price(now_ns, username, source) {
            return Err(seconds);
        }
        let pair = pair(username, &source);
        self.pairs.add_below(now_ns, &pair, PAIR_MAX);
        let account = username.key().as_bytes();
        self.accounts.add_below(now_ns, &[account], WIDE_MAX);
        self.sources
            .add_below(now_ns, &[source.as_bytes()], WIDE_MAX);
        let pause_s = pause_s(self.pairs.count(now_ns, &pair));
        self.pauses.add(now_ns, &pair, pause_s);
        Ok(Ticket {
            username: username.clone(),
            source,
            answered_ns: now_ns,
            pause_s,
        })
    }

    /// Takes an answered attempt back: its KE3 was valid.
    pub fn succeeded(&mut self, now_ns: u64, ticket: &Ticket) {
        let then_ns = ticket.answered_ns;
        let pair = pair(&ticket.username, &ticket.source);
        let account = ticket.username.key().as_bytes();
        self.pauses
            .take_back(now_ns, then_ns, &pair, ticket.pause_s);
        self.pairs.take_back(now_ns, then_ns, &pair, 1);
        self.accounts.take_back(now_ns, then_ns, &[account], 1);
        self.sources
            .take_back(now_ns, then_ns, &[ticket.source.as_bytes()], 1);
    }

    /// The work that a registration from this source costs. Counts it.
    pub fn registration(&mut self, now_ns: u64, source: SourcePrefix) -> u8 {
        let key = [source.as_bytes().as_slice()];
        let so_far = self.sources.count(now_ns, &key);
        self.sources.add_below(now_ns, &key, WIDE_MAX);
        difficulty(so_far).map_or(REGISTRATION_DIFFICULTY, |difficulty| {
            difficulty.max(REGISTRATION_DIFFICULTY)
        })
    }
}

/// The prefix has a fixed length, so no two pairs are the same bytes.
fn pair<'a>(username: &'a Username, source: &'a SourcePrefix) -> [&'a [u8]; 2] {
    [source.as_bytes(), username.key().as_bytes()]
}

/// 0 up to three failures, then 1, 2, 4 ... 60 s.
fn pause_s(failures: u64) -> u64 {
    match failures.checked_sub(FREE_FAILURES + 1) {
        None => 0,
        Some(doublings) => 1u64
            .checked_shl(u32::try_from(doublings).unwrap_or(u32::MAX))
            .unwrap_or(PAUSE_MAX_S)
            .clamp(1, PAUSE_MAX_S),
    }
}

/// None up to two failures, then 2^14 hashes at 3, 2^15 at 4, 2^16 at 8 ... 2^20 at 128.
fn difficulty(failures: u64) -> Option<u8> {
    if failures < FREE_FAILURES {
        return None;
    }
    let doublings = u8::try_from(failures.ilog2()).unwrap_or(u8::MAX);
    Some(doublings.saturating_add(13).min(puzzle::DIFFICULTY_CAP))
}
