//! Any line: what is understood can be said again as JSON, and means the same.

use undertone::cli::line::{Command, mistake_object};

/// Checks one input, unless it is no UTF-8.
pub fn check(bytes: &[u8]) {
    let Ok(line) = core::str::from_utf8(bytes) else {
        return;
    };
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
}
