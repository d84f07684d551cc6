//! What a process holds in memory.

/// Tells how many bytes are allocated now.
pub type Probe = fn() -> i64;

/// Counts what calls allocate and do not free, where somebody can tell.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Meter {
    probe: Option<Probe>,
    held: i64,
}

impl Meter {
    pub(super) fn new(probe: Option<Probe>) -> Self {
        Self { probe, held: 0 }
    }

    /// Bytes that are held, if anybody counts.
    pub(super) fn held(&self) -> Option<i64> {
        self.probe.map(|_| self.held)
    }

    /// Makes a call and counts what it leaves behind.
    pub(super) fn count<T>(&mut self, call: impl FnOnce() -> T) -> T {
        let Some(probe) = self.probe else {
            return call();
        };
        let before = probe();
        let result = call();
        self.held += probe() - before;
        result
    }
}
