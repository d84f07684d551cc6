use super::{Manifest, Tree};
use crate::limits::MANIFEST_PART_ENTRIES_MAX;
use crate::message::{ManifestEntry, ManifestHead, ManifestPart};

/// Puts the parts of a manifest together. It never holds more entries than the head, which was
/// accepted before, counts.
#[derive(Clone, Debug)]
pub struct Assembly {
    head: ManifestHead,
    entries: Vec<ManifestEntry>,
    tree: Tree,
}

/// The parts are not what the head's root covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadManifest {
    /// More entries than the head counts, or a part that is not as full as it could be.
    #[error("the directory's parts do not have the entries that its head counts")]
    Count,
    /// Names are not in strictly ascending order.
    #[error("the directory is not in order")]
    Order,
    /// The root over the entries is another one.
    #[error("the directory is not the one that its head is for")]
    Root,
}

impl Assembly {
    /// An assembly of what `head` covers. The head is to be accepted first
    /// ([`accept_head`](super::accept_head)): its count bounds the memory.
    pub fn new(head: ManifestHead) -> Self {
        Self {
            head,
            entries: Vec::new(),
            tree: Tree::default(),
        }
    }

    /// Whether parts are still to come. A manifest without entries has none.
    pub fn is_complete(&self) -> bool {
        self.missing() == 0
    }

    /// Takes the next part. Every part but the last is full, so that a peer cannot send entries one
    /// by one.
    pub fn push(&mut self, part: ManifestPart) -> Result<(), BadManifest> {
        let expected = self.missing().min(MANIFEST_PART_ENTRIES_MAX);
        if part.entries.is_empty() || part.entries.len() != expected {
            return Err(BadManifest::Count);
        }
        for entry in part.entries.into_vec() {
            if self
                .entries
                .last()
                .is_some_and(|last| last.user >= entry.user)
            {
                return Err(BadManifest::Order);
            }
            self.tree.push(&entry);
            self.entries.push(entry);
        }
        Ok(())
    }

    /// The manifest, once it [is complete](Self::is_complete).
    pub fn finish(self) -> Result<Manifest, BadManifest> {
        if !self.is_complete() {
            return Err(BadManifest::Count);
        }
        if self.tree.root() != self.head.root {
            return Err(BadManifest::Root);
        }
        Ok(Manifest {
            head: self.head,
            entries: self.entries,
        })
    }

    fn missing(&self) -> usize {
        usize::try_from(self.head.count)
            .unwrap_or(usize::MAX)
            .saturating_sub(self.entries.len())
    }
}
