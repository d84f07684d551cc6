//! Signals that ask a program to end.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use net::Clock;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use signal_hook::low_level::emulate_default_handler;

use super::problem::Problem;

/// A program that has not looked at a signal for so long does not look: the next one ends it as it would have by
/// itself.
const PATIENCE: Duration = Duration::from_secs(2);

/// SIGINT, SIGTERM and SIGHUP, as far as whoever started the process did not have them ignored: `nohup` and the
/// background of a script keep their word.
///
/// As long as the program looks at them they no longer end it by themselves. One that stands still, such as before
/// an output that nobody reads, is ended by the second.
pub(super) struct Endings {
    unseen: Arc<AtomicUsize>,
    thread: Handle,
}

impl Endings {
    /// Begins to listen, on a thread of its own; `wake` is called after each signal.
    ///
    /// # Errors
    /// The machine gives no thread, or does not let us listen.
    pub(super) fn listen(wake: impl Fn() + Send + 'static) -> Result<Self, Problem> {
        Self::begin(wake)
            .map_err(|error| Problem::other(format!("cannot listen for signals: {error}")))
    }

    fn begin(wake: impl Fn() + Send + 'static) -> io::Result<Self> {
        let ignored = ignored();
        let wanted = [SIGINT, SIGTERM, SIGHUP].into_iter();
        let mut signals = Signals::new(wanted.filter(|signal| ignored & bit(*signal) == 0))?;
        let unseen = Arc::new(AtomicUsize::new(0));
        let (thread, counted) = (signals.handle(), Arc::clone(&unseen));
        let listen = move || {
            let clock = Clock::start();
            let mut first = clock.now();
            for signal in &mut signals {
                match counted.fetch_add(1, Ordering::Relaxed) {
                    0 => first = clock.now(),
                    _ if clock.now().since(first) < PATIENCE => {}
                    _ => drop(emulate_default_handler(signal)),
                }
                wake();
            }
        };
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(listen)?;
        Ok(Self { unseen, thread })
    }

    /// How many have come since the last call.
    pub(super) fn pending(&self) -> usize {
        self.unseen.swap(0, Ordering::Relaxed)
    }
}

impl Drop for Endings {
    fn drop(&mut self) {
        self.thread.close();
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
