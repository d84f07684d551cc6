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
    /// An earlier process gave it out, so that there may have been later ones: what it left may
    /// have been restored from an older state.
    pub(crate) is_inherited: bool,
    pub(crate) issued_ms: u64,
    pub(crate) entries: Vec<ManifestEntry>,
}

impl Job {
    /// Does the work: some milliseconds.
    pub fn run(self) -> Done {
        let Sign {
            key,
            last,
            is_inherited,
            issued_ms,
            entries,
        } = self.0;
        let version = match last {
            Some((version, last)) if !is_inherited && root(&entries) == last => version,
            // Above all that a clock which went on since can have led to.
            Some((version, _)) => version.saturating_add(1).max(issued_ms),
            None => issued_ms.max(1),
        };
        Done(Manifest::sign(&key, version, issued_ms, entries).ok())
    }
}
