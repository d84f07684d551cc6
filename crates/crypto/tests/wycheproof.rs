//! Project Wycheproof's vectors: edge cases that implementations got wrong before.

use crypto::{
    Aead, BadSignature, DecryptionKey, HKDF_SHA256_MAX, KeyError, RsaBits, VerifyingKey,
    hkdf_sha256, hmac_sha256, verify_ed25519,
};
use wycheproof::{HashFunction, aead, eddsa, hkdf, mac, rsa_oaep, rsa_pss_verify};

#[test]
fn aes256_gcm() {
    let set = aead::TestSet::load(aead::TestName::AesGcm).unwrap();
    let mut run = 0;
    let groups = set.test_groups.iter();
    for group in groups.filter(|g| (g.key_size, g.nonce_size, g.tag_size) == (256, 96, 128)) {
        for test in &group.tests {
            let key = Aead::aes256_gcm(test.key[..].try_into().unwrap());
            let nonce = test.nonce[..].try_into().unwrap();
            let sealed = [&test.ct[..], &test.tag].concat();
            let mut buffer = sealed.clone();
            let opened = key.open(nonce, &test.aad, &mut buffer);
            assert_eq!(opened.is_err(), test.result.must_fail(), "{}", test.tc_id);
            if opened.is_ok() {
                assert_eq!(buffer, test.pt[..], "{}", test.tc_id);
                key.seal(nonce, &test.aad, &mut buffer);
                assert_eq!(buffer, sealed, "{}", test.tc_id);
            }
            run += 1;
        }
    }
    assert!(run > 50, "{run} tests");
}

#[test]
fn hmac_sha_256() {
    let set = mac::TestSet::load(mac::TestName::HmacSha256).unwrap();
    let mut run = 0;
    for group in &set.test_groups {
        for test in &group.tests {
            let tag = hmac_sha256(&test.key, &[&test.msg]);
            let matches = crypto::ct_eq(&tag[..group.tag_size / 8], &test.tag);
            assert_eq!(matches, !test.result.must_fail(), "{}", test.tc_id);
            run += 1;
        }
    }
    assert!(run > 100, "{run} tests");
}

#[test]
fn hkdf_sha_256() {
    let set = hkdf::TestSet::load(hkdf::TestName::HkdfSha256).unwrap();
    let mut run = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        // What is longer panics, as documented; the suite has it as invalid.
        if test.size > HKDF_SHA256_MAX {
            assert!(test.result.must_fail());
            continue;
        }
        let mut okm = vec![0; test.size];
        hkdf_sha256(&test.ikm, &test.salt, &test.info, &mut okm);
        assert_eq!(
            okm == test.okm[..],
            !test.result.must_fail(),
            "{}",
            test.tc_id
        );
        run += 1;
    }
    assert!(run > 50, "{run} tests");
}

#[test]
fn ed25519() {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    let mut run = 0;
    for group in &set.test_groups {
        let public = group.key.pk[..].try_into().unwrap();
        assert_eq!(crypto::ed25519_spki_der(public)[..], group.der[..]);
        for test in &group.tests {
            let verified = verify_ed25519(public, &test.msg, &test.sig);
            assert_eq!(verified.is_err(), test.result.must_fail(), "{}", test.tc_id);
            run += 1;
        }
    }
    assert!(run > 100, "{run} tests");
}

#[test]
fn rsa_pss_of_our_scheme() {
    use rsa_pss_verify::TestName::*;
    let mut run = 0;
    for name in [RsaPss3072Sha256Mgf1SaltLen32, RsaPss4096Sha256Mgf1SaltLen32] {
        for group in rsa_pss_verify::TestSet::load(name).unwrap().test_groups {
            let key = VerifyingKey::from_spki_der(&group.der).unwrap();
            assert_eq!(key.bits().bits(), group.key_size);
            for test in &group.tests {
                let verified = key.verify(&test.msg, &test.sig);
                assert_eq!(verified.is_err(), test.result.must_fail(), "{}", test.tc_id);
                run += 1;
            }
        }
    }
    assert!(run > 200, "{run} tests");
}

