//! What a connection tells about itself.

use core::ops::AddAssign;
use core::time::Duration;

use crate::recovery::SentFrame;
use crate::{Epoch, Instant};

use super::keys::SpaceKeys;
use super::space::index;
use super::{Connection, EcnSupport};

/// How a connection stands, and what it has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The last round-trip time measured; a guess before the first.
    pub rtt_latest: Duration,
    /// The shortest round-trip time measured. `None` before the first.
    pub rtt_min: Option<Duration>,
    /// Smoothed round-trip time (RFC 9002 §5.3); a guess before the first sample.
    pub srtt: Duration,
    /// Mean deviation of the round-trip time (RFC 9002 §5.3).
    pub rttvar: Duration,
    /// Congestion window in bytes.
    pub cwnd: u64,
    /// The rate at which packets are spread over time, in bytes per second.
    pub pacing_bytes_per_s: u64,
    /// Bytes sent, neither acknowledged nor lost.
    pub bytes_in_flight: u64,
    /// The largest UDP payload that is sent at present, in bytes.
    pub datagram_bytes: usize,
    /// From the first packet until the handshake was complete. `None` before.
    pub handshake: Option<Duration>,
    /// Whether the path lets marks of congestion through.
    pub ecn: EcnSupport,
    /// Streams that are open in at least one direction.
    pub streams_open: usize,
    /// What happened so far.
    pub counters: Counters,
}

/// What has happened on one connection, or on all of an endpoint. Each only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Packets sent. A datagram of the handshake may hold several.
    pub packets_sent: u64,
    /// Packets received and authenticated.
    pub packets_received: u64,
    /// Packets declared lost.
    pub packets_lost: u64,
    /// Those of them that were acknowledged after all: they were only late.
    pub packets_late: u64,
    /// Packets that arrived for a connection and were dropped, for whatever reason.
    pub packets_dropped: u64,
    /// UDP payloads sent.
    pub datagrams_sent: u64,
    /// UDP payloads received.
    pub datagrams_received: u64,
    /// Bytes of UDP payloads sent.
    pub bytes_sent: u64,
    /// Bytes of UDP payloads received.
    pub bytes_received: u64,
    /// Bytes of packets declared lost.
    pub bytes_lost: u64,
    /// Bytes of streams sent, each time that they were.
    pub stream_bytes_sent: u64,
    /// Those of them that had been sent before.
    pub stream_bytes_resent: u64,
    /// Stream frames that went along a second time before they were missed (docs/PROTOCOL.md §4.5).
    pub frames_repeated: u64,
    /// Probe timeouts that passed (RFC 9002 §6.2): nothing was heard for so long.
    pub probe_timeouts: u64,
    /// Updates of the data keys, by either end (RFC 9001 §6).
    pub key_updates: u64,
    /// Changes of the path in use, after the new one was validated (RFC 9000 §9).
    pub migrations: u64,
    /// Moves of this end ([`Connection::migrate`]) that nobody answered.
    pub migrations_failed: u64,
    /// Challenges sent to validate paths.
    pub path_challenges: u64,
    /// Packets of ours that met congestion on their way and were marked (RFC 3168).
    pub ecn_marks: u64,
    /// Paths that turned out not to let ECN's marks through.
    pub ecn_failures: u64,
    /// Messages and datagrams that were not sent, or not again, because their deadline had passed or
    /// they no longer fit in a packet.
    pub messages_dropped: u64,
    /// Datagrams that arrived while too many waited to be received.
    pub datagram_frames_dropped: u64,
}

impl Counters {
    /// A packet carries `frame`.
    pub(super) fn note_frame(&mut self, frame: &SentFrame) {
        if let SentFrame::Stream { range, .. } = frame {
            self.stream_bytes_sent += range.end - range.start;
        }
    }
}

impl AddAssign for Counters {
    fn add_assign(&mut self, other: Self) {
        self.packets_sent += other.packets_sent;
        self.packets_received += other.packets_received;
        self.packets_lost += other.packets_lost;
        self.packets_late += other.packets_late;
        self.packets_dropped += other.packets_dropped;
        self.datagrams_sent += other.datagrams_sent;
        self.datagrams_received += other.datagrams_received;
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
        self.bytes_lost += other.bytes_lost;
        self.stream_bytes_sent += other.stream_bytes_sent;
        self.stream_bytes_resent += other.stream_bytes_resent;
        self.frames_repeated += other.frames_repeated;
        self.probe_timeouts += other.probe_timeouts;
        self.key_updates += other.key_updates;
        self.migrations += other.migrations;
        self.migrations_failed += other.migrations_failed;
        self.path_challenges += other.path_challenges;
        self.ecn_marks += other.ecn_marks;
        self.ecn_failures += other.ecn_failures;
        self.messages_dropped += other.messages_dropped;
        self.datagram_frames_dropped += other.datagram_frames_dropped;
    }
}

/// What is noted as it happens. The rest of [`Counters`] is counted where it is needed anyway.
pub(super) struct Notes {
    begun: Instant,
    handshake: Option<Duration>,
    pub(super) counters: Counters,
}

impl Notes {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            begun: now,
            handshake: None,
            counters: Counters::default(),
        }
    }

    pub(super) fn on_connected(&mut self, now: Instant) {
        self.handshake = Some(now.since(self.begun));
    }

    pub(super) fn on_datagram_sent(&mut self, len: usize) {
        self.counters.datagrams_sent += 1;
        self.counters.bytes_sent += len as u64;
    }

    pub(super) fn on_datagram_received(&mut self, len: usize) {
        self.counters.datagrams_received += 1;
        self.counters.bytes_received += len as u64;
    }
}

impl Connection {
    /// Has something sent that the peer has to acknowledge, to see whether it is there, and how far.
    pub fn ping(&mut self) {
        self.ask(self.is_open());
    }

    /// Has a PING sent whose loss matters, if it is `due`.
    pub(super) fn ask(&mut self, due: bool) {
        self.ping_due = due;
        self.keeping_alive = false;
    }

    /// How the connection stands, and what it has done so far.
    pub fn stats(&self) -> Stats {
        let srtt = self.rtt.smoothed();
        Stats {
            rtt_latest: self.rtt.latest(),
            rtt_min: self.rtt.min(),
            srtt,
            rttvar: self.rtt.variation(),
            cwnd: self.congestion.window(),
            pacing_bytes_per_s: self.congestion.pacing_rate(srtt),
            bytes_in_flight: self.totals.in_flight,
            datagram_bytes: self.mtu.current(),
            ecn: self.ecn.support(),
            handshake: self.notes.handshake,
            streams_open: self.streams.open_count(),
            counters: self.counters(),
        }
    }

    pub(crate) fn counters(&self) -> Counters {
        let noted = self.notes.counters;
        let key_updates = match &self.spaces[index(Epoch::Data)].keys {
            SpaceKeys::Data(keys) => keys.updates(),
            _ => 0,
        };
        Counters {
            packets_lost: self.totals.lost,
            packets_late: self.totals.spurious,
            stream_bytes_resent: noted
                .stream_bytes_sent
                .saturating_sub(self.streams.data_sent()),
            key_updates,
            messages_dropped: self.streams.dropped().unsent,
            datagram_frames_dropped: self.streams.dropped().no_room,
            ..noted
        }
    }
}
