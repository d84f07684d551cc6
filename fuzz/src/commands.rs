//! Any line: what is understood can be said again, as a line and as JSON, and means the same.

use undertone::cli::line::{Command, mistake_object};

/// Checks one input, unless it is no UTF-8.
pub fn check(bytes: &[u8]) {
    let Ok(line) = core::str::from_utf8(bytes) else {
        return;
    };
    match Command::parse(line) {
        Ok(Some(command)) => {
            for again in spellings(&command) {
                assert!(
                    Command::parse(&again) == Ok(Some(command.clone())),
                    "{again:?}"
                );
            }
        }
        Ok(None) => assert!(line.trim().is_empty()),
        Err(mistake) => {
            let object = mistake_object(&mistake);
            assert!(!object.contains('\n'));
            assert!(serde_json::from_str::<serde_json::Value>(&object).is_ok());
        }
    }
}

/// Other lines that mean the same.
fn spellings(command: &Command) -> Vec<String> {
    let name = match command {
        Command::List => "list",
        Command::Help => "help",
        Command::Quit => "quit",
        Command::Send { to, text } => {
            assert!(!text.is_empty() && text.len() <= chat::limits::TEXT_LEN_MAX);
            let object = serde_json::json!({"command": "send", "to": to.display(), "text": text});
            let typed = format!("send {} {text}", to.display());
            return vec![object.to_string(), typed];
        }
    };
    let object = serde_json::json!({ "command": name });
    vec![name.to_owned(), format!("  {name} "), object.to_string()]
}
