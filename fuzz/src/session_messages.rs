//! Any message of the session port: what decodes has this one encoding.
use chat::message::{SessionClientMessage, SessionServerMessage};

/// Checks one input.
pub fn check(bytes: &[u8]) {
    if let Ok(message) = SessionClientMessage::decode(bytes) {
        assert_eq!(message.encode(), bytes);
        assert!(SessionServerMessage::decode(bytes).is_err());
    }
    if let Ok(message) = SessionServerMessage::decode(bytes) {
        assert_eq!(message.encode(), bytes);
    }
}
