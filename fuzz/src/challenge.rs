//! Any challenge: it has one encoding, a client refuses what is dear, and answers what it solves.
use chat::puzzle::{CHALLENGE_LEN, Challenge, DIFFICULTY_CAP, Refusal, SUB_PUZZLES, Token, solve};

/// Checks one input.
pub fn check(body: &[u8]) {
    let Ok(challenge) = Challenge::decode(body) else {
        assert!(matches!(solve(body, &[7; 32]), Err(Refusal::Malformed(_))));
        return;
    };
    assert_eq!(body.len(), CHALLENGE_LEN);
    assert_eq!(challenge.to_bytes(), body);
    // What is allowed but takes long is for the unit tests.
    if (9..=DIFFICULTY_CAP).contains(&challenge.difficulty) {
        return;
    }
    match solve(body, &[7; 32]) {
        Ok(token) => assert_eq!(
            Token::decode(&token).map(|token| token.challenge),
            Ok(challenge)
        ),
        Err(_) => assert!(challenge.difficulty > 20 || challenge.sub_puzzles != SUB_PUZZLES),
    }
}
