//! What the two ends say to each other, whichever peer carries it.

mod beat;
mod echo;
mod flood;
mod ping;
mod sink;

use std::sync::Arc;

use crate::job::{Job, Traffic};
use crate::meter::Meter;

/// One end of a connection, as its user.
pub trait App {
    /// What this end says next. The same again until [`App::said`].
    fn say(&mut self) -> Say<'_>;

    /// The peer has taken in what was to be said, all of it.
    fn said(&mut self);

    /// Data has arrived: a message, or a piece of a stream of bytes.
    fn hear(&mut self, data: &[u8]);
}

/// What an end says next.
#[derive(Debug)]
pub enum Say<'a> {
    /// This, now.
    Now(&'a [u8]),
    /// Nothing before this time, in nanoseconds of the monotonic clock.
    At(u64),
    /// Nothing until something is heard.
    Later,
}

/// The client's end.
pub fn client(job: &Job, meter: &Arc<Meter>) -> Box<dyn App> {
    let meter = Arc::clone(meter);
    match job.traffic {
        Traffic::Bulk => Box::new(flood::Bytes::new()),
        Traffic::Messages {
            bytes,
            buffered: true,
        } => Box::new(flood::Buffered::new(bytes)),
        Traffic::Messages { bytes, .. } => Box::new(flood::Messages::new(bytes)),
        Traffic::Ping { bytes } => Box::new(ping::Ping::new(bytes, meter)),
        Traffic::Handshakes { .. } => Box::new(ping::Ping::new(64, meter)),
        Traffic::Beat { bytes, per_second } => Box::new(beat::Beat::new(bytes, per_second)),
        Traffic::Idle { .. } => Box::new(sink::Bytes::new(meter)),
    }
}

/// The server's.
pub fn server(job: &Job, meter: &Arc<Meter>) -> Box<dyn App> {
    let meter = Arc::clone(meter);
    match job.traffic {
        Traffic::Bulk => Box::new(sink::Bytes::new(meter)),
        Traffic::Messages { buffered: true, .. } => Box::new(sink::Framed::new(meter)),
        Traffic::Messages { .. } => Box::new(sink::Messages::new(meter)),
        Traffic::Beat { .. } => Box::new(beat::Clocked::new(meter)),
        _ => Box::new(echo::Echo::new(meter)),
    }
}
