//! A question at the terminal whose answer is not shown.
//!
//! While it is asked the terminal has other settings, without echo. Whatever ends the process meanwhile leaves it
//! as it was, and so does who stops it (SIGTSTP): then the question is back when the process goes on. Signals are
//! blocked for that, and waited for in a thread that puts the settings back before it lets them act.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::thread::JoinHandleExt as _;
use std::thread::{self, JoinHandle};

use nix::sys::pthread::pthread_kill;
use nix::sys::signal::{
    SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGURG, SigSet, SigmaskHow, Signal, raise,
};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

/// What ends or stops a process by itself.
const SIGNALS: [Signal; 5] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP];
/// The question is answered.
const ANSWERED: Signal = SIGURG;
const TERMINAL: &str = "/dev/tty";
/// Erases the question.
const ERASE: &str = "\r\x1b[K";

/// What is typed in answer, up to the end of the line.
///
/// To be called while there is no other thread: a signal that meets one acts before the settings are back.
///
/// # Errors
/// There is no terminal, or nobody at it.
pub(super) fn ask(question: &'static str) -> io::Result<String> {
    let watch = Watch::begin(question);
    let answer = rpassword::prompt_password(question);
    drop(watch);
    answer
}

/// Puts the terminal's settings back whatever happens.
struct Watch {
    terminal: Terminal,
    thread: Option<JoinHandle<()>>,
    /// The signals that were blocked before.
    mask: SigSet,
}

struct Terminal {
    file: File,
    /// As they were before the question.
    settings: Termios,
}

impl Terminal {
    fn open() -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(TERMINAL)?;
        let settings = tcgetattr(&file)?;
        Ok(Self { file, settings })
    }

    fn set(&self, settings: &Termios) {
        let _ = tcsetattr(&self.file, OptionalActions::Now, settings);
    }

    fn say(&self, text: &str) {
        let _ = (&self.file).write_all(text.as_bytes());
    }

    /// Lets a signal act, with the terminal as it was. Whoever goes on after it asks again.
    fn yield_to(&self, signal: Signal, question: &str) {
        let asking = tcgetattr(&self.file);
        self.set(&self.settings);
        self.say(ERASE);
        let only = SigSet::from(signal);
        let _ = raise(signal);
        let _ = only.thread_unblock();
        // Ends or stands still here.
        let _ = only.thread_block();
        if let Ok(asking) = asking {
            self.set(&asking);
            self.say(question);
        }
    }
}

impl Watch {
    /// None where there is no terminal to watch over.
    fn begin(question: &'static str) -> Option<Self> {
        let terminal = Terminal::open().ok()?;
        let theirs = Terminal::open().ok()?;
        let mut signals: SigSet = SIGNALS.into_iter().collect();
        signals.add(ANSWERED);
        let mask = signals.thread_swap_mask(SigmaskHow::SIG_BLOCK).ok()?;
        let watching = move || {
            while let Ok(signal) = signals.wait()
                && signal != ANSWERED
            {
                theirs.yield_to(signal, question);
            }
        };
        let thread = thread::Builder::new().name("question".to_owned());
        let Ok(thread) = thread.spawn(watching) else {
            let _ = mask.thread_set_mask();
            return None;
        };
        Some(Self {
            terminal,
            thread: Some(thread),
            mask,
        })
    }
}

impl Drop for Watch {
    /// What has come for this thread meanwhile, such as the SIGINT of a Ctrl-C, acts now.
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = pthread_kill(thread.as_pthread_t(), ANSWERED);
            let _ = thread.join();
        }
        // It may have gone on from a stop when the question was answered already.
        self.terminal.set(&self.terminal.settings);
        let _ = self.mask.thread_set_mask();
    }
}
