use core::ops::Range;
use std::collections::{BTreeMap, BTreeSet};

use codec::{DecodeError, Reader};

use super::Assembler;
use super::assembler::GAPS_MAX;
use super::message::{MessageError, overlap};
use crate::ranges::RangeSet;
use crate::violation::Refused;

/// A message's length field takes at most so many bytes.
const LENGTH_FIELD_MAX: u64 = 8;

/// What is known of a stream beyond the position up to which it was read: where messages begin, and
/// what of it was delivered already or will not come.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// Messages begin here, and were not delivered; each ends there or further on. They do not
    /// overlap, so of those in one piece that has arrived only the last can be incomplete. At most
    /// [`GAPS_MAX`].
    starts: BTreeMap<u64, u64>,
    /// Those of which something has come in since they were looked at.
    stirred: BTreeSet<u64>,
    /// Those that are whole, with what each says.
    whole: BTreeMap<u64, Range<u64>>,
    /// Delivered, or skipped by the peer. At most [`GONE_MAX`] ranges.
    gone: RangeSet,
    /// How many beginnings were looked at.
    #[cfg(test)]
    pub(super) steps: usize,
}

/// With [`GAPS_MAX`] ranges gone neither a beginning nor a skip adds another, but each beginning
/// that is known may.
#[cfg(any(test, feature = "danger-checking"))]
pub(super) const GONE_MAX: usize = 2 * GAPS_MAX;

impl Ahead {
    /// Whether a message that begins at `offset`, beyond what was read, is news.
    pub(super) fn may_begin(&self, offset: u64) -> Result<bool, Refused> {
        let is_gone = self.gone.missing(offset..offset + 1).next().is_none();
        if is_gone {
            return Ok(false);
        }
        if let Some((&start, &end)) = self.starts.range(..=offset).next_back() {
            if start == offset {
                return Ok(false);
            }
            if offset < end {
                return Err(overlap().into());
            }
        }
        if self.starts.len().max(self.gone.len()) >= GAPS_MAX {
            return Err(Refused::NoRoom);
        }
        Ok(true)
    }

    /// A message begins at `offset`.
    pub(super) fn begin(&mut self, offset: u64) {
        self.starts.entry(offset).or_insert(offset + 1);
        self.stirred.insert(offset);
    }

    /// Whether the peer has told where messages begin.
    pub(super) fn has_starts(&self) -> bool {
        !self.starts.is_empty()
    }

    /// Something in `range` has come in. At most as many steps as `range` has bytes: with each
    /// beginning a byte has come.
    pub(super) fn stir(&mut self, range: Range<u64>) {
        let before = self.starts.range(..range.start).next_back();
        let first = before.map_or(range.start, |(&start, _)| start);
        for (&start, _) in self.starts.range(first..range.end) {
            #[cfg(test)]
            {
                self.steps += 1;
            }
            if !self.whole.contains_key(&start) {
                self.stirred.insert(start);
            }
        }
    }

    /// Whether there is no room to remember that `range` will not come.
    pub(super) fn is_full_for(&self, range: &Range<u64>) -> bool {
        let around = range.start.saturating_sub(1)..range.end + 1;
        let is_apart = self.gone.missing(around.clone()).next() == Some(around);
        is_apart && self.gone.len() >= GAPS_MAX
    }

    /// What is in `range` will not come.
    pub(super) fn skip(&mut self, range: Range<u64>) {
        while let Some((&start, _)) = self.starts.range(range.clone()).next() {
            self.forget(start);
        }
        self.stir(range.clone());
        self.gone.insert(range);
    }

    fn forget(&mut self, start: u64) {
        self.starts.remove(&start);
        self.stirred.remove(&start);
        self.whole.remove(&start);
    }

    /// Everything up to the position was read: steps over what is gone behind it.
    pub(super) fn advance(&mut self, assembler: &mut Assembler) {
        while let Some(first) = self.gone.first()
            && first.start <= assembler.position()
        {
            let len = first.end.saturating_sub(assembler.position()) as usize;
            assembler.consume(len);
            self.gone.pop_first();
        }
    }

