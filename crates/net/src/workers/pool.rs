use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::Waker;

/// As many jobs are under way or waiting to be collected as the pool takes. Nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("all workers are busy and the queue is full")]
pub struct Busy;

/// A job that panicked instead of returning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the job panicked")]
pub struct Panicked;

type Job<T> = Box<dyn FnOnce() -> T + Send>;

/// A few threads that run jobs in the order of their submission and hand back what they return,
/// each under the tag it was submitted with.
///
/// Dropping it drops jobs that have not begun and waits for those that have.
pub struct Pool<K, T> {
    shared: Arc<Shared<K, T>>,
    threads: Vec<JoinHandle<()>>,
    capacity: usize,
}

struct Shared<K, T> {
    state: Mutex<State<K, T>>,
    work: Condvar,
    waker: Waker,
}

struct State<K, T> {
    queued: VecDeque<(K, Job<T>)>,
    running: usize,
    done: VecDeque<(K, Result<T, Panicked>)>,
    closed: bool,
}

impl<K: Send + 'static, T: Send + 'static> Pool<K, T> {
    /// Starts `threads` threads named `name-0`, `name-1` and so on. At most `capacity` jobs are
    /// waiting, running or not yet collected. `waker` is used whenever one is done.
    ///
    /// # Errors
    /// The operating system's, when it gives no thread.
    pub fn start(name: &str, threads: usize, capacity: usize, waker: Waker) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                queued: VecDeque::new(),
                running: 0,
                done: VecDeque::new(),
                closed: false,
            }),
            work: Condvar::new(),
            waker,
        });
        let mut pool = Self {
            shared,
            threads: Vec::new(),
            capacity,
        };
        for index in 0..threads.max(1) {
            let shared = Arc::clone(&pool.shared);
            let thread = std::thread::Builder::new()
                .name(format!("{name}-{index}"))
                .spawn(move || shared.run())?;
            pool.threads.push(thread);
        }
        Ok(pool)
    }

    /// Queues `job`.
    ///
    /// # Errors
    /// [`Busy`], when `capacity` jobs are on their way.
    pub fn submit(&self, tag: K, job: impl FnOnce() -> T + Send + 'static) -> Result<(), Busy> {
        let mut state = self.shared.lock();
        if state.on_their_way() >= self.capacity {
            return Err(Busy);
        }
        state.queued.push_back((tag, Box::new(job)));
        drop(state);
        self.shared.work.notify_one();
        Ok(())
    }

    /// The next job that is done, if any.
    pub fn poll(&self) -> Option<(K, Result<T, Panicked>)> {
        self.shared.lock().done.pop_front()
    }

    /// Jobs that are waiting, running or not yet collected.
    pub fn pending(&self) -> usize {
        self.shared.lock().on_their_way()
    }
}

impl<K, T> State<K, T> {
    fn on_their_way(&self) -> usize {
        self.queued.len() + self.running + self.done.len()
    }
}

impl<K, T> Shared<K, T> {
    /// Jobs run outside the lock, so it cannot be poisoned by one.
    fn lock(&self) -> MutexGuard<'_, State<K, T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut state = self.lock();
        while !state.closed {
            let Some((tag, job)) = state.queued.pop_front() else {
                state = self
                    .work
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            state.running += 1;
            drop(state);
            let outcome = catch_unwind(AssertUnwindSafe(job)).map_err(|_| Panicked);
            state = self.lock();
            state.running -= 1;
            state.done.push_back((tag, outcome));
            self.waker.wake();
        }
    }
}

impl<K, T> Drop for Pool<K, T> {
    fn drop(&mut self) {
        let queued = {
            let mut state = self.shared.lock();
            state.closed = true;
            std::mem::take(&mut state.queued)
        };
        // Outside the lock: what a job holds may do anything when it is dropped.
        drop(queued);
        self.shared.work.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
