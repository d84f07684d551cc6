//! Frames as qlog names them.

use codec::Reader;
use serde_json::{Value, json};

use crate::frame::{Ack, Close, Frame};

use super::recorder::millis;

/// The frames of a packet's payload, for as far as they decode.
pub(super) fn of_payload(payload: &[u8]) -> Vec<Value> {
    let mut reader = Reader::new(payload);
    let mut frames = Vec::new();
    while !reader.is_empty() {
        let start = reader.position();
        let Ok(frame) = Frame::decode(&mut reader) else {
            break;
        };
        let kind = payload.get(start).copied().unwrap_or_default();
        frames.push(describe(&frame, kind, reader.position() - start));
    }
    frames
}

/// `kind` and `len` are a frame's first byte and its encoded length.
fn describe(frame: &Frame<'_>, kind: u8, len: usize) -> Value {
    match frame {
        Frame::Padding(len) => json!({ "frame_type": "padding", "payload_length": len }),
        Frame::Ping => json!({ "frame_type": "ping" }),
        Frame::Ack(frame) => ack(frame),
        Frame::Crypto(frame) => json!({
            "frame_type": "crypto",
            "offset": frame.offset,
            "length": frame.data.len(),
        }),
        Frame::MaxData(max) => json!({ "frame_type": "max_data", "maximum": max }),
        Frame::MaxStreams(max) => json!({
            "frame_type": "max_streams",
            "stream_type": "bidirectional",
            "maximum": max,
        }),
        Frame::NewConnectionId(frame) => json!({
            "frame_type": "new_connection_id",
            "sequence_number": frame.number,
            "retire_prior_to": frame.retire_prior_to,
            "connection_id": hex(frame.id.as_bytes()),
        }),
        Frame::RetireConnectionId(number) => {
            json!({ "frame_type": "retire_connection_id", "sequence_number": number })
        }
        Frame::PathChallenge(data) => {
            json!({ "frame_type": "path_challenge", "data": hex(data) })
        }
        Frame::PathResponse(data) => json!({ "frame_type": "path_response", "data": hex(data) }),
        Frame::Close(frame) => close(frame),
        Frame::HandshakeDone => json!({ "frame_type": "handshake_done" }),
        other => of_stream(other).unwrap_or_else(|| {
            json!({
                "frame_type": "unknown",
                "raw_frame_type": kind,
                "raw": { "length": len },
            })
        }),
    }
}

/// A frame of one stream.
fn of_stream(frame: &Frame<'_>) -> Option<Value> {
    Some(match frame {
        Frame::Stream(frame) => json!({
            "frame_type": "stream",
            "stream_id": frame.id,
            "offset": frame.offset,
            "length": frame.data.len(),
            "fin": frame.fin,
        }),
        Frame::Skip(frame) => json!({
            "frame_type": "skip",
            "stream_id": frame.id,
            "offset": frame.offset,
            "length": frame.len,
        }),
        Frame::Datagram(frame) => json!({
            "frame_type": "datagram",
            "stream_id": frame.id,
            "length": frame.data.len(),
        }),
        Frame::ResetStream(frame) => json!({
            "frame_type": "reset_stream",
            "stream_id": frame.id,
            "error_code": frame.code,
            "final_size": frame.final_size,
        }),
        Frame::StopSending(frame) => json!({
            "frame_type": "stop_sending",
            "stream_id": frame.id,
            "error_code": frame.code,
        }),
        Frame::MaxStreamData(frame) => json!({
            "frame_type": "max_stream_data",
            "stream_id": frame.id,
            "maximum": frame.max,
        }),
        _ => return None,
    })
}

fn ack(frame: &Ack<'_>) -> Value {
    let ranges = frame.ranges();
    let ranges: Vec<_> = ranges
        .map(|range| json!([range.start(), range.end()]))
        .collect();
    json!({ "frame_type": "ack", "ack_delay": millis(frame.delay), "acked_ranges": ranges })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn close(frame: &Close<'_>) -> Value {
    json!({
        "frame_type": "connection_close",
        "error_space": if frame.application { "application" } else { "transport" },
        "raw_error_code": frame.code,
        "reason": String::from_utf8_lossy(frame.reason),
    })
}
