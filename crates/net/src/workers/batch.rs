use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::Waker;

/// An item that was not taken, handed back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected<I> {
    /// As many items are on their way as the worker takes.
    #[error("the queue is full")]
    Full(I),
    /// The handler has panicked, and nothing more will be done.
    #[error("the worker has failed")]
    Failed(I),
}

/// One thread that works through items in order, taking all that have queued up in the meantime at
/// once: a writer that commits once for many.
///
/// When its handler panics the worker has failed for good: what it had in hand may be half done,
/// and going on could contradict it.
///
/// Dropping it does what is queued and waits for that.
pub struct BatchWorker<I, O> {
    shared: Arc<Shared<I, O>>,
    thread: Option<JoinHandle<()>>,
    capacity: usize,
}

struct Shared<I, O> {
    state: Mutex<State<I, O>>,
    work: Condvar,
    waker: Waker,
}

struct State<I, O> {
    queued: Vec<I>,
    in_hand: usize,
    done: Vec<O>,
    closed: bool,
    failed: bool,
}

impl<I: Send + 'static, O: Send + 'static> BatchWorker<I, O> {
    /// Starts a thread called `name` on which `handler` runs. It is given every item that has
    /// queued up, takes all of them out, and appends what is to be handed back. At most `capacity`
    /// items are waiting, in hand, or done and not collected. `waker` is used after each batch.
    ///
    /// # Errors
    /// The operating system's, when it gives no thread.
    pub fn start(
        name: &str,
        capacity: usize,
        waker: Waker,
        handler: impl FnMut(&mut Vec<I>, &mut Vec<O>) + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                queued: Vec::new(),
                in_hand: 0,
                done: Vec::new(),
                closed: false,
                failed: false,
            }),
            work: Condvar::new(),
            waker,
        });
        let thread = {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || shared.run(handler))?
        };
        Ok(Self {
            shared,
            thread: Some(thread),
            capacity,
        })
    }

    /// Queues `item`.
    ///
    /// # Errors
    /// The item, when it is not taken.
    pub fn submit(&self, item: I) -> Result<(), Rejected<I>> {
        let mut state = self.shared.lock();
        if state.failed {
            return Err(Rejected::Failed(item));
        }
        if state.on_their_way() >= self.capacity {
            return Err(Rejected::Full(item));
        }
        state.queued.push(item);
        drop(state);
        self.shared.work.notify_one();
        Ok(())
    }

    /// Moves what was handed back since the last call to the end of `out`, in order.
    pub fn poll(&self, out: &mut Vec<O>) {
        out.append(&mut self.shared.lock().done);
    }

    /// Items that are waiting or in hand, and results that are not collected.
    pub fn pending(&self) -> usize {
        self.shared.lock().on_their_way()
    }

    /// Whether the handler has panicked. What it had in hand is never completed.
    pub fn has_failed(&self) -> bool {
        self.shared.lock().failed
    }

    /// Does what is queued, ends the thread, and returns what was handed back and not collected.
    pub fn shutdown(mut self) -> Vec<O> {
        self.close();
        std::mem::take(&mut self.shared.lock().done)
    }
}

impl<I, O> State<I, O> {
    fn on_their_way(&self) -> usize {
        self.queued.len() + self.in_hand + self.done.len()
    }
}

impl<I, O> Shared<I, O> {
    /// The handler runs outside the lock, so it cannot be poisoned by it.
    fn lock(&self) -> MutexGuard<'_, State<I, O>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, mut handler: impl FnMut(&mut Vec<I>, &mut Vec<O>)) {
        let mut items = Vec::new();
        let mut results = Vec::new();
        let mut state = self.lock();
        loop {
            if state.queued.is_empty() {
                if state.closed {
                    return;
                }
                state = self
                    .work
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            std::mem::swap(&mut items, &mut state.queued);
            state.in_hand = items.len();
            drop(state);
            let outcome = catch_unwind(AssertUnwindSafe(|| handler(&mut items, &mut results)));
            items.clear();
            state = self.lock();
            state.in_hand = 0;
            state.failed = outcome.is_err();
            if !state.failed {
                state.done.append(&mut results);
            }
            self.waker.wake();
            if state.failed {
                return;
            }
        }
    }
}

impl<I, O> BatchWorker<I, O> {
    fn close(&mut self) {
        self.shared.lock().closed = true;
        self.shared.work.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl<I, O> Drop for BatchWorker<I, O> {
    fn drop(&mut self) {
        self.close();
    }
}
