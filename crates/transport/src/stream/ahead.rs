use core::ops::Range;
use std::collections::BTreeSet;

use codec::{DecodeError, Reader};

use super::Assembler;
use super::assembler::GAPS_MAX;
use super::message::MessageError;
use crate::ranges::RangeSet;
use crate::violation::Refused;

/// A message's length field takes at most so many bytes.
const LENGTH_FIELD_MAX: u64 = 8;

/// A message that is whole and has something missing before it.
#[derive(Clone, Debug)]
struct Found {
    start: u64,
    body: Range<u64>,
}

/// What is known of a stream beyond the position up to which it was read: where messages begin, and
/// what of it was delivered already or will not come.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// Messages begin here, and were not delivered. At most [`GAPS_MAX`].
    starts: BTreeSet<u64>,
    /// Delivered, or skipped by the peer.
    gone: RangeSet,
    /// The next to deliver.
    found: Option<Found>,
    /// Nothing has come in since no message was found.
    dry: bool,
}

impl Ahead {
    /// A message begins at `offset`.
    pub(super) fn begin(&mut self, offset: u64, assembler: &Assembler) -> Result<(), Refused> {
        self.dry = false;
        let is_past = offset <= assembler.position()
            || self.gone.missing(offset..offset + 1).next().is_none()
            || self.starts.contains(&offset);
        if is_past {
            return Ok(());
        }
        if self.starts.len() >= GAPS_MAX {
            return Err(Refused::NoRoom);
        }
        self.starts.insert(offset);
        Ok(())
    }

    /// Whether the peer has told where messages begin.
    pub(super) fn has_starts(&self) -> bool {
        !self.starts.is_empty()
    }

    /// Something has come in.
    pub(super) fn stir(&mut self) {
        self.dry = false;
    }

    /// What is in `range` will not come.
    pub(super) fn skip(&mut self, range: Range<u64>) {
        self.dry = false;
        self.starts.retain(|start| !range.contains(start));
        self.found.take_if(|found| range.contains(&found.start));
        self.gone.insert(range);
    }

    /// Everything up to the position was read: steps over what is gone behind it. Returns how many
    /// bytes that is.
    pub(super) fn advance(&mut self, assembler: &mut Assembler) -> usize {
        let mut consumed = 0;
        while let Some(first) = self.gone.first()
            && first.start <= assembler.position()
        {
            let len = first.end.saturating_sub(assembler.position()) as usize;
            assembler.consume(len);
            consumed += len;
            self.gone.pop_first();
        }
        let position = assembler.position();
        while self.starts.first().is_some_and(|&start| start <= position) {
            self.starts.pop_first();
        }
        self.found.take_if(|found| found.start <= position);
        consumed
    }

    /// Whether there is a message to deliver.
    pub(super) fn has_found(&self) -> bool {
        self.found.is_some()
    }

    /// Looks for a message of at most `max` bytes that is whole.
    pub(super) fn find(&mut self, assembler: &Assembler, max: usize) -> Result<(), MessageError> {
        if self.dry || self.found.is_some() {
            return Ok(());
        }
        for &start in &self.starts {
            let Some(body) = whole_at(assembler, start, max)? else {
                continue;
            };
            let all = start..body.end;
            if self.gone.missing(all.clone()).next() != Some(all) {
                return Err(MessageError::Malformed);
            }
            self.found = Some(Found { start, body });
            return Ok(());
        }
        self.dry = true;
        Ok(())
    }

    /// Appends the message that was found to `out`. Returns its length.
    pub(super) fn take(&mut self, assembler: &Assembler, out: &mut Vec<u8>) -> Option<usize> {
        let Found { start, body } = self.found.take()?;
        let (front, back) = assembler.slices(body.clone());
        out.extend_from_slice(front);
        out.extend_from_slice(back);
        self.starts.remove(&start);
        if !planted!(UnorderedTwice) {
            self.gone.insert(start..body.end);
        }
        let next = body.end;
        let is_new = self.gone.missing(next..next + 1).next().is_some();
        if is_new && assembler.arrived_from(next) > next {
            self.starts.insert(next);
        }
        Some((body.end - body.start) as usize)
    }
}

/// Where the body of the message that begins at `start` stands, if it is whole.
fn whole_at(
    assembler: &Assembler,
    start: u64,
    max: usize,
) -> Result<Option<Range<u64>>, MessageError> {
    let arrived = assembler.arrived_from(start);
    let (front, back) = assembler.slices(start..arrived.min(start + LENGTH_FIELD_MAX));
    let mut field = [0; LENGTH_FIELD_MAX as usize];
    for (slot, &byte) in field.iter_mut().zip(front.iter().chain(back)) {
        *slot = byte;
    }
    let mut reader = Reader::new(&field[..front.len() + back.len()]);
    let len = match reader.varint() {
        Ok(len) if len > max as u64 => return Err(MessageError::TooLong),
        Ok(len) => len,
        Err(DecodeError::Truncated) => return Ok(None),
        Err(_) => return Err(MessageError::Malformed),
    };
    let body = start + reader.position() as u64;
    Ok((body + len <= arrived).then_some(body..body + len))
}
