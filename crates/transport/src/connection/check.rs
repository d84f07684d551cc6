//! What always has to hold inside a connection, and what none of ours does, for simulations. No part of the
//! interface.

use core::time::Duration;

use crate::stream::{GAPS_MAX, StreamError, StreamId};

use super::close::State;
use super::handshake::CRYPTO_BUFFER_MAX;
use super::space::{EPOCHS, index};
use super::{Connection, EARLY_DATAGRAMS_MAX};

/// No pacer waits so much longer than the peer may be silent.
const PACING_BEHIND_IDLE_MAX: Duration = Duration::from_secs(60);

impl Connection {
    /// Whether sums add up, whatever waits for an answer has a timer, and nothing that the peer can
    /// make grow is beyond its bound.
    ///
    /// # Errors
    /// What does not hold.
    #[doc(hidden)]
    pub fn check(&self) -> Result<(), String> {
        if !matches!(self.state, State::Handshaking | State::Open) {
            return Ok(());
        }
        let in_flight = (self.spaces.iter()).try_fold(0, |sum, space| {
            space.received.check()?;
            Ok::<u64, String>(sum + space.sent.check()?)
        })?;
        let counted = self.totals.in_flight;
        if in_flight != counted {
            return Err(format!(
                "{in_flight} bytes are in flight, and {counted} count"
            ));
        }
        if self.waits_unwatched() {
            return Err(format!(
                "{in_flight} bytes are in flight, and no timer runs"
            ));
        }
        let latest = self.timers.idle + PACING_BEHIND_IDLE_MAX;
        if self.timers.pacing.is_some_and(|at| at > latest) {
            return Err("the pacer waits for ever".into());
        }
        within(
            "datagrams before the handshake",
            self.early.len(),
            EARLY_DATAGRAMS_MAX,
        )?;
        self.ids.check()?;
        self.check_handshake()?;
        if let Some(paths) = &self.paths {
            paths.check()?;
        }
        self.streams.check()
    }

    /// Sends bytes as they are, on a stream of whatever mode: part of a message, for who drips one.
    ///
    /// # Errors
    /// As [`Connection::write`], but for the mode and the room.
    #[doc(hidden)]
    pub fn write_part(&mut self, stream: StreamId, bytes: &[u8]) -> Result<(), StreamError> {
        self.check_open()?;
        self.streams.write_part(stream, bytes)
    }

    /// What is held of the handshake beyond what was read, for each of its epochs.
    fn check_handshake(&self) -> Result<(), String> {
        self.spaces.iter().try_for_each(|space| {
            let (bytes, gaps) = space.crypto.held();
            within("handshake bytes", bytes, CRYPTO_BUFFER_MAX as usize)?;
            within("gaps in a handshake", gaps, GAPS_MAX)
        })
    }

    /// Whether something is in flight and nothing will happen if no answer comes.
    fn waits_unwatched(&self) -> bool {
        let waits = EPOCHS.map(|epoch| self.spaces[index(epoch)].sent.has_eliciting());
        // What may not send waits for the peer or for a puzzle, whatever is in flight.
        let may_send = !self.challenge.is_solving() && !self.is_amplification_limited();
        waits.contains(&true) && may_send && self.loss_timeout().is_none()
    }
}

/// Whether `held` is at most `most`.
pub(crate) fn within(what: &str, held: usize, most: usize) -> Result<(), String> {
    if held > most {
        return Err(format!("{what}: {held} of at most {most}"));
    }
    Ok(())
}
