use ml_kem::{Decapsulate, DecapsulationKey, EncapsulationKey, KeyExport, MlKem768};

use super::*;

fn server(share: &[u8]) -> Result<CompletedKeyExchange, Error> {
    X25519_MLKEM768.start_and_complete(share)
}

#[test]
fn both_ends_agree_on_64_bytes_that_differ_between_exchanges() {
    let mut seen = Vec::new();
    for _ in 0..4 {
        let client = X25519_MLKEM768.start().unwrap();
        assert_eq!(client.pub_key().len(), 1184 + 32);
        let answer = server(client.pub_key()).unwrap();
        assert_eq!(answer.pub_key.len(), 1088 + 32);
        assert_eq!(answer.group, NamedGroup::from(0x11ec));
        let secret = client.complete(&answer.pub_key).unwrap();
        assert_eq!(secret.secret_bytes(), answer.secret.secret_bytes());
        assert_eq!(secret.secret_bytes().len(), 64);
        seen.push(secret.secret_bytes().to_vec());
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 4);
}

#[test]
fn a_client_of_another_implementation_agrees() {
    let decapsulation_key = DecapsulationKey::<MlKem768>::from_seed([5; 64].into());
    let encapsulation_key = decapsulation_key.encapsulation_key();
    let point = X25519.start().unwrap();
    let share = [&encapsulation_key.to_bytes()[..], point.pub_key()].concat();
    let answer = server(&share).unwrap();
    let (ciphertext, server_point) = answer.pub_key.split_at(CIPHERTEXT_LEN);
    let post_quantum = decapsulation_key.decapsulate(&ciphertext.try_into().unwrap());
    let classical = point.complete(server_point).unwrap();
    let expected = [&post_quantum[..], classical.secret_bytes()].concat();
    assert_eq!(answer.secret.secret_bytes(), expected);
}

#[test]
fn a_server_of_another_implementation_agrees() {
    let client = X25519_MLKEM768.start().unwrap();
    let (encapsulation_key, client_point) = client.pub_key().split_at(ENCAPSULATION_KEY_LEN);
    let encapsulation_key =
        EncapsulationKey::<MlKem768>::new(&encapsulation_key.try_into().unwrap()).unwrap();
    let (ciphertext, post_quantum) = encapsulation_key.encapsulate_deterministic(&[7; 32].into());
    let classical = X25519.start_and_complete(client_point).unwrap();
    let share = [&ciphertext[..], &classical.pub_key].concat();
    let expected = [&post_quantum[..], classical.secret.secret_bytes()].concat();
    let secret = client.complete(&share).unwrap();
    assert_eq!(secret.secret_bytes(), expected);
}

/// Points whose multiples are all zero: of order 1, 2, 4 and 8 (RFC 7748 §6.1).
const SMALL_ORDER: [&str; 4] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
];

fn point(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    digits
        .map(|d| u8::from_str_radix(str::from_utf8(d).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn a_point_of_small_order_is_refused_by_either_end() {
    for hex in SMALL_ORDER {
        let client = X25519_MLKEM768.start().unwrap();
        let mut share = client.pub_key().to_vec();
        let mut answer = server(&share).unwrap().pub_key;
        share.splice(ENCAPSULATION_KEY_LEN.., point(hex));
        answer.splice(CIPHERTEXT_LEN.., point(hex));
        assert_eq!(server(&share).err(), Some(invalid_share()), "{hex}");
        assert_eq!(
            client.complete(&answer).err(),
            Some(invalid_share()),
            "{hex}"
        );
    }
}

#[test]
fn shares_of_another_length_are_refused() {
    let share = X25519_MLKEM768.start().unwrap().pub_key().to_vec();
    let answer = server(&share).unwrap().pub_key;
    for len in [0, 32, 1088, 1184, share.len() - 1] {
        assert_eq!(server(&share[..len]).err(), Some(invalid_share()), "{len}");
    }
    let longer = [&share[..], &[0]].concat();
    assert_eq!(server(&longer).err(), Some(invalid_share()));
    for len in [0, 32, 1088, answer.len() - 1] {
        let client = X25519_MLKEM768.start().unwrap();
        assert_eq!(
            client.complete(&answer[..len]).err(),
            Some(invalid_share()),
            "{len}"
        );
    }
}

#[test]
fn an_encapsulation_key_with_a_coefficient_out_of_range_is_refused() {
    let mut share = X25519_MLKEM768.start().unwrap().pub_key().to_vec();
    share[..3].fill(0xff);
    assert_eq!(server(&share).err(), Some(invalid_share()));
}

#[test]
fn a_changed_ciphertext_gives_another_secret() {
    let client = X25519_MLKEM768.start().unwrap();
    let answer = server(client.pub_key()).unwrap();
    let mut changed = answer.pub_key.clone();
    changed[100] ^= 1;
    let secret = client.complete(&changed).unwrap();
    assert_ne!(secret.secret_bytes(), answer.secret.secret_bytes());
}
