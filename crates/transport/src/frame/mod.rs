//! Frames: what a packet's payload is made of (docs/PROTOCOL.md §4.3).

mod ack;
mod close;
mod control;
mod delivery;
mod path;
mod stream;

use codec::{DecodeError, Reader, Writer};

pub(crate) use ack::{Ack, EcnCounts, RANGES_MAX, encode as encode_ack};
pub(crate) use close::{Close, REASON_BYTES_MAX};
pub(crate) use control::{MaxStreamData, ResetStream, StopSending};
pub(crate) use delivery::{Datagram, Skip};
pub(crate) use path::{NewConnectionId, PathData, RETIRE_LEN_MAX, encode_path, encode_retire};
pub(crate) use stream::{Crypto, CryptoHeader, Stream, StreamHeader};

pub(crate) const PADDING: u8 = 0x00;
pub(crate) const PING: u8 = 0x01;
pub(crate) const ACK: u8 = 0x02;
pub(crate) const ACK_ECN: u8 = 0x03;
pub(crate) const RESET_STREAM: u8 = 0x04;
pub(crate) const STOP_SENDING: u8 = 0x05;
pub(crate) const CRYPTO: u8 = 0x06;
/// 0x08 to 0x0f; the low bits say which fields there are.
pub(crate) const STREAM: u8 = 0x08;
pub(crate) const MAX_DATA: u8 = 0x10;
pub(crate) const MAX_STREAM_DATA: u8 = 0x11;
pub(crate) const MAX_STREAMS: u8 = 0x12;
pub(crate) const NEW_CONNECTION_ID: u8 = 0x18;
pub(crate) const RETIRE_CONNECTION_ID: u8 = 0x19;
pub(crate) const PATH_CHALLENGE: u8 = 0x1a;
pub(crate) const PATH_RESPONSE: u8 = 0x1b;
pub(crate) const CLOSE: u8 = 0x1c;
pub(crate) const CLOSE_APPLICATION: u8 = 0x1d;
pub(crate) const HANDSHAKE_DONE: u8 = 0x1e;
/// 0x20 to 0x27; the low bits as those of [`STREAM`].
pub(crate) const MESSAGES: u8 = 0x20;
pub(crate) const SKIP: u8 = 0x28;
pub(crate) const DATAGRAM: u8 = 0x30;

