use core::str::FromStr;

use chat::Username;
use chat::limits::TEXT_LEN_MAX;
use serde::Deserialize;

use super::LINE_LEN_MAX;

/// What `help` prints.
pub const HELP: &str = "\
list                who is online
send NAME TEXT      everything after the space behind NAME is the text
help                this
quit                leave; also !exit, Ctrl-C, or the end of input
A line that begins with { is JSON: {\"command\":\"send\",\"to\":\"Alice\",\"text\":\"two\\nlines\"}
";

/// What a line asks for.
#[derive(Clone, PartialEq, Eq)]
pub enum Command {
    /// Who is online.
    List,
    /// A message.
    Send {
        /// To whom.
        to: Username,
        /// Byte for byte as it was typed: at least one byte, at most [`TEXT_LEN_MAX`].
        text: String,
    },
    /// Which commands there are.
    Help,
    /// Leave.
    Quit,
}

/// Everything but the text: contents have no place in a log.
impl core::fmt::Debug for Command {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::List => f.write_str("List"),
            Self::Send { to, text } => f
                .debug_struct("Send")
                .field("to", &to.key())
                .field("bytes", &text.len())
                .finish(),
            Self::Help => f.write_str("Help"),
            Self::Quit => f.write_str("Quit"),
        }
    }
}

impl Command {
    /// Reads a line without its line ending. `None`: nothing but spaces.
    pub fn parse(line: &str) -> Result<Option<Self>, Mistake> {
        let words = line.trim_start();
        if words.is_empty() {
            return Ok(None);
        }
        if words.starts_with('{') {
            return Json::parse(words).map(Some);
        }
        let (command, rest) = split_word(words);
        if command == "send" {
            return send(rest).map(Some);
        }
        let parsed = Self::without_arguments(command)?;
        match rest.trim().is_empty() {
            true => Ok(Some(parsed)),
            false => Err(Mistake::UnexpectedWords {
                command: parsed.name(),
            }),
        }
    }

    fn without_arguments(command: &str) -> Result<Self, Mistake> {
        match command {
            "list" => Ok(Self::List),
            "help" => Ok(Self::Help),
            "quit" | "!exit" => Ok(Self::Quit),
            _ => Err(Mistake::UnknownCommand {
                hint: hint(command),
            }),
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Send { .. } => "send",
            Self::Help => "help",
            Self::Quit => "quit",
        }
    }
}

const SEPARATORS: [char; 4] = [' ', '\t', '\n', '\r'];

/// The first word, and everything after the one separator behind it.
fn split_word(text: &str) -> (&str, &str) {
    text.split_once(SEPARATORS).unwrap_or((text, ""))
}

fn send(rest: &str) -> Result<Command, Mistake> {
    let (name, text) = split_word(rest.trim_start_matches(SEPARATORS));
    message(name, text.to_owned())
}

fn message(name: &str, text: String) -> Result<Command, Mistake> {
    if text.is_empty() {
        return Err(Mistake::MissingText);
    }
    let to = Username::from_str(name).map_err(|_| Mistake::BadName)?;
    if text.len() > TEXT_LEN_MAX {
        return Err(Mistake::TextTooLong);
    }
    Ok(Command::Send { to, text })
}

/// What somebody may have meant.
fn hint(typed: &str) -> Option<&'static str> {
    let typed = typed
        .trim_start_matches(['/', '!', ':'])
        .to_ascii_lowercase();
    let meant = match typed.as_str() {
        "list" | "ls" | "who" | "users" | "online" => "list",
        "send" | "msg" | "tell" | "say" | "to" => "send NAME TEXT",
        "help" | "?" | "h" | "man" => "help",
        "quit" | "exit" | "q" | "bye" | "logout" => "quit",
        _ => return None,
    };
    Some(meant)
}

/// A command as JSON. Strict: a misspelt field would be a message that says something else.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Json {
    command: String,
    to: Option<String>,
    text: Option<String>,
}

impl Json {
    fn parse(line: &str) -> Result<Command, Mistake> {
        let json: Self = serde_json::from_str(line).map_err(|error| Mistake::BadJson {
            reason: error.to_string(),
        })?;
        match (json.command.as_str(), json.to, json.text) {
            ("send", Some(to), Some(text)) => message(&to, text),
            ("send", ..) => Err(Mistake::BadJson {
                reason: "send needs \"to\" and \"text\"".to_owned(),
            }),
            (command, None, None) => Command::without_arguments(command),
            (command, ..) => Err(Mistake::UnexpectedWords {
                command: Command::without_arguments(command)?.name(),
            }),
        }
    }
}

/// A line that asks for nothing that can be done. The next line is read all the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// No such command.
    #[error("unknown command{}; help lists them", .hint.map(did_you_mean).unwrap_or_default())]
    UnknownCommand {
        /// What may have been meant.
        hint: Option<&'static str>,
    },
    /// Words after a command that takes none.
    #[error("{command} takes nothing more")]
    UnexpectedWords {
        /// The command.
        command: &'static str,
    },
    /// `send` without a name or without a text.
    #[error("what, and to whom? send NAME TEXT")]
    MissingText,
    /// Above [`TEXT_LEN_MAX`].
    #[error("a message has at most {TEXT_LEN_MAX} bytes")]
    TextTooLong,
    /// What follows `send` is no name.
    #[error("that is not a name")]
    BadName,
    /// A line that begins with `{` is no command in JSON.
    #[error("not a command in JSON: {reason}")]
    BadJson {
        /// What is wrong.
        reason: String,
    },
    /// Above [`LINE_LEN_MAX`]; the rest of the line was skipped.
    #[error("a line has at most {LINE_LEN_MAX} bytes")]
    LineTooLong,
    /// The line is not UTF-8.
    #[error("the line is not UTF-8")]
    NotUtf8,
    /// The client cannot take it now.
    #[error("{reason}")]
    Refused {
        /// Why.
        reason: String,
    },
}

