//! The admission puzzle: what a stranger pays before the server keeps anything of it
//! (PROTOCOL.md §3.2 and on).
//!
//! ```text
//! client                                   server
//!   Initials, no token        ------>      nothing is kept
//!                             <------      Challenge (an HMAC is all that it costs)
//!   solve: about 2^d hashes
//!   Initials, token           ------>      Admission::judge: MAC, rate, hashes, spent
//! ```
//!
//! [`Admission`] is the server's policy, [`solve`] the client's part.

mod admission;
mod challenge;
mod solve;
mod token;
mod work;

pub use admission::{Admission, AdmissionConfig, Judgement, Stranger};
pub use challenge::{CHALLENGE_KIND, CHALLENGE_LEN, Challenge};
pub use solve::{DIFFICULTY_CAP, Refusal, solve};
pub use token::{TOKEN_LEN, Token};
pub(crate) use work::Work;

/// Sub-puzzles of one puzzle: they narrow the spread of solving times.
pub const SUB_PUZZLES: u8 = 4;

#[cfg(test)]
mod tests;
