use crypto::{BadSignature, SigningKey, Transcript, VerifyingKey};

use crate::limits::MANIFEST_ENTRIES_MAX;
use crate::message::{ManifestHead, Signature};

/// How far a head's time may be from the client's clock, either way: 2 h.
pub const HEAD_AGE_MAX_MS: u64 = 2 * 60 * 60 * 1000;

/// The newest head that a client has accepted from a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadSeen {
    /// Its version.
    pub version: u64,
    /// Its root.
    pub root: [u8; 32],
}

/// Why a client does not accept a head. All but `BadSignature` come from the server itself, or
/// from a wrong clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadRefused {
    /// Not signed by the server's key.
    #[error("the directory is not signed by this server")]
    BadSignature,
    /// More entries than a client takes.
    #[error("the directory has {0} entries, more than {MANIFEST_ENTRIES_MAX}")]
    TooLong(u32),
    /// An older version than was seen before.
    #[error("the directory went back from version {seen} to {offered}")]
    WentBack {
        /// The version seen before.
        seen: u64,
        /// The version offered now.
        offered: u64,
    },
    /// The version seen before, with another content: the server shows different directories.
    #[error("the directory of version {0} has changed")]
    Forked(u64),
    /// Issued more than 2 h before the client's clock.
    #[error("the directory is {0} minutes old; is this computer's clock right?")]
    Stale(u64),
    /// Issued more than 2 h after the client's clock.
    #[error("the directory is from {0} minutes in the future; is this computer's clock right?")]
    FromTheFuture(u64),
}

/// Signs a head. `issued_ms` is in milliseconds since 1970-01-01 UTC.
pub fn sign_head(
    key: &SigningKey,
    version: u64,
    issued_ms: u64,
    count: u32,
    root: [u8; 32],
) -> ManifestHead {
    let mut head = ManifestHead {
        version,
        issued_ms,
        count,
        root,
        signature: Signature::default(),
    };
    let signature = key.sign(&message(&head));
    head.signature = Signature::new(signature).unwrap_or_default();
    head
}

/// Whether `key`, the server's, has signed the head.
pub fn verify_head(head: &ManifestHead, key: &VerifyingKey) -> Result<(), BadSignature> {
    key.verify(&message(head), &head.signature)
}

/// Accepts a head: signed, not too long, no step back from what was seen, and of now. Gives what to
/// remember.
pub fn accept_head(
    head: &ManifestHead,
    key: &VerifyingKey,
    now_ms: u64,
    seen: Option<HeadSeen>,
) -> Result<HeadSeen, HeadRefused> {
    verify_head(head, key).map_err(|_| HeadRefused::BadSignature)?;
    if head.count > MANIFEST_ENTRIES_MAX {
        return Err(HeadRefused::TooLong(head.count));
    }
    if let Some(seen) = seen {
        if head.version < seen.version {
            let (seen, offered) = (seen.version, head.version);
            return Err(HeadRefused::WentBack { seen, offered });
        }
        if head.version == seen.version && head.root != seen.root {
            return Err(HeadRefused::Forked(head.version));
        }
    }
    let age_ms = now_ms.saturating_sub(head.issued_ms);
    if age_ms > HEAD_AGE_MAX_MS {
        return Err(HeadRefused::Stale(age_ms / 60_000));
    }
    let ahead_ms = head.issued_ms.saturating_sub(now_ms);
    if ahead_ms > HEAD_AGE_MAX_MS {
        return Err(HeadRefused::FromTheFuture(ahead_ms / 60_000));
    }
    Ok(HeadSeen {
        version: head.version,
        root: head.root,
    })
}

/// The key bag's hash in an entry: `SHA-256(T("key-bag-hash"; bag))`.
pub fn key_bag_hash(bag: &[u8]) -> [u8; 32] {
    Transcript::new("key-bag-hash").field(bag).sha256()
}

/// T("manifest"; version, issued, count, root).
fn message(head: &ManifestHead) -> Vec<u8> {
    Transcript::new("manifest")
        .u64(head.version)
        .u64(head.issued_ms)
        .u32(head.count)
        .field(&head.root)
        .bytes()
}
