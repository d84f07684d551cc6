//! Any payload of a packet: every frame consumes something, and has one encoding.

/// Checks one input.
pub fn check(payload: &[u8]) {
    transport::fuzzing::frames(payload);
}