/// Signatures that are valid under another hash, salt length or mask, and keys of 2048 bits.
#[test]
fn rsa_pss_of_other_schemes_is_refused() {
    use rsa_pss_verify::TestName::*;
    let ours = |group: &rsa_pss_verify::TestGroup| {
        group.hash == HashFunction::Sha2_256
            && group.mgf_hash == Some(HashFunction::Sha2_256)
            && group.salt_size == 32
    };
    let (mut refused_keys, mut refused_signatures) = (0, 0);
    for name in [
        RsaPss2048Sha256Mgf1SaltLen32,
        RsaPss2048Sha256Mgf1SaltLen32WithParams,
        RsaPss2048Shake128,
        RsaPss3072Sha256Mgf1SaltLen32WithParams,
        RsaPss3072Shake128,
        RsaPss3072Shake256,
        RsaPss4096Sha384Mgf1SaltLen48,
        RsaPss4096Sha512Mgf1SaltLen32,
        RsaPss4096Sha512Mgf1SaltLen64,
        RsaPss4096Shake256,
        RsaPssmisc,
    ] {
        for group in rsa_pss_verify::TestSet::load(name).unwrap().test_groups {
            match VerifyingKey::from_spki_der(&group.der) {
                // Bound to PSS by its OID: another encoding of a key.
                Err(KeyError::Malformed) => refused_keys += 1,
                Err(error) => {
                    assert_eq!(
                        error,
                        KeyError::Size {
                            bits: group.key_size
                        }
                    );
                    refused_keys += 1;
                }
                Ok(key) => {
                    for test in &group.tests {
                        let verified = key.verify(&test.msg, &test.sig);
                        let expected = ours(&group) && !test.result.must_fail();
                        assert_eq!(verified.is_ok(), expected, "{}", test.tc_id);
                        refused_signatures += usize::from(verified == Err(BadSignature));
                    }
                }
            }
        }
    }
    assert!(refused_keys > 2 && refused_signatures > 300);
}

#[test]
fn rsa_oaep_of_our_scheme() {
    use rsa_oaep::TestName::*;
    let mut run = 0;
    for (name, bits) in [
        (Rsa3072Sha256Mgf1Sha256, RsaBits::B3072),
        (Rsa4096Sha256Mgf1Sha256, RsaBits::B4096),
    ] {
        for group in rsa_oaep::TestSet::load(name).unwrap().test_groups {
            let key = DecryptionKey::from_pkcs8(&group.pkcs8).unwrap();
            assert_eq!(key.encryption_key().bits(), bits);
            for test in &group.tests {
                let decrypted = key.decrypt(&test.label, &test.ct);
                assert_eq!(
                    decrypted.is_err(),
                    test.result.must_fail(),
                    "{}",
                    test.tc_id
                );
                if let Ok(plaintext) = decrypted {
                    assert_eq!(plaintext.expose(), &test.pt[..], "{}", test.tc_id);
                }
                run += 1;
            }
        }
    }
    assert!(run > 70, "{run} tests");
}

#[test]
fn rsa_oaep_of_other_schemes_is_refused() {
    use rsa_oaep::TestName::*;
    for name in [
        Rsa3072Sha256Mgf1Sha1,
        Rsa3072Sha512Mgf1Sha512,
        Rsa4096Sha256Mgf1Sha1,
    ] {
        for group in rsa_oaep::TestSet::load(name).unwrap().test_groups {
            let key = DecryptionKey::from_pkcs8(&group.pkcs8).unwrap();
            for test in &group.tests {
                assert!(
                    key.decrypt(&test.label, &test.ct).is_err(),
                    "{}",
                    test.tc_id
                );
            }
        }
    }
    for group in rsa_oaep::TestSet::load(Rsa2048Sha256Mgf1Sha256)
        .unwrap()
        .test_groups
    {
        let error = DecryptionKey::from_pkcs8(&group.pkcs8).err();
        assert_eq!(error, Some(KeyError::Size { bits: 2048 }));
    }
}
