//! What a server says about itself: its address on standard output, events on standard error.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the server's voice"
)]

use std::io::IsTerminal as _;
use std::net::SocketAddr;

use ::server::Event;
use crypto::Fingerprint;
use net::unix_time_s;
use serde_json::json;

use crate::cli::address::{Host, ServerAddress};
use crate::cli::server::LogLevel;

use super::problem::Problem;

/// Lines a second; what is more is counted. Strangers can cause some events at will.
const LINES_PER_SECOND: u32 = 20;

/// A server's voice.
pub struct Log {
    level: LogLevel,
    json: bool,
    /// The second being counted, and the lines in it.
    second: u64,
    lines: u32,
    dropped: u64,
}

impl Log {
    /// A log of this level; as JSON lines or for people.
    pub const fn new(level: LogLevel, json: bool) -> Self {
        Self {
            level,
            json,
            second: 0,
            lines: 0,
            dropped: 0,
        }
    }

    /// The server listens: address, fingerprint, and both as one line that clients take.
    pub fn listening(&self, address: SocketAddr, fingerprint: Fingerprint, is_new: bool) {
        let shown = reachable(address);
        let url = ServerAddress {
            host: Host::from(shown.ip()),
            port: shown.port(),
            fingerprint: Some(fingerprint),
        };
        if self.json {
            let event = json!({
                "event": "listening",
                "address": address.to_string(),
                "fingerprint": fingerprint.to_string(),
                "url": url.to_string(),
                "new_identity": is_new,
            });
            println!("{event}");
            return;
        }
        if is_new {
            println!("made a new server key");
        }
        println!("address      {address}");
        println!("fingerprint  {fingerprint}");
        println!("{url}");
        if std::io::stdout().is_terminal()
            && let Some(code) = url.qr()
        {
            println!("{code}");
        }
    }

    /// Where the server tells what it counts.
    pub fn metrics(&self, address: SocketAddr) {
        let url = format!("http://{address}/metrics");
        if self.json {
            println!("{}", json!({"event": "metrics", "url": url}));
        } else {
            println!("metrics      {url}");
        }
    }

    /// Why the server does not go on.
    pub fn problem(&self, problem: &Problem) {
        if self.json {
            let event = json!({
                "event": "error",
                "code": problem.code,
                "message": problem.message,
            });
            eprintln!("{event}");
        } else {
            eprintln!("error: {}", problem.message);
        }
    }

    /// Something that happened.
    pub fn event(&mut self, event: &Event) {
        let (level, name, text) = describe(event);
        if level > self.level || !self.has_room() {
            return;
        }
        if self.json {
            eprintln!("{}", json!({"event": name, "message": text}));
        } else {
            eprintln!("{text}");
        }
    }

    /// Whether another line may be written in this second.
    fn has_room(&mut self) -> bool {
        let second = unix_time_s();
        if second != self.second {
            if self.dropped > 0 {
                eprintln!("{} more lines were left out", self.dropped);
            }
            (self.second, self.lines, self.dropped) = (second, 0, 0);
        }
        self.lines += 1;
        let room = self.lines <= LINES_PER_SECOND;
        self.dropped += u64::from(!room);
        room
    }
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
