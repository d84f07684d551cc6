//! Acknowledgements: ranges behave as a set does, and survive the wire.

/// Checks one input: steps of four bytes, add or remove, where (2), how many.
pub fn check(steps: &[u8]) {
    transport::fuzzing::ack_ranges(steps);
}
