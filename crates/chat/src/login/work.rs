use crypto::Transcript;

use crate::Username;
use crate::message::{LoginWork, LoginWorkSolution};
use crate::puzzle::{DIFFICULTY_CAP, Refusal, Work};

/// Solves the work that a server asks for before it answers `request` (KE1, or a registration's
/// request). About 2^difficulty hashes: made for a worker thread.
pub fn solve_login_work(
    work: &LoginWork,
    channel: &[u8; 32],
    username: &Username,
    request: &[u8],
) -> Result<LoginWorkSolution, Refusal> {
    if work.difficulty > DIFFICULTY_CAP {
        return Err(Refusal::TooHard(work.difficulty));
    }
    let solution = login_work(work, channel, username, request)
        .solve(work.difficulty)
        .ok_or(Refusal::Unsolvable)?;
    Ok(LoginWorkSolution { solution })
}

/// Whether the work that this server asked for is done.
pub fn verify_login_work(
    work: &LoginWork,
    channel: &[u8; 32],
    username: &Username,
    request: &[u8],
    answer: &LoginWorkSolution,
) -> bool {
    login_work(work, channel, username, request).is_solved(work.difficulty, &answer.solution)
}

/// T("login work"; difficulty, nonce, E, name, request, i, X_i).
fn login_work(work: &LoginWork, channel: &[u8; 32], username: &Username, request: &[u8]) -> Work {
    Work::new(
        &Transcript::new("login work")
            .u8(work.difficulty)
            .field(&work.nonce)
            .field(channel)
            .field(username.key().as_bytes())
            .field(request),
    )
}
