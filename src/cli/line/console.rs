use std::env;
use std::io::{self, IsTerminal as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel, sync_channel};
use std::thread;
use std::time::Duration;

use rustix::termios::tcgetwinsize;
use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::{
    Cmd, ConditionalEventHandler, Editor, Event, EventContext, EventHandler, KeyEvent, Modifiers,
    RepeatCount,
};

use super::Command;
use super::human::Human;
use super::input::{Delivery, Input, LINE_LEN_MAX, Outlet, read_lines};
use super::output::{Output, Sink, UP_AND_DOWN, stderr, stdout};
use super::terminal::{Terminal, suspend};

const PROMPT: &str = "> ";
/// Lines that wait for the client. A line may be long, so they are few.
const LINES_WAITING_MAX: usize = 16;
/// How long the prompt's thread takes at most to paint its line once more, before it is erased.
const REPAINT_TIME: Duration = Duration::from_millis(30);
/// Longer lines are not worth going back to.
const HISTORY_LINE_LEN_MAX: usize = 4096;

/// Both ends of line mode, and the terminal's settings, which come back when this is dropped.
///
/// The form is for people where standard input and output are a terminal, and JSON otherwise.
pub struct Console {
    /// What is typed.
    pub input: Receiver<Input>,
    /// What is told.
    pub output: Output,
    interrupted: Arc<AtomicBool>,
    terminal: Option<Terminal>,
}

impl Console {
    /// Starts to read standard input, on a thread of its own. `wake` is called after each input.
    /// Ask for a password before: from here on the thread owns standard input. Start other threads
    /// after: where SIGTSTP meets one that is older, the process stops with the prompt's settings.
    ///
    /// At a terminal the prompt comes with the first login, when there is something to type. Until
    /// then what is typed waits, and Ctrl-C is a signal. Ctrl-D has to be typed once more: of an end of
    /// input that waits a terminal leaves a zero when its settings change.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn open(json: bool, wake: impl Fn() + Send + 'static) -> io::Result<Self> {
        let people = !json && io::stdout().is_terminal();
        let Some(terminal) = Terminal::of_stdin().filter(|_| people) else {
            return Ok(Self {
                input: plain(wake)?,
                output: Output::json(stdout(), stderr()),
                interrupted: Arc::default(),
                terminal: None,
            });
        };
        let mut editor = editor(&terminal)?;
        let printers = editor.create_external_printer();
        let printers = printers.and_then(|it| Ok((it, editor.create_external_printer()?)));
        let Ok((printer, repainter)) = printers else {
            // A terminal without a cursor to move.
            return Ok(Self {
                input: plain(wake)?,
                output: Output::human(stdout(), Human::new(columns(), false)),
                interrupted: Arc::default(),
                terminal: Some(terminal),
            });
        };
        let mut repaint = above_prompt(repainter);
        terminal.restore_in_stops(move || {
            let _ = repaint(UP_AND_DOWN);
        })?;
        let (sender, input) = channel();
        let interrupted = Arc::<AtomicBool>::default();
        let delivery = Delivery {
            to: Outlet::Unbounded(sender),
            wake,
            interrupted: Arc::clone(&interrupted),
        };
        let asked = terminal.clone();
        let prompt = move || {
            let thread = thread::Builder::new().name("prompt".to_owned());
            thread.spawn(move || read_prompt(&mut editor, &asked, &delivery))?;
            Ok(())
        };
        let human = Human::new(columns(), env::var_os("NO_COLOR").is_none());
        Ok(Self {
            input,
            output: Output::human(above_prompt(printer), human).then_prompt(Box::new(prompt)),
            interrupted,
            terminal: Some(terminal),
        })
    }

    /// Whether Ctrl-C was typed at the prompt since the last call. No input comes after it.
    pub fn is_interrupted(&self) -> bool {
        self.interrupted.swap(false, Ordering::Acquire)
    }

    /// Puts the terminal's settings back as they were, from any thread and without a word, for a process that ends in
    /// this moment.
    pub fn put_back(&self) -> impl Fn() + Send + use<> {
        let terminal = self.terminal.clone();
        move || {
            if let Some(terminal) = &terminal {
                terminal.put_back();
            }
        }
    }

    /// Whether there is a person at a terminal.
    pub const fn is_terminal(&self) -> bool {
        self.terminal.is_some()
    }
}

