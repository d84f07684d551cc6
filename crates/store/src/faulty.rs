//! Injected failures, for the tests of whoever uses a store.

use std::collections::BTreeMap;

use crate::{Store, StoreError};

/// A store whose chosen commits fail.
///
/// Keeps the contract of [`Store`]: a commit that fails does not reach the inner store, and after
/// an error that is no refusal every later commit fails with [`StoreError::Stopped`].
#[derive(Debug)]
pub struct Faulty<S> {
    inner: S,
    faults: BTreeMap<u64, StoreError>,
    commits: u64,
    stopped: Option<StoreError>,
}

impl<S> Faulty<S> {
    /// Wraps `inner`; nothing fails until [`fail_at`](Self::fail_at) says so.
    pub const fn new(inner: S) -> Self {
        Self {
            inner,
            faults: BTreeMap::new(),
            commits: 0,
            stopped: None,
        }
    }

    /// Makes the commit with this number fail with `error`. The first commit has number 0.
    pub fn fail_at(&mut self, commit: u64, error: StoreError) {
        self.faults.insert(commit, error);
    }

    /// Makes the next commit fail with `error`.
    pub fn fail_next(&mut self, error: StoreError) {
        self.fail_at(self.commits, error);
    }

    /// How many commits were asked for so far.
    pub const fn commits(&self) -> u64 {
        self.commits
    }

    /// The store inside, as a process that opens it anew would find it.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Store> Store for Faulty<S> {
    type Op = S::Op;
    type Outcome = S::Outcome;

    fn commit(&mut self, batch: &[Self::Op]) -> Result<Vec<Self::Outcome>, StoreError> {
        let number = self.commits;
        self.commits = number.saturating_add(1);
        if let Some(cause) = &self.stopped {
            return Err(StoreError::Stopped(cause.to_string()));
        }
        let Some(error) = self.faults.remove(&number) else {
            return self.inner.commit(batch);
        };
        if !error.is_refusal() {
            self.stopped = Some(error.clone());
        }
        Err(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::{MemoryStore, Op, Outcome};

    fn put(value: u8) -> [Op; 1] {
        [Op::PutMeta {
            key: "k".into(),
            value: vec![value],
        }]
    }

    fn load() -> [Op; 1] {
        [Op::LoadMeta { key: "k".into() }]
    }

    #[test]
    fn refusal_changes_nothing_and_passes() {
        let mut store = Faulty::new(MemoryStore::default());
        store.fail_at(1, StoreError::Full);
        store.commit(&put(1)).unwrap();
        assert_eq!(store.commit(&put(2)), Err(StoreError::Full));
        assert_eq!(
            store.commit(&load()).unwrap(),
            [Outcome::Meta(Some(vec![1]))]
        );
        store.commit(&put(3)).unwrap();
        assert_eq!(
            store.commit(&load()).unwrap(),
            [Outcome::Meta(Some(vec![3]))]
        );
        assert_eq!(store.commits(), 5);
    }

    #[test]
    fn failure_stops_the_store() {
        let mut store = Faulty::new(MemoryStore::default());
        store.commit(&put(1)).unwrap();
        store.fail_next(StoreError::Io("sync".into()));
        assert!(matches!(store.commit(&put(2)), Err(StoreError::Io(_))));
        assert!(matches!(store.commit(&load()), Err(StoreError::Stopped(_))));
        let mut inner = store.into_inner();
        assert_eq!(
            inner.commit(&load()).unwrap(),
            [Outcome::Meta(Some(vec![1]))]
        );
    }
}
