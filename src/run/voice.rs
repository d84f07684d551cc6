//! Lines that nobody has to read.

use std::io::Write;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// Lines that wait for whoever reads them. One may be some hundred bytes long.
const WAITING_MAX: usize = 256;
/// How long what waits at the end may take to be read.
const FAREWELL: Duration = Duration::from_secs(1);

/// An output that is written to from a thread of its own, so that a reader that stands still, has gone, or is a disk
/// without room keeps nobody from working.
#[derive(Debug)]
pub(super) struct Voice {
    /// Taken when it ends.
    lines: Option<SyncSender<String>>,
    /// Nothing ever comes; it closes with the last line.
    ended: Receiver<()>,
}

impl Voice {
    /// Begins to write there. Without a thread every line is left out.
    pub(super) fn into(mut output: impl Write + Send + 'static) -> Self {
        let (lines, waiting) = sync_channel::<String>(WAITING_MAX);
        let (ends, ended) = sync_channel(0);
        let write = move || {
            for mut line in waiting {
                line.push('\n');
                // Later there may be room again, or another reader.
                let _ = output
                    .write_all(line.as_bytes())
                    .and_then(|()| output.flush());
            }
            drop::<SyncSender<()>>(ends);
        };
        let _ = thread::Builder::new().name("voice".to_owned()).spawn(write);
        Self {
            lines: Some(lines),
            ended,
        }
    }

    /// Whether there is room for the line, which will then be written.
    pub(super) fn say(&self, line: String) -> bool {
        let lines = self.lines.as_ref();
        lines.is_some_and(|lines| lines.try_send(line).is_ok())
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
            assert!(voice.say(line.to_owned()));
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
        let taken = (0..10_000).filter(|_| voice.say(long.clone())).count();
        assert!((WAITING_MAX..=WAITING_MAX + 2).contains(&taken), "{taken}");
        // It reads again, and so are lines taken again.
        let mut read = vec![0; 2 * long.len()];
        reader.read_exact(&mut read).unwrap();
        while !voice.say(String::new()) {
            thread::yield_now();
        }
        drop(reader);
    }

    #[test]
    fn a_write_that_fails_is_not_the_last() {
        struct Full(Vec<io::Result<usize>>, SyncSender<Vec<u8>>);
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0
                    .pop()
                    .unwrap_or(Err(io::ErrorKind::StorageFull.into()))?;
                self.1.send(bytes.to_vec()).unwrap();
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (sender, written) = sync_channel(4);
        let voice = Voice::into(Full(
            vec![Ok(0), Err(io::ErrorKind::StorageFull.into())],
            sender,
        ));
        assert!(voice.say("lost".to_owned()) && voice.say("written".to_owned()));
        assert_eq!(written.recv().unwrap(), b"written\n");
    }
}
