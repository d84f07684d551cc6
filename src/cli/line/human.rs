use core::fmt::Write as _;

use chat::Username;
use client::{Delivery, Event, Message};
use unicode_width::UnicodeWidthChar as _;

use super::harmless::harmless;
use super::json::rfc3339;

/// What stands before the second and further lines of a message.
const CONTINUATION: &str = "    | ";
/// What stands before a line of the program's own.
const NOTE: &str = "-- ";
/// What stands before a line of the program's own that asks for attention.
const ALARM: &str = "!! ";
/// Columns of a terminal that does not tell.
const COLUMNS_UNKNOWN: usize = 80;
/// A terminal is taken to have so many columns at least: room for a continuation and a wide character.
const COLUMNS_MIN: usize = CONTINUATION.len() + 3;

/// Events for people: lines that nobody else can forge.
///
/// No line of a message begins at the left edge, and nothing in it acts on the terminal, so what
/// begins with `-- ` or `!! ` is the program's own word.
#[derive(Clone, Debug)]
pub struct Human {
    /// Columns of the terminal.
    columns: usize,
    colors: bool,
    user: Option<Username>,
}

impl Human {
    /// For a terminal with so many columns; 0 if unknown.
    pub const fn new(columns: usize, colors: bool) -> Self {
        let mut human = Self {
            columns: COLUMNS_UNKNOWN,
            colors,
            user: None,
        };
        human.resize(columns);
        human
    }

    /// The terminal has so many columns now; 0 if unknown.
    pub const fn resize(&mut self, columns: usize) {
        self.columns = match columns {
            0 => COLUMNS_UNKNOWN,
            1..COLUMNS_MIN => COLUMNS_MIN,
            _ => columns,
        };
    }

    /// An event as whole lines. `None` for what people need not know.
    pub fn event(&mut self, event: &Event) -> Option<String> {
        let text = match event {
            Event::Connected {
                server,
                fingerprint,
            } => format!("connected to {server}, whose key is {fingerprint}"),
            Event::Registered { user } => format!("the account {user} is made"),
            Event::LoggedIn { user } => {
                self.user = Some(user.clone());
                format!("logged in as {user}; help lists the commands")
            }
            Event::Online { users, more } => {
                let names: Vec<&str> = users.iter().map(Username::display).collect();
                let rest = if *more { " and others" } else { "" };
                format!("online: {}{rest}", names.join(", "))
            }
            Event::Message(message) => return Some(self.message(message)),
            Event::Status {
                to, state, reason, ..
            } => return self.status(to, *state, reason.as_deref()),
            Event::Disconnected { reason, retry_in } => {
                let seconds = retry_in.as_secs_f32();
                format!("the connection is lost ({reason}); next attempt in {seconds:.1} s")
            }
            Event::Bye => "bye".to_owned(),
            event => return alarm_of(event).map(|text| self.alarm(&text)),
        };
        Some(self.note(&text))
    }

    /// A line of the program's own.
    pub fn note(&self, text: &str) -> String {
        self.own_line(NOTE, "\u{1b}[2m", text)
    }

    /// A line of the program's own that asks for attention.
    pub fn alarm(&self, text: &str) -> String {
        self.own_line(ALARM, "\u{1b}[1;31m", text)
    }

    fn own_line(&self, prefix: &str, color: &str, text: &str) -> String {
        let lines = self.indent(prefix.to_owned(), prefix.len(), &harmless(text));
        let (on, off) = self.paint(color);
        format!("{on}{}{off}\n", lines.trim_end_matches('\n'))
    }

    fn status(&self, to: &Username, state: Delivery, reason: Option<&str>) -> Option<String> {
        let reason = reason.map(|it| format!(": {it}")).unwrap_or_default();
        let text = format!("to {to}: {}{reason}", state.as_str());
        match state {
            Delivery::Failed => Some(self.alarm(&text)),
            // The line that was typed says as much.
            Delivery::Queued if reason.is_empty() => None,
            _ => Some(self.note(&text)),
        }
    }

    fn message(&self, message: &Message) -> String {
        let time = rfc3339(message.time_ms);
        let (date, clock) = (time.get(..10), time.get(11..16));
        let (on, off) = self.paint("\u{1b}[1;36m");
        let from = harmless(message.from.display());
        let mut head = format!(
            "[{} {}Z] ",
            date.unwrap_or_default(),
            clock.unwrap_or_default()
        );
        let mut who = from.into_owned();
        // From another device of one's own.
        if self.user.as_ref() == Some(&message.from) && message.to != message.from {
            let _ = write!(who, " to {}", harmless(message.to.display()));
        }
        let column = head.len() + columns_of(&who) + 2;
        let _ = write!(head, "{on}{who}{off}: ");
        let mut lines = self.indent(head, column, &message.text);
        if let Some(gap) = message.gap {
            lines.push_str(&self.alarm(&format!("{gap} messages before this one are missing")));
        }
        if message.forked {
            let text = format!("{} signed two histories that contradict", message.from);
            lines.push_str(&self.alarm(&text));
        }
        lines
    }

