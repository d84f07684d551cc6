//! What a server says about itself: its address on standard output, events on standard error.
//!
//! Whoever reads it may be slow, gone, or a disk without room: the server goes on.

use std::io::{self, IsTerminal as _};
use std::net::SocketAddr;

use ::server::Event;
use crypto::Fingerprint;
use net::unix_time_s;
use serde_json::json;

use crate::cli::address::{Host, ServerAddress};
use crate::cli::server::LogLevel;

use super::problem::Problem;
use super::server::Listening;
use super::voice::Voice;

/// Lines a second of errors, and as many of everything else; what is more is counted. Strangers can cause some
/// events at will, and are not to crowd out what an operator has to know.
const LINES_PER_SECOND: u32 = 20;

/// What a server tells.
#[derive(Debug)]
pub struct Log {
    form: Form,
    output: Voice,
    errors: Voice,
    /// The second being counted, and the lines in it: of errors, and of everything else.
    second: u64,
    lines: [u32; 2],
    left_out: u64,
}

/// Which events are told, and how.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// Events up to this level.
    pub level: LogLevel,
    /// As JSON lines, or for people.
    pub json: bool,
}

impl Form {
    /// Where a server listens: address, fingerprint, and both as one line that clients take.
    pub fn listening(self, address: SocketAddr, fingerprint: Fingerprint, is_new: bool) -> String {
        let shown = reachable(address);
        let url = ServerAddress {
            host: Host::from(shown.ip()),
            port: shown.port(),
            fingerprint: Some(fingerprint),
        };
        if self.json {
            return json!({
                "event": "listening",
                "address": address.to_string(),
                "fingerprint": fingerprint.to_string(),
                "url": url.to_string(),
                "new_identity": is_new,
            })
            .to_string();
        }
        let made = if is_new {
            "made a new server key\n"
        } else {
            ""
        };
        let lines = format!("{made}address      {address}\nfingerprint  {fingerprint}\n{url}");
        match url.qr().filter(|_| io::stdout().is_terminal()) {
            Some(code) => format!("{lines}\n{code}"),
            None => lines,
        }
    }

    fn metrics(self, address: SocketAddr) -> String {
        let url = format!("http://{address}/metrics");
        match self.json {
            true => json!({"event": "metrics", "url": url}).to_string(),
            false => format!("metrics      {url}"),
        }
    }

    fn problem(self, problem: &Problem) -> String {
        match self.json {
            true => json!({
                "event": "error",
                "code": problem.code,
                "message": problem.message,
            })
            .to_string(),
            false => format!("error: {}", problem.message),
        }
    }

    fn line(self, name: &str, text: &str) -> String {
        match self.json {
            true => json!({"event": name, "message": text}).to_string(),
            false => text.to_owned(),
        }
    }
}

impl Log {
    /// A log in this form.
    pub fn new(form: Form) -> Self {
        Self {
            form,
            output: Voice::into(io::stdout()),
            errors: Voice::into(io::stderr()),
            second: 0,
            lines: [0; 2],
            left_out: 0,
        }
    }

    /// The server listens.
    pub fn listening(&self, listening: &Listening) {
        if let Some(address) = listening.metrics {
            self.output.say(self.form.metrics(address), true);
        }
        let Listening {
            address,
            fingerprint,
            is_new,
            ..
        } = *listening;
        let lines = self.form.listening(address, fingerprint, is_new);
        self.output.say(lines, true);
    }

    /// Why the server does not go on.
    pub fn problem(&self, problem: &Problem) {
        // The exit code says it too.
        self.errors.say(self.form.problem(problem), true);
    }

    /// Something that happened. What cannot be written now is counted, and told later.
    pub fn event(&mut self, event: &Event) {
        self.left_out += self.errors.failed();
        for line in self.lines_of(unix_time_s(), event) {
            if !self.errors.say(line.text, line.is_error) {
                self.left_out += line.stands_for;
            }
        }
    }

    /// What to write of an event of this second.
    fn lines_of(&mut self, second: u64, event: &Event) -> impl Iterator<Item = Line> + use<> {
        let form = self.form;
        let (level, name, text) = describe(event);
        let is_wanted = level <= form.level;
        let earlier = if is_wanted { self.begin(second) } else { 0 };
        let told = (earlier > 0).then(|| Line {
            text: form.line("left_out", &format!("{earlier} more lines were left out")),
            stands_for: earlier,
            is_error: false,
        });
        let line = (is_wanted && self.has_room(level)).then(|| Line {
            text: form.line(name, &text),
            stands_for: 1,
            is_error: level == LogLevel::Error,
        });
        told.into_iter().chain(line)
    }

