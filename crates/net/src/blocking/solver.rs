//! Proofs of work that servers ask for before they listen, found beside the loop.

use std::io;
use std::sync::Arc;

use transport::{Completion, ConnectionHandle};

use crate::Waker;
use crate::workers::Pool;

/// Challenges that wait for their turn. A connection has one at a time.
const WAITING_MAX: usize = 256;

/// Answers a challenge's body for a first handshake message with this hash, or says why not.
type Solve = dyn Fn(&[u8], &[u8; 32]) -> Result<Vec<u8>, String> + Send + Sync;

/// A thread that solves.
pub(super) struct Solver {
    solve: Arc<Solve>,
    pool: Pool<ConnectionHandle, Result<Vec<u8>, String>>,
}

impl Solver {
    pub(super) fn start(
        solve: impl Fn(&[u8], &[u8; 32]) -> Result<Vec<u8>, String> + Send + Sync + 'static,
        waker: Waker,
    ) -> io::Result<Self> {
        Ok(Self {
            solve: Arc::new(solve),
            pool: Pool::start("undertone-solver", 1, WAITING_MAX, waker)?,
        })
    }

    /// Begins with a challenge. `Some`: it is answered already.
    pub(super) fn begin(
        &self,
        handle: ConnectionHandle,
        challenge: Vec<u8>,
        hello: [u8; 32],
    ) -> Option<Completion> {
        let solve = Arc::clone(&self.solve);
        let begun = self.pool.submit(handle, move || solve(&challenge, &hello));
        begun
            .err()
            .map(|busy| Completion::Refused(busy.to_string()))
    }

    /// The next challenge that is answered.
    pub(super) fn poll(&self) -> Option<(ConnectionHandle, Completion)> {
        let (handle, outcome) = self.pool.poll()?;
        let completion = match outcome {
            Ok(Ok(token)) => Completion::Solved(token),
            Ok(Err(reason)) => Completion::Refused(reason),
            Err(panicked) => Completion::Refused(panicked.to_string()),
        };
        Some((handle, completion))
    }
}
