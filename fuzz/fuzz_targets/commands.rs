//! Any line: what is understood can be said again as JSON, and means the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use undertone::cli::line::{Command, mistake_object};

fuzz_target!(|line: &str| {
    match Command::parse(line) {
        Ok(Some(Command::Send { to, text })) => {
            assert!(!text.is_empty() && text.len() <= chat::limits::TEXT_LEN_MAX);
            let object = serde_json::json!({"command": "send", "to": to.display(), "text": text});
            let again = Command::parse(&object.to_string());
            assert!(again == Ok(Some(Command::Send { to, text })));
        }
        Ok(_) => {}
        Err(mistake) => assert!(!mistake_object(&mistake).contains('\n')),
    }
});
