use chat::message::MessageId;
use client::Event;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Mistake;

/// An event as one JSON object without a line ending, its fields in a fixed order. `None` for what
/// programs need not know.
pub fn event_object(event: &Event) -> Option<String> {
    let object = match event {
        Event::Connected {
            server,
            fingerprint,
        } => Object::Connected {
            server: server.to_string(),
            fingerprint: fingerprint.to_string(),
        },
        Event::Registered { user } => Object::Registered {
            user: user.display(),
        },
        Event::LoggedIn { user } => Object::LoggedIn {
            user: user.display(),
        },
        Event::Online { users, more } => Object::Online {
            users: users.iter().map(|user| user.display()).collect(),
            more: *more,
        },
        Event::Message(message) => Object::Message {
            id: hex(&message.id),
            from: message.from.display(),
            to: message.to.display(),
            text: &message.text,
            time: rfc3339(message.time_ms),
            gap: message.gap,
            forked: message.forked,
        },
        Event::Status {
            id,
            to,
            state,
            reason,
        } => Object::Status {
            id: hex(id),
            to: to.display(),
            state: state.as_str(),
            reason: reason.as_deref(),
        },
        event => return trouble(event),
    };
    Some(line(&object))
}

/// What goes wrong.
fn trouble(event: &Event) -> Option<String> {
    let object = match event {
        Event::Unreadable {
            id,
            from,
            time_ms,
            reason,
        } => Object::Unreadable {
            id: hex(id),
            from: from.display(),
            time: rfc3339(*time_ms),
            reason,
        },
        Event::KeyChanged {
            name,
            pinned,
            presented,
        } => Object::KeyChanged {
            user: name.display(),
            pinned: pinned.to_string(),
            presented: presented.to_string(),
        },
        Event::DirectoryFork { from, version } => Object::DirectoryFork {
            from: from.display(),
            version: *version,
        },
        Event::Disconnected { reason, retry_in } => Object::Disconnected {
            reason,
            retry_in_ms: u64::try_from(retry_in.as_millis()).unwrap_or(u64::MAX),
        },
        Event::Trouble { reason } => Object::Error {
            code: "trouble",
            message: reason.clone(),
        },
        Event::Failed(failure) => Object::Error {
            code: failure.code(),
            message: failure.to_string(),
        },
        Event::Bye => Object::Bye,
        _ => return None,
    };
    Some(line(&object))
}

/// A mistake in a command, in the form of an event.
pub fn mistake_object(mistake: &Mistake) -> String {
    line(&Object::Error {
        code: mistake.code(),
        message: mistake.to_string(),
    })
}

/// The objects of line mode. Scripts rely on names and order; fields are only ever added.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Object<'a> {
    Connected {
        server: String,
        fingerprint: String,
    },
    Registered {
        user: &'a str,
    },
    LoggedIn {
        user: &'a str,
    },
    Online {
        users: Vec<&'a str>,
        /// There are more than the list holds.
        #[serde(skip_serializing_if = "is_false")]
        more: bool,
    },
    Message {
        id: String,
        from: &'a str,
        to: &'a str,
        text: &'a str,
        time: String,
        /// So many messages before this one are missing.
        #[serde(skip_serializing_if = "Option::is_none")]
        gap: Option<u64>,
        /// The sender's key signed two histories.
        #[serde(skip_serializing_if = "is_false")]
        forked: bool,
    },
    Status {
        id: String,
        to: &'a str,
        state: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    },
    Unreadable {
        id: String,
        from: &'a str,
        time: String,
        reason: &'a str,
    },
    KeyChanged {
        user: &'a str,
        pinned: String,
        presented: String,
    },
    DirectoryFork {
        from: &'a str,
        version: u64,
    },
    Disconnected {
        reason: &'a str,
        retry_in_ms: u64,
    },
    Error {
        code: &'a str,
        message: String,
    },
    Bye,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// Strings and numbers always have a JSON form.
fn line(object: &Object<'_>) -> String {
    serde_json::to_string(object).unwrap_or_default()
}

