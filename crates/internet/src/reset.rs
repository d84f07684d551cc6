//! The stateless reset: "I know no such connection" (docs/PROTOCOL.md §2.7, RFC 9000 §10.3).

use crypto::{Random, ct_eq};

use crate::ConnectionId;
use crate::header::{DATA, DATA_MASK};

/// The shortest stateless reset, in bytes: five that look random and a token.
pub const RESET_LEN_MIN: usize = 5 + ResetToken::LEN;

/// The longest one, in bytes: as long as a Data packet with little in it (RFC 9000 §10.3).
pub const RESET_LEN_MAX: usize = 42;

/// What proves that a reset comes from whoever issued the connection id.
///
/// A secret until it is used, so it has no Debug and is compared in constant time.
#[derive(Clone, Copy)]
pub struct ResetToken([u8; ResetToken::LEN]);

impl ResetToken {
    /// Its length, in bytes.
    pub const LEN: usize = 16;

    /// The token of these bytes.
    pub const fn new(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// Whether `datagram` is a stateless reset under this token. It takes the same time for every
    /// content. To be asked of the whole datagram, before anything in it is opened in place, or
    /// of a copy of its last 16 bytes with [`ResetToken::matches_tail`].
    pub fn matches(&self, datagram: &[u8]) -> bool {
        datagram.len() >= RESET_LEN_MIN
            && datagram
                .first()
                .is_some_and(|first| first & DATA_MASK == DATA)
            && datagram
                .last_chunk()
                .is_some_and(|tail| self.matches_tail(tail))
    }

    /// Whether these last 16 bytes of a datagram are this token, in constant time.
    pub fn matches_tail(&self, tail: &[u8; Self::LEN]) -> bool {
        ct_eq(&self.0, tail)
    }
}

/// Appends the stateless reset that answers a datagram of `trigger_len` bytes, and returns its
/// length: shorter than the trigger, so that two ends that answer each other fall silent. `None`,
/// and nothing written, when the trigger is too short for that.
pub fn encode_stateless_reset(
    out: &mut Vec<u8>,
    token: &ResetToken,
    trigger_len: usize,
    random: &mut (impl Random + ?Sized),
) -> Option<usize> {
    let len = trigger_len.checked_sub(1)?.min(RESET_LEN_MAX);
    let unpredictable = len.checked_sub(ResetToken::LEN)?;
    if len < RESET_LEN_MIN {
        return None;
    }
    let start = out.len();
    out.resize(start + unpredictable, 0);
    let head = out.get_mut(start..)?;
    random.fill(head);
    if let Some(first) = head.first_mut() {
        *first = (*first & !DATA_MASK) | DATA;
    }
    out.extend_from_slice(token.as_bytes());
    Some(len)
}

/// The first destination id of a datagram that may be answered by a reset: short header, and long
/// enough.
pub fn resettable(datagram: &[u8]) -> Option<ConnectionId> {
    let first = datagram.first()?;
    if first & DATA_MASK != DATA || datagram.len() <= RESET_LEN_MIN {
        return None;
    }
    datagram
        .get(1..)?
        .first_chunk()
        .map(|bytes| ConnectionId::new(*bytes))
}