    /// Counts anew in another second. How many lines were left out before.
    fn begin(&mut self, second: u64) -> u64 {
        if second == self.second {
            return 0;
        }
        (self.second, self.lines) = (second, [0; 2]);
        core::mem::take(&mut self.left_out)
    }

    /// Whether another line may be written in this second.
    fn has_room(&mut self, level: LogLevel) -> bool {
        let lines = &mut self.lines[usize::from(level > LogLevel::Error)];
        let room = *lines < LINES_PER_SECOND;
        *lines += u32::from(room);
        self.left_out += u64::from(!room);
        room
    }
}

/// What is written of an event.
struct Line {
    text: String,
    /// How many are lost with it where it is not written.
    stands_for: u64,
    is_error: bool,
}

/// An event's level, its name for programs, and its words for people.
fn describe(event: &Event) -> (LogLevel, &'static str, String) {
    match event {
        Event::Ready { accounts } => (LogLevel::Info, "ready", format!("{accounts} accounts")),
        Event::Registered { user } => (
            LogLevel::Info,
            "registered",
            format!("{user} has registered"),
        ),
        Event::ClientLoggedIn { user } => (LogLevel::Debug, "logged_in", format!("{user} is here")),
        Event::ClientLeft { user } => (LogLevel::Debug, "left", format!("{user} has left")),
        Event::LoginRefused { user, code } => {
            let text = format!("a login as {user} was refused: {code:?}");
            (LogLevel::Debug, "login_refused", text)
        }
        Event::Violation { user, reason } => {
            let who = user
                .as_ref()
                .map_or("a stranger".into(), ToString::to_string);
            let text = format!("{who} broke the protocol: {reason}");
            (LogLevel::Warn, "violation", text)
        }
        Event::Crowded => {
            let text = "too many connections that are not logged in".to_owned();
            (LogLevel::Warn, "crowded", text)
        }
        Event::DiskFull => {
            let text = "the disk is full: nothing is taken until there is room".to_owned();
            (LogLevel::Error, "disk_full", text)
        }
        Event::Dropped(count) => (
            LogLevel::Warn,
            "dropped",
            format!("{count} events were not looked at"),
        ),
        Event::Fatal(fatal) => (LogLevel::Error, "fatal", fatal.to_string()),
        Event::Stopped => (LogLevel::Info, "stopped", "stopped".to_owned()),
        other => (LogLevel::Debug, "other", format!("{other:?}")),
    }
}

/// The address that another machine would use, as far as this one can tell.
fn reachable(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    let outward = net::outward_address(address.is_ipv6());
    outward.map_or(address, |ip| SocketAddr::new(ip, address.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIOLATION: Event = Event::Violation {
        user: None,
        reason: "a message does not decode",
    };

    /// Strangers break the protocol as often as they like: what that costs an operator is bounded, the rest is
    /// told, and errors are seen all the same.
    #[test]
    fn h75_lines_that_strangers_cause_are_few_and_crowd_out_no_error() {
        for json in [false, true] {
            let mut log = Log::new(Form {
                level: LogLevel::Warn,
                json,
            });
            for second in 7..10 {
                let lines: Vec<_> = (0..10_000)
                    .flat_map(|_| log.lines_of(second, &VIOLATION))
                    .map(|line| line.text)
                    .collect();
                let told = usize::from(second > 7);
                assert_eq!(lines.len(), LINES_PER_SECOND as usize + told);
                assert_eq!(
                    lines[0].contains("9980 more lines"),
                    second > 7,
                    "{lines:?}"
                );
                let errors = log.lines_of(second, &Event::DiskFull);
                let errors: Vec<_> = errors.map(|line| line.text).collect();
                assert!(errors.len() == 1 && errors[0].contains("the disk is full"));
                // What reads JSON reads every line.
                for line in lines.iter().chain(&errors) {
                    let parsed = serde_json::from_str::<serde_json::Value>(line);
                    assert_eq!(parsed.is_ok(), json, "{line}");
                }
            }
        }
    }

    #[test]
    fn h75_errors_are_bounded_as_well() {
        let mut log = Log::new(Form {
            level: LogLevel::Error,
            json: false,
        });
        let count = (0..1_000).flat_map(|_| log.lines_of(7, &Event::DiskFull));
        assert_eq!(count.count(), LINES_PER_SECOND as usize);
        assert_eq!(
            log.lines_of(8, &VIOLATION).count(),
            0,
            "nobody asked for warnings"
        );
        assert_eq!(log.lines_of(8, &Event::DiskFull).count(), 2);
    }
}
