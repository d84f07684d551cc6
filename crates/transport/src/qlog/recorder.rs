//! From what happens to records.

use core::time::Duration;

use internet::{ConnectionId, DropReason};
use serde_json::{Map, Value, json};

use crate::connection::{EcnSupport, Stats};
use crate::event::CloseReason;
use crate::parameters::Parameters;
use crate::{Epoch, Instant, Side};

use super::{Sink, Trace, Traces, frames, side_name};

/// RFC 7464 §2.2: a record begins with it.
const RECORD_SEPARATOR: u8 = 0x1e;

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Attempted,
    Complete,
    Confirmed,
    Closing,
    Closed,
}

impl Phase {
    const fn name(self) -> &'static str {
        match self {
            Self::Attempted => "attempted",
            Self::Complete => "handshake_complete",
            Self::Confirmed => "handshake_confirmed",
            Self::Closing => "closing",
            Self::Closed => "closed",
        }
    }
}

/// What is looked at from time to time, and logged where it has changed.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) phase: Phase,
    pub(crate) stats: Stats,
    /// Probe timeouts in a row.
    pub(crate) pto_count: u32,
}

/// Writes the log of one connection.
pub(crate) struct Recorder {
    sink: Box<dyn Sink>,
    begun: Instant,
    now: Instant,
    /// Frames of the packet that is about to be sealed.
    frames: Vec<Value>,
    seen: Option<Seen>,
    buffer: Vec<u8>,
}

impl Recorder {
    pub(crate) fn begin(
        traces: &dyn Traces,
        side: Side,
        id: ConnectionId,
        now: Instant,
    ) -> Option<Self> {
        let id: String = (id.as_bytes().iter())
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let trace = Trace {
            id,
            side,
            begun: now,
        };
        let mut recorder = Self {
            sink: traces.begin(&trace)?,
            begun: now,
            now,
            frames: Vec::new(),
            seen: None,
            buffer: Vec::new(),
        };
        recorder.write(&json!({
            "qlog_version": "0.3",
            "qlog_format": "JSON-SEQ",
            "title": concat!("undertone ", env!("CARGO_PKG_VERSION")),
            "trace": {
                "vantage_point": { "type": side_name(side) },
                "common_fields": {
                    "ODCID": trace.id,
                    "group_id": trace.id,
                    "time_format": "relative",
                    "reference_time": millis(now.since(Instant::ZERO)),
                },
            },
        }));
        Some(recorder)
    }

    /// What follows happens now.
    pub(crate) fn at(&mut self, now: Instant) {
        self.now = now;
    }

    /// The payload of the next packet that is sent.
    pub(crate) fn will_send(&mut self, payload: &[u8]) {
        self.frames = frames::of_payload(payload);
    }

    pub(crate) fn packet_sent(&mut self, epoch: Epoch, number: u64, len: usize) {
        let frames = core::mem::take(&mut self.frames);
        self.packet("transport:packet_sent", epoch, number, len, frames);
    }

    pub(crate) fn packet_received(
        &mut self,
        epoch: Epoch,
        number: u64,
        len: usize,
        payload: &[u8],
    ) {
        let frames = frames::of_payload(payload);
        self.packet("transport:packet_received", epoch, number, len, frames);
    }

    pub(crate) fn packet_dropped(&mut self, reason: DropReason) {
        self.event(
            "transport:packet_dropped",
            json!({ "trigger": reason.name() }),
        );
    }

    pub(crate) fn packet_lost(&mut self, epoch: Epoch, number: u64) {
        let header = json!({ "packet_type": packet_type(epoch), "packet_number": number });
        self.event("recovery:packet_lost", json!({ "header": header }));
    }

    pub(crate) fn closed(&mut self, reason: &CloseReason) {
        let (ours, code, trigger) = match reason {
            CloseReason::Local => (true, None, "clean"),
            CloseReason::Peer { code, .. } => (false, Some(("application_code", *code)), "clean"),
            CloseReason::PeerError { code, .. } => {
                (false, Some(("connection_code", *code)), "error")
            }
            CloseReason::ProtocolError { code, .. } => {
                (true, Some(("connection_code", *code)), "error")
            }
            CloseReason::IdleTimeout | CloseReason::HandshakeTimeout => {
                (true, None, "idle_timeout")
            }
            CloseReason::StatelessReset => (false, None, "stateless_reset"),
            CloseReason::VersionMismatch => (true, None, "version_mismatch"),
            _ => (true, None, "error"),
        };
        let mut data = json!({
            "owner": if ours { "local" } else { "remote" },
            "reason": reason.to_string(),
            "trigger": trigger,
        });
        if let (Some((name, code)), Some(data)) = (code, data.as_object_mut()) {
            data.insert(name.into(), code.into());
        }
        self.event("connectivity:connection_closed", data);
    }

