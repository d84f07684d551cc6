//! The terminal's settings: as they were, while the prompt has its own, and while the process stands still.
//!
//! Who stops a program (Ctrl-Z, SIGTSTP) finds the terminal as it was; who lets it go on finds the prompt. Both
//! the prompt and a stop change the settings, so they take turns:
//!
//! ```text
//! prompt's thread     [ ask: raw ......... as it was ]         [ ask: raw ...
//! suspension's thread           [ as it was, stop, raw ]
//! ```
//!
//! SIGTSTP is blocked in every thread and waited for in one, which then lets it act: other than
//! SIGSTOP it is without effect where no shell would let the process go on.

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SIGTSTP, SigSet, kill, raise};
use nix::unistd::Pid;
use rustix::termios::{OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

/// The prompt is on its way into its mode, or out of it: how long until the next look.
const CHANGING_TIME: Duration = Duration::from_millis(1);
/// After so many looks it has what it wants.
const CHANGING_LOOKS: u32 = 500;
/// In place of a special character: there is none (`_POSIX_VDISABLE`; BSD has another value).
const DISABLED: u8 = if cfg!(target_os = "linux") { 0 } else { 0xff };
/// Those that the editor looks at.
const SPECIAL: [SpecialCodeIndex; 4] = [
    SpecialCodeIndex::VEOF,
    SpecialCodeIndex::VINTR,
    SpecialCodeIndex::VQUIT,
    SpecialCodeIndex::VSUSP,
];
/// Erases the prompt, and ends bracketed paste.
const LEAVE: &[u8] = b"\r\x1b[K\x1b[?2004l";
/// Begins bracketed paste again.
const RETURN: &[u8] = b"\x1b[?2004h";

/// The terminal on standard input.
#[derive(Clone)]
pub(super) struct Terminal(Arc<Shared>);

struct Shared {
    /// As it was.
    settings: Termios,
    /// The prompt is shown, or about to be.
    is_asking: AtomicBool,
    /// No prompt comes any more.
    is_over: AtomicBool,
    /// Held by whoever changes the settings other than by asking.
    turn: Mutex<()>,
}

impl Terminal {
    /// None if standard input is none.
    pub(super) fn of_stdin() -> Option<Self> {
        let shared = Shared {
            settings: tcgetattr(io::stdin()).ok()?,
            is_asking: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            turn: Mutex::new(()),
        };
        Some(Self(Arc::new(shared)))
    }

    /// The character that stops a process, if any does.
    pub(super) fn suspend_character(&self) -> Option<char> {
        let code = self.code(SpecialCodeIndex::VSUSP);
        (code != DISABLED).then_some(char::from(code))
    }

    /// What the editor would take for a special character because that is disabled.
    pub(super) fn disabled_character(&self) -> Option<char> {
        let is_disabled = |index| self.code(index) == DISABLED;
        SPECIAL
            .into_iter()
            .any(is_disabled)
            .then_some(char::from(DISABLED))
    }

    fn code(&self, index: SpecialCodeIndex) -> u8 {
        self.0.settings.special_codes[index]
    }

    /// Whether a prompt is shown now.
    fn is_changed(&self) -> bool {
        tcgetattr(io::stdin()).is_ok_and(|now| self.is_other(&now))
    }

    /// Whether these are a prompt's: what that changes is different. (All of it may have been so before.)
    fn is_other(&self, now: &Termios) -> bool {
        let modes = |it: &Termios| (it.local_modes, it.input_modes);
        modes(now) != modes(&self.0.settings)
    }

    /// Puts back the settings, and erases the prompt.
    pub(super) fn restore(&self) {
        change(&self.0.settings, LEAVE);
    }

    /// The settings alone. Writes nothing: nobody may read what is written.
    pub(super) fn put_back(&self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0.settings);
    }

    /// Lets no prompt change the settings any more. Tells whether one is shown, which has to be restored.
    pub(super) fn end(&self) -> bool {
        let _turn = self.turn();
        self.0.is_over.store(true, Ordering::SeqCst);
        self.settings_of_prompt().is_some()
    }

    /// Lets a prompt change the settings meanwhile. It has to put them back. None after the end.
    pub(super) fn ask<T>(&self, prompt: impl FnOnce() -> T) -> Option<T> {
        let turn = self.turn();
        if self.0.is_over.load(Ordering::SeqCst) {
            return None;
        }
        self.0.is_asking.store(true, Ordering::SeqCst);
        drop(turn);
        let answer = prompt();
        self.0.is_asking.store(false, Ordering::SeqCst);
        let _turn = self.turn();
        // Whoever went on from a stop may not have seen that this was over.
        if self.is_changed() {
            self.restore();
        }
        Some(answer)
    }

    /// From now on a stop leaves the terminal as it was, provided that all other threads are
    /// started later. After each, `repaint` is called if the prompt is to be seen again.
    pub(super) fn restore_in_stops(
        &self,
        mut repaint: impl FnMut() + Send + 'static,
    ) -> io::Result<()> {
        let signal = SigSet::from(SIGTSTP);
        signal.thread_block()?;
        let terminal = self.clone();
        let suspension = thread::Builder::new().name("suspension".to_owned());
        suspension.spawn(move || {
            while signal.wait().is_ok() {
                if terminal.stop(signal) {
                    repaint();
                }
            }
        })?;
        Ok(())
    }

    /// Stops the process until it is told to go on. Tells whether the prompt is back then.
    fn stop(&self, signal: SigSet) -> bool {
        let _turn = self.turn();
        let asking = self.settings_of_prompt();
        if asking.is_some() {
            self.restore();
        }
        let _ = raise(SIGTSTP);
        let _ = signal.thread_unblock();
        // Stands still here.
        let _ = signal.thread_block();
        let Some(settings) = asking.filter(|_| self.is_asking()) else {
            return false;
        };
        change(&settings, RETURN);
        true
    }

    /// Waits for a prompt that is on its way. None where there is none, or it has nothing to change.
    fn settings_of_prompt(&self) -> Option<Termios> {
        for _ in 0..CHANGING_LOOKS {
            if !self.is_asking() {
                break;
            }
            let now = tcgetattr(io::stdin()).ok()?;
            if self.is_other(&now) {
                return Some(now);
            }
            thread::park_timeout(CHANGING_TIME);
        }
        None
    }

    fn is_asking(&self) -> bool {
        self.0.is_asking.load(Ordering::SeqCst)
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.0.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks for a stop of all processes of this job, as a terminal does that looks for the character itself.
pub(super) fn suspend() {
    let _ = kill(Pid::from_raw(0), SIGTSTP);
}

fn change(settings: &Termios, say: &[u8]) {
    let _ = tcsetattr(io::stdin(), OptionalActions::Now, settings);
    let mut out = io::stdout().lock();
    let _ = out.write_all(say);
    let _ = out.flush();
}
