//! Any bytes as a token, and over an honest one and over who asked: a token has one encoding, none that the server
//! did not ask for is let in, and one that it did ask for is let in if the work is done, for whoever was asked, once.
use std::cell::RefCell;
use std::sync::LazyLock;

use chat::puzzle::{
    Admission, AdmissionConfig, CHALLENGE_LEN, Challenge, Judgement, Stranger, TOKEN_LEN, Token,
    solve,
};
use codec::Reader;
use crypto::Transcript;
use crypto::fixtures::SeededRandom;

/// Some 256 hashes; of 64 changed solutions of a sub-puzzle one is right as well.
const DIFFICULTY: u8 = 8;
const ZERO_BITS: u32 = 6;

/// Address, destination id and source id.
const ASKER: [u8; 20] =
    *b"\x7f\0\0\x01\x01\x01\x01\x01\x01\x01\x01\x01\x02\x02\x02\x02\x02\x02\x02\x02";

/// A token that the gate asked for, and who solved it.
static HONEST: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut challenge = Vec::new();
    let judgement = judge(&mut gate(), &[], &ASKER, &mut challenge);
    assert_eq!(judgement, Judgement::Challenge);
    let token = solve(&challenge, &[3; 32]).expect("a challenge of ours");
    [&token[..], &ASKER].concat()
});

thread_local! {
    /// One for all inputs: to make its sketches takes longer than to read a token. Whoever is let in leaves
    /// something behind in it, and nobody else does.
    static GATE: RefCell<Admission> = RefCell::new(gate());
}

/// Every one has the same keys. No rate, so that runs do not count for each other.
fn gate() -> Admission {
    let mut config = AdmissionConfig::default();
    config.difficulty = DIFFICULTY;
    config.source_burst = u64::MAX;
    Admission::new(config, Box::new(SeededRandom::new(1)))
}

fn judge(gate: &mut Admission, token: &[u8], asker: &[u8], challenge: &mut Vec<u8>) -> Judgement {
    let mut asker = Reader::new(asker);
    let stranger = Stranger {
        ip: asker.array::<4>().expect("an address").into(),
        dcid: asker.array().expect("an id"),
        scid: asker.array().expect("an id"),
        token,
    };
    gate.judge(0, &stranger, challenge)
}

/// PROTOCOL.md §3.3: what is asked of each of the four solutions.
fn is_solved(token: &Token) -> bool {
    let solutions = token.solution.chunks_exact(8);
    (0..).zip(solutions).all(|(index, solution)| {
        let hash = Transcript::new("puzzle")
            .field(&token.challenge.to_bytes())
            .field(&token.hello)
            .u8(index)
            .field(solution)
            .sha256();
        hash[0].leading_zeros() >= ZERO_BITS
    })
}

/// This token draws a challenge.
fn check_refused(gate: &mut Admission, token: &[u8], asker: &[u8]) {
    let mut challenge = Vec::new();
    let judgement = judge(gate, token, asker, &mut challenge);
    assert_eq!(judgement, Judgement::Challenge);
    assert_eq!(challenge.len(), CHALLENGE_LEN);
    assert!(Challenge::decode(&challenge).is_ok());
}

/// The honest token, with this at some place over it and over who solved it.
fn check_over(gate: &mut Admission, at: u8, changes: &[u8]) {
    let mut spoilt = HONEST.clone();
    let place = usize::from(at) % spoilt.len();
    for (byte, change) in spoilt.iter_mut().skip(place).zip(changes) {
        *byte ^= change;
    }
    let (bytes, asker) = spoilt.split_at(TOKEN_LEN);
    let is_asked = bytes[..CHALLENGE_LEN] == HONEST[..CHALLENGE_LEN] && asker == ASKER;
    let token = Token::decode(bytes).ok().filter(|_| is_asked);
    let Some(token) = token.filter(is_solved) else {
        return check_refused(gate, bytes, asker);
    };
    let mut out = Vec::new();
    let expected = Judgement::Admit {
        hello: token.hello,
        challenge: crypto::sha256(&bytes[..CHALLENGE_LEN]),
    };
    assert_eq!(judge(gate, bytes, asker, &mut out), expected);
    assert!(out.is_empty());
    check_refused(gate, bytes, asker);
    *gate = self::gate();
}

/// Checks one input.
pub fn check(bytes: &[u8]) {
    if let Ok(decoded) = Token::decode(bytes) {
        assert_eq!(decoded.encode(), bytes);
    }
    GATE.with_borrow_mut(|gate| {
        check_refused(gate, bytes, &ASKER);
        if let Some((&at, changes)) = bytes.split_first() {
            check_over(gate, at, changes);
        }
    });
}
