//! Transport parameters: what each end tells the other in the handshake (docs/PROTOCOL.md §4.2).

use core::time::Duration;

use codec::{DecodeError, Reader, Writer};
use internet::ConnectionId;

use crate::Config;

/// The smallest `max_datagram` that may be announced: what every path takes.
const DATAGRAM_MIN: u64 = 1200;
/// The longest `max_ack_delay`.
const ACK_DELAY_MS_MAX: u64 = 1 << 14;
/// More streams than this make no sense (RFC 9000 §4.6).
const STREAMS_MAX: u64 = 1 << 60;

const ORIGINAL_DCID: u64 = 0x01;
const OWN_SCID: u64 = 0x02;
const CHALLENGE: u64 = 0x03;
const RESET_TOKEN: u64 = 0x04;
const IDLE_TIMEOUT_MS: u64 = 0x05;
const MAX_DATA: u64 = 0x06;
const MAX_STREAM_DATA: u64 = 0x07;
const MAX_STREAMS: u64 = 0x08;
const MAX_DATAGRAM: u64 = 0x09;
const MAX_ACK_DELAY_MS: u64 = 0x0a;
const MAX_MESSAGE: u64 = 0x0b;

/// One end's parameters.
///
/// ```text
/// { id varint | length varint | value } ..., ids ascending; unknown ids are skipped
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parameters {
    /// Server only: the client's first destination id, so that tampering with it shows.
    pub(crate) original_dcid: Option<ConnectionId>,
    /// The sender's first source id.
    pub(crate) own_scid: ConnectionId,
    /// Server only: SHA-256 of the challenge that the client answered, if there was one.
    pub(crate) challenge: Option<[u8; 32]>,
    /// Server only: what a stateless reset of the server's first id ends with.
    pub(crate) reset_token: Option<[u8; 16]>,
    pub(crate) idle_timeout: Duration,
    pub(crate) max_data: u64,
    pub(crate) max_stream_data: u64,
    pub(crate) max_streams: u64,
    pub(crate) max_datagram: u64,
    pub(crate) max_ack_delay: Duration,
    /// The longest message that the sender takes.
    pub(crate) max_message: u64,
}

