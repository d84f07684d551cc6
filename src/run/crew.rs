//! The threads beside an event loop: workers for slow work, and one that owns the store.

use std::collections::VecDeque;
use std::io;

use net::Waker;
use net::workers::{BatchWorker, Pool, Rejected};

/// Slow jobs at a time; a machine bounds how many it asks for.
const WORKERS: usize = 2;

/// Jobs and transactions that wait, are under way, or are not collected. More wait here.
const CAPACITY: usize = 1024;

type Job<D> = Box<dyn FnOnce() -> D + Send>;
type Transaction<S, D> = Box<dyn FnOnce(&mut S) -> D + Send>;

/// Workers and a store's one thread. Both answer with a `D`; a job is named by a `K`, so that the
/// loss of one that panics can be told.
pub(super) struct Crew<S, K, D> {
    pool: Pool<K, D>,
    writer: BatchWorker<Transaction<S, D>, D>,
    /// Jobs that the pool had no room for, in order.
    jobs: VecDeque<(K, Job<D>)>,
    /// Transactions that the writer had no room for, in order.
    transactions: VecDeque<Transaction<S, D>>,
    stored: VecDeque<D>,
}

/// Something that was asked for is done.
pub(super) enum Finished<K, D> {
    /// What a job or a transaction returned.
    Done(D),
    /// This job panicked.
    Panicked(K),
}

impl<S, K, D> Crew<S, K, D>
where
    S: Send + 'static,
    K: Send + 'static,
    D: Send + 'static,
{
    /// Starts the threads; `store` moves to its own.
    pub(super) fn start(name: &str, mut store: S, waker: &Waker) -> io::Result<Self> {
        let pool = Pool::start(&format!("{name}-work"), WORKERS, CAPACITY, waker.clone())?;
        let writer = BatchWorker::start(
            &format!("{name}-store"),
            CAPACITY,
            waker.clone(),
            move |transactions: &mut Vec<Transaction<S, D>>, done: &mut Vec<D>| {
                done.extend(transactions.drain(..).map(|transact| transact(&mut store)));
            },
        )?;
        Ok(Self {
            pool,
            writer,
            jobs: VecDeque::new(),
            transactions: VecDeque::new(),
            stored: VecDeque::new(),
        })
    }

    /// Has `job` done by a worker.
    pub(super) fn work(&mut self, tag: K, job: impl FnOnce() -> D + Send + 'static) {
        self.jobs.push_back((tag, Box::new(job)));
        self.hand_out();
    }

    /// Has a transaction done, after all that were asked for before.
    pub(super) fn transact(&mut self, transaction: impl FnOnce(&mut S) -> D + Send + 'static) {
        self.transactions.push_back(Box::new(transaction));
        self.hand_out();
    }

    /// Gives waiting requests to whoever has room.
    fn hand_out(&mut self) {
        while self.pool.pending() < CAPACITY
            && let Some((tag, job)) = self.jobs.pop_front()
        {
            // Only this thread submits, so there is room.
            let taken = self.pool.submit(tag, job);
            debug_assert!(taken.is_ok());
        }
        while let Some(transaction) = self.transactions.pop_front() {
            match self.writer.submit(transaction) {
                Ok(()) => {}
                Err(Rejected::Full(transaction)) => {
                    return self.transactions.push_front(transaction);
                }
                // Told by `is_lost`.
                Err(Rejected::Failed(_)) => {}
            }
        }
    }

    /// The next thing that is done.
    pub(super) fn poll(&mut self) -> Option<Finished<K, D>> {
        if let Some((tag, outcome)) = self.pool.poll() {
            self.hand_out();
            return Some(match outcome {
                Ok(done) => Finished::Done(done),
                Err(_) => Finished::Panicked(tag),
            });
        }
        if self.stored.is_empty() {
            let mut stored = Vec::new();
            self.writer.poll(&mut stored);
            self.stored.extend(stored);
            self.hand_out();
        }
        self.stored.pop_front().map(Finished::Done)
    }

    /// Whether the store's thread is lost: what it had in hand is never answered.
    pub(super) fn is_lost(&self) -> bool {
        self.writer.has_failed()
    }
}
