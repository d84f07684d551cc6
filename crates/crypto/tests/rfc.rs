//! Known answers from the standards.

use crypto::fixtures::hex;
use crypto::{
    Aead, BadSignature, DeviceKey, KeyError, Secret, Sha256, Unauthentic, ed25519_spki_der,
    hkdf_sha256, hmac_sha256, sha256, verify_ed25519,
};
use proptest::prelude::*;

/// FIPS 180-4: NIST's examples of SHA-256, of one, two and many blocks.
#[test]
fn fips180_sha256() {
    let vectors: [(&[u8], &str); 3] = [
        (
            b"abc",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            b"",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ),
        (
            b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
    ];
    for (message, digest) in vectors {
        assert_eq!(sha256(message), *hex(digest));
    }
    let million = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
    let mut hash = Sha256::new();
    for _ in 0..1000 {
        hash.update(&[b'a'; 1000]);
    }
    assert_eq!(hash.finish(), *hex(million));
}

/// RFC 4231 §4.2 to §4.8, without the truncated case.
#[test]
fn rfc4231_hmac_sha256() {
    let long_message = b"This is a test using a larger than block-size key and a larger than \
        block-size data. The key needs to be hashed before being used by the HMAC algorithm.";
    let vectors: [(&[u8], &[u8], &str); 6] = [
        (
            &[0x0b; 20],
            b"Hi There",
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        ),
        (
            b"Jefe",
            b"what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (
            &[0xaa; 20],
            &[0xdd; 50],
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
        ),
        (
            &hex("0102030405060708090a0b0c0d0e0f10111213141516171819"),
            &[0xcd; 50],
            "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
        ),
        (
            &[0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
        (
            &[0xaa; 131],
            long_message,
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
        ),
    ];
    for (key, message, tag) in vectors {
        assert_eq!(hmac_sha256(key, &[message]), *hex(tag));
        let (front, back) = message.split_at(message.len() / 3);
        assert_eq!(hmac_sha256(key, &[front, b"", back]), *hex(tag));
    }
}

/// RFC 5869 Appendix A.1 to A.3.
#[test]
fn rfc5869_hkdf_sha256() {
    let range = |range: std::ops::Range<u8>| range.collect::<Vec<u8>>();
    let vectors = [
        (
            vec![0x0b; 22],
            range(0..13),
            range(0xf0..0xfa),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        ),
        (
            range(0..80),
            range(0x60..0xb0),
            range(0xb0..0xff).into_iter().chain([0xff]).collect(),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c
             59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71
             cc30c58179ec3e87c14c01d5c1f3434f1d87",
        ),
        (
            vec![0x0b; 22],
            vec![],
            vec![],
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        ),
    ];
    for (ikm, salt, info, expected) in vectors {
        let expected = hex(expected);
        let mut okm = vec![0; expected.len()];
        hkdf_sha256(&ikm, &salt, &info, &mut okm);
        assert_eq!(okm, expected);
    }
}

/// AES-GCM specification (McGrew, Viega), Appendix B: test cases 13 to 16.
#[test]
fn gcm_specification_aes256() {
    let key = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
    let plaintext = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72
                     1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255";
    let ciphertext = "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa
                      8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad";
    let nonce = "cafebabefacedbaddecaf888";
    let aad = "feedfacedeadbeeffeedfacedeadbeefabaddad2";
    let zero = "00".repeat(32);
    let vectors = [
        (
            &zero[..],
            &zero[..24],
            "",
            hex(""),
            hex(""),
            "530f8afbc74536b9a963b4f1c4cb738b",
        ),
        (
            &zero,
            &zero[..24],
            "",
            vec![0; 16],
            hex("cea7403d4d606b6e074ec5d3baf39d18"),
            "d0d1c8a799996bf0265b98b5d48ab919",
        ),
        (
            key,
            nonce,
            "",
            hex(plaintext),
            hex(ciphertext),
            "b094dac5d93471bdec1a502270e3cc6c",
        ),
        (
            key,
            nonce,
            aad,
            hex(plaintext)[..60].to_vec(),
            hex(ciphertext)[..60].to_vec(),
            "76fc6ece0f4e1768cddf8853bb2d551b",
        ),
    ];
    for (key, nonce, aad, plaintext, ciphertext, tag) in vectors {
        let aead = Aead::aes256_gcm(&hex(key).try_into().unwrap());
        let nonce = hex(nonce).try_into().unwrap();
        let mut buffer = plaintext.clone();
        aead.seal(&nonce, &hex(aad), &mut buffer);
        assert_eq!(buffer, [ciphertext, hex(tag)].concat());
        assert_eq!(aead.open(&nonce, &hex(aad), &mut buffer), Ok(()));
        assert_eq!(buffer, plaintext);
    }
}

#[test]
fn a_sealed_buffer_with_any_flipped_bit_does_not_open() {
    let aead = Aead::aes256_gcm(&[1; 32]);
    let mut sealed = b"sealed".to_vec();
    aead.seal(&[2; 12], b"aad", &mut sealed);
    let open = |aead: &Aead, nonce: &[u8; 12], aad: &[u8], sealed: &[u8]| {
        let mut buffer = sealed.to_vec();
        let opened = aead.open(nonce, aad, &mut buffer);
        assert_eq!(
            opened.is_err(),
            buffer.is_empty(),
            "a failure leaves no plaintext"
        );
        opened
    };
    assert_eq!(open(&aead, &[2; 12], b"aad", &sealed), Ok(()));
    for bit in 0..sealed.len() * 8 {
        let mut changed = sealed.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            open(&aead, &[2; 12], b"aad", &changed),
            Err(Unauthentic),
            "bit {bit}"
        );
    }
    for bit in 0..96 {
        let mut nonce = [2; 12];
        nonce[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(open(&aead, &nonce, b"aad", &sealed), Err(Unauthentic));
    }
    for bit in 0..256 {
        let mut key = [1; 32];
        key[bit / 8] ^= 1 << (bit % 8);
        let other = Aead::aes256_gcm(&key);
        assert_eq!(open(&other, &[2; 12], b"aad", &sealed), Err(Unauthentic));
    }
    for aad in [&b""[..], b"aa", b"aad\0", b"aae"] {
        assert_eq!(open(&aead, &[2; 12], aad, &sealed), Err(Unauthentic));
    }
    for len in 0..sealed.len() {
        assert_eq!(
            open(&aead, &[2; 12], b"aad", &sealed[..len]),
            Err(Unauthentic)
        );
    }
}

/// RFC 8032 §7.1, tests 1 to 3.
#[test]
fn rfc8032_ed25519() {
    let vectors = [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155
             5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac
             18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ];
    for (seed, public, message, signature) in vectors {
        let seed: [u8; 32] = hex(seed).try_into().unwrap();
        let key = DeviceKey::from_seed(Secret::from(seed));
        assert_eq!(key.public(), *hex(public));
        assert_eq!(key.seed().expose(), &seed);
        assert_eq!(key.sign(&hex(message)), *hex(signature));
        assert_eq!(
            verify_ed25519(&key.public(), &hex(message), &hex(signature)),
            Ok(())
        );
    }
}

#[test]
fn a_device_signature_with_any_flipped_bit_fails() {
    let key = DeviceKey::from_seed(Secret::from([7; 32]));
    let (public, message) = (key.public(), b"message");
    let signature = key.sign(message);
    for bit in 0..512 {
        let mut changed = signature;
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            verify_ed25519(&public, message, &changed),
            Err(BadSignature),
            "bit {bit}"
        );
    }
    for bit in 0..256 {
        let mut changed = public;
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            verify_ed25519(&changed, message, &signature),
            Err(BadSignature),
            "bit {bit}"
        );
    }
    for bit in 0..message.len() * 8 {
        let mut changed = *message;
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            verify_ed25519(&public, &changed, &signature),
            Err(BadSignature),
            "bit {bit}"
        );
    }
    for wrong in [&signature[..63], &[&signature[..], &[0]].concat(), &[]] {
        assert_eq!(verify_ed25519(&public, message, wrong), Err(BadSignature));
    }
}