    /// Logs what has changed since the last look.
    pub(crate) fn observe(&mut self, seen: Seen) {
        let old = self.seen.replace(seen.clone());
        let stats = seen.stats;
        if old.as_ref().map(|old| old.phase) != Some(seen.phase) {
            let data = match &old {
                Some(old) => json!({ "old": old.phase.name(), "new": seen.phase.name() }),
                None => json!({ "new": seen.phase.name() }),
            };
            self.event("connectivity:connection_state_updated", data);
        }
        let bytes = |old: &Seen| old.stats.datagram_bytes;
        if let Some(old) = old
            .as_ref()
            .map(bytes)
            .filter(|old| *old != stats.datagram_bytes)
        {
            let data = json!({ "old": old, "new": stats.datagram_bytes });
            self.event("connectivity:mtu_updated", data);
        }
        let updates = |old: &Seen| old.stats.counters.key_updates;
        if old
            .as_ref()
            .is_some_and(|old| updates(old) < updates(&seen))
        {
            let data = json!({ "key_type": "1rtt", "generation": stats.counters.key_updates });
            self.event("security:key_updated", data);
        }
        if let Some(old) = &old {
            self.path_changes(&old.stats, &stats);
        }
        let (before, after) = (old.map(|old| metrics(&old)), metrics(&seen));
        let changed: Map<_, _> = (after.into_iter())
            .filter(|(name, value)| {
                before
                    .as_ref()
                    .is_none_or(|old| old.get(name) != Some(value))
            })
            .collect();
        if !changed.is_empty() {
            self.event("recovery:metrics_updated", changed.into());
        }
    }

    fn path_changes(&mut self, old: &Stats, new: &Stats) {
        let (before, after) = (&old.counters, &new.counters);
        for (happened, state) in [
            (before.migrations < after.migrations, "migration_complete"),
            (
                before.migrations_failed < after.migrations_failed,
                "migration_abandoned",
            ),
        ] {
            if happened {
                let name = "connectivity:migration_state_updated";
                self.event(name, json!({ "new": state }));
            }
        }
        if old.ecn != new.ecn {
            let data = json!({ "old": ecn_name(old.ecn), "new": ecn_name(new.ecn) });
            self.event("recovery:ecn_state_updated", data);
        }
    }

    /// The peer's parameters are known.
    pub(crate) fn parameters(&mut self, peer: &Parameters) {
        let data = json!({
            "owner": "remote",
            "max_idle_timeout": millis(peer.idle_timeout),
            "max_ack_delay": millis(peer.max_ack_delay),
            "max_udp_payload_size": peer.max_datagram,
            "initial_max_data": peer.max_data,
            "initial_max_stream_data_bidi_remote": peer.max_stream_data,
            "initial_max_streams_bidi": peer.max_streams,
        });
        self.event("transport:parameters_set", data);
    }

    fn packet(&mut self, name: &str, epoch: Epoch, number: u64, len: usize, frames: Vec<Value>) {
        let data = json!({
            "header": { "packet_type": packet_type(epoch), "packet_number": number },
            "raw": { "length": len },
            "frames": frames,
        });
        self.event(name, data);
    }

    fn event(&mut self, name: &str, data: Value) {
        let time = millis(self.now.since(self.begun));
        self.write(&json!({ "time": time, "name": name, "data": data }));
    }

    fn write(&mut self, record: &Value) {
        self.buffer.clear();
        self.buffer.push(RECORD_SEPARATOR);
        // Writing values into memory does not fail.
        if serde_json::to_writer(&mut self.buffer, record).is_ok() {
            self.buffer.push(b'\n');
            self.sink.record(&self.buffer);
        }
    }
}

/// Times in a log are milliseconds.
pub(super) fn millis(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1e6
}

const fn packet_type(epoch: Epoch) -> &'static str {
    match epoch {
        Epoch::Initial => "initial",
        Epoch::Handshake => "handshake",
        Epoch::Data => "1RTT",
    }
}

const fn ecn_name(support: EcnSupport) -> &'static str {
    match support {
        EcnSupport::Unknown => "unknown",
        EcnSupport::Capable => "capable",
        EcnSupport::Failed => "failed",
    }
}

fn metrics(seen: &Seen) -> Map<String, Value> {
    let stats = &seen.stats;
    let mut metrics = Map::new();
    if let Some(min) = stats.rtt_min {
        metrics.insert("min_rtt".into(), millis(min).into());
        metrics.insert("smoothed_rtt".into(), millis(stats.srtt).into());
        metrics.insert("latest_rtt".into(), millis(stats.rtt_latest).into());
        metrics.insert("rtt_variance".into(), millis(stats.rttvar).into());
    }
    metrics.insert("congestion_window".into(), stats.cwnd.into());
    metrics.insert("bytes_in_flight".into(), stats.bytes_in_flight.into());
    // In bits per second.
    let rate = stats.pacing_bytes_per_s.saturating_mul(8);
    metrics.insert("pacing_rate".into(), rate.into());
    metrics.insert("pto_count".into(), seen.pto_count.into());
    metrics
}