    /// Appends a text to a head of so many columns, and breaks it, between words where it can, so
    /// that only the head's line begins at the left edge.
    fn indent(&self, head: String, head_columns: usize, text: &str) -> String {
        let mut page = Page {
            lines: head,
            column: head_columns,
            // The last column stays free: some terminals break there at once.
            columns: self.columns - 1,
        };
        for (index, line) in text.split('\n').enumerate() {
            if index > 0 {
                page.break_line();
            }
            let line = harmless(line.strip_suffix('\r').unwrap_or(line));
            for word in line.split_inclusive(' ') {
                page.push(word);
            }
        }
        page.lines.push('\n');
        page.lines
    }

    const fn paint<'a>(&self, color: &'a str) -> (&'a str, &'static str) {
        if self.colors {
            (color, "\u{1b}[0m")
        } else {
            ("", "")
        }
    }
}

/// Lines under way.
struct Page {
    lines: String,
    column: usize,
    columns: usize,
}

impl Page {
    fn push(&mut self, word: &str) {
        let fits = |column| column + columns_of(word) <= self.columns;
        if !fits(self.column) && fits(CONTINUATION.len()) {
            self.break_line();
        }
        for character in word.chars() {
            let width = columns_of_character(character);
            if self.column + width > self.columns {
                self.break_line();
            }
            self.lines.push(character);
            self.column += width;
        }
    }

    fn break_line(&mut self) {
        self.lines.push('\n');
        self.lines.push_str(CONTINUATION);
        self.column = CONTINUATION.len();
    }
}

fn alarm_of(event: &Event) -> Option<String> {
    Some(match event {
        Event::Unreadable {
            from,
            time_ms,
            reason,
            ..
        } => {
            let time = rfc3339(*time_ms);
            format!("a message from {from} of {time} cannot be read: {reason}")
        }
        Event::KeyChanged {
            name,
            pinned,
            presented,
        } => format!(
            "the key of {name} has changed from {pinned} to {presented}: ask {name} on another way. \
             Nothing is sent to the new key"
        ),
        Event::DirectoryFork { from, version } => format!(
            "the server deceives you or {from}: it showed you different directories (version \
             {version})"
        ),
        Event::Trouble { reason } => reason.clone(),
        Event::Failed(failure) => failure.to_string(),
        _ => return None,
    })
}

fn columns_of(text: &str) -> usize {
    text.chars().map(columns_of_character).sum()
}