/// Under the identity as public key, `R` = identity and `S` = 0 fit every message.
#[test]
fn h46_public_keys_of_small_order_are_refused() {
    let identity = hex("0100000000000000000000000000000000000000000000000000000000000000");
    let signature = [&identity[..], &[0; 32]].concat();
    let small = [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ];
    for public in small {
        let public = hex(public).try_into().unwrap();
        for message in 0..16u8 {
            let verified = verify_ed25519(&public, &[message], &signature);
            assert_eq!(verified, Err(BadSignature), "{public:02x?}");
        }
    }
}

#[test]
fn device_keys_keep_the_encodings_of_openssl() {
    let pkcs8 = include_bytes!("vectors/openssl-ed25519.pk8");
    let key = DeviceKey::from_pkcs8(pkcs8).unwrap();
    assert_eq!(key.to_pkcs8().expose(), pkcs8);
    let spki = ed25519_spki_der(&key.public());
    assert_eq!(spki[..], include_bytes!("vectors/openssl-ed25519.spki")[..]);
    for wrong in [&pkcs8[..47], &[&pkcs8[..], &[0]].concat(), &pkcs8[1..], &[]] {
        assert_eq!(
            DeviceKey::from_pkcs8(wrong).err(),
            Some(KeyError::Malformed)
        );
    }
    for index in 0..16 {
        let mut changed = *pkcs8;
        changed[index] ^= 1;
        assert_eq!(
            DeviceKey::from_pkcs8(&changed).err(),
            Some(KeyError::Malformed)
        );
    }
}

proptest! {
    /// Two implementations of HMAC and SHA-256.
    #[test]
    fn ring_agrees_on_hash_and_mac(
        key in prop::collection::vec(any::<u8>(), 0..200),
        message in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let digest = ring::digest::digest(&ring::digest::SHA256, &message);
        prop_assert_eq!(&sha256(&message)[..], digest.as_ref());
        let theirs = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &key);
        let tag = ring::hmac::sign(&theirs, &message);
        prop_assert_eq!(&hmac_sha256(&key, &[&message])[..], tag.as_ref());
    }

    #[test]
    fn what_was_sealed_opens(
        key: [u8; 32],
        nonce: [u8; 12],
        aad in prop::collection::vec(any::<u8>(), 0..64),
        plaintext in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let aead = Aead::aes256_gcm(&key);
        let mut buffer = plaintext.clone();
        aead.seal(&nonce, &aad, &mut buffer);
        prop_assert_eq!(buffer.len(), plaintext.len() + crypto::AEAD_TAG_LEN);
        prop_assert_eq!(aead.open(&nonce, &aad, &mut buffer), Ok(()));
        prop_assert_eq!(buffer, plaintext);
    }
}
