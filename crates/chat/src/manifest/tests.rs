use crypto::fixtures::rsa3072_signing;
use proptest::prelude::*;

use super::*;
use crate::message::Signature;

/// Test vectors of PROTOCOL.md §6.7.
const VECTORS: &str = include_str!("../vectors/manifest.txt");

const NOW_MS: u64 = 1_795_000_000_000;
const HOUR_MS: u64 = 60 * 60 * 1000;

/// So many accounts, in order.
pub(super) fn entries(count: usize) -> Vec<ManifestEntry> {
    (0..count)
        .map(|index| ManifestEntry {
            user: Username::parse(&format!("User{index:05}")).unwrap(),
            sig_fingerprint: [1; 32],
            enc_fingerprint: [2; 32],
            key_bag_version: index as u64,
            key_bag_hash: [3; 32],
        })
        .collect()
}

fn signed(count: usize) -> Manifest {
    Manifest::sign(&rsa3072_signing(0), 7, NOW_MS, entries(count)).unwrap()
}

fn assemble(
    head: &ManifestHead,
    parts: impl IntoIterator<Item = ManifestPart>,
) -> Result<Manifest, BadManifest> {
    let mut assembly = Assembly::new(head.clone());
    for part in parts {
        assembly.push(part)?;
    }
    assembly.finish()
}

fn part(entries: &[ManifestEntry]) -> ManifestPart {
    ManifestPart {
        entries: entries.to_vec().try_into().unwrap(),
    }
}

#[test]
fn what_is_signed_is_assembled_and_looked_up() {
    for count in [0, 1, 255, 256, 257, 600] {
        let manifest = signed(count);
        let again = assemble(manifest.head(), manifest.parts()).unwrap();
        assert_eq!(again, manifest);
        assert_eq!(again.entries().len(), count);
    }
    let manifest = signed(3);
    let second = Username::parse("USER00001").unwrap();
    assert_eq!(manifest.entry(&second), manifest.entries().get(1));
    assert_eq!(manifest.entry(&Username::parse("nobody").unwrap()), None);
}

#[test]
fn the_order_of_accounts_does_not_matter_and_names_are_unique() {
    let key = rsa3072_signing(0);
    let mut shuffled = entries(5);
    shuffled.reverse();
    let manifest = Manifest::sign(&key, 7, NOW_MS, shuffled).unwrap();
    assert_eq!(manifest.head().root, signed(5).head().root);
    let mut twice = entries(2);
    twice[1].user = Username::parse("USER00000").unwrap();
    assert_eq!(Manifest::sign(&key, 7, NOW_MS, twice), Err(BadEntries));
}

#[test]
fn parts_that_are_not_the_directory_are_refused() {
    let manifest = signed(300);
    let head = manifest.head();
    let all = manifest.entries();
    let (first, last) = (part(&all[..256]), part(&all[256..]));
    let refused = |parts: Vec<ManifestPart>| assemble(head, parts).err();
    assert_eq!(refused(vec![first.clone()]), Some(BadManifest::Count));
    assert_eq!(
        refused(vec![last.clone(), first.clone()]),
        Some(BadManifest::Count)
    );
    let more = vec![first.clone(), last.clone(), last.clone()];
    assert_eq!(refused(more), Some(BadManifest::Count));
    assert_eq!(refused(vec![part(&all[..100])]), Some(BadManifest::Count));
    assert_eq!(refused(vec![part(&[])]), Some(BadManifest::Count));
    let mut swapped = all.to_vec();
    swapped.swap(3, 4);
    assert_eq!(
        refused(vec![part(&swapped[..256])]),
        Some(BadManifest::Order)
    );
    let mut doubled = all.to_vec();
    doubled[4] = doubled[3].clone();
    assert_eq!(
        refused(vec![part(&doubled[..256])]),
        Some(BadManifest::Order)
    );
    let changes: [fn(&mut ManifestEntry); 5] = [
        |entry| entry.user = Username::parse("USER00299").unwrap(),
        |entry| entry.sig_fingerprint[0] ^= 1,
        |entry| entry.enc_fingerprint[0] ^= 1,
        |entry| entry.key_bag_version += 1,
        |entry| entry.key_bag_hash[0] ^= 1,
    ];
    for change in changes {
        let mut changed = all.to_vec();
        change(&mut changed[299]);
        let parts = vec![first.clone(), part(&changed[256..])];
        assert_eq!(refused(parts), Some(BadManifest::Root));
    }
}