impl Parameters {
    pub(crate) fn new(config: &Config, own_scid: ConnectionId) -> Self {
        Self {
            original_dcid: None,
            own_scid,
            challenge: None,
            reset_token: None,
            idle_timeout: config.idle_timeout,
            max_data: config.connection_window_bytes,
            max_stream_data: config.stream_window_bytes,
            max_streams: config.streams_max,
            max_datagram: u64::from(u16::MAX),
            max_ack_delay: crate::recovery::MAX_ACK_DELAY,
            max_message: config.message_bytes_max as u64,
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        let mut writer = Writer::new(&mut out);
        if let Some(dcid) = self.original_dcid {
            writer.varint(ORIGINAL_DCID).prefixed(dcid.as_bytes());
        }
        writer.varint(OWN_SCID).prefixed(self.own_scid.as_bytes());
        if let Some(hash) = self.challenge {
            writer.varint(CHALLENGE).prefixed(&hash);
        }
        if let Some(token) = self.reset_token {
            writer.varint(RESET_TOKEN).prefixed(&token);
        }
        let numbers = [
            (IDLE_TIMEOUT_MS, millis(self.idle_timeout)),
            (MAX_DATA, self.max_data),
            (MAX_STREAM_DATA, self.max_stream_data),
            (MAX_STREAMS, self.max_streams),
            (MAX_DATAGRAM, self.max_datagram),
            (MAX_ACK_DELAY_MS, millis(self.max_ack_delay)),
            (MAX_MESSAGE, self.max_message),
        ];
        for (id, value) in numbers {
            let mut bytes = Vec::with_capacity(8);
            Writer::new(&mut bytes).varint(value);
            writer.varint(id).prefixed(&bytes);
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::default();
        let mut reader = Reader::new(bytes);
        let mut last = None;
        while !reader.is_empty() {
            let id = reader.varint()?;
            if last.is_some_and(|last| id <= last) {
                return Err(DecodeError::Invalid);
            }
            last = Some(id);
            let len = reader.length(bytes.len())?;
            let mut value = reader.sub(len)?;
            fields.take(id, &mut value)?;
            value.finish()?;
        }
        fields.check()
    }
}

/// Parameters while they are read.
#[derive(Default)]
struct Fields {
    original_dcid: Option<ConnectionId>,
    own_scid: Option<ConnectionId>,
    challenge: Option<[u8; 32]>,
    reset_token: Option<[u8; 16]>,
    /// By id, from [`IDLE_TIMEOUT_MS`] to [`MAX_MESSAGE`].
    numbers: [Option<u64>; 7],
}

impl Fields {
    fn take(&mut self, id: u64, value: &mut Reader<'_>) -> Result<(), DecodeError> {
        match id {
            ORIGINAL_DCID => self.original_dcid = Some(ConnectionId::decode(value)?),
            OWN_SCID => self.own_scid = Some(ConnectionId::decode(value)?),
            CHALLENGE => self.challenge = Some(value.array()?),
            RESET_TOKEN => self.reset_token = Some(value.array()?),
            IDLE_TIMEOUT_MS..=MAX_MESSAGE => {
                let number = value.varint()?;
                let index = (id - IDLE_TIMEOUT_MS) as usize;
                if let Some(slot) = self.numbers.get_mut(index) {
                    *slot = Some(number);
                }
            }
            _ => {
                value.rest();
            }
        }
        Ok(())
    }

    fn check(self) -> Result<Parameters, DecodeError> {
        let [idle, data, stream_data, streams, datagram, delay, message] = self.numbers;
        let required = |number: Option<u64>| number.ok_or(DecodeError::Truncated);
        let in_range = |number: u64, low: u64, high: u64| {
            Some(number)
                .filter(|number| (low..=high).contains(number))
                .ok_or(DecodeError::Invalid)
        };
        Ok(Parameters {
            original_dcid: self.original_dcid,
            own_scid: self.own_scid.ok_or(DecodeError::Truncated)?,
            challenge: self.challenge,
            reset_token: self.reset_token,
            idle_timeout: Duration::from_millis(required(idle)?),
            max_data: required(data)?,
            max_stream_data: required(stream_data)?,
            max_streams: in_range(required(streams)?, 0, STREAMS_MAX)?,
            max_datagram: in_range(required(datagram)?, DATAGRAM_MIN, u64::from(u16::MAX))?,
            max_ack_delay: Duration::from_millis(in_range(required(delay)?, 0, ACK_DELAY_MS_MAX)?),
            max_message: required(message)?,
        })
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis())
        .unwrap_or(u64::MAX)
        .min(codec::VarInt::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn example() -> Parameters {
        let mut parameters = Parameters::new(&Config::default(), ConnectionId::new([2; 8]));
        parameters.original_dcid = Some(ConnectionId::new([1; 8]));
        parameters.challenge = Some([3; 32]);
        parameters.reset_token = Some([4; 16]);
        parameters
    }

    #[test]
    fn round_trip() {
        let all = example();
        assert_eq!(Parameters::decode(&all.encode()), Ok(all));
        let few = Parameters::new(&Config::default(), ConnectionId::new([9; 8]));
        assert_eq!(Parameters::decode(&few.encode()), Ok(few));
    }

    /// The test vector of docs/PROTOCOL.md §4.2.
    #[test]
    fn vector() {
        let parameters = Parameters::new(&Config::default(), ConnectionId::new([2; 8]));
        let hex: String = parameters
            .encode()
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert_eq!(
            hex,
            "020802020202020202020504800075300604801000000704800400000802440009048000ffff0a01190b0480100000"
        );
    }

    #[test]
    fn h07_duplicated_zero_length_and_out_of_range_are_rejected() {
        let good = Parameters::new(&Config::default(), ConnectionId::new([9; 8])).encode();
        let with = |extra: &[u8]| {
            let mut bytes = good.clone();
            bytes.extend_from_slice(extra);
            Parameters::decode(&bytes)
        };
        assert!(with(&[0x0c, 0x00]).is_ok(), "unknown ones are skipped");
        assert_eq!(
            with(&[0x0b, 0x01, 0x05]),
            Err(DecodeError::Invalid),
            "twice"
        );
        assert_eq!(
            with(&[0x05, 0x01, 0x05]),
            Err(DecodeError::Invalid),
            "out of order"
        );
        assert_eq!(with(&[0x0c, 0x05, 0x05]), Err(DecodeError::Truncated));
        let mut small = example();
        small.max_datagram = 1199;
        assert_eq!(
            Parameters::decode(&small.encode()),
            Err(DecodeError::Invalid)
        );
        let mut slow = example();
        slow.max_ack_delay = Duration::from_secs(60);
        assert_eq!(
            Parameters::decode(&slow.encode()),
            Err(DecodeError::Invalid)
        );
        assert_eq!(Parameters::decode(&[]), Err(DecodeError::Truncated));
        assert_eq!(
            Parameters::decode(&[0x02, 0x00]),
            Err(DecodeError::Truncated),
            "empty"
        );
    }

    proptest! {
        #[test]
        fn h02_truncations_and_noise_give_errors(cut in 0usize..200, noise in proptest::collection::vec(any::<u8>(), 0..100)) {
            let bytes = example().encode();
            let cut = cut.min(bytes.len() - 1);
            prop_assert!(Parameters::decode(&bytes[..cut]).is_err());
            let _ = Parameters::decode(&noise);
        }
    }
}
