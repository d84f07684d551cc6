//! What a peer says of messages on a stream: whatever is delivered was said, whole and once, and what is
//! held stays within its bounds.

/// Checks one input: steps of five bytes, which `transport::fuzzing::messages` explains.
pub fn check(tape: &[u8]) {
    transport::fuzzing::messages(tape);
}
