//! Any transport parameters: what decodes has one encoding, unknown parameters aside.

/// Checks one input.
pub fn check(bytes: &[u8]) {
    transport::fuzzing::transport_parameters(bytes);
}
