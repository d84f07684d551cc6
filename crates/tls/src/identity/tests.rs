use crypto::fixtures::{rsa3072_pkcs8, rsa3072_signing};

use super::*;

const NOW_S: u64 = 1_795_219_200;
const DAY_S: u64 = 24 * 3600;

fn issue(lifetime: Lifetime) -> NodeCertificate {
    NodeCertificate::issue(rsa3072_pkcs8(0), NOW_S, lifetime).unwrap()
}

#[test]
fn it_is_by_the_identity_key() {
    let expected = rsa3072_signing(0).verifying_key().fingerprint();
    assert_eq!(issue(Lifetime::Online).identity(), expected);
}

#[test]
fn a_key_has_one_root_and_ever_new_nodes() {
    let [one, two] = [issue(Lifetime::Online), issue(Lifetime::Online)];
    let [one, two] = [&one, &two].map(|c| c.chain().map(<[u8]>::to_vec).collect::<Vec<_>>());
    assert_eq!(one.len(), 2);
    assert_eq!(one[1], two[1]);
    assert_ne!(one[0], two[0]);
}

/// docs/PROTOCOL.md §5.3, test vector.
#[test]
fn the_root_certificate_is_the_documented_one() {
    let issued = issue(Lifetime::Online);
    let fingerprint = "8a7d04ce941807f34e578022ed4a8c867b350983d5afee12708f4efc4ba71636";
    assert_eq!(issued.identity().to_string(), fingerprint);
    let root = issued.chain().nth(1).unwrap();
    assert_eq!(root.len(), 1020);
    let hash = Fingerprint::new(crypto::sha256(root)).to_string();
    assert_eq!(
        hash,
        "5de7ebacb6d82c73823084db8f73207603126aadccaf631eb49b197791410623"
    );
}

#[test]
fn it_asks_for_renewal_while_a_fast_clock_still_accepts_it() {
    let issued = issue(Lifetime::Online);
    assert_eq!(issued.expires_s(), NOW_S + 7 * DAY_S);
    assert!(!issued.needs_renewal(NOW_S));
    assert!(!issued.needs_renewal(NOW_S + 4 * DAY_S));
    assert!(issued.needs_renewal(NOW_S + 5 * DAY_S));
    assert!(issued.needs_renewal(NOW_S + 8 * DAY_S));
    assert!(issued.needs_renewal(u64::MAX));
    let offline = issue(Lifetime::Offline);
    assert_eq!(offline.expires_s(), NOW_S + 90 * DAY_S);
    assert!(!offline.needs_renewal(NOW_S + 59 * DAY_S));
    assert!(offline.needs_renewal(NOW_S + 61 * DAY_S));
}

#[test]
fn a_clock_that_was_set_back_asks_for_renewal() {
    let issued = issue(Lifetime::Online);
    assert!(
        !issued.needs_renewal(NOW_S - 60),
        "small corrections are usual"
    );
    assert!(issued.needs_renewal(NOW_S - 2 * 3600));
}

#[test]
fn unfit_keys_and_times_are_refused() {
    let issue = |pkcs8: &[u8], now_s| NodeCertificate::issue(pkcs8, now_s, Lifetime::Online).err();
    let short = include_bytes!("../../tests/vectors/short-2048.pk8");
    let exponent = include_bytes!("../../tests/vectors/exponent-65539.pk8");
    let size = Some(IssueError::Identity(KeyError::Size { bits: 2048 }));
    assert_eq!(format!("{:?}", issue(short, NOW_S)), format!("{size:?}"));
    assert!(matches!(
        issue(exponent, NOW_S),
        Some(IssueError::Identity(KeyError::Exponent))
    ));
    assert!(matches!(
        issue(b"", NOW_S),
        Some(IssueError::Identity(KeyError::Malformed))
    ));
    for time in [u64::MAX, i64::MAX as u64, 253_402_300_799] {
        assert!(
            matches!(issue(rsa3072_pkcs8(0), time), Some(IssueError::Time)),
            "{time}"
        );
    }
    assert!(issue(rsa3072_pkcs8(0), 0).is_none());
}
