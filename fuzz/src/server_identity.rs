//! A server's certificates with bytes of a tape in them: a client accepts the server that it expects,
//! and names the key of another one.
use std::sync::LazyLock;

use crypto::fixtures::rsa3072_pkcs8;
use crypto::{Fingerprint, VerifyingKey};
use tls::fuzzing::{chain, verify};
use tls::{Lifetime, NodeCertificate};

use super::change::changed;

const NOW_S: u64 = 1_795_219_200;

struct Honest {
    identity: Fingerprint,
    node: Vec<u8>,
    root: Vec<u8>,
    /// The identity key, as it stands in the root.
    spki: Vec<u8>,
}

static HONEST: LazyLock<Honest> = LazyLock::new(|| {
    let certificate = NodeCertificate::issue(rsa3072_pkcs8(0), NOW_S, Lifetime::Online).unwrap();
    let identity = certificate.identity();
    let [node, root] = chain(&certificate);
    let spki = verify(None, &[&node, &root], NOW_S).expect("an honest chain");
    Honest {
        identity,
        node,
        root,
        spki,
    }
});

/// The root with another key in it, where that leaves the lengths of what is around it in two bytes.
fn with_spki(spki: &[u8]) -> Option<Vec<u8>> {
    let Honest {
        root, spki: honest, ..
    } = &*HONEST;
    let at = root.windows(honest.len()).position(|part| part == honest)?;
    let mut made = [&root[..at], spki, &root[at + honest.len()..]].concat();
    // SEQUENCE of SEQUENCE of what is signed, each with a length in two bytes.
    for at in [2, 6] {
        let len = u16::from_be_bytes([root[at], root[at + 1]]);
        let len = (usize::from(len) + spki.len()).checked_sub(honest.len())?;
        let len = u16::try_from(len).ok().filter(|&len| len > 255)?;
        made[at..at + 2].copy_from_slice(&len.to_be_bytes());
    }
    Some(made)
}

/// Checks one input: a byte of how, the place (2), then bytes. Of the first byte, 3 is how they come
/// into a part of the chain (`change`), 12 which it is: the node's certificate, the root's, the key in
/// that, or all that stands behind the node's.
pub fn check(input: &[u8]) {
    let Some((&[how, high, low], data)) = input.split_first_chunk() else {
        return;
    };
    let at = u16::from_be_bytes([high, low]);
    let honest = &*HONEST;
    let mut sent = vec![honest.node.clone(), honest.root.clone()];
    let mut spki = None;
    match how >> 2 & 3 {
        0 => sent[0] = changed(&honest.node, how, at, data),
        1 => sent[1] = changed(&honest.root, how, at, data),
        2 => {
            let key = changed(&honest.spki, how, at, data);
            let Some(root) = with_spki(&key) else { return };
            (sent[1], spki) = (root, Some(key));
        }
        _ => {
            let rest = data.split(|&byte| byte == 0).map(<[u8]>::to_vec);
            sent.truncate(usize::from(how & 3));
            sent.extend(rest);
        }
    }
    let is_honest = sent == [&honest.node[..], &honest.root];
    let chain: Vec<&[u8]> = sent.iter().map(Vec::as_slice).collect();
    for expected in [Some(honest.identity), None] {
        match verify(expected, &chain, NOW_S) {
            // What is around the root's key says nothing: the key alone is trusted, and the node's
            // certificate is by it.
            Ok(key) => assert!(key == honest.spki && chain.len() == 2 && chain[0] == honest.node),
            Err(mismatch) => {
                assert!(!is_honest);
                let Some(mismatch) = mismatch else { continue };
                assert!(expected == Some(mismatch.expected[0]));
                assert_ne!(mismatch.presented, honest.identity);
                if let Some(spki) = &spki {
                    assert!(VerifyingKey::from_spki_der(spki).is_ok());
                    assert_eq!(mismatch.presented, Fingerprint::of_spki(spki));
                }
            }
        }
    }
    let stranger = Fingerprint::from([0; 32]);
    let refused = verify(Some(stranger), &chain, NOW_S).expect_err("nobody has that key");
    if is_honest {
        assert!(refused.is_some_and(|mismatch| mismatch.presented == honest.identity));
    }
}
