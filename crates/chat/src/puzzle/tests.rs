use core::net::IpAddr;

use crypto::{Random, Secret, Transcript, sha256};
use proptest::prelude::*;

use super::challenge::Asker;
use super::*;
use crate::source::address_bytes;

const SECOND: u64 = 1_000_000_000;
const HELLO: [u8; 32] = [0x48; 32];

/// Test vectors of PROTOCOL.md §3.
const VECTORS: &str = include_str!("../vectors/puzzle.txt");

struct Counting(u8);

impl Random for Counting {
    fn fill(&mut self, out: &mut [u8]) {
        for byte in out {
            *byte = self.0;
            self.0 = self.0.wrapping_add(1);
        }
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn admission(change: impl FnOnce(&mut AdmissionConfig)) -> Admission {
    let mut config = AdmissionConfig {
        difficulty: 6,
        ..AdmissionConfig::default()
    };
    change(&mut config);
    Admission::new(config, Box::new(Counting(0)))
}

fn stranger(token: &[u8]) -> Stranger<'_> {
    Stranger {
        ip: ip("192.0.2.7"),
        dcid: [1; 8],
        scid: [2; 8],
        token,
    }
}

fn challenged(admission: &mut Admission, now_ns: u64) -> Vec<u8> {
    let mut body = Vec::new();
    let judgement = admission.judge(now_ns, &stranger(&[]), &mut body);
    assert_eq!(judgement, Judgement::Challenge);
    body
}

fn token(admission: &mut Admission, now_ns: u64) -> Vec<u8> {
    solve(&challenged(admission, now_ns), &HELLO).unwrap()
}

fn judge(admission: &mut Admission, now_ns: u64, stranger: &Stranger<'_>) -> Judgement {
    let mut out = Vec::new();
    let judgement = admission.judge(now_ns, stranger, &mut out);
    let written = if judgement == Judgement::Challenge {
        CHALLENGE_LEN
    } else {
        0
    };
    assert_eq!(out.len(), written);
    judgement
}

fn is_admitted(judgement: Judgement) -> bool {
    matches!(judgement, Judgement::Admit { .. })
}

#[test]
fn a_solved_challenge_admits_its_hello() {
    let mut admission = admission(|_| ());
    let body = challenged(&mut admission, 5);
    assert_eq!(body[0], CHALLENGE_KIND);
    let token = solve(&body, &HELLO).unwrap();
    assert_eq!(token.len(), TOKEN_LEN);
    let judgement = judge(&mut admission, 6, &stranger(&token));
    let challenge = sha256(&body);
    assert_eq!(
        judgement,
        Judgement::Admit {
            hello: HELLO,
            challenge
        }
    );
}

#[test]
fn h41_a_token_is_good_once() {
    let mut admission = admission(|_| ());
    let token = token(&mut admission, 0);
    assert!(is_admitted(judge(&mut admission, 0, &stranger(&token))));
    assert_eq!(
        judge(&mut admission, 1, &stranger(&token)),
        Judgement::Challenge
    );
    // Also in the next epoch, as long as its key lives.
    assert_eq!(
        judge(&mut admission, 61 * SECOND, &stranger(&token)),
        Judgement::Challenge
    );
}

#[test]
fn h41_a_token_is_good_from_its_address_and_ids_alone() {
    let mut admission = admission(|_| ());
    let token = token(&mut admission, 0);
    let asked = stranger(&token);
    let others = [
        Stranger {
            ip: ip("192.0.2.8"),
            ..asked
        },
        Stranger {
            ip: ip("2001:db8::7"),
            ..asked
        },
        Stranger {
            dcid: [3; 8],
            ..asked
        },
        Stranger {
            scid: [3; 8],
            ..asked
        },
    ];
    for other in others {
        assert_eq!(
            judge(&mut admission, 0, &other),
            Judgement::Challenge,
            "{other:?}"
        );
    }
    let mapped = Stranger {
        ip: ip("::ffff:192.0.2.7"),
        ..asked
    };
    assert!(
        is_admitted(judge(&mut admission, 0, &mapped)),
        "the same address"
    );
}

#[test]
fn h43_a_token_expires_with_its_key() {
    let judged_at = |now_ns| {
        let mut admission = admission(|_| ());
        let token = token(&mut admission, 59 * SECOND);
        judge(&mut admission, now_ns, &stranger(&token))
    };
    assert!(
        is_admitted(judged_at(119 * SECOND)),
        "the previous key is still good"
    );
    assert_eq!(judged_at(120 * SECOND), Judgement::Challenge);
    assert_eq!(judged_at(1 << 60), Judgement::Challenge);
}

#[test]
fn h43_tokens_of_another_process_or_worker_are_void() {
    let mut first = admission(|_| ());
    let token = token(&mut first, 0);
    let config = AdmissionConfig {
        difficulty: 6,
        ..AdmissionConfig::default()
    };
    let mut restarted = Admission::new(config, Box::new(Counting(9)));
    assert_eq!(
        judge(&mut restarted, 0, &stranger(&token)),
        Judgement::Challenge
    );
    let mut other_worker = admission(|config| config.worker = 1);
    assert_eq!(
        judge(&mut other_worker, 0, &stranger(&token)),
        Judgement::Challenge
    );
}

#[test]
fn h43_a_solution_is_good_for_its_hello_alone() {
    let mut admission = admission(|config| config.difficulty = 12);
    let solved = token(&mut admission, 0);
    let mut stolen = Token::decode(&solved).unwrap();
    stolen.hello = [0x49; 32];
    assert_eq!(
        judge(&mut admission, 0, &stranger(&stolen.encode())),
        Judgement::Challenge
    );
    assert!(is_admitted(judge(&mut admission, 0, &stranger(&solved))));
}

#[test]
fn h43_every_flipped_bit_is_refused() {
    let mut admission = admission(|config| {
        config.difficulty = 14;
        config.source_burst = u64::MAX;
    });
    let token = token(&mut admission, 0);
    for bit in 0..(CHALLENGE_LEN + 32) * 8 {
        let mut flipped = token.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let judgement = judge(&mut admission, 0, &stranger(&flipped));
        assert_eq!(judgement, Judgement::Challenge, "bit {bit}");
    }
    for end in 0..token.len() {
        let judgement = judge(&mut admission, 0, &stranger(&token[..end]));
        assert_eq!(judgement, Judgement::Challenge, "cut to {end}");
    }
    assert!(
        is_admitted(judge(&mut admission, 0, &stranger(&token))),
        "none was spent"
    );
}

#[test]
fn h43_too_little_work_is_refused() {
    let mut admission = admission(|config| config.difficulty = 16);
    let mut easy = Token::decode(&token(&mut admission, 0)).unwrap();
    easy.solution = [0; 32];
    assert_eq!(
        judge(&mut admission, 0, &stranger(&easy.encode())),
        Judgement::Challenge
    );
    // Another difficulty than the server asked for is another challenge.
    easy.challenge.difficulty = 0;
    assert_eq!(
        judge(&mut admission, 0, &stranger(&easy.encode())),
        Judgement::Challenge
    );
}

#[test]
fn h44_one_source_is_limited_and_others_are_not() {
    let mut admission = admission(|config| {
        config.difficulty = 0;
        config.source_burst = 3;
        config.source_per_s = 1;
    });
    let tokens: Vec<_> = (0..4).map(|_| token(&mut admission, 0)).collect();
    for token in &tokens[..3] {
        assert!(is_admitted(judge(&mut admission, 0, &stranger(token))));
    }
    assert_eq!(
        judge(&mut admission, 0, &stranger(&tokens[3])),
        Judgement::Drop
    );
    let neighbour = |token| Stranger {
        ip: ip("198.51.100.1"),
        ..stranger(token)
    };
    let mut body = Vec::new();
    admission.judge(0, &neighbour(&[]), &mut body);
    let other = solve(&body, &HELLO).unwrap();
    assert!(is_admitted(judge(&mut admission, 0, &neighbour(&other))));
    // The same token is let in later: the client only repeats its packet.
    assert!(is_admitted(judge(
        &mut admission,
        SECOND,
        &stranger(&tokens[3])
    )));
}

/// Neither does it count for its source what is sent again, nor what is no solution.
#[test]
fn h44_what_costs_nothing_keeps_no_neighbour_out() {
    let mut admission = admission(|config| {
        config.difficulty = 12;
        config.source_burst = 2;
        config.source_per_s = 1;
    });
    let solved = token(&mut admission, 0);
    assert!(is_admitted(judge(&mut admission, 0, &stranger(&solved))));
    let mut unsolved = Token::decode(&token(&mut admission, 0)).unwrap();
    unsolved.solution = [0; 32];
    for _ in 0..100 {
        for worthless in [&solved, &unsolved.encode()] {
            let judgement = judge(&mut admission, 0, &stranger(worthless));
            assert_eq!(judgement, Judgement::Challenge);
        }
    }
    let honest = token(&mut admission, 0);
    assert!(is_admitted(judge(&mut admission, 0, &stranger(&honest))));
}

#[test]
fn h40_memory_for_spent_nonces_is_bounded() {
    let mut admission = admission(|config| {
        config.difficulty = 0;
        config.spent_max = 2;
    });
    let tokens: Vec<_> = (0..3).map(|_| token(&mut admission, 0)).collect();
    assert!(is_admitted(judge(&mut admission, 0, &stranger(&tokens[0]))));
    assert!(is_admitted(judge(&mut admission, 0, &stranger(&tokens[1]))));
    assert_eq!(
        judge(&mut admission, 0, &stranger(&tokens[2])),
        Judgement::Drop
    );
    let next = token(&mut admission, 60 * SECOND);
    assert!(is_admitted(judge(
        &mut admission,
        60 * SECOND,
        &stranger(&next)
    )));
}

#[test]
fn clients_refuse_what_is_too_dear_or_unknown() {
    let mut challenge = Challenge {
        epoch: 0,
        worker: 0,
        difficulty: DIFFICULTY_CAP + 1,
        sub_puzzles: SUB_PUZZLES,
        nonce: [0; 16],
        tag: [0; 16],
    };
    assert_eq!(
        solve(&challenge.to_bytes(), &HELLO),
        Err(Refusal::TooHard(21))
    );
    challenge.difficulty = 1;
    challenge.sub_puzzles = 200;
    assert_eq!(
        solve(&challenge.to_bytes(), &HELLO),
        Err(Refusal::SubPuzzles(200))
    );
    let mut body = challenge.to_bytes();
    body[0] = 0;
    assert!(matches!(solve(&body, &HELLO), Err(Refusal::Malformed(_))));
    assert!(matches!(solve(&[], &HELLO), Err(Refusal::Malformed(_))));
    // No policy asks for more than clients do.
    let mut greedy = admission(|config| config.difficulty = 40);
    let asked = Challenge::decode(&challenged(&mut greedy, 0)).unwrap();
    assert_eq!(asked.difficulty, DIFFICULTY_CAP);
}

#[test]
fn the_tag_is_that_of_the_transcript() {
    let key = Secret::from([9; 32]);
    let body = [&[1u8; 25][..], &[0; 16]].concat();
    let challenge = Challenge::decode(&body).unwrap();
    let address = ip("192.0.2.7");
    let asker = Asker {
        ip: address,
        dcid: &[1; 8],
        scid: &[2; 8],
    };
    let mac = Transcript::new("challenge")
        .field(&address_bytes(address))
        .field(&[1; 8])
        .field(&[2; 8])
        .field(&[1; 25])
        .hmac_sha256(key.expose());
    assert_eq!(challenge.expected_tag(&key, asker), mac[..16]);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn vectors() {
    let key = Secret::from([9; 32]);
    let mut challenge = Challenge {
        epoch: 7,
        worker: 3,
        difficulty: 16,
        sub_puzzles: 4,
        nonce: [0x11; 16],
        tag: [0; 16],
    };
    let asker = Asker {
        ip: ip("192.0.2.7"),
        dcid: &[1; 8],
        scid: &[2; 8],
    };
    challenge.tag = challenge.expected_tag(&key, asker);
    let token = solve(&challenge.to_bytes(), &HELLO).unwrap();
    let lines = format!(
        "epoch key {}\nip 192.0.2.7\ndcid {}\nscid {}\nc1 {}\nH {}\ntoken {}\n",
        hex(key.expose()),
        hex(&[1; 8]),
        hex(&[2; 8]),
        hex(&challenge.to_bytes()),
        hex(&HELLO),
        hex(&token),
    );
    assert!(lines == VECTORS, "it is now:\n{lines}");
}

proptest! {
    #[test]
    fn h08_decode_of_encode_is_the_identity(bytes in any::<[u8; 32]>(), rest in any::<[u8; 32]>()) {
        let challenge = [&[CHALLENGE_KIND][..], &bytes, &rest[..8]].concat();
        let decoded = Challenge::decode(&challenge).unwrap();
        prop_assert_eq!(&decoded.to_bytes()[..], &challenge[..]);
        let token = [&challenge[..], &rest, &bytes].concat();
        prop_assert_eq!(Token::decode(&token).unwrap().encode(), token);
    }

    #[test]
    fn h40_noise_is_challenged_and_keeps_nothing(noise in proptest::collection::vec(any::<u8>(), 0..130)) {
        let mut admission = admission(|_| ());
        prop_assert_eq!(judge(&mut admission, 0, &stranger(&noise)), Judgement::Challenge);
    }
}
