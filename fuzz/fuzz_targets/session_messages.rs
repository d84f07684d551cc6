//! Any message of the session port: what decodes has this one encoding.
#![no_main]

use chat::message::{SessionClientMessage, SessionServerMessage};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(message) = SessionClientMessage::decode(bytes) {
        assert_eq!(message.encode(), bytes);
        assert!(SessionServerMessage::decode(bytes).is_err());
    }
    if let Ok(message) = SessionServerMessage::decode(bytes) {
        assert_eq!(message.encode(), bytes);
    }
});
