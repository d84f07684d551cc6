//! Line mode as a client's front: lines in, events out.

use std::io::{self, IsTerminal as _, Write as _};

use ::client::{Event, Failure};
use crypto::Fingerprint;
use net::Waker;
use serde::Serialize;

use crate::cli::address::ServerAddress;
use crate::cli::exit::Exit;
use crate::cli::line::{self, Console, Input, Mistake};
use crate::cli::pins::KnownServers;

use super::client::{Command, Ended, Front};
use super::problem::Problem;

/// Where the keys of servers are remembered, and of which server this is.
pub struct Pins {
    /// The file.
    pub known: KnownServers,
    /// The server.
    pub server: ServerAddress,
    /// The name by which the server is known, where this is another one.
    pub known_as: Option<String>,
    /// The server may be anybody until the login has proven its key.
    pub first_use: bool,
}

/// The form of a problem in machine-readable output.
#[derive(Serialize)]
struct ErrorEvent<'a> {
    event: &'static str,
    code: &'static str,
    message: &'a str,
}

/// A client's commands and events on standard input and output.
pub struct LineFront {
    json: bool,
    pins: Option<Pins>,
    console: Option<Console>,
    /// Nobody reads what we write.
    is_unheard: bool,
}

impl LineFront {
    /// A front that reads nothing yet. JSON, or what suits standard input and output.
    pub const fn new(json: bool, pins: Option<Pins>) -> Self {
        Self {
            json,
            pins,
            console: None,
            is_unheard: false,
        }
    }

    /// From now on the keys of servers are remembered there.
    pub fn remember(&mut self, pins: Pins) {
        self.pins = Some(pins);
    }

    /// The way in which a client ended, told where it was not yet, as an exit code.
    pub fn end(mut self, ended: Result<(), Ended>) -> Exit {
        match ended {
            Ok(()) => Exit::Done,
            Err(Ended::Failure(failure)) => Exit::from(&failure),
            Err(Ended::Problem(problem)) => {
                self.tell(&problem);
                problem.exit
            }
        }
    }

    /// Tells a problem: as an event to a script, on standard error to a person.
    pub fn tell(&mut self, problem: &Problem) {
        // The prompt leaves the terminal first.
        self.console = None;
        let message = &problem.message;
        if self.json || !is_terminal() {
            let event = ErrorEvent {
                event: "error",
                code: problem.code,
                message,
            };
            let object = serde_json::to_string(&event).unwrap_or_default();
            // Nobody may be reading any more.
            let _ = writeln!(io::stdout(), "{object}");
        } else {
            let _ = writeln!(io::stderr(), "error: {message}");
        }
    }

    fn write(&mut self, write: impl FnOnce(&mut line::Output) -> io::Result<()>) {
        if let Some(console) = &mut self.console {
            self.is_unheard |= write(&mut console.output).is_err();
        }
    }

    /// Whether the server's key is trusted for the first time.
    fn trusts_anybody(&self) -> bool {
        self.pins.as_ref().is_some_and(|pins| pins.first_use)
    }

    fn obey(&mut self, input: Input) -> Option<Command> {
        let line = match input {
            Input::Line(line) => line,
            Input::TooLong => {
                self.write(|output| output.mistake(&Mistake::LineTooLong));
                return None;
            }
            Input::NotUtf8 => {
                self.write(|output| output.mistake(&Mistake::NotUtf8));
                return None;
            }
            Input::End => return Some(Command::Drain),
        };
        match line::Command::parse(&line) {
            Ok(None) => None,
            Ok(Some(line::Command::List)) => Some(Command::List),
            Ok(Some(line::Command::Send { to, text })) => Some(Command::Send { to, text }),
            Ok(Some(line::Command::Quit)) => Some(Command::Quit),
            Ok(Some(line::Command::Help)) => {
                self.write(line::Output::help);
                None
            }
            Err(mistake) => {
                self.write(|output| output.mistake(&mistake));
                None
            }
        }
    }
}

impl Front for LineFront {
    fn start(&mut self, waker: Waker) -> Result<(), Problem> {
        let console = Console::open(self.json, move || waker.wake())
            .map_err(|error| Problem::other(format!("cannot read commands: {error}")))?;
        self.console = Some(console);
        Ok(())
    }

    fn put_back(&self) -> Box<dyn Fn() + Send> {
        match &self.console {
            Some(console) => Box::new(console.put_back()),
            None => Box::new(|| {}),
        }
    }

    fn is_interrupted(&mut self) -> bool {
        // Where whoever read our output is gone, what is queued is on disk.
        core::mem::take(&mut self.is_unheard)
            || (self.console.as_ref()).is_some_and(Console::is_interrupted)
    }

    fn poll(&mut self) -> Option<Command> {
        loop {
            let input = self.console.as_ref()?.input.try_recv().ok()?;
            if let Some(command) = self.obey(input) {
                return Some(command);
            }
        }
    }

    fn show(&mut self, event: &Event) {
        self.write(|output| {
            output.resized();
            output.event(event)
        });
        if matches!(event, Event::Connected { .. })
            && let Some(name) = self.pins.as_mut().and_then(|pins| pins.known_as.take())
        {
            let note =
                format!("this server is the one known as {name}: the same contacts and messages");
            self.write(|output| output.note(&note));
        }
        if matches!(event, Event::Connected { .. }) && self.trusts_anybody() {
            let note = "this server is not known here yet; if the fingerprint above is not the one \
                        its operator gave you, leave now. The login will prove that it knows your \
                        account, and from then on it is known by this key";
            self.write(|output| output.note(note));
        }
        if matches!(event, Event::Failed(Failure::ServerKeyChanged { .. }))
            && let Some(pins) = &self.pins
        {
            let advice = pins.known.advice();
            self.write(|output| output.note(&advice));
        }
    }

    fn refuse(&mut self, reason: &str) {
        let reason = reason.to_owned();
        self.write(|output| output.mistake(&Mistake::Refused { reason }));
    }

    fn pin(&mut self, fingerprint: Fingerprint) {
        let Some(pins) = &mut self.pins else {
            return;
        };
        pins.first_use = false;
        if let Err(error) = pins.known.pin(&pins.server, fingerprint) {
            let note = format!("cannot remember the server's key: {error}");
            self.write(|output| output.note(&note));
        }
    }
}

/// Whether a person sits at this terminal.
pub fn is_terminal() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}