/// The most columns that a terminal gives a character: too few would let it break the line, too many only break it
/// early. Also what has no width of its own gets a column: a selector for emoji makes a narrow character wide, and
/// some terminals draw marks of Indic scripts and parts of Hangul syllables by themselves.
fn columns_of_character(character: char) -> usize {
    character.width_cjk().unwrap_or(0).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::Failure;
    use crypto::Fingerprint;
    use proptest::prelude::*;

    fn name(typed: &str) -> Username {
        typed.parse().unwrap()
    }

    fn message(text: &str) -> Event {
        Event::Message(Message {
            id: [1; 16],
            from: name("Alice"),
            to: name("Bob"),
            text: text.to_owned(),
            time_ms: 1_795_176_000_000,
            gap: None,
            forked: false,
        })
    }

    /// On a terminal that is wide enough for every line.
    fn plain() -> Human {
        Human::new(1000, false)
    }

    /// The most columns that a terminal gives a line.
    fn widest(line: &str) -> usize {
        use unicode_width::UnicodeWidthStr as _;
        line.width().max(line.width_cjk())
    }

    #[test]
    fn a_conversation_reads_well() {
        let mut human = plain();
        let mut lines = String::new();
        let key = Fingerprint::new([0xab; 32]);
        let status = |state, reason: Option<&str>| Event::Status {
            id: [1; 16],
            to: name("Alice"),
            state,
            reason: reason.map(str::to_owned),
        };
        for event in [
            Event::Connected {
                server: "127.0.0.1:5000".parse().unwrap(),
                fingerprint: key,
            },
            Event::LoggedIn { user: name("Bob") },
            Event::Online {
                users: vec![name("Alice"), name("Bob")],
                more: false,
            },
            message("hello\nthere"),
            status(Delivery::Queued, None),
            status(Delivery::Stored, None),
            status(Delivery::Delivered, None),
            status(Delivery::Failed, Some("the mailbox is full")),
            Event::KeyChanged {
                name: name("Alice"),
                pinned: key,
                presented: Fingerprint::new([0xcd; 32]),
            },
            Event::Failed(Failure::LoginFailed),
            Event::Bye,
        ] {
            lines.extend(human.event(&event));
        }
        insta::assert_snapshot!(lines);
    }

    #[test]
    fn what_another_device_sent_says_to_whom() {
        let mut human = plain();
        human.event(&Event::LoggedIn {
            user: name("alice"),
        });
        let line = human.event(&message("x")).unwrap();
        assert_eq!(line, "[2026-11-20 12:00Z] Alice to Bob: x\n");
    }

    #[test]
    fn h87_a_message_forges_no_line_of_the_program() {
        for forged in [
            "x\n-- logged in as Alice",
            "x\r\n-- logged in as Alice",
            "x\r-- logged in as Alice",
            "x\u{2028}-- logged in as Alice",
            "x\u{1b}[1G-- logged in as Alice",
        ] {
            let lines = plain().event(&message(forged)).unwrap();
            let own = |line: &&str| line.starts_with(NOTE) || line.starts_with(ALARM);
            assert_eq!(lines.lines().find(own), None, "{lines}");
        }
        // Nor by filling the line until the terminal breaks it, with words or with one long word.
        let words = ["-- x\u{65e5} ", "-- ", "x", "\u{65e5}", " "];
        let emoji = [
            "1\u{fe0f}",
            "\u{2764}\u{fe0f}",
            "\u{a9}\u{fe0f}",
            "#\u{fe0f}\u{20e3}",
        ];
        let marks = ["\u{995}\u{9be}", "\u{1112}\u{1161}\u{11ab}"];
        for filler in [&words[..], &emoji, &marks].concat() {
            // Of the narrowest the head's line alone is too wide, in which nothing is the sender's but the name.
            for (columns, left_out) in [(200, 0), (40, 0), (20, 1), (9, 1), (0, 0)] {
                let text = message(&filler.repeat(200));
                let lines = Human::new(columns, false).event(&text).unwrap();
                let most = if columns == 0 { 80 } else { columns };
                for line in lines.lines().skip(left_out) {
                    assert!(widest(line) < most, "{columns}: {line}");
                }
                assert!(lines.lines().count() > 1);
                let mut rest = lines.lines().skip(1);
                assert!(rest.all(|line| line.starts_with(CONTINUATION)));
            }
        }
    }

    #[test]
    fn h86_reasons_and_names_are_harmless_too() {
        let line = plain().event(&Event::Trouble {
            reason: "\u{1b}[2J\nx".to_owned(),
        });
        assert_eq!(line.as_deref(), Some("!! \\u{1b}[2J\\u{a}x\n"));
        // A reason of the server's does not fill a line to begin the next.
        let reason = format!("{}-- logged in as Alice", " ".repeat(77));
        let lines = Human::new(80, false).event(&Event::Trouble { reason });
        assert!(
            lines
                .unwrap()
                .lines()
                .skip(1)
                .all(|line| line.starts_with(CONTINUATION))
        );
    }

    #[test]
    fn colors_end_where_they_began() {
        let mut human = Human::new(80, true);
        let note = human.event(&Event::Bye).unwrap();
        assert_eq!(note, "\u{1b}[2m-- bye\u{1b}[0m\n");
        let line = human.event(&message("x")).unwrap();
        assert!(
            line.ends_with("\u{1b}[1;36mAlice\u{1b}[0m: x\n"),
            "{line:?}"
        );
    }

    #[test]
    fn lines_break_between_words() {
        let key = "ab".repeat(32);
        let lines = Human::new(80, false).note(&format!("connected to a server, its key is {key}"));
        assert_eq!(
            lines,
            format!("-- connected to a server, its key is \n    | {key}\n")
        );
    }

    proptest! {
        #[test]
        fn h87_only_the_first_line_begins_at_the_edge(text in "(?s).{0,200}", columns in 0_usize..120) {
            let lines = Human::new(columns, false).event(&message(&text)).unwrap();
            prop_assert!(lines.starts_with("[2026") && lines.ends_with('\n'));
            prop_assert!(lines.lines().skip(1).all(|line| line.starts_with(CONTINUATION)));
            prop_assert!(!lines.chars().any(|c| c.is_control() && c != '\n'));
        }
    }
}
