//! Signals that ask a program to end.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use net::Clock;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use super::problem::Problem;

/// A program that has not looked at a signal for so long does not look: the next one ends it as it would have by
/// itself.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many listen. Where nobody does, signals do what they do by themselves.
static LISTENING: AtomicUsize = AtomicUsize::new(0);

/// SIGINT, SIGTERM and SIGHUP, as far as whoever started the process did not have them ignored: `nohup` and the
/// background of a script keep their word.
///
/// As long as this is there, and the program looks, they no longer end it by themselves. One that stands still, such as
/// before an output that nobody reads, is ended by one that comes 2 s after the first, or later.
pub(super) struct Endings(Arc<Told>);

#[derive(Default)]
struct Told {
    /// Signals that nobody has looked at.
    unseen: AtomicUsize,
    /// Nobody ever will.
    is_over: AtomicBool,
}

impl Endings {
    /// Begins to listen, on a thread of its own. `wake` is called after each signal, and `put_back` before one that ends
    /// the process at once, also when this is gone.
    ///
    /// # Errors
    /// The machine gives no thread, or does not let us listen.
    pub(super) fn listen(
        wake: impl Fn() + Send + 'static,
        put_back: impl Fn() + Send + 'static,
    ) -> Result<Self, Problem> {
        Self::begin(wake, put_back)
            .map_err(|error| Problem::other(format!("cannot listen for signals: {error}")))
    }

    fn begin(
        wake: impl Fn() + Send + 'static,
        put_back: impl Fn() + Send + 'static,
    ) -> io::Result<Self> {
        let ignored = ignored();
        let wanted = [SIGINT, SIGTERM, SIGHUP].into_iter();
        let mut signals = Signals::new(wanted.filter(|signal| ignored & bit(*signal) == 0))?;
        let told = Arc::<Told>::default();
        let tells = Arc::clone(&told);
        let listen = move || {
            let clock = Clock::start();
            let mut first = clock.now();
            for signal in &mut signals {
                let is_stuck = match tells.unseen.fetch_add(1, Ordering::SeqCst) {
                    0 => {
                        first = clock.now();
                        false
                    }
                    _ => clock.now().since(first) >= PATIENCE,
                };
                let is_over = tells.is_over.load(Ordering::SeqCst);
                let ends = match is_over {
                    true => LISTENING.load(Ordering::SeqCst) == 0,
                    false => is_stuck,
                };
                if ends {
                    put_back();
                    let _ = emulate_default_handler(signal);
                }
                wake();
            }
        };
        let thread = thread::Builder::new().name("signals".to_owned());
        thread.spawn(listen)?;
        LISTENING.fetch_add(1, Ordering::SeqCst);
        Ok(Self(told))
    }

    /// How many have come since the last call.
    pub(super) fn pending(&self) -> usize {
        self.0.unseen.swap(0, Ordering::SeqCst)
    }
}

impl Drop for Endings {
    fn drop(&mut self) {
        LISTENING.fetch_sub(1, Ordering::SeqCst);
        self.0.is_over.store(true, Ordering::SeqCst);
    }
}

/// The signals that the process ignores, a bit for each, where the system tells.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

/// The bit of a signal in such a mask.
const fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}
