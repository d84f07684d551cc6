use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    PKCS_ED25519, PKCS_RSA_SHA256,
};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use transport::Session;

use super::pair::{
    DAY_S, HOUR_S, NOW_S, Pair, certificate, client_sessions, identity, issued_by, refusal,
    server_sessions,
};
use crate::{
    AuthorityChain, ClientSessions, KeyMismatch, Lifetime, NodeCertificate, ServerSessions, Trust,
    TrustError, WallClock,
};

const SHORT_2048: &[u8] = include_bytes!("../../tests/vectors/short-2048.pk8");
const EXPONENT_65539: &[u8] = include_bytes!("../../tests/vectors/exponent-65539.pk8");
const ROOT_4096: &[u8] = include_bytes!("../../tests/vectors/root-4096.pk8");

fn serving(certificate: NodeCertificate) -> ServerSessions {
    ServerSessions::new(certificate, &WallClock::new(NOW_S)).unwrap()
}

fn accepts(trust: Trust, server: &ServerSessions) {
    let client = client_sessions(trust);
    let mut pair = Pair::new(&client, server);
    pair.run().unwrap();
    assert!(pair.is_complete());
    assert_eq!(client.refused_key(), None);
}

/// The certificates of a key that `issue` would refuse.
fn issued_unchecked(pkcs8: &[u8]) -> NodeCertificate {
    let pkcs8 = PrivatePkcs8KeyDer::from(pkcs8);
    let root = KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8, &PKCS_RSA_SHA256).unwrap();
    let node = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    NodeCertificate::certify(&root, &node, NOW_S, Lifetime::Online).unwrap()
}

fn chain_of(certificate: &NodeCertificate) -> Vec<CertificateDer<'static>> {
    certificate
        .chain()
        .map(|der| CertificateDer::from(der.to_vec()))
        .collect()
}

#[test]
fn the_pinned_key_is_accepted() {
    accepts(Trust::Pinned(identity()), &server_sessions());
}

#[test]
fn a_pinned_key_of_4096_bits_is_accepted() {
    let certificate = NodeCertificate::issue(ROOT_4096, NOW_S, Lifetime::Online).unwrap();
    accepts(Trust::Pinned(certificate.identity()), &serving(certificate));
}

#[test]
fn another_key_than_the_pinned_one_is_refused_and_both_are_told() {
    let (expected, presented) = (issued_by(1).identity(), identity());
    let client = client_sessions(Trust::Pinned(expected));
    let refusal = refusal(&client, &server_sessions());
    // certificate_unknown
    assert_eq!(refusal.alert, Some(46));
    for fingerprint in [expected, presented] {
        assert!(
            refusal.reason.contains(&fingerprint.to_string()),
            "{}",
            refusal.reason
        );
    }
    let mismatch = KeyMismatch {
        expected: vec![expected],
        presented,
    };
    assert_eq!(client.refused_key(), Some(mismatch.clone()));
    assert_eq!(client.clone().refused_key(), Some(mismatch));
    client.start(Vec::new()).unwrap();
    assert_eq!(client.refused_key(), None);
}

#[test]
fn a_listed_key_is_accepted_and_any_other_refused() {
    let others = vec![issued_by(1).identity(), issued_by(2).identity()];
    let client = client_sessions(Trust::Keys(others.clone()));
    refusal(&client, &server_sessions());
    let mismatch = KeyMismatch {
        expected: others.clone(),
        presented: identity(),
    };
    assert_eq!(client.refused_key(), Some(mismatch));
    let listed = [others, vec![identity()]].concat();
    accepts(Trust::Keys(listed), &server_sessions());
    refusal(
        &client_sessions(Trust::Keys(Vec::new())),
        &server_sessions(),
    );
}

#[test]
fn first_use_accepts_any_sound_key_and_shows_it() {
    for key in [0, 1] {
        let certificate = issued_by(key);
        let client = client_sessions(Trust::FirstUse);
        let mut pair = Pair::new(&client, &serving(certificate.clone()));
        pair.run().unwrap();
        let spki = pair.client.session.peer_identity().unwrap();
        let shown = crypto::VerifyingKey::from_spki_der(&spki)
            .unwrap()
            .fingerprint();
        assert_eq!(shown, certificate.identity());
    }
}

#[test]
fn keys_of_other_sizes_or_exponents_are_refused_whoever_pins_them() {
    for (pkcs8, reason) in [(SHORT_2048, "2048 bits"), (EXPONENT_65539, "exponent")] {
        let certificate = issued_unchecked(pkcs8);
        for trust in [Trust::Pinned(certificate.identity()), Trust::FirstUse] {
            let refusal = refusal(&client_sessions(trust), &serving(certificate.clone()));
            assert!(refusal.reason.contains(reason), "{}", refusal.reason);
        }
    }
}

#[test]
fn a_root_that_is_not_rsa_is_refused() {
    let root = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let node = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let certificate = NodeCertificate::certify(&root, &node, NOW_S, Lifetime::Online).unwrap();
    let refusal = refusal(&client_sessions(Trust::FirstUse), &serving(certificate));
    assert!(refusal.reason.contains("unfit"), "{}", refusal.reason);
}

