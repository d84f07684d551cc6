use std::sync::Arc;

use chat::manifest::{Manifest, root};
use chat::message::ManifestEntry;
use crypto::SigningKey;

/// Slow work without side effects, for any worker: [`Job::run`].
pub struct Job(pub(crate) Sign);

/// What a [`Job`] came to.
pub struct Done(pub(crate) Option<Manifest>);

/// Signing the directory: a hash for each account and an RSA signature.
pub(crate) struct Sign {
    pub(crate) key: Arc<SigningKey>,
    /// The last version and its root.
    pub(crate) last: Option<(u64, [u8; 32])>,
    pub(crate) issued_ms: u64,
    pub(crate) entries: Vec<ManifestEntry>,
}

impl Job {
    /// Does the work: some milliseconds.
    pub fn run(self) -> Done {
        let Sign {
            key,
            last,
            issued_ms,
            entries,
        } = self.0;
        let version = match last {
            None => 1,
            Some((version, last)) if root(&entries) == last => version,
            Some((version, _)) => version.saturating_add(1),
        };
        Done(Manifest::sign(&key, version, issued_ms, entries).ok())
    }
}
