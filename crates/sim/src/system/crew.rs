use core::time::Duration;
use std::collections::VecDeque;

use transport::Instant;

use crate::Rng;

/// How long the work beside a process's loop takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// A job, at most.
    pub(super) job: Duration,
    /// A transaction, at most.
    pub(super) commit: Duration,
    /// The way back from either, at most: with some, completions overtake each other.
    pub(super) back: Duration,
}

impl Pace {
    pub(super) const DEFAULT: Self = Self {
        job: Duration::from_millis(3),
        commit: Duration::from_millis(2),
        back: Duration::ZERO,
    };
}

/// What a process has others do: jobs on workers, and transactions, one after the other, on the thread
/// that owns the store.
pub(super) struct Crew<T, C> {
    waiting: VecDeque<T>,
    /// The transaction under way, and when it ends.
    running: Option<(Instant, T)>,
    done: Vec<(Instant, C)>,
    rng: Rng,
}

impl<T, C> Crew<T, C> {
    pub(super) fn new(rng: Rng) -> Self {
        Self {
            waiting: VecDeque::new(),
            running: None,
            done: Vec::new(),
            rng,
        }
    }

    /// When something is done next.
    pub(super) fn next_at(&self) -> Option<Instant> {
        let running = self.running.as_ref().map(|(at, _)| *at);
        self.done.iter().map(|(at, _)| *at).chain(running).min()
    }

    /// A worker has this to say, once it is done.
    pub(super) fn work(&mut self, now: Instant, pace: Pace, completion: C) {
        let takes = self.up_to(pace.job) + self.up_to(pace.back);
        self.done.push((now + takes, completion));
    }

    /// A transaction, after those that were given before.
    pub(super) fn transact(&mut self, transaction: T) {
        self.waiting.push_back(transaction);
    }

    /// A transaction that can begin now: it is to be written.
    pub(super) fn begin(&mut self, now: Instant, pace: Pace) -> Option<&mut T> {
        if self.running.is_some() {
            return None;
        }
        let next = self.waiting.pop_front()?;
        let end = now + self.up_to(pace.commit);
        self.running = Some((end, next));
        self.running.as_mut().map(|(_, transaction)| transaction)
    }

    /// A transaction that ends now: it is to be synced and applied, and [`Crew::finished`].
    pub(super) fn end(&mut self, now: Instant) -> Option<T> {
        let ended = self.running.take_if(|(at, _)| *at <= now);
        ended.map(|(_, transaction)| transaction)
    }

    /// A transaction has come to this.
    pub(super) fn finished(&mut self, now: Instant, pace: Pace, completion: C) {
        let back = self.up_to(pace.back);
        self.done.push((now + back, completion));
    }

    /// The next completion that has found its way back.
    pub(super) fn poll(&mut self, now: Instant) -> Option<C> {
        let at = self.done.iter().position(|(at, _)| *at <= now)?;
        Some(self.done.remove(at).1)
    }

    fn up_to(&mut self, most: Duration) -> Duration {
        let micros = u64::try_from(most.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.rng.below(micros.saturating_add(1)))
    }
}