    /// The message at `range` is read in its turn: nothing in it can have gone before it, nor can
    /// another begin in it.
    pub(super) fn check_alone(&self, range: Range<u64>) -> Result<(), MessageError> {
        let begins = self.starts.range(range.start + 1..range.end).next();
        if begins.is_some() || self.gone.missing(range.clone()).next() != Some(range) {
            return Err(MessageError::Malformed);
        }
        Ok(())
    }

    /// Forgets what begins at the position or before it: that is read in its turn.
    pub(super) fn forget_until(&mut self, position: u64) {
        while let Some((&start, _)) = self.starts.first_key_value()
            && start <= position
        {
            self.forget(start);
        }
    }

    /// Whether there is a message to deliver.
    pub(super) fn has_whole(&self) -> bool {
        !self.whole.is_empty()
    }

    /// Looks for messages of at most `max` bytes that are whole by now.
    pub(super) fn find(&mut self, assembler: &Assembler, max: usize) -> Result<(), MessageError> {
        while let Some(start) = self.stirred.pop_first() {
            #[cfg(test)]
            {
                self.steps += 1;
            }
            let (end, body) = match extent_at(assembler, start, max)? {
                Extent::Known(body) => (body.end, Some(body)),
                Extent::AtLeast(end) => (end, None),
            };
            self.check_alone(start..end)?;
            self.starts.insert(start, end);
            if let Some(body) = body.filter(|_| end <= assembler.arrived_from(start)) {
                self.whole.insert(start, body);
            }
        }
        Ok(())
    }

    /// Appends the first message that is whole to `out`. Returns its length.
    pub(super) fn take(&mut self, assembler: &Assembler, out: &mut Vec<u8>) -> Option<usize> {
        let (start, body) = self.whole.pop_first()?;
        self.forget(start);
        let (front, back) = assembler.slices(body.clone())?;
        out.extend_from_slice(front);
        out.extend_from_slice(back);
        if !planted!(UnorderedTwice) {
            self.gone.insert(start..body.end);
        }
        let next = body.end;
        let is_new = self.gone.missing(next..next + 1).next().is_some();
        if is_new && assembler.arrived_from(next) > next {
            self.begin(next);
        }
        Some((body.end - body.start) as usize)
    }

    /// How many beginnings are known, and how many ranges are gone.
    #[cfg(any(test, feature = "danger-checking"))]
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.starts.len(), self.gone.len())
    }

    /// The first offset of which something is known.
    #[cfg(feature = "danger-checking")]
    pub(super) fn first(&self) -> Option<u64> {
        let start = self.starts.first_key_value().map(|(&start, _)| start);
        let gone = self.gone.first().map(|range| range.start);
        start.into_iter().chain(gone).min()
    }
}

/// How far a message reaches.
enum Extent {
    /// Its bytes stand here, and not all need have arrived.
    Known(Range<u64>),
    /// Its length has not arrived, and ends there.
    AtLeast(u64),
}

/// How far the message reaches that begins at `start`.
fn extent_at(assembler: &Assembler, start: u64, max: usize) -> Result<Extent, MessageError> {
    let arrived = assembler.arrived_from(start);
    let slices = assembler.slices(start..arrived.min(start + LENGTH_FIELD_MAX));
    let (front, back) = slices.unwrap_or_default();
    let mut field = [0; LENGTH_FIELD_MAX as usize];
    for (slot, &byte) in field.iter_mut().zip(front.iter().chain(back)) {
        *slot = byte;
    }
    let held = front.len() + back.len();
    let mut reader = Reader::new(field.get(..held).unwrap_or_default());
    match reader.varint() {
        Ok(len) if len > max as u64 => Err(MessageError::TooLong),
        Ok(len) => {
            let body = start + reader.position() as u64;
            Ok(Extent::Known(body..body + len))
        }
        Err(DecodeError::Truncated) => Ok(Extent::AtLeast(start + held as u64 + 1)),
        Err(_) => Err(MessageError::Malformed),
    }
}
