use core::ops::RangeInclusive;
use core::time::Duration;

use codec::{DecodeError, Reader, Writer};

use crate::ranges::RangeSet;

/// More ranges than this are not sent and not accepted (docs/PROTOCOL.md §9).
pub(crate) const RANGES_MAX: usize = 256;

/// How many packets have arrived with which ECN bits (RFC 9000 §19.3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct EcnCounts {
    pub(crate) ect0: u64,
    pub(crate) ect1: u64,
    pub(crate) ce: u64,
}

/// What has arrived (RFC 9000 §19.3).
///
/// ```text
/// 0x02 or 0x03 | largest varint | delay in microseconds varint | range count varint (further ranges)
///      | first range varint (numbers below largest) | { gap varint, range varint } ...
///      | ECT(0) varint, ECT(1) varint, CE varint (0x03 only)
/// ```
///
/// Checked when decoded: ranges descend, do not touch, and do not go below zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ack<'a> {
    /// How long the receiver held the acknowledgement back.
    pub(crate) delay: Duration,
    largest: u64,
    first: u64,
    /// The encoded further ranges.
    ranges: Checked<'a>,
    pub(crate) ecn: Option<EcnCounts>,
}

/// The bytes of the further ranges, already checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Checked<'a>(&'a [u8]);

impl<'a> Ack<'a> {
    /// Type 0x03.
    pub(crate) fn decode_with_counts(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let mut ack = Self::decode(reader)?;
        ack.ecn = Some(EcnCounts {
            ect0: reader.varint()?,
            ect1: reader.varint()?,
            ce: reader.varint()?,
        });
        Ok(ack)
    }

    pub(crate) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let largest = reader.varint()?;
        let delay = Duration::from_micros(reader.varint()?);
        let count = reader.length(RANGES_MAX - 1)?;
        let first = reader.varint()?;
        let mut lowest = largest.checked_sub(first).ok_or(DecodeError::Invalid)?;
        let checked = reader.clone();
        for _ in 0..count {
            let (gap, len) = (reader.varint()?, reader.varint()?);
            // RFC 9000 §19.3.1: a gap of n leaves out n + 1 numbers.
            lowest = lowest
                .checked_sub(gap + 2)
                .and_then(|highest| highest.checked_sub(len))
                .ok_or(DecodeError::Invalid)?;
        }
        let len = reader.position() - checked.position();
        let ranges = Checked(checked.clone().bytes(len)?);
        Ok(Self {
            delay,
            largest,
            first,
            ranges,
            ecn: None,
        })
    }

    /// The largest number that has arrived.
    pub(crate) fn largest(&self) -> u64 {
        self.largest
    }

    /// The ranges, descending.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = RangeInclusive<u64>> + 'a {
        let mut reader = Reader::new(self.ranges.0);
        let mut lowest = self.largest - self.first;
        let further = core::iter::from_fn(move || {
            let (gap, len) = (reader.varint().ok()?, reader.varint().ok()?);
            let highest = lowest.checked_sub(gap + 2)?;
            lowest = highest.checked_sub(len)?;
            Some(lowest..=highest)
        });
        core::iter::once(self.largest - self.first..=self.largest).chain(further)
    }

    #[cfg(any(test, feature = "danger-fuzzing"))]
    pub(crate) fn encode(&self, writer: &mut Writer<'_>) {
        let mut set = RangeSet::default();
        for range in self.ranges() {
            set.insert(*range.start()..*range.end() + 1);
        }
        encode(&set, self.delay, self.ecn, usize::MAX, writer);
    }
}

/// Writes an acknowledgement of the newest ranges of `received` that fit into `room` bytes. Returns
/// whether anything was written.
pub(crate) fn encode(
    received: &RangeSet,
    delay: Duration,
    ecn: Option<EcnCounts>,
    room: usize,
    writer: &mut Writer<'_>,
) -> bool {
    const FIXED: usize = 1 + 8 + 8 + 2 + 8 + 3 * 8;
    const RANGE: usize = 16;
    let Some(newest) = received.iter().next_back() else {
        return false;
    };
    if room < FIXED {
        return false;
    }
    let further = ((room - FIXED) / RANGE)
        .min(received.len() - 1)
        .min(RANGES_MAX - 1);
    let delay = u64::try_from(delay.as_micros()).unwrap_or(0).min(1 << 30);
    writer
        .u8(if ecn.is_some() {
            super::ACK_ECN
        } else {
            super::ACK
        })
        .varint(newest.end - 1)
        .varint(delay)
        .varint(further as u64)
        .varint(newest.end - 1 - newest.start);
    let mut lowest = newest.start;
    for range in received.iter().rev().skip(1).take(further) {
        writer
            .varint(lowest - range.end - 1)
            .varint(range.end - 1 - range.start);
        lowest = range.start;
    }
    if let Some(EcnCounts { ect0, ect1, ce }) = ecn {
        writer.varint(ect0).varint(ect1).varint(ce);
    }
    true
}
