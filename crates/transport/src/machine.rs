//! The vocabulary of a machine, as a trait: what a driver asks of it.

use crate::{Instant, Meta, Transmit};

/// Something that takes in datagrams and time and gives out datagrams: an endpoint, or an
/// application that has one inside and lets its own work follow.
///
/// It knows neither clock nor socket, so that a real driver and a simulated world run the same
/// code. Whoever drives it keeps to this order: after every mutation drain
/// [`Machine::poll_transmit`], unless it [may wait](Machine::may_wait); let the owner drain events and act on them; drain again; then sleep
/// until [`Machine::poll_timeout`], a datagram, or a wake-up.
pub trait Machine {
    /// Takes in one UDP payload. It is opened in place, so its bytes are changed.
    fn handle_datagram(&mut self, now: Instant, meta: Meta, datagram: &mut [u8]);

    /// Does what is due at `now`. Early calls do no harm.
    fn handle_timeout(&mut self, now: Instant);

    /// Appends up to `max_segments` datagrams for one address to `buffer`, which is empty. All have
    /// equal length but the last, which may be shorter. Call until `None`.
    fn poll_transmit(
        &mut self,
        now: Instant,
        max_segments: usize,
        buffer: &mut Vec<u8>,
    ) -> Option<Transmit>;

    /// When [`Machine::handle_timeout`] is due next. May lie in the past: then at once.
    fn poll_timeout(&mut self) -> Option<Instant>;

    /// Whether what is to be sent now may go out after the owner has acted on events, so that an
    /// answer shares a packet with the acknowledgement of the question. Not when sending it has
    /// events of its own, as the end of a connection has. A machine that never lets it wait need
    /// not tell.
    fn may_wait(&self) -> bool {
        false
    }

    /// The worker that the datagram just handled belongs to, if it is another one
    /// ([`crate::Config::worker`]); the datagram is as it was then. Whoever runs several workers
    /// asks after every datagram. A machine that never is one of several need not tell.
    fn take_stray(&mut self) -> Option<u8> {
        None
    }
}

impl<M: Machine + ?Sized> Machine for &mut M {
    fn handle_datagram(&mut self, now: Instant, meta: Meta, datagram: &mut [u8]) {
        (**self).handle_datagram(now, meta, datagram);
    }

    fn handle_timeout(&mut self, now: Instant) {
        (**self).handle_timeout(now);
    }

    fn poll_transmit(
        &mut self,
        now: Instant,
        max_segments: usize,
        buffer: &mut Vec<u8>,
    ) -> Option<Transmit> {
        (**self).poll_transmit(now, max_segments, buffer)
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        (**self).poll_timeout()
    }

    fn may_wait(&self) -> bool {
        (**self).may_wait()
    }

    fn take_stray(&mut self) -> Option<u8> {
        (**self).take_stray()
    }
}