#[test]
fn h54_a_head_does_not_go_back_or_fork() {
    let signing = rsa3072_signing(0);
    let key = signing.verifying_key();
    let head = |version, root| sign_head(&signing, version, NOW_MS, 0, root);
    let seen = accept_head(&head(7, [7; 32]), key, NOW_MS, None).unwrap();
    assert_eq!(
        seen,
        HeadSeen {
            version: 7,
            root: [7; 32]
        }
    );
    let accept = |head| accept_head(&head, key, NOW_MS, Some(seen));
    assert_eq!(accept(head(7, [7; 32])), Ok(seen));
    assert_eq!(
        accept(head(8, [8; 32])),
        Ok(HeadSeen {
            version: 8,
            root: [8; 32]
        })
    );
    let back = HeadRefused::WentBack {
        seen: 7,
        offered: 6,
    };
    assert_eq!(accept(head(6, [7; 32])), Err(back));
    assert_eq!(accept(head(7, [8; 32])), Err(HeadRefused::Forked(7)));
}

#[test]
fn a_head_is_of_now() {
    let signing = rsa3072_signing(0);
    let key = signing.verifying_key();
    let head = sign_head(&signing, 1, NOW_MS, 0, [0; 32]);
    let at = |now_ms| accept_head(&head, key, now_ms, None).map(|_| ());
    assert_eq!(at(NOW_MS + 2 * HOUR_MS), Ok(()));
    assert_eq!(at(NOW_MS + 2 * HOUR_MS + 1), Err(HeadRefused::Stale(120)));
    assert_eq!(at(NOW_MS - 2 * HOUR_MS), Ok(()));
    assert_eq!(
        at(NOW_MS - 2 * HOUR_MS - 1),
        Err(HeadRefused::FromTheFuture(120))
    );
    assert!(at(0).is_err() && at(u64::MAX).is_err());
}

#[test]
fn a_head_is_signed_as_a_whole_by_the_server() {
    let signing = rsa3072_signing(0);
    let key = signing.verifying_key();
    let head = sign_head(&signing, 1, NOW_MS, 2, [0; 32]);
    let refused = |head: &ManifestHead| accept_head(head, key, NOW_MS, None).err();
    assert_eq!(refused(&head), None);
    let changes: [fn(&mut ManifestHead); 5] = [
        |head| head.version += 1,
        |head| head.issued_ms += 1,
        |head| head.count += 1,
        |head| head.root[0] ^= 1,
        |head| head.signature = Signature::default(),
    ];
    for change in changes {
        let mut changed = head.clone();
        change(&mut changed);
        assert_eq!(refused(&changed), Some(HeadRefused::BadSignature));
    }
    let other = rsa3072_signing(1);
    let forged = sign_head(&other, 1, NOW_MS, 2, [0; 32]);
    assert_eq!(refused(&forged), Some(HeadRefused::BadSignature));
    let endless = sign_head(&signing, 1, NOW_MS, u32::MAX, [0; 32]);
    assert_eq!(refused(&endless), Some(HeadRefused::TooLong(u32::MAX)));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn vectors() {
    let mut lines = String::new();
    for count in [0, 1, 2, 3, 5] {
        lines += &format!("{count} entries, root: {}\n", hex(&root(&entries(count))));
    }
    lines += &format!("leaf of User00000: {}\n", hex(&leaf(&entries(1)[0])));
    lines += &format!(
        "key bag hash of 07 07 07: {}\n",
        hex(&key_bag_hash(&[7; 3]))
    );
    assert!(lines == VECTORS, "it is now:\n{lines}");
}

proptest! {
    #[test]
    fn no_two_directories_have_one_root(counts in (0usize..20, 0usize..20)) {
        let same = root(&entries(counts.0)) == root(&entries(counts.1));
        prop_assert_eq!(same, counts.0 == counts.1);
    }
}
