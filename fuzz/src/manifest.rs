//! Any parts under any head: never more entries than the head counts, never out of order, and only
//! what the root covers. The input is a count, then parts behind lengths of two bytes.
use chat::manifest::{Assembly, root};
use chat::message::{LoginServerMessage, ManifestHead, Signature};

/// Checks one input.
pub fn check(bytes: &[u8]) {
    let Some((&count, mut rest)) = bytes.split_first() else {
        return;
    };
    let mut head = ManifestHead {
        version: 1,
        issued_ms: 0,
        count: count.into(),
        root: [0; 32],
        signature: Signature::default(),
    };
    let mut parts = Vec::new();
    while let Some((length, behind)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(behind.len());
        let (message, behind) = behind.split_at(length);
        rest = behind;
        if let Ok(LoginServerMessage::ManifestPart(part)) = LoginServerMessage::decode(message) {
            parts.push(part);
        }
    }
    let all: Vec<_> = parts
        .iter()
        .flat_map(|part| part.entries.iter().cloned())
        .collect();
    head.root = root(&all);
    let mut assembly = Assembly::new(head);
    if parts.into_iter().all(|part| assembly.push(part).is_ok()) {
        let Ok(manifest) = assembly.finish() else {
            return assert_ne!(all.len(), usize::from(count));
        };
        assert_eq!(manifest.entries(), all);
        assert!(all.is_sorted_by(|a, b| a.user < b.user));
        assert_eq!(all.len(), usize::from(count));
    }
}
