//! An event log of each connection, in qlog form (draft-ietf-quic-qlog-main-schema, version 0.3,
//! with the event names of draft-ietf-quic-qlog-quic-events), for tools that draw them.
//!
//! A log is a sequence of records (RFC 7464): a header, then one event each, with virtual time. It
//! tells packet numbers, sizes, frames, losses and windows, and neither contents nor addresses.
//! Frames that QUIC does not have are named as in docs/PROTOCOL.md §4.3.

mod frames;
mod recorder;

use core::fmt::Debug;

use crate::{Instant, Side};

pub(crate) use recorder::{Phase, Recorder, Seen};

/// Makes a sink for each connection ([`crate::Config::qlog`]).
pub trait Traces: Debug + Send + Sync {
    /// Where the log of a connection that has just begun goes; `None` where nobody wants it.
    fn begin(&self, trace: &Trace) -> Option<Box<dyn Sink>>;
}

/// Which connection a log is of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trace {
    /// The destination id of the client's first packet, in hexadecimal digits: both ends know it.
    pub id: String,
    /// From whose side it is told.
    pub side: Side,
    /// When the connection began.
    pub begun: Instant,
}

impl Trace {
    /// A connection that begins at time zero.
    pub fn new(id: String, side: Side) -> Self {
        Self {
            id,
            side,
            begun: Instant::ZERO,
        }
    }
}

/// Takes the records of one connection's log. Dropped when the connection is.
pub trait Sink: Send {
    /// One record, with the separators of RFC 7464 around it.
    fn record(&mut self, record: &[u8]);
}

/// The name of a side in a log.
const fn side_name(side: Side) -> &'static str {
    match side {
        Side::Client => "client",
        Side::Server => "server",
    }
}
