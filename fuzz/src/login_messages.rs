//! Any message of the login port: what decodes has this one encoding.
use chat::message::{LoginClientMessage, LoginServerMessage};

/// Checks one input.
pub fn check(bytes: &[u8]) {
    if let Ok(message) = LoginClientMessage::decode(bytes) {
        assert_eq!(message.encode(), bytes);
        assert!(LoginServerMessage::decode(bytes).is_err());
    }
    if let Ok(message) = LoginServerMessage::decode(bytes) {
        assert_eq!(message.encode(), bytes);
    }
}
