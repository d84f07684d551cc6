//! What always has to hold among the streams of a connection, for simulations.

use crate::connection::within;

use super::ahead::GONE_MAX;
use super::assembler::GAPS_MAX;
use super::collection::{Stream, Streams};
use super::datagrams::INCOMING_BYTES_MAX;
use super::receive::ReceiveStream;
use super::ring::CAPACITY_MIN;

/// Memory of rings for each byte of the window: a ring of which an eighth is in use stays as it is,
/// and what was there before is given back when it comes to more than the window.
const RING_BYTES: usize = 8 + 1;

/// Memory of rings that are all but empty, on all streams together, beside the least that each has.
const SPARE_BYTES: usize = 64 << 10;

impl Streams {
    /// Whether credit adds up, and what the peer makes us hold is within its bounds.
    pub(crate) fn check(&self) -> Result<(), String> {
        let streams = || self.streams.iter();
        let unread: u64 = streams().map(Stream::unread).sum();
        let (received, read) = (self.data_received, self.data_read);
        if received != read + unread {
            return Err(format!(
                "{received} bytes were received, {read} read, and {unread} are held"
            ));
        }
        // Of a window that has shrunk the peer may still use what it was granted.
        let granted = self.max_data.saturating_sub(read);
        let window = granted.max(self.window.bytes);
        let messages: usize = streams().map(|s| s.receive.messages.held()).sum();
        if messages != self.held.messages {
            let counted = self.held.messages;
            return Err(format!(
                "{messages} bytes of messages are held, and {counted} count"
            ));
        }
        let (first, loan) = (self.first_window, self.loan.bytes);
        let beyond = messages.saturating_sub(self.message_bytes_max) as u64;
        if self.window.bytes.max(granted + beyond) > first + loan {
            return Err(format!(
                "a window of {window} bytes and {beyond} beside it, of which {first} and {loan} are there"
            ));
        }
        within("datagrams held", self.datagram_bytes, INCOMING_BYTES_MAX)?;
        let opened = self.next_remote - self.closed_remote;
        let most = self.streams_window as usize;
        within("streams of the peer", opened as usize, most)?;
        let rings: usize = streams().map(|s| s.receive.assembler.capacity()).sum();
        let span = usize::try_from(window).unwrap_or(usize::MAX);
        let least = CAPACITY_MIN * streams().count();
        within(
            "bytes of rings",
            rings,
            RING_BYTES * span + SPARE_BYTES + least,
        )?;
        streams().try_for_each(|stream| stream.receive.check_ahead())
    }
}

impl ReceiveStream {
    fn check_ahead(&self) -> Result<(), String> {
        within("gaps in a stream", self.assembler.gaps(), GAPS_MAX)?;
        let Some(ahead) = &self.ahead else {
            return Ok(());
        };
        let (starts, gone) = ahead.sizes();
        within("beginnings of messages", starts, GAPS_MAX)?;
        within("ranges that are gone", gone, GONE_MAX)?;
        let position = self.assembler.position();
        match ahead.first() {
            Some(first) if first < self.messages.end(&self.assembler).unwrap_or(position) => Err(
                format!("messages overlap at {first}, read up to {position}"),
            ),
            _ => Ok(()),
        }
    }
}

impl Stream {
    /// Bytes that count against flow control: received, or held open by what came behind them.
    fn unread(&self) -> u64 {
        let receive = &self.receive;
        if receive.stopped || receive.is_done() {
            return 0;
        }
        receive.highest - receive.assembler.position()
    }
}
