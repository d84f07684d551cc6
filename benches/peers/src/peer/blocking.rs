//! Peers that are used by calls that block.

use std::io::{self, Read, Write};
use std::thread;

use anyhow::Result;

use crate::app::{App, Say};
use crate::clock;
use crate::framing::{Deframer, frame};
use crate::job::Style;

/// What one read takes.
const READ_BYTES: usize = 64 << 10;

/// Carries what `app` says and hears until the stream ends. While `app` waits for a time to say
/// more it hears nothing.
pub(super) fn carry(wire: &mut (impl Read + Write), app: &mut dyn App, style: Style) -> Result<()> {
    let (mut framed, mut deframer) = (Vec::new(), Deframer::default());
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match app.say() {
            Say::Now(data) => {
                match style {
                    Style::Bytes => wire.write_all(data)?,
                    Style::Messages => {
                        framed.clear();
                        frame(data, &mut framed);
                        wire.write_all(&framed)?;
                    }
                }
                app.said();
            }
            Say::At(ns) => thread::sleep(clock::until(ns)),
            Say::Later => {
                let length = match wire.read(&mut buffer) {
                    Ok(length) => length,
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
                    Err(error) => return Err(error.into()),
                };
                if length == 0 {
                    return Ok(());
                }
                let data = &buffer[..length];
                match style {
                    Style::Bytes => app.hear(data),
                    Style::Messages => deframer.push(data, |message| app.hear(message)),
                }
            }
        }
    }
}
