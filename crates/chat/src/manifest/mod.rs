//! The directory of all accounts, signed by the server (PROTOCOL.md §6.7).
//!
//! ```text
//! server: Manifest::sign(entries)  ->  ManifestHead, ManifestPart, ManifestPart ...
//! client: accept_head(head)  ->  Assembly::new(head), push(part) ...  ->  Manifest
//! ```
//!
//! The root is a Merkle tree's, so that an inclusion proof can take the place of the whole list
//! without another signature.

mod assembly;
mod head;
mod tree;

use crypto::{SigningKey, Transcript};

pub use assembly::{Assembly, BadManifest};
pub use head::{
    HEAD_AGE_MAX_MS, HeadRefused, HeadSeen, accept_head, key_bag_hash, sign_head, verify_head,
};
pub use tree::{Tree, root};

use crate::Username;
use crate::limits::{MANIFEST_ENTRIES_MAX, MANIFEST_PART_ENTRIES_MAX};
use crate::message::{List, ManifestEntry, ManifestHead, ManifestPart};

/// A complete directory: a head, and the entries that its root covers, in ascending order of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    head: ManifestHead,
    entries: Vec<ManifestEntry>,
}

/// Entries that no manifest can be made of: more than [`MANIFEST_ENTRIES_MAX`], or two of one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many entries, or two of one name")]
pub struct BadEntries;

impl Manifest {
    /// Signs a directory. The entries come in any order.
    pub fn sign(
        key: &SigningKey,
        version: u64,
        issued_ms: u64,
        mut entries: Vec<ManifestEntry>,
    ) -> Result<Self, BadEntries> {
        entries.sort_by(|a, b| a.user.cmp(&b.user));
        let mut pairs = entries.iter().zip(entries.iter().skip(1));
        if pairs.any(|(a, b)| a.user == b.user) {
            return Err(BadEntries);
        }
        let count = u32::try_from(entries.len()).map_err(|_| BadEntries)?;
        if count > MANIFEST_ENTRIES_MAX {
            return Err(BadEntries);
        }
        let head = sign_head(key, version, issued_ms, count, root(&entries));
        Ok(Self { head, entries })
    }

    /// The signed head.
    pub fn head(&self) -> &ManifestHead {
        &self.head
    }

    /// All entries, in ascending order of names.
    pub fn entries(&self) -> &[ManifestEntry] {
        &self.entries
    }

    /// An account's entry.
    pub fn entry(&self, user: &Username) -> Option<&ManifestEntry> {
        let index = self.entries.binary_search_by(|entry| entry.user.cmp(user));
        self.entries.get(index.ok()?)
    }

    /// The entries as messages, in the order in which they are to be sent.
    pub fn parts(&self) -> impl Iterator<Item = ManifestPart> + '_ {
        let chunks = self.entries.chunks(MANIFEST_PART_ENTRIES_MAX);
        chunks.filter_map(|chunk| {
            let entries = List::new(chunk.to_vec()).ok()?;
            Some(ManifestPart { entries })
        })
    }
}

/// The leaf of an entry: SHA-256 of T("manifest leaf"; name, fp(C_sig), fp(C_enc), key bag version,
/// key bag hash).
fn leaf(entry: &ManifestEntry) -> [u8; 32] {
    Transcript::new("manifest leaf")
        .field(entry.user.display().as_bytes())
        .field(&entry.sig_fingerprint)
        .field(&entry.enc_fingerprint)
        .u64(entry.key_bag_version)
        .field(&entry.key_bag_hash)
        .sha256()
}

#[cfg(test)]
mod tests;
