//! Work that runs beside the loop.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests of the crate that may"
)]

use std::sync::mpsc;
use std::time::Duration;

use net::Waker;
use net::mio::{Events, Poll, Token};
use net::workers::{BatchWorker, Busy, Panicked, Pool, Rejected};

/// A loop that does nothing but wait to be woken.
struct Loop {
    poll: Poll,
    waker: Waker,
}

impl Loop {
    fn new() -> Self {
        let poll = Poll::new().unwrap();
        let waker = Waker::new(poll.registry(), Token(0)).unwrap();
        Self { poll, waker }
    }

    fn wait(&mut self) {
        let mut events = Events::with_capacity(1);
        self.poll
            .poll(&mut events, Some(Duration::from_secs(10)))
            .unwrap();
        assert!(!events.is_empty(), "nobody woke the loop");
    }
}

#[test]
fn jobs_come_back_under_their_tags() {
    let mut main = Loop::new();
    let pool = Pool::start("test", 2, 100, main.waker.clone()).unwrap();
    for tag in 0..20u64 {
        pool.submit(tag, move || tag * tag).unwrap();
    }
    let mut done = Vec::new();
    while done.len() < 20 {
        main.wait();
        while let Some((tag, result)) = pool.poll() {
            assert_eq!(result, Ok(tag * tag));
            done.push(tag);
        }
    }
    done.sort_unstable();
    assert_eq!(done, (0..20).collect::<Vec<_>>());
    assert_eq!(pool.pending(), 0);
}

#[test]
fn a_panic_is_a_completion_and_the_thread_goes_on() {
    let mut main = Loop::new();
    let pool = Pool::start("test", 1, 10, main.waker.clone()).unwrap();
    pool.submit('a', || panic!("on purpose")).unwrap();
    pool.submit('b', || 7).unwrap();
    let mut done = Vec::new();
    while done.len() < 2 {
        main.wait();
        while let Some(outcome) = pool.poll() {
            done.push(outcome);
        }
    }
    assert_eq!(done, [('a', Err(Panicked)), ('b', Ok(7))]);
}

#[test]
fn a_full_pool_says_so() {
    let mut main = Loop::new();
    let pool = Pool::start("test", 1, 2, main.waker.clone()).unwrap();
    let (release, gate) = mpsc::channel::<()>();
    pool.submit(0, move || gate.recv().is_ok()).unwrap();
    pool.submit(1, || true).unwrap();
    assert_eq!(pool.submit(2, || true), Err(Busy));
    release.send(()).unwrap();
    main.wait();
    // Even what is done counts until it is collected.
    while pool.poll().is_none() {
        main.wait();
    }
    pool.submit(3, || true).unwrap();
}

#[test]
fn dropping_a_pool_drops_what_has_not_begun() {
    let main = Loop::new();
    let (release, gate) = mpsc::channel::<()>();
    let (began, begun) = mpsc::channel::<()>();
    let (ran, runs) = mpsc::channel::<u32>();
    let pool = Pool::start("test", 1, 10, main.waker.clone()).unwrap();
    let first = ran.clone();
    pool.submit((), move || {
        began.send(()).unwrap();
        let _ = gate.recv();
        first.send(1).unwrap();
    })
    .unwrap();
    pool.submit((), move || ran.send(2).unwrap()).unwrap();
    begun.recv().unwrap();
    let dropper = std::thread::spawn(move || drop(pool));
    // The queued job's sender is dropped with it; only then may the running one end.
    std::thread::sleep(Duration::from_millis(50));
    release.send(()).unwrap();
    dropper.join().unwrap();
    assert_eq!(runs.iter().collect::<Vec<_>>(), [1]);
}

#[test]
fn a_batch_worker_takes_all_that_has_queued_up() {
    let mut main = Loop::new();
    let (release, gate) = mpsc::channel::<()>();
    let worker = BatchWorker::start("test", 100, main.waker.clone(), move |items, out| {
        let _ = gate.recv();
        out.push(std::mem::take::<Vec<u32>>(items));
    })
    .unwrap();
    worker.submit(0).unwrap();
    while worker.submit(1).is_err() {}
    for item in 2..50 {
        worker.submit(item).unwrap();
    }
    release.send(()).unwrap();
    main.wait();
    release.send(()).unwrap();
    let mut batches = Vec::new();
    while batches.iter().map(Vec::len).sum::<usize>() < 50 {
        worker.poll(&mut batches);
    }
    assert!(batches.len() <= 2, "{batches:?}");
    assert_eq!(batches.concat(), (0..50).collect::<Vec<_>>(), "in order");
}

#[test]
fn a_batch_worker_that_panics_has_failed_for_good() {
    let mut main = Loop::new();
    let worker = BatchWorker::start("test", 10, main.waker.clone(), |items, out| {
        for item in items.drain(..) {
            assert_ne!(item, 13, "on purpose");
            out.push(item);
        }
    })
    .unwrap();
    worker.submit(13).unwrap();
    main.wait();
    assert!(worker.has_failed());
    assert_eq!(worker.submit(1), Err(Rejected::Failed(1)));
    assert_eq!(worker.shutdown(), Vec::<u32>::new());
}

#[test]
fn a_batch_worker_finishes_before_it_goes() {
    let main = Loop::new();
    let worker = BatchWorker::start("test", 10, main.waker.clone(), |items, out| {
        out.append(items);
    })
    .unwrap();
    for item in 0..10 {
        worker.submit(item).unwrap();
    }
    assert_eq!(worker.submit(10), Err(Rejected::Full(10)));
    assert_eq!(worker.shutdown(), (0..10).collect::<Vec<_>>());
}
