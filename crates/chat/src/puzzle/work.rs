use crypto::{Sha256, Transcript};

use super::SUB_PUZZLES;

/// Bytes of the solutions of all sub-puzzles.
pub(crate) const SOLUTION_LEN: usize = SUB_PUZZLES as usize * X_LEN;

const X_LEN: usize = 8;

/// The search that a puzzle asks for: `X_i` such that `SHA-256(T(context; ..., i, X_i))` begins
/// with enough zero bits.
pub(crate) struct Work {
    /// The hash over everything that comes before `i`.
    begun: Sha256,
}

impl Work {
    /// The search over `transcript`, to which `i` and `X_i` are the last fields.
    pub(crate) fn new(transcript: &Transcript) -> Self {
        let mut begun = Sha256::new();
        begun.update(transcript.as_bytes());
        Self { begun }
    }

    /// Searches all sub-puzzles: about 2^`difficulty` hashes. `None` only if no number of 64 bits
    /// solves one, which does not happen below a difficulty of 50.
    pub(crate) fn solve(&self, difficulty: u8) -> Option<[u8; SOLUTION_LEN]> {
        let bits = zero_bits(difficulty);
        let mut solution = [0; SOLUTION_LEN];
        for (index, place) in (0..SUB_PUZZLES).zip(solution.chunks_exact_mut(X_LEN)) {
            let begun = self.sub_puzzle(index);
            let x = (0..=u64::MAX).find(|x| is_hit(&begun, &x.to_be_bytes(), bits))?;
            place.copy_from_slice(&x.to_be_bytes());
        }
        Some(solution)
    }

    /// Whether all sub-puzzles are solved.
    pub(crate) fn is_solved(&self, difficulty: u8, solution: &[u8; SOLUTION_LEN]) -> bool {
        let bits = zero_bits(difficulty);
        (0..SUB_PUZZLES)
            .zip(solution.chunks_exact(X_LEN))
            .all(|(index, x)| is_hit(&self.sub_puzzle(index), x, bits))
    }

    fn sub_puzzle(&self, index: u8) -> Sha256 {
        let mut begun = self.begun.clone();
        begun.update(&1u32.to_be_bytes());
        begun.update(&[index]);
        begun.update(&8u32.to_be_bytes());
        begun
    }
}

/// Four sub-puzzles of `d - 2` bits take as long as one of `d`.
fn zero_bits(difficulty: u8) -> u32 {
    u32::from(difficulty.saturating_sub(2))
}

fn is_hit(begun: &Sha256, x: &[u8], bits: u32) -> bool {
    let mut hash = begun.clone();
    hash.update(x);
    leading_zeros(&hash.finish()) >= bits
}

fn leading_zeros(hash: &[u8; 32]) -> u32 {
    let mut zeros = 0;
    for byte in hash {
        zeros += byte.leading_zeros();
        if *byte != 0 {
            break;
        }
    }
    zeros
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_bits_are_counted_across_bytes() {
        let mut hash = [0xff; 32];
        assert_eq!(leading_zeros(&hash), 0);
        hash[0] = 0;
        hash[1] = 0x10;
        assert_eq!(leading_zeros(&hash), 11);
        assert_eq!(leading_zeros(&[0; 32]), 256);
    }

    #[test]
    fn a_hash_is_that_of_the_whole_transcript() {
        let transcript = || Transcript::new("puzzle").field(b"a");
        let work = Work::new(&transcript());
        let solution = work.solve(8).unwrap();
        for (index, x) in (0..SUB_PUZZLES).zip(solution.chunks_exact(X_LEN)) {
            let hash = transcript().u8(index).field(x).sha256();
            assert!(leading_zeros(&hash) >= 6);
        }
        assert!(work.is_solved(8, &solution));
        assert!(!Work::new(&Transcript::new("puzzle").field(b"b")).is_solved(20, &solution));
    }
}