fn hex(id: &MessageId) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// RFC 3339, UTC, whole seconds. A sender's clock may say anything; what is beyond the year 9999 is
/// its end.
pub(super) fn rfc3339(time_ms: u64) -> String {
    /// 9999-12-31T23:59:59Z.
    const END_S: i64 = 253_402_300_799;
    let seconds = i64::try_from(time_ms / 1000).map_or(END_S, |seconds| seconds.min(END_S));
    let time = OffsetDateTime::from_unix_timestamp(seconds).ok();
    time.and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat::Username;
    use client::{Delivery, Failure, Message};
    use core::time::Duration;
    use crypto::Fingerprint;

    fn name(typed: &str) -> Username {
        typed.parse().unwrap()
    }

    fn object(event: Event) -> String {
        event_object(&event).unwrap()
    }

    fn message(text: &str) -> Message {
        Message {
            id: [0xab; 16],
            from: name("Alice"),
            to: name("Bob"),
            text: text.to_owned(),
            // 2026-11-20T12:00:00Z.
            time_ms: 1_795_176_000_999,
            gap: None,
            forked: false,
        }
    }

    fn assert_objects<const N: usize>(cases: [(Event, String); N]) {
        for (event, expected) in cases {
            assert_eq!(object(event), expected);
        }
    }

    #[test]
    fn events_are_objects_that_scripts_rely_on() {
        assert_objects([
            (
                Event::LoggedIn { user: name("Bob") },
                r#"{"event":"logged_in","user":"Bob"}"#.to_owned(),
            ),
            (
                Event::Online {
                    users: vec![name("Alice"), name("Bob")],
                    more: false,
                },
                r#"{"event":"online","users":["Alice","Bob"]}"#.to_owned(),
            ),
            (
                Event::Failed(Failure::LoginFailed),
                r#"{"event":"error","code":"login_failed","message":"login failed"}"#.to_owned(),
            ),
            (Event::Bye, r#"{"event":"bye"}"#.to_owned()),
            (
                Event::Registered { user: name("Dora") },
                r#"{"event":"registered","user":"Dora"}"#.to_owned(),
            ),
            (
                Event::Disconnected {
                    reason: "idle".to_owned(),
                    retry_in: Duration::from_millis(1500),
                },
                r#"{"event":"disconnected","reason":"idle","retry_in_ms":1500}"#.to_owned(),
            ),
        ]);
        let mistake = mistake_object(&Mistake::MissingText);
        assert!(mistake.starts_with(r#"{"event":"error","code":"missing_text","message":""#));
    }

    #[test]
    fn events_about_messages_are_objects_that_scripts_rely_on() {
        let id = "ab".repeat(16);
        let status = |state, reason: Option<&str>| Event::Status {
            id: [0xab; 16],
            to: name("Alice"),
            state,
            reason: reason.map(str::to_owned),
        };
        assert_objects([
            (
                Event::Message(message("two\nlines \u{1b}\"")),
                format!(
                    r#"{{"event":"message","id":"{id}","from":"Alice","to":"Bob","text":"two\nlines \u001b\"","time":"2026-11-20T12:00:00Z"}}"#
                ),
            ),
            (
                status(Delivery::Stored, None),
                format!(r#"{{"event":"status","id":"{id}","to":"Alice","state":"stored"}}"#),
            ),
            (
                status(Delivery::Failed, Some("no such user")),
                format!(
                    r#"{{"event":"status","id":"{id}","to":"Alice","state":"failed","reason":"no such user"}}"#
                ),
            ),
        ]);
    }

    #[test]
    fn events_about_keys_are_objects_that_scripts_rely_on() {
        let key = Fingerprint::new([0xcd; 32]);
        let digits = "cd".repeat(32);
        assert_objects([
            (
                Event::Connected {
                    server: "127.0.0.1:5000".parse().unwrap(),
                    fingerprint: key,
                },
                format!(
                    r#"{{"event":"connected","server":"127.0.0.1:5000","fingerprint":"{digits}"}}"#
                ),
            ),
            (
                Event::KeyChanged {
                    name: name("Alice"),
                    pinned: key,
                    presented: key,
                },
                format!(
                    r#"{{"event":"key_changed","user":"Alice","pinned":"{digits}","presented":"{digits}"}}"#
                ),
            ),
        ]);
    }

    #[test]
    fn what_is_remarkable_about_a_message_is_added() {
        let odd = Message {
            gap: Some(3),
            forked: true,
            ..message("x")
        };
        let object = object(Event::Message(odd));
        assert!(object.ends_with(r#"Z","gap":3,"forked":true}"#), "{object}");
    }

    #[test]
    fn both_fingerprints_of_a_changed_key_are_told() {
        let (expected, presented) = (Fingerprint::new([1; 32]), Fingerprint::new([2; 32]));
        let object = object(Event::Failed(Failure::ServerKeyChanged {
            expected,
            presented,
        }));
        assert!(object.contains(r#""code":"server_key_changed""#));
        assert!(object.contains(&expected.to_string()));
        assert!(object.contains(&presented.to_string()));
    }

    #[test]
    fn any_clock_has_a_time() {
        for (ms, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (253_402_300_800_000, "9999-12-31T23:59:59Z"),
            (u64::MAX, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(ms), expected);
        }
    }

    #[test]
    fn an_object_is_one_line() {
        let text = "a\nb\r\u{85}\u{2028}c";
        let object = object(Event::Message(message(text)));
        assert!(!object.contains(['\n', '\r']));
        let parsed: serde_json::Value = serde_json::from_str(&object).unwrap();
        assert_eq!(parsed["text"], text);
    }
}
