//! Any parts under any head: never more entries than the head counts, never out of order, and only
//! what the root covers. The input is a count, then parts behind lengths of two bytes. A byte that is left over
//! says which bit of the root is another one.
use chat::manifest::{Assembly, BadManifest, Manifest, root};
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
    if let [bit] = rest {
        head.root[usize::from(bit / 8)] ^= 1 << (bit % 8);
    }
    let mut assembly = Assembly::new(head);
    if !parts.into_iter().all(|part| assembly.push(part).is_ok()) {
        return;
    }
    let expected = if all.len() != usize::from(count) {
        Err(BadManifest::Count)
    } else if !rest.is_empty() {
        Err(BadManifest::Root)
    } else {
        Ok(&all[..])
    };
    let manifest = assembly.finish();
    assert_eq!(
        manifest.as_ref().map(Manifest::entries).map_err(|&bad| bad),
        expected
    );
    assert!(manifest.is_err() || all.is_sorted_by(|a, b| a.user < b.user));
}
