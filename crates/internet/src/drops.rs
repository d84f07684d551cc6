//! What happens to datagrams and packets that nobody asked for: they are counted.

/// Why a packet was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[repr(usize)]
#[non_exhaustive]
pub enum DropReason {
    /// The datagram ends inside a header, or a length promises more than there is.
    #[error("datagram ends inside a header")]
    Truncated,
    /// No packet type has this first byte.
    #[error("unknown packet type")]
    UnknownType,
    /// A header field has a value or a form that it must not have.
    #[error("malformed header")]
    Malformed,
    /// A version that this side does not speak, in a datagram that deserves no answer.
    #[error("unknown version")]
    UnknownVersion,
    /// No connection has this destination id.
    #[error("unknown connection")]
    UnknownConnection,
    /// The packet does not authenticate.
    #[error("packet does not authenticate")]
    Unauthentic,
    /// The packet number has been seen, or is too old to tell.
    #[error("packet number seen before")]
    Replay,
    /// Reserved bits of an authentic packet are set.
    #[error("reserved bits are set")]
    ReservedBits,
    /// The packet is too short to hold a packet number, a sample and a tag, or its datagram is
    /// below the size that its type asks for.
    #[error("packet too short")]
    TooShort,
    /// A token that does not hold.
    #[error("invalid token")]
    Token,
    /// The keys for its epoch are not there yet, or are gone already.
    #[error("no keys for this epoch")]
    NoKeys,
    /// A queue that it would have waited in, or the table of connections, is full.
    #[error("queue full")]
    QueueFull,
    /// A gate refused it.
    #[error("refused")]
    Refused,
    /// A well-formed packet that has no meaning in this state or to this side.
    #[error("unexpected packet")]
    Unexpected,
    /// An answer was due that would have been longer than the sender's address may draw.
    #[error("answer over the amplification limit")]
    Amplification,
}

impl DropReason {
    /// Every reason, in the order of declaration.
    pub const ALL: [Self; 15] = [
        Self::Truncated,
        Self::UnknownType,
        Self::Malformed,
        Self::UnknownVersion,
        Self::UnknownConnection,
        Self::Unauthentic,
        Self::Replay,
        Self::ReservedBits,
        Self::TooShort,
        Self::Token,
        Self::NoKeys,
        Self::QueueFull,
        Self::Refused,
        Self::Unexpected,
        Self::Amplification,
    ];

    /// A name for metrics: lower case, with underscores. It does not change between releases.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::UnknownType => "unknown_type",
            Self::Malformed => "malformed",
            Self::UnknownVersion => "unknown_version",
            Self::UnknownConnection => "unknown_connection",
            Self::Unauthentic => "unauthentic",
            Self::Replay => "replay",
            Self::ReservedBits => "reserved_bits",
            Self::TooShort => "too_short",
            Self::Token => "token",
            Self::NoKeys => "no_keys",
            Self::QueueFull => "queue_full",
            Self::Refused => "refused",
            Self::Unexpected => "unexpected",
            Self::Amplification => "amplification",
        }
    }
}

impl From<codec::DecodeError> for DropReason {
    fn from(error: codec::DecodeError) -> Self {
        match error {
            codec::DecodeError::Truncated => Self::Truncated,
            _ => Self::Malformed,
        }
    }
}

/// How many packets were dropped, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drops([u64; DropReason::ALL.len()]);

impl Drops {
    /// Counts one more.
    pub fn count(&mut self, reason: DropReason) {
        if let Some(counter) = self.0.get_mut(reason as usize) {
            *counter = counter.saturating_add(1);
        }
    }

    /// How many were dropped for `reason`.
    pub fn of(&self, reason: DropReason) -> u64 {
        self.0.get(reason as usize).copied().unwrap_or_default()
    }

    /// How many were dropped.
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, &n| sum.saturating_add(n))
    }

    /// Every reason with its count, zeros too.
    pub fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL.iter().copied().zip(self.0)
    }

    /// Adds another side's or connection's counts to these.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine = mine.saturating_add(theirs);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_counter_and_a_name_of_its_own() {
        let mut drops = Drops::default();
        for (index, &reason) in DropReason::ALL.iter().enumerate() {
            for _ in 0..=index {
                drops.count(reason);
            }
        }
        for (index, (reason, count)) in drops.iter().enumerate() {
            assert_eq!(reason, DropReason::ALL[index]);
            assert_eq!(count, index as u64 + 1);
            assert_eq!(drops.of(reason), count);
        }
        assert_eq!(drops.total(), 15 * 16 / 2);
        let names: std::collections::BTreeSet<_> =
            DropReason::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(names.len(), DropReason::ALL.len());
    }

    #[test]
    fn counts_add_up_and_stop_at_the_maximum() {
        let mut one = Drops([u64::MAX; 15]);
        let mut two = Drops::default();
        two.count(DropReason::Replay);
        one.add(&two);
        one.count(DropReason::Token);
        assert_eq!(one.of(DropReason::Replay), u64::MAX);
        assert_eq!(one.total(), u64::MAX);
        two.add(&two.clone());
        assert_eq!(two.of(DropReason::Replay), 2);
    }
}
