use std::io::{self, BufRead};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, SyncSender};

use chat::limits::TEXT_LEN_MAX;

/// Bytes of one line without its line ending: the longest text as JSON, six bytes for each of its
/// own, and room for the rest of the object.
pub const LINE_LEN_MAX: usize = 6 * TEXT_LEN_MAX + 4096;

/// What was read.
#[derive(Clone, PartialEq, Eq)]
pub enum Input {
    /// A line without its line ending.
    Line(String),
    /// A line above [`LINE_LEN_MAX`] was skipped.
    TooLong,
    /// A line was not UTF-8.
    NotUtf8,
    /// There is no more. The last input.
    End,
}

/// Everything but the line: contents have no place in a log.
impl core::fmt::Debug for Input {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Line(line) => write!(f, "Line({} bytes)", line.len()),
            Self::TooLong => f.write_str("TooLong"),
            Self::NotUtf8 => f.write_str("NotUtf8"),
            Self::End => f.write_str("End"),
        }
    }
}

/// Hands inputs over to the thread that runs the client, and wakes it.
pub(super) struct Delivery<W> {
    pub(super) to: Outlet,
    pub(super) wake: W,
    /// Ctrl-C at the prompt. It is heard also while there is no room for what was typed before.
    pub(super) interrupted: Arc<AtomicBool>,
}

pub(super) enum Outlet {
    /// For a pipe, which may hold any amount: whoever writes to it waits.
    Bounded(SyncSender<Input>),
    /// For a person at a prompt, who is the bound. Waiting here while the prompt's printer waits
    /// for this thread would never end.
    Unbounded(Sender<Input>),
}

impl<W: Fn()> Delivery<W> {
    /// Whether somebody still wants more.
    pub(super) fn deliver(&self, input: Input) -> bool {
        let taken = match &self.to {
            Outlet::Bounded(sender) => sender.send(input).is_ok(),
            Outlet::Unbounded(sender) => sender.send(input).is_ok(),
        };
        (self.wake)();
        taken
    }

    pub(super) fn interrupt(&self) {
        self.interrupted.store(true, Ordering::Release);
        (self.wake)();
    }
}

/// Reads lines until the end, an error, or until `deliver` says that nobody wants more.
pub(super) fn read_lines(mut source: impl BufRead, mut deliver: impl FnMut(Input) -> bool) {
    loop {
        let input = match read_line(&mut source) {
            Ok(input) => input,
            // Nothing more comes from a terminal that is gone.
            Err(_) => Input::End,
        };
        let ends = input == Input::End;
        if !deliver(input) || ends {
            return;
        }
    }
}

fn read_line(source: &mut impl BufRead) -> io::Result<Input> {
    let mut line = Vec::new();
    let mut too_long = false;
    let mut ended = false;
    let mut began = false;
    while !ended {
        let available = match source.fill_buf() {
            Ok(available) => available,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if available.is_empty() {
            break;
        }
        began = true;
        let newline = available.iter().position(|byte| *byte == b'\n');
        let (part, consumed) = match newline {
            Some(index) => (available.get(..index), index + 1),
            None => (Some(available), available.len()),
        };
        let part = part.unwrap_or_default();
        too_long |= line.len() + part.len() > LINE_LEN_MAX;
        if too_long {
            line = Vec::new();
        } else {
            line.extend_from_slice(part);
        }
        ended = newline.is_some();
        source.consume(consumed);
    }
    Ok(match String::from_utf8(line) {
        _ if !began => Input::End,
        _ if too_long => Input::TooLong,
        Ok(line) => Input::Line(line),
        Err(_) => Input::NotUtf8,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::BufReader;

    fn read(bytes: &[u8], chunk: usize) -> Vec<Input> {
        let mut inputs = Vec::new();
        read_lines(BufReader::with_capacity(chunk, bytes), |input| {
            inputs.push(input);
            true
        });
        inputs
    }

    fn line(text: &str) -> Input {
        Input::Line(text.to_owned())
    }

    #[test]
    fn lines_keep_every_byte_but_their_ending() {
        let inputs = read(b"list\n\n send \r\nlast", 3);
        assert_eq!(
            inputs,
            [
                line("list"),
                line(""),
                line(" send \r"),
                line("last"),
                Input::End
            ]
        );
        assert_eq!(read(b"", 3), [Input::End]);
        assert_eq!(read(b"a\n", 3), [line("a"), Input::End]);
    }

    #[test]
    fn h88_a_line_of_ten_mebibytes_is_one_error() {
        let mut bytes = vec![b'x'; 10 << 20];
        bytes.extend_from_slice(b"\nlist\n");
        assert_eq!(
            read(&bytes, 8192),
            [Input::TooLong, line("list"), Input::End]
        );
        // Without an ending, too.
        bytes.truncate(10 << 20);
        assert_eq!(read(&bytes, 8192), [Input::TooLong, Input::End]);
        bytes.truncate(LINE_LEN_MAX);
        assert!(
            matches!(&read(&bytes, 8192)[..], [Input::Line(it), _] if it.len() == LINE_LEN_MAX)
        );
        bytes.push(b'x');
        assert_eq!(read(&bytes, 8192), [Input::TooLong, Input::End]);
    }

    #[test]
    fn h88_a_line_that_is_not_utf8_is_one_error() {
        let inputs = read(b"a\n\xff\xfe\nb\n\xc3", 2);
        assert_eq!(
            inputs,
            [
                line("a"),
                Input::NotUtf8,
                line("b"),
                Input::NotUtf8,
                Input::End
            ]
        );
    }

    #[test]
    fn an_interrupted_read_is_repeated_and_a_failed_one_is_the_end() {
        struct Faulty(Vec<io::Result<&'static [u8]>>);
        impl io::Read for Faulty {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                let bytes = self.0.remove(0)?;
                into[..bytes.len()].copy_from_slice(bytes);
                Ok(bytes.len())
            }
        }
        let source = Faulty(vec![
            Ok(b"li"),
            Err(io::ErrorKind::Interrupted.into()),
            Ok(b"st\n"),
            Err(io::ErrorKind::Other.into()),
        ]);
        let mut inputs = Vec::new();
        read_lines(BufReader::new(source), |input| {
            inputs.push(input);
            true
        });
        assert_eq!(inputs, [line("list"), Input::End]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost(
            lines in proptest::collection::vec("[^\n]{0,20}", 0..10),
            chunk in 1_usize..16,
        ) {
            let bytes: String = lines.iter().map(|line| format!("{line}\n")).collect();
            let mut expected: Vec<Input> = lines.into_iter().map(Input::Line).collect();
            expected.push(Input::End);
            prop_assert_eq!(read(bytes.as_bytes(), chunk), expected);
        }
    }
}
