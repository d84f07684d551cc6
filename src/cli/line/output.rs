use std::io::{self, Write as _};

use client::Event;

use super::Mistake;
use super::command::HELP;
use super::console::columns;
use super::human::Human;
use super::json::{event_object, mistake_object};

/// Moves the cursor to the line above and back.
pub(super) const UP_AND_DOWN: &str = "\u{1b}[A\n";

/// Where whole lines go. Takes them at once, or fails.
pub(crate) type Sink = Box<dyn FnMut(&str) -> io::Result<()> + Send>;

/// Starts to ask for commands.
pub(super) type Prompt = Box<dyn FnOnce() -> io::Result<()> + Send>;

/// The one way out of line mode. An error means that nobody reads any more.
pub struct Output {
    out: Sink,
    form: Form,
    /// Waits for the first login.
    prompt: Option<Prompt>,
}

enum Form {
    /// Events as JSON; words for people go elsewhere.
    Json { words: Sink },
    /// Everything as words for people.
    Human(Human),
}

impl Output {
    /// One JSON object a line to `out`, words for people to `words`.
    pub fn json(out: Sink, words: Sink) -> Self {
        Self {
            out,
            form: Form::Json { words },
            prompt: None,
        }
    }

    /// Lines for people.
    pub fn human(out: Sink, human: Human) -> Self {
        Self {
            out,
            form: Form::Human(human),
            prompt: None,
        }
    }

    /// Starts a prompt once the first login is told.
    pub(super) fn then_prompt(self, prompt: Prompt) -> Self {
        let prompt = Some(prompt);
        Self { prompt, ..self }
    }

    /// Tells what happened.
    pub fn event(&mut self, event: &Event) -> io::Result<()> {
        let lines = match &mut self.form {
            Form::Json { .. } => event_object(event).map(|object| object + "\n"),
            Form::Human(human) => human.event(event),
        };
        lines.map_or(Ok(()), |lines| (self.out)(&lines))?;
        match event {
            Event::LoggedIn { .. } => self.prompt.take().map_or(Ok(()), |start| start()),
            _ => Ok(()),
        }
    }

    /// Tells what is wrong with a command.
    pub fn mistake(&mut self, mistake: &Mistake) -> io::Result<()> {
        let lines = match &self.form {
            Form::Json { .. } => mistake_object(mistake) + "\n",
            Form::Human(human) => human.alarm(&mistake.to_string()),
        };
        (self.out)(&lines)
    }

    /// Tells which commands there are.
    pub fn help(&mut self) -> io::Result<()> {
        match &mut self.form {
            Form::Json { words } => words(HELP),
            Form::Human(_) => (self.out)(HELP),
        }
    }

    /// Tells people something that programs need not know.
    pub fn note(&mut self, text: &str) -> io::Result<()> {
        match &mut self.form {
            Form::Json { words } => words(&format!("{text}\n")),
            Form::Human(human) => (self.out)(&human.note(text)),
        }
    }

    /// Waits until the prompt has printed everything.
    ///
    /// It holds one text beyond the one it prints, so it takes the second of two texts when all
    /// before them is on the screen. These move the cursor up and down again.
    pub(super) fn settle(&mut self) {
        if let Form::Human(_) = self.form {
            let _ = (self.out)(UP_AND_DOWN);
            let _ = (self.out)(UP_AND_DOWN);
        }
    }

    /// The size of the terminal has changed (SIGWINCH).
    pub fn resized(&mut self) {
        if let Form::Human(human) = &mut self.form {
            human.resize(columns());
        }
    }
}

/// Standard output, flushed after each call.
pub(super) fn stdout() -> Sink {
    Box::new(|lines| {
        let mut out = io::stdout().lock();
        out.write_all(lines.as_bytes())?;
        out.flush()
    })
}

/// Standard error.
pub(super) fn stderr() -> Sink {
    Box::new(|lines| io::stderr().lock().write_all(lines.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    type Written = Arc<Mutex<Vec<String>>>;

    fn sink() -> (Sink, Written) {
        let written = Written::default();
        let copy = Arc::clone(&written);
        let sink = move |lines: &str| {
            copy.lock().unwrap().push(lines.to_owned());
            Ok(())
        };
        (Box::new(sink), written)
    }

    fn say_everything(output: &mut Output) {
        output.event(&Event::Bye).unwrap();
        output.mistake(&Mistake::NotUtf8).unwrap();
        output.help().unwrap();
        output.note("a note").unwrap();
    }

    #[test]
    fn programs_read_nothing_but_objects() {
        let (out, objects) = sink();
        let (words, written) = sink();
        say_everything(&mut Output::json(out, words));
        let objects = objects.lock().unwrap();
        assert_eq!(objects.len(), 2);
        for line in objects.iter() {
            let object = line.strip_suffix('\n').unwrap();
            let parsed: serde_json::Value = serde_json::from_str(object).unwrap();
            assert!(parsed["event"].is_string());
        }
        assert_eq!(*written.lock().unwrap(), [HELP, "a note\n"]);
    }

    #[test]
    fn people_read_everything_in_order() {
        let (out, lines) = sink();
        say_everything(&mut Output::human(out, Human::new(80, false)));
        let expected = [
            "-- bye\n",
            "!! the line is not UTF-8\n",
            HELP,
            "-- a note\n",
        ];
        assert_eq!(*lines.lock().unwrap(), expected);
    }

    #[test]
    fn the_prompt_comes_once_behind_the_first_login() {
        let (out, written) = sink();
        let prompted = Arc::clone(&written);
        let prompt = move || {
            prompted.lock().unwrap().push("> ".to_owned());
            Ok(())
        };
        let output = Output::human(out, Human::new(80, false));
        let mut output = output.then_prompt(Box::new(prompt));
        let logged_in = Event::LoggedIn {
            user: "Bob".parse().unwrap(),
        };
        for event in [Event::Bye, logged_in.clone(), logged_in] {
            output.event(&event).unwrap();
        }
        let lines = written.lock().unwrap();
        let prompts: Vec<bool> = lines.iter().map(|line| line == "> ").collect();
        assert_eq!(prompts, [false, false, true, false]);
    }

    #[test]
    fn a_reader_that_went_away_is_an_error() {
        let gone = || -> Sink { Box::new(|_| Err(io::ErrorKind::BrokenPipe.into())) };
        assert!(Output::json(gone(), gone()).event(&Event::Bye).is_err());
        assert!(
            Output::human(gone(), Human::new(0, false))
                .event(&Event::Bye)
                .is_err()
        );
    }
}
