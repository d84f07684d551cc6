//! Lines that nobody has to read.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::thread;
use std::time::Duration;

/// Lines that wait for whoever reads them. One may be some hundred bytes long.
const WAITING_MAX: usize = 256;
/// Places among them that only urgent lines take.
const KEPT_FOR_URGENT: usize = 32;
/// How long what waits at the end may take to be read.
const FAREWELL: Duration = Duration::from_secs(1);

/// An output that is written to from a thread of its own, so that a reader that stands still, has gone, or is a disk
/// without room keeps nobody from working.
#[derive(Debug)]
pub(super) struct Voice {
    /// Taken when it ends.
    lines: Option<Sender<String>>,
    counts: Arc<Counts>,
    /// Nothing ever comes; it closes with the last line.
    ended: Receiver<()>,
}

#[derive(Debug, Default)]
struct Counts {
    waiting: AtomicUsize,
    /// Lines that could not be written.
    failed: AtomicU64,
}

impl Voice {
    /// Begins to write there. Without a thread every line is left out.
    pub(super) fn into(mut output: impl Write + Send + 'static) -> Self {
        let (lines, waiting) = channel::<String>();
        let (ends, ended) = sync_channel::<()>(0);
        let counts = Arc::<Counts>::default();
        let counted = Arc::clone(&counts);
        let write = move || {
            for mut line in waiting {
                line.push('\n');
                let written = output
                    .write_all(line.as_bytes())
                    .and_then(|()| output.flush());
                // Later there may be room again, or another reader.
                counted
                    .failed
                    .fetch_add(u64::from(written.is_err()), Ordering::Relaxed);
                counted.waiting.fetch_sub(1, Ordering::Relaxed);
            }
            drop(ends);
        };
        let _ = thread::Builder::new().name("voice".to_owned()).spawn(write);
        Self {
            lines: Some(lines),
            counts,
            ended,
        }
    }

    /// Whether there is room for the line, which will then be written.
    pub(super) fn say(&self, line: String, is_urgent: bool) -> bool {
        let max = match is_urgent {
            true => WAITING_MAX,
            false => WAITING_MAX - KEPT_FOR_URGENT,
        };
        let Some(lines) = &self.lines else {
            return false;
        };
        // Only this adds to it.
        if self.counts.waiting.fetch_add(1, Ordering::Relaxed) < max && lines.send(line).is_ok() {
            return true;
        }
        self.counts.waiting.fetch_sub(1, Ordering::Relaxed);
        false
    }

    /// How many lines could not be written since the last call.
    pub(super) fn failed(&self) -> u64 {
        self.counts.failed.swap(0, Ordering::Relaxed)
    }
}

impl Drop for Voice {
    /// Waits a moment for a reader that has not read everything yet.
    fn drop(&mut self) {
        self.lines = None;
        let _ = self.ended.recv_timeout(FAREWELL);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read as _};

    use super::*;

    #[test]
    fn what_was_said_is_written_in_order_before_it_ends() {
        let (mut reader, writer) = io::pipe().unwrap();
        let voice = Voice::into(writer);
        for line in ["one", "two", "three"] {
            assert!(voice.say(line.to_owned(), false));
        }
        drop(voice);
        let mut written = String::new();
        reader.read_to_string(&mut written).unwrap();
        assert_eq!(written, "one\ntwo\nthree\n");
    }

    #[test]
    fn h75_a_reader_that_stands_still_costs_lines_and_nothing_else() {
        let (mut reader, writer) = io::pipe().unwrap();
        let voice = Voice::into(writer);
        let long = "x".repeat(1 << 16);
        let taken = |is_urgent| {
            let taken = (0..10_000).filter(|_| voice.say(long.clone(), is_urgent));
            taken.count()
        };
        assert_eq!(taken(false), WAITING_MAX - KEPT_FOR_URGENT);
        assert_eq!(taken(true), KEPT_FOR_URGENT);
        // It reads again, and so are lines taken again.
        let mut read = vec![0; 2 * long.len()];
        reader.read_exact(&mut read).unwrap();
        while !voice.say(String::new(), true) {
            thread::yield_now();
        }
        drop(reader);
    }

    #[test]
    fn a_write_that_fails_is_counted_and_not_the_last() {
        struct Full(Vec<io::Result<usize>>, Sender<Vec<u8>>);
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let full = || Err(io::ErrorKind::StorageFull.into());
                self.0.pop().unwrap_or_else(full)?;
                self.1.send(bytes.to_vec()).unwrap();
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (sender, written) = channel();
        let full = Err(io::ErrorKind::StorageFull.into());
        let voice = Voice::into(Full(vec![Ok(0), full], sender));
        for line in ["lost", "written"] {
            assert!(voice.say(line.to_owned(), false));
        }
        assert_eq!(written.recv().unwrap(), b"written\n");
        assert_eq!(voice.failed(), 1);
        assert_eq!(voice.failed(), 0);
    }
}
