//! What an endpoint can be told, with defaults and their consequences.

use core::time::Duration;
use std::collections::BTreeSet;

use crate::{CongestionControl, ReceiveBudget};

/// No window, limit of streams or message is larger. What is announced is one of them beyond what was
/// read before, and has to stay below 2^62 (docs/PROTOCOL.md §1).
pub(crate) const WINDOW_MAX: u64 = 1 << 60;

/// No window is smaller: a preamble or the length of a message that does not fit in one is never read.
const WINDOW_MIN: u64 = 1200;

/// Pings do not follow each other faster.
const KEEP_ALIVE_MIN: Duration = Duration::from_millis(10);

/// Limits and times of every connection of an endpoint.
///
/// Any value may be given for any of them. Windows count as 1,200 to 2^60, messages and `streams_max` as at
/// most 2^60, `keep_alive` as at least 10 ms, and the others as their lines say: `u64::MAX` and
/// [`Duration::MAX`] mean "without limit".
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Ports on which peers may open streams from the start; [`crate::Connection::listen`] adds
    /// more. A stream to any other port is reset. Default: none.
    pub ports: BTreeSet<u16>,
    /// A connection on which nothing arrives for so long is over; the smaller of both ends' wishes
    /// counts, but three probe timeouts (at most 30 s) if they are longer. Default 30 s.
    pub idle_timeout: Duration,
    /// When nothing was sent for so long, a ping is, so that neither the peer nor a NAT forgets us.
    /// A server waits a quarter longer, so that its client is first and one ping does for both. `None` sends
    /// none: an idle connection then ends. Default 15 s.
    pub keep_alive: Option<Duration>,
    /// A handshake that takes longer is given up. Default 10 s.
    pub handshake_timeout: Duration,
    /// The largest message that may arrive on a stream in message mode, in bytes; a longer one
    /// resets its stream. Default 1 MiB.
    pub message_bytes_max: usize,
    /// The same until [`crate::Connection::grow_messages`] is called, where that is less: what a
    /// stream holds of a message that has not arrived whole is memory that a peer may not yet
    /// deserve. Peers are told `message_bytes_max` all the same. Default: no less.
    pub message_bytes_first: usize,
    /// How much may arrive on one stream before it is read, in bytes, at first. The window doubles
    /// whenever half of it is read within four round trips. Default 256 KiB.
    pub stream_window_bytes: u64,
    /// How far that window grows by itself, in bytes; less than the first means not at all. Bounds
    /// what one stream makes us hold, and what it brings in a round trip. Default 16 MiB.
    pub stream_window_bytes_max: u64,
    /// How much may arrive on a connection before it is read, in bytes, at first. It grows as the
    /// windows of streams do. Default 1 MiB.
    pub connection_window_bytes: u64,
    /// How far that window grows by itself, in bytes. Together with one message
    /// ([`Config::message_bytes_max`]) this bounds what a connection makes us hold of what was not
    /// read; when parts of long messages come to more, and none of them can become whole, the one of
    /// which there is most is given up as too long. Default 24 MiB.
    pub connection_window_bytes_max: u64,
    /// What the windows of all connections may grow by together, in bytes, beyond those of the
    /// first. What each connection begins with is not taken out of it: its first window and one message,
    /// so that an empty budget makes connections slower and stops none. Endpoints that get clones of one
    /// configuration share it. Default 1 GiB.
    pub receive_budget: ReceiveBudget,
    /// How much one stream takes in for sending before it says that it is full, in bytes, while the
    /// path takes little. A message is taken in whole while there is less than this. Default 1 MiB.
    pub send_buffer_bytes: usize,
    /// How much it takes in when the path takes much: four congestion windows, up to this, in
    /// bytes. Default 16 MiB.
    pub send_buffer_bytes_max: usize,
    /// How many streams of the peer may be open at once; with 0 only this end opens any. Default 1024.
    pub streams_max: u64,
    /// The largest UDP payload sent, in bytes, from 1200 to 65,507. A connection begins with 1200, and finds
    /// out by probes how much more the path takes. Default 9280: jumbo frames, and a seventh of
    /// what the kernel sends in one call. Only loopback takes more, and there it does not pay: 16 KiB
    /// made 1.04 times as much as 9280, 32 KiB and 64 KiB 1.01 times, within what runs differ by,
    /// while bursts and the smallest window grow with a datagram's length.
    pub datagram_bytes_max: usize,
    /// Packets sealed under one key before it is updated (RFC 9001 §6.6); a key is updated after 10
    /// minutes all the same. Fewer make a stolen key worth less, and cost a derivation each.
    /// Default 2^20.
    pub key_update_packets: u64,
    /// How much may be in flight, and how fast it goes out. Default [`CongestionControl::Bbr`].
    pub congestion: CongestionControl,
    /// Half-open connections that an accepting endpoint holds, at least 1; one more evicts the oldest.
    /// Default 4096.
    pub half_open_max: usize,
    /// Where event logs of connections go. Default: nowhere.
    #[cfg(feature = "qlog")]
    pub qlog: Option<std::sync::Arc<dyn crate::qlog::Traces>>,
    /// Which of several endpoints at one address this is, from 0. An accepting endpoint writes it
    /// into its connection ids, so that the others know whose a packet is
    /// ([`crate::Machine::take_stray`]). Default 0.
    pub worker: u8,
    /// How many endpoints there are at this address; they share [`crate::Accept::secret`].
    /// Default 1.
    pub workers: u8,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ports: BTreeSet::new(),
            idle_timeout: Duration::from_secs(30),
            keep_alive: Some(Duration::from_secs(15)),
            handshake_timeout: Duration::from_secs(10),
            message_bytes_max: 1 << 20,
            message_bytes_first: usize::MAX,
            stream_window_bytes: 256 << 10,
            stream_window_bytes_max: 16 << 20,
            connection_window_bytes: 1 << 20,
            connection_window_bytes_max: 24 << 20,
            receive_budget: ReceiveBudget::new(1 << 30),
            send_buffer_bytes: 1 << 20,
            send_buffer_bytes_max: 16 << 20,
            streams_max: 1024,
            datagram_bytes_max: 9280,
            key_update_packets: 1 << 20,
            congestion: CongestionControl::default(),
            half_open_max: 4096,
            #[cfg(feature = "qlog")]
            qlog: None,
            worker: 0,
            workers: 1,
        }
    }
}

impl Config {
    /// The same, with what is beyond any connection cut to what one can have.
    pub(crate) fn within_limits(mut self) -> Self {
        let windows = [
            &mut self.stream_window_bytes,
            &mut self.stream_window_bytes_max,
            &mut self.connection_window_bytes,
            &mut self.connection_window_bytes_max,
        ];
        for bytes in windows {
            *bytes = (*bytes).clamp(WINDOW_MIN, WINDOW_MAX);
        }
        let message_max = usize::try_from(WINDOW_MAX).unwrap_or(usize::MAX);
        for bytes in [&mut self.message_bytes_max, &mut self.message_bytes_first] {
            *bytes = (*bytes).min(message_max);
        }
        self.streams_max = self.streams_max.min(WINDOW_MAX);
        self.keep_alive = self.keep_alive.map(|every| every.max(KEEP_ALIVE_MIN));
        self
    }
}
