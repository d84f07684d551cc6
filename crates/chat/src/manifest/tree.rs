use crypto::Transcript;

use super::leaf;
use crate::message::ManifestEntry;

/// The Merkle root over `entries`.
pub fn root(entries: &[ManifestEntry]) -> [u8; 32] {
    let mut tree = Tree::default();
    for entry in entries {
        tree.push(entry);
    }
    tree.root()
}

/// A Merkle tree in the shape of RFC 9162 §2.1.1, grown leaf by leaf; it keeps one hash for each
/// power of two in the number of leaves.
///
/// Leaves and nodes are hashed as transcripts of different contexts, which is what the RFC's
/// prefix bytes are for.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// Roots of complete subtrees, the largest first, each with the number of its leaves.
    peaks: Vec<([u8; 32], u64)>,
}

impl Tree {
    /// Adds the leaf of an entry on the right.
    pub fn push(&mut self, entry: &ManifestEntry) {
        let mut peak = (leaf(entry), 1u64);
        while let Some((left, leaves)) = self.peaks.pop_if(|(_, leaves)| *leaves == peak.1) {
            peak = (node(&left, &peak.0), leaves.saturating_mul(2));
        }
        self.peaks.push(peak);
    }

    /// The root over all leaves so far.
    pub fn root(&self) -> [u8; 32] {
        let mut peaks = self.peaks.iter().rev().map(|(hash, _)| *hash);
        match peaks.next() {
            Some(last) => peaks.fold(last, |right, left| node(&left, &right)),
            None => Transcript::new("manifest empty").sha256(),
        }
    }
}

fn node(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    Transcript::new("manifest node")
        .field(left)
        .field(right)
        .sha256()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::tests::entries;

    /// RFC 9162 §2.1.1, as it is written: split at the largest power of two below the length.
    fn by_the_rfc(entries: &[ManifestEntry]) -> [u8; 32] {
        match entries {
            [] => Transcript::new("manifest empty").sha256(),
            [entry] => leaf(entry),
            _ => {
                let split = 1 << (entries.len() - 1).ilog2();
                let (left, right) = entries.split_at(split);
                node(&by_the_rfc(left), &by_the_rfc(right))
            }
        }
    }

    #[test]
    fn the_root_is_that_of_the_rfc() {
        for count in 0..40 {
            let entries = entries(count);
            assert_eq!(root(&entries), by_the_rfc(&entries), "{count} entries");
        }
    }
}
