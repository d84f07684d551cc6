use codec::DecodeError;

use super::token::{Token, admission_work};
use super::{Challenge, SUB_PUZZLES};

/// The hardest puzzle that a client solves: about a million hashes, well below a second.
pub const DIFFICULTY_CAP: u8 = 20;

/// Why a client does not answer a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The body is not a challenge of this kind.
    #[error("the challenge does not decode: {0}")]
    Malformed(#[from] DecodeError),
    /// The price is above [`DIFFICULTY_CAP`], so that a forged challenge costs little.
    #[error("the server asks for 2^{0} hashes, more than this client is willing to do")]
    TooHard(u8),
    /// The work is not divided as this protocol divides it.
    #[error("the challenge has {0} sub-puzzles, not 4")]
    SubPuzzles(u8),
    /// Nothing solves it.
    #[error("the challenge has no solution")]
    Unsolvable,
}

/// Solves the challenge in `body` for the handshake whose first message, with its 4-byte header,
/// has SHA-256 `hello`. Gives the token.
///
/// A pure function, made for a worker thread: about 2^d hashes, d at most [`DIFFICULTY_CAP`].
pub fn solve(body: &[u8], hello: &[u8; 32]) -> Result<Vec<u8>, Refusal> {
    let challenge = Challenge::decode(body)?;
    if challenge.difficulty > DIFFICULTY_CAP {
        return Err(Refusal::TooHard(challenge.difficulty));
    }
    if challenge.sub_puzzles != SUB_PUZZLES {
        return Err(Refusal::SubPuzzles(challenge.sub_puzzles));
    }
    let solution = admission_work(&challenge, hello)
        .solve(challenge.difficulty)
        .ok_or(Refusal::Unsolvable)?;
    let token = Token {
        challenge,
        hello: *hello,
        solution,
    };
    Ok(token.encode())
}