fn did_you_mean(command: &str) -> String {
    format!(", did you mean {command}?")
}

impl Mistake {
    /// The mistake's name in machine-readable output.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownCommand { .. } => "unknown_command",
            Self::UnexpectedWords { .. } => "unexpected_words",
            Self::MissingText => "missing_text",
            Self::TextTooLong => "text_too_long",
            Self::BadName => "bad_name",
            Self::BadJson { .. } => "bad_json",
            Self::LineTooLong => "line_too_long",
            Self::NotUtf8 => "not_utf8",
            Self::Refused { .. } => "refused",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sent(line: &str) -> Option<(String, String)> {
        match Command::parse(line) {
            Ok(Some(Command::Send { to, text })) => Some((to.display().to_owned(), text)),
            _ => None,
        }
    }

    fn code(line: &str) -> &'static str {
        Command::parse(line).unwrap_err().code()
    }

    #[test]
    fn words_are_commands() {
        for (line, command) in [
            ("list", Command::List),
            (" list ", Command::List),
            ("help\r", Command::Help),
            ("quit", Command::Quit),
            ("!exit", Command::Quit),
            ("{\"command\":\"list\"}", Command::List),
            (" { \"command\" : \"!exit\" } ", Command::Quit),
        ] {
            assert_eq!(Command::parse(line), Ok(Some(command)), "{line}");
        }
        for line in ["", "   ", "\t\r"] {
            assert_eq!(Command::parse(line), Ok(None));
        }
    }

    #[test]
    fn a_text_is_everything_behind_one_space() {
        for (line, to, text) in [
            ("send Alice hello there", "Alice", "hello there"),
            ("send Alice  two spaces ", "Alice", " two spaces "),
            ("  send   Alice x", "Alice", "x"),
            ("send Alice \t{}\r", "Alice", "\t{}\r"),
            ("send Alice send Alice x", "Alice", "send Alice x"),
            ("send Alice a\nb", "Alice", "a\nb"),
            (
                "send R\u{e9}ne \u{1f600}\u{0}\u{1b}[2J",
                "R\u{e9}ne",
                "\u{1f600}\u{0}\u{1b}[2J",
            ),
            (
                r#"{"command":"send","to":"Alice","text":"two\nlines"}"#,
                "Alice",
                "two\nlines",
            ),
            (
                r#"{"text":" \u0000 ","to":"Bob","command":"send"}"#,
                "Bob",
                " \0 ",
            ),
        ] {
            assert_eq!(sent(line), Some((to.into(), text.into())), "{line}");
        }
    }

    #[test]
    fn mistakes_have_codes() {
        for (line, expected) in [
            ("List", "unknown_command"),
            ("\u{1b}[2J", "unknown_command"),
            ("list all", "unexpected_words"),
            ("send", "missing_text"),
            ("send Alice", "missing_text"),
            ("send Alice ", "missing_text"),
            ("send \u{202e}x hello", "bad_name"),
            ("{", "bad_json"),
            ("{}", "bad_json"),
            (r#"{"command":"send"}"#, "bad_json"),
            (r#"{"command":"send","to":"Alice","txt":"x"}"#, "bad_json"),
            (r#"{"command":"list"} x"#, "bad_json"),
            (r#"{"command":"list","to":"Alice"}"#, "unexpected_words"),
            (r#"{"command":"LIST"}"#, "unknown_command"),
            (r#"{"command":"send","to":"","text":"x"}"#, "bad_name"),
            (
                r#"{"command":"send","to":"Alice","text":""}"#,
                "missing_text",
            ),
        ] {
            assert_eq!(code(line), expected, "{line}");
        }
        let meant = Command::parse("/exit").unwrap_err().to_string();
        assert!(meant.contains("did you mean quit?"), "{meant}");
    }

    #[test]
    fn the_longest_text_goes_through_in_both_forms() {
        let text = "a".repeat(TEXT_LEN_MAX);
        let json = |text: &str| {
            let object = serde_json::json!({"command": "send", "to": "Alice", "text": text});
            object.to_string()
        };
        assert_eq!(sent(&format!("send Alice {text}")).unwrap().1, text);
        assert_eq!(code(&format!("send Alice {text}a")), "text_too_long");
        // The worst case for JSON: six bytes for one.
        let worst = "\u{1}".repeat(TEXT_LEN_MAX);
        let line = json(&worst);
        assert!(line.len() <= LINE_LEN_MAX);
        assert_eq!(sent(&line).unwrap().1, worst);
        assert_eq!(code(&json(&format!("{worst}a"))), "text_too_long");
    }

    proptest! {
        #[test]
        fn any_text_comes_through_in_both_forms(text in "(?s).{1,40}") {
            let expected = Some(("Bob".to_owned(), text.clone()));
            prop_assert_eq!(sent(&format!("send Bob {text}")), expected.clone());
            let object = serde_json::json!({"command": "send", "to": "Bob", "text": text});
            prop_assert_eq!(sent(&object.to_string()), expected);
        }
    }
}