#[test]
fn a_node_certified_by_another_key_is_refused_under_the_pinned_root() {
    let (pinned, other) = (certificate(), issued_by(1));
    let [leaf, root] = [chain_of(&other)[0].clone(), chain_of(&pinned)[1].clone()];
    let forged = other.with_chain(vec![leaf, root]);
    let refusal = refusal(
        &client_sessions(Trust::Pinned(pinned.identity())),
        &serving(forged),
    );
    assert!(refusal.reason.contains("signature"), "{}", refusal.reason);
}

#[test]
fn the_pinned_servers_certificate_without_its_node_key_is_refused() {
    let stolen = issued_by(1).with_chain(chain_of(&certificate()));
    let refusal = refusal(
        &client_sessions(Trust::Pinned(identity())),
        &serving(stolen),
    );
    assert!(refusal.reason.contains("signature"), "{}", refusal.reason);
}

#[test]
fn only_chains_of_node_and_root_are_accepted() {
    let certificate = certificate();
    let [leaf, root] = &chain_of(&certificate)[..] else {
        panic!("two certificates")
    };
    for chain in [
        vec![leaf.clone()],
        vec![root.clone()],
        vec![leaf.clone(), leaf.clone()],
        vec![root.clone(), root.clone()],
        vec![root.clone(), leaf.clone()],
        vec![leaf.clone(), root.clone(), root.clone()],
        vec![leaf.clone(), leaf.clone(), root.clone()],
    ] {
        for trust in [Trust::Pinned(identity()), Trust::FirstUse] {
            refusal(
                &client_sessions(trust),
                &serving(certificate.with_chain(chain.clone())),
            );
        }
    }
}

#[test]
fn a_certificate_counts_from_a_day_before_its_issue_until_it_expires() {
    let reason = |client_s| {
        let clock = WallClock::new(client_s);
        let client = ClientSessions::new(Trust::Pinned(identity()), &clock).unwrap();
        let ran = Pair::new(&client, &server_sessions()).run();
        ran.err().map(|refusal| (refusal.alert, refusal.reason))
    };
    for accepted in [NOW_S - DAY_S, NOW_S, NOW_S + DAY_S, NOW_S + 7 * DAY_S] {
        assert_eq!(reason(accepted), None, "{accepted}");
    }
    let (alert, early) = reason(NOW_S - DAY_S - 1).unwrap();
    assert!(
        early.contains("not valid yet") && early.contains("clock"),
        "{early}"
    );
    assert_eq!(
        alert,
        Some(45),
        "certificate_expired, as for any wrong time"
    );
    let (alert, late) = reason(NOW_S + 7 * DAY_S + 1).unwrap();
    assert!(late.contains("expired") && late.contains("clock"), "{late}");
    assert_eq!(alert, Some(45));
}

/// An authority, and its certificate for `chat.example`.
fn authority() -> (Vec<u8>, AuthorityChain) {
    let mut root = CertificateParams::default();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
    let mut leaf = CertificateParams::new(vec!["chat.example".to_owned()]).unwrap();
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate().unwrap();
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    let chain = vec![leaf.der().to_vec()];
    (
        issuer.der().to_vec(),
        AuthorityChain {
            chain,
            private_key: key.serialize_der(),
        },
    )
}

fn by_authority(root: &[u8], host: &str) -> Trust {
    Trust::Authority {
        roots: vec![root.to_vec()],
        host: host.to_owned(),
    }
}

#[test]
fn an_authoritys_chain_is_for_clients_that_ask_by_name() {
    let (root, chain) = authority();
    let clock = WallClock::new(NOW_S);
    let server = ServerSessions::with_authority(certificate(), &chain, &clock).unwrap();
    let client = client_sessions(by_authority(&root, "chat.example"));
    let mut pair = Pair::new(&client, &server);
    pair.run().unwrap();
    assert!(pair.is_complete());
    assert_eq!(
        pair.client.session.peer_identity(),
        None,
        "proven later, by the application"
    );
    accepts(Trust::Pinned(identity()), &server);
}

#[test]
fn another_authority_or_host_is_refused() {
    let (root, chain) = authority();
    let clock = WallClock::new(NOW_S);
    let server = ServerSessions::with_authority(certificate(), &chain, &clock).unwrap();
    let refused = refusal(
        &client_sessions(by_authority(&root, "other.example")),
        &server,
    );
    assert!(refused.reason.contains("host name"), "{}", refused.reason);
    let (other_root, _) = authority();
    let refused = refusal(
        &client_sessions(by_authority(&other_root, "chat.example")),
        &server,
    );
    assert!(refused.reason.contains("signature") || refused.reason.contains("trust"));
    let refused = refusal(
        &client_sessions(by_authority(&root, "chat.example")),
        &server_sessions(),
    );
    assert!(refused.reason.contains("trust"), "{}", refused.reason);
}

#[test]
fn trust_that_cannot_work_is_refused_at_once() {
    let (root, _) = authority();
    let clock = WallClock::new(NOW_S + HOUR_S);
    let error = |trust| ClientSessions::new(trust, &clock).err();
    assert!(matches!(
        error(by_authority(&root, "no host")),
        Some(TrustError::Host(_))
    ));
    assert!(matches!(
        error(by_authority(b"no root", "chat.example")),
        Some(TrustError::Roots)
    ));
    let none = Trust::Authority {
        roots: Vec::new(),
        host: "chat.example".to_owned(),
    };
    assert!(matches!(error(none), Some(TrustError::Roots)));
}