/// One frame, borrowing from the packet that it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// So many bytes of padding.
    Padding(usize),
    /// Asks for an acknowledgement and nothing else.
    Ping,
    Ack(Ack<'a>),
    ResetStream(ResetStream),
    StopSending(StopSending),
    Crypto(Crypto<'a>),
    Stream(Stream<'a>),
    /// The peer may send so many bytes on all streams together.
    MaxData(u64),
    MaxStreamData(MaxStreamData),
    /// The peer may open so many streams over the connection's life.
    MaxStreams(u64),
    NewConnectionId(NewConnectionId),
    /// The sender uses the id of this number no more.
    RetireConnectionId(u64),
    /// Asks for the same bytes back, to see whether the peer is where they are sent.
    PathChallenge(PathData),
    PathResponse(PathData),
    Close(Close<'a>),
    /// The server's handshake is complete and confirmed (RFC 9001 §4.1.2).
    HandshakeDone,
    Skip(Skip),
    Datagram(Datagram<'a>),
}

impl<'a> Frame<'a> {
    /// Reads one frame. Every frame consumes at least one byte.
    pub(crate) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let kind = reader.u8()?;
        Ok(match kind {
            PADDING => Self::Padding(1 + skip_padding(reader)),
            PING => Self::Ping,
            ACK => Self::Ack(Ack::decode(reader)?),
            ACK_ECN => Self::Ack(Ack::decode_with_counts(reader)?),
            RESET_STREAM => Self::ResetStream(ResetStream::decode(reader)?),
            STOP_SENDING => Self::StopSending(StopSending::decode(reader)?),
            CRYPTO => Self::Crypto(Crypto::decode(reader)?),
            STREAM..=0x0f | MESSAGES..=0x27 => Self::Stream(Stream::decode(kind, reader)?),
            MAX_DATA => Self::MaxData(reader.varint()?),
            MAX_STREAM_DATA => Self::MaxStreamData(MaxStreamData::decode(reader)?),
            MAX_STREAMS => Self::MaxStreams(reader.varint()?),
            NEW_CONNECTION_ID => Self::NewConnectionId(NewConnectionId::decode(reader)?),
            RETIRE_CONNECTION_ID => Self::RetireConnectionId(reader.varint()?),
            PATH_CHALLENGE => Self::PathChallenge(reader.array()?),
            PATH_RESPONSE => Self::PathResponse(reader.array()?),
            CLOSE | CLOSE_APPLICATION => Self::Close(Close::decode(kind, reader)?),
            HANDSHAKE_DONE => Self::HandshakeDone,
            SKIP => Self::Skip(Skip::decode(reader)?),
            DATAGRAM => Self::Datagram(Datagram::decode(reader)?),
            _ => return Err(DecodeError::Unknown),
        })
    }

    /// Whether it may stand in a packet that only looks at a path (RFC 9000 §9.1).
    pub(crate) fn is_probing(&self) -> bool {
        matches!(
            self,
            Self::Padding(_)
                | Self::NewConnectionId(_)
                | Self::PathChallenge(_)
                | Self::PathResponse(_)
        )
    }

    /// Whether the peer owes an acknowledgement for it (RFC 9002 §2).
    pub(crate) fn is_ack_eliciting(&self) -> bool {
        !matches!(self, Self::Padding(_) | Self::Ack(_) | Self::Close(_))
    }

    /// Appends the frame. Data frames are written by the connection itself, from its buffers.
    #[cfg(any(test, feature = "danger-fuzzing"))]
    pub(crate) fn encode(&self, writer: &mut Writer<'_>) {
        match self {
            Self::Padding(len) => {
                for _ in 0..*len {
                    writer.u8(PADDING);
                }
            }
            Self::Ping => {
                writer.u8(PING);
            }
            Self::Ack(ack) => ack.encode(writer),
            Self::ResetStream(frame) => frame.encode(writer),
            Self::StopSending(frame) => frame.encode(writer),
            Self::Crypto(frame) => {
                frame.header().encode(writer);
                writer.bytes(frame.data);
            }
            Self::Stream(frame) => {
                frame.header(true).encode(writer);
                writer.bytes(frame.data);
            }
            Self::MaxData(max) => encode_max_data(*max, writer),
            Self::MaxStreamData(frame) => frame.encode(writer),
            Self::MaxStreams(max) => encode_max_streams(*max, writer),
            Self::NewConnectionId(frame) => frame.encode(writer),
            Self::RetireConnectionId(number) => encode_retire(*number, writer),
            Self::PathChallenge(data) => encode_path(PATH_CHALLENGE, *data, writer),
            Self::PathResponse(data) => encode_path(PATH_RESPONSE, *data, writer),
            Self::Close(frame) => frame.encode(writer),
            Self::HandshakeDone => {
                writer.u8(HANDSHAKE_DONE);
            }
            Self::Skip(frame) => frame.encode(writer),
            Self::Datagram(frame) => {
                Datagram::encode_header(frame.id, frame.data.len(), writer);
                writer.bytes(frame.data);
            }
        }
    }
}

pub(crate) fn encode_max_data(max: u64, writer: &mut Writer<'_>) {
    writer.u8(MAX_DATA).varint(max);
}

pub(crate) fn encode_max_streams(max: u64, writer: &mut Writer<'_>) {
    writer.u8(MAX_STREAMS).varint(max);
}

fn skip_padding(reader: &mut Reader<'_>) -> usize {
    let rest = reader.clone().rest();
    let len = rest.iter().position(|&byte| byte != PADDING);
    let len = len.unwrap_or(rest.len());
    reader.bytes(len).map_or(0, <[u8]>::len)
}

#[cfg(test)]
mod tests;