impl Drop for Console {
    /// The prompt's thread may be in the middle of a line, and has to print what it was given.
    fn drop(&mut self) {
        let Some(terminal) = &self.terminal else {
            return;
        };
        if terminal.end() {
            self.output.settle();
            thread::park_timeout(REPAINT_TIME);
            terminal.restore();
        }
    }
}

/// Columns of the terminal on standard output; 0 if it has none.
pub(super) fn columns() -> usize {
    tcgetwinsize(io::stdout()).map_or(0, |size| usize::from(size.ws_col))
}

/// Lines as they come, without a prompt.
fn plain(wake: impl Fn() + Send + 'static) -> io::Result<Receiver<Input>> {
    let (sender, input) = sync_channel(LINES_WAITING_MAX);
    let delivery = Delivery {
        to: Outlet::Bounded(sender),
        wake,
        interrupted: Arc::default(),
    };
    let reader = thread::Builder::new().name("input".to_owned());
    reader.spawn(move || read_lines(io::stdin().lock(), |input| delivery.deliver(input)))?;
    Ok(input)
}

/// History stays in memory: what was typed are messages, and on disk nobody would seal them.
type Prompt = Editor<(), MemHistory>;

fn editor(terminal: &Terminal) -> io::Result<Prompt> {
    let config = rustyline::Config::builder().build();
    let mut editor = Editor::with_history(config, MemHistory::new()).map_err(io::Error::other)?;
    if let Some(character) = terminal.disabled_character() {
        editor.bind_sequence(KeyEvent::new(character, Modifiers::NONE), Cmd::Noop);
    }
    if let Some(character) = terminal.suspend_character() {
        let key = KeyEvent::new(character, Modifiers::NONE);
        editor.bind_sequence(key, EventHandler::Conditional(Box::new(Suspend)));
    }
    Ok(editor)
}

/// The key that stops the process. By itself the editor would change the settings under the eyes of
/// whoever stops it.
struct Suspend;

impl ConditionalEventHandler for Suspend {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, _: &EventContext<'_>) -> Option<Cmd> {
        suspend();
        Some(Cmd::Noop)
    }
}

fn read_prompt(editor: &mut Prompt, terminal: &Terminal, delivery: &Delivery<impl Fn()>) {
    loop {
        let Some(answer) = terminal.ask(|| editor.readline(PROMPT)) else {
            return;
        };
        let input = match answer {
            Ok(line) if line.len() > LINE_LEN_MAX => Input::TooLong,
            Ok(line) => {
                if line.len() <= HISTORY_LINE_LEN_MAX && !line.trim().is_empty() {
                    let _ = editor.add_history_entry(&line);
                }
                Input::Line(line)
            }
            Err(ReadlineError::Interrupted) => return delivery.interrupt(),
            Err(ReadlineError::Signal(_)) => continue,
            Err(ReadlineError::Io(error)) if error.kind() == io::ErrorKind::InvalidData => {
                Input::NotUtf8
            }
            Err(_) => Input::End,
        };
        // After these no prompt comes between the last words.
        let ends = match &input {
            Input::Line(line) => Command::parse(line) == Ok(Some(Command::Quit)),
            Input::End => true,
            Input::TooLong | Input::NotUtf8 => false,
        };
        if !delivery.deliver(input) || ends {
            return;
        }
    }
}

/// Prints lines above the prompt and what is being typed.
fn above_prompt(mut printer: impl rustyline::ExternalPrinter + Send + 'static) -> Sink {
    Box::new(move |lines| printer.print(lines.to_owned()).map_err(io::Error::other))
}
