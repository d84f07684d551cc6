use codec::{DecodeError, Reader, Writer};
use crypto::Transcript;

use super::work::{SOLUTION_LEN, Work};
use super::{CHALLENGE_LEN, Challenge};

/// Bytes of a token.
pub const TOKEN_LEN: usize = CHALLENGE_LEN + 32 + SOLUTION_LEN;

/// A solved challenge, as it stands in the token field of the repeated Initials (PROTOCOL.md
/// §3.3).
///
/// ```text
/// 0     41                    73       81       89       97      105
/// +-----+---------------------+--------+--------+--------+--------+
/// | c1  | H                   | X_0    | X_1    | X_2    | X_3    |
/// +-----+---------------------+--------+--------+--------+--------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// The challenge that is answered.
    pub challenge: Challenge,
    /// SHA-256 of the first handshake message with its 4-byte header.
    pub hello: [u8; 32],
    /// The four solutions.
    pub solution: [u8; SOLUTION_LEN],
}

impl Token {
    /// Reads a token.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let token = Self {
            challenge: Challenge::read(&mut reader)?,
            hello: reader.array()?,
            solution: reader.array()?,
        };
        reader.finish()?;
        Ok(token)
    }

    /// The token as it travels.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(TOKEN_LEN);
        self.challenge.encode(&mut bytes);
        Writer::new(&mut bytes)
            .bytes(&self.hello)
            .bytes(&self.solution);
        bytes
    }

    /// Whether the work is done.
    pub(super) fn is_solved(&self) -> bool {
        let difficulty = self.challenge.difficulty;
        admission_work(&self.challenge, &self.hello).is_solved(difficulty, &self.solution)
    }
}

/// The puzzle of a challenge: bound to the handshake's first message, so that nobody else can use
/// its solution.
pub(super) fn admission_work(challenge: &Challenge, hello: &[u8; 32]) -> Work {
    Work::new(
        &Transcript::new("puzzle")
            .field(&challenge.to_bytes())
            .field(hello),
    )
}
