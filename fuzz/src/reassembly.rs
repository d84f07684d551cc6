//! Pieces of a stream in any order, with any overlap: of two different bytes the first wins.

/// Checks one input: steps of four bytes, insert or read, where (2), how many.
pub fn check(steps: &[u8]) {
    transport::fuzzing::reassembly(steps);
}
