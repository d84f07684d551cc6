//! Peers that are used from tasks, on a runtime of one thread.

use std::future::Future;

use anyhow::Result;
use tokio::time::timeout;

use crate::app::{App, Say};
use crate::clock;
use crate::framing::{Deframer, frame};
use crate::job::Style;

/// A stream in both directions.
pub(super) trait Wire {
    /// Hands over all of it.
    async fn write(&mut self, data: &[u8]) -> Result<()>;

    /// Tells what has arrived, once something has; `false` at the stream's end.
    async fn read(&mut self, each: impl FnMut(&[u8])) -> Result<bool>;
}

/// Runs until it is over.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(work)
}

/// Carries what `app` says and hears until the stream ends.
pub(super) async fn carry(wire: &mut impl Wire, app: &mut dyn App, style: Style) -> Result<()> {
    let (mut framed, mut deframer) = (Vec::new(), Deframer::default());
    loop {
        let until = match app.say() {
            Say::Now(data) => {
                match style {
                    Style::Bytes => wire.write(data).await?,
                    Style::Messages => {
                        framed.clear();
                        frame(data, &mut framed);
                        wire.write(&framed).await?;
                    }
                }
                app.said();
                continue;
            }
            Say::At(ns) => Some(ns),
            Say::Later => None,
        };
        let read = wire.read(|data| match style {
            Style::Bytes => app.hear(data),
            Style::Messages => deframer.push(data, |message| app.hear(message)),
        });
        let more = match until {
            None => read.await?,
            Some(ns) => match timeout(clock::until(ns), read).await {
                Ok(more) => more?,
                Err(_) => true,
            },
        };
        if !more {
            return Ok(());
        }
    }
}

/// A framed message, to hear from the other end that it is there.
pub(super) fn greeting() -> Vec<u8> {
    let mut framed = Vec::new();
    frame(&[0; 64], &mut framed);
    framed
}
