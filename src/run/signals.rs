//! Signals that ask a program to end, as sources of its event loop.

use std::io;

use net::mio::{Interest, Registry, Token};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;

/// Token of the signals in a program's loop.
const SIGNALS: Token = Token(0);

/// SIGINT, SIGTERM and SIGHUP.
pub(super) struct Endings(Signals);

impl Endings {
    /// From now on these signals no longer end the process by themselves.
    pub(super) fn register(registry: &Registry) -> io::Result<Self> {
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        registry.register(&mut signals, SIGNALS, Interest::READABLE)?;
        Ok(Self(signals))
    }

    /// How many have come since the last call.
    pub(super) fn pending(&mut self) -> usize {
        self.0.pending().count()
    }
}
