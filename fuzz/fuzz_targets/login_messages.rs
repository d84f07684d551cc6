//! Any message of the login port: what decodes has this one encoding.
#![no_main]

use chat::message::{LoginClientMessage, LoginServerMessage};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(message) = LoginClientMessage::decode(bytes) {
        assert_eq!(message.encode(), bytes);
        assert!(LoginServerMessage::decode(bytes).is_err());
    }
    if let Ok(message) = LoginServerMessage::decode(bytes) {
        assert_eq!(message.encode(), bytes);
    }
});
