use codec::{DecodeError, Reader, Writer};

use super::{COUNT_MAX, ChainHash, Origin};
use crate::Verified;

/// First byte of the blob.
const FORMAT: u8 = 1;

/// Most gaps that are remembered for one origin; beyond, the oldest is given up.
pub const GAPS_MAX: usize = 32;

/// What a new message does to the order of its origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// How many sequences it jumped over. They are missing until they arrive.
    pub skipped: u64,
    /// Whether nothing of this origin had arrived before. What it skipped then is mostly what went
    /// to other devices or before this installation, and not a loss.
    pub first: bool,
    /// Whether it fills a gap: it was sent before messages that arrived before it.
    pub late: bool,
    /// Whether it fits its neighbours in the hash chain.
    pub link: ChainLink,
}

/// Whether a message fits its neighbours in the hash chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainLink {
    /// The neighbour before it has arrived and is the one that it names.
    Continues,
    /// It could not be compared with the neighbour before it, and nothing contradicts it.
    Open,
    /// A neighbour contradicts it: the sender's own key signed two histories. Shown with a mark.
    Broken,
}

/// Why a message is not new. The reason is for the user's own eyes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A message with this id is there already: a repetition, which needs no notice.
    #[error("a message with this id is there already")]
    Repeated,
    /// Another message has had this sequence, or it was given up: the sender lost its state, say.
    #[error("this sequence was used before")]
    SequenceUsed,
    /// The message belongs to another origin. A mistake of the caller.
    #[error("the message belongs to another origin")]
    OtherOrigin,
}

/// A run of sequences that are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Gap {
    first: u64,
    last: u64,
    /// Chain value of the message before `first`, if it is known.
    before: Option<ChainHash>,
    /// What the message behind `last` names as its previous.
    after: ChainHash,
}

/// What has arrived from one origin (PROTOCOL.md §8.6): the replay window, without an edge that
/// time would push over a message that is merely late.
///
/// Only a [`Verified`] message changes it. Commit its blob together with the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiveState {
    origin: Origin,
    /// 0 before anything arrived.
    highest: u64,
    /// Chain value of the highest; unknown behind a tombstone.
    chain: Option<ChainHash>,
    /// Ascending, apart from each other, below `highest`.
    gaps: Vec<Gap>,
}

/// What the state needs to know of a message.
#[derive(Clone, Copy, Debug)]
struct Step {
    sequence: u64,
    previous: ChainHash,
    /// `None` for a tombstone.
    chain: Option<ChainHash>,
}

impl ReceiveState {
    /// The state before anything arrived from `origin`.
    pub const fn new(origin: Origin) -> Self {
        Self {
            origin,
            highest: 0,
            chain: None,
            gaps: Vec::new(),
        }
    }

    /// Whose messages these are.
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The highest sequence that has arrived; 0 if none has.
    pub const fn highest(&self) -> u64 {
        self.highest
    }

    /// How many sequences below the highest are missing.
    pub fn missing(&self) -> u64 {
        self.gaps.iter().map(|gap| gap.last - gap.first + 1).sum()
    }

    /// Takes a message in, or says why it is not new; `id_known` tells whether the store has a
    /// message with its id. On a refusal the state is unchanged.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn arrive(&mut self, message: &Verified, id_known: bool) -> Result<Arrival, Refusal> {
        if message.origin() != self.origin {
            return Err(Refusal::OtherOrigin);
        }
        if id_known {
            return Err(Refusal::Repeated);
        }
        let header = message.header();
        self.step(Step {
            sequence: header.sequence,
            previous: header.previous,
            chain: message.chain(),
        })
    }

    fn step(&mut self, step: Step) -> Result<Arrival, Refusal> {
        if step.sequence > self.highest {
            return Ok(self.extend(step));
        }
        let within = |gap: &Gap| (gap.first..=gap.last).contains(&step.sequence);
        match self.gaps.iter().position(within) {
            Some(index) => Ok(self.fill(index, step)),
            None => Err(Refusal::SequenceUsed),
        }
    }

    /// A message above all others.
    fn extend(&mut self, step: Step) -> Arrival {
        let first = self.highest == 0;
        let skipped = step.sequence - self.highest - 1;
        let mut link = ChainLink::Open;
        if skipped == 0 {
            // Sequence 1 names the start, which the header's parser has checked.
            let before = if first {
                Some(ChainHash::START)
            } else {
                self.chain
            };
            link = compare(before, step.previous);
        } else {
            self.gaps.push(Gap {
                first: self.highest + 1,
                last: step.sequence - 1,
                before: self.chain,
                after: step.previous,
            });
            self.give_up_the_oldest();
        }
        self.highest = step.sequence;
        self.chain = step.chain;
        Arrival {
            skipped,
            first,
            late: false,
            link,
        }
    }

    /// A message in the gap at `index`.
    fn fill(&mut self, index: usize, step: Step) -> Arrival {
        let gap = self.gaps.remove(index);
        let mut link = ChainLink::Open;
        if step.sequence == gap.first {
            let before = if gap.first == 1 {
                Some(ChainHash::START)
            } else {
                gap.before
            };
            link = compare(before, step.previous);
        }
        if step.sequence == gap.last && compare(step.chain, gap.after) == ChainLink::Broken {
            link = ChainLink::Broken;
        }
        if step.sequence < gap.last {
            let behind = Gap {
                first: step.sequence + 1,
                last: gap.last,
                before: step.chain,
                after: gap.after,
            };
            self.gaps.insert(index, behind);
        }
        if step.sequence > gap.first {
            let ahead = Gap {
                first: gap.first,
                last: step.sequence - 1,
                before: gap.before,
                after: step.previous,
            };
            self.gaps.insert(index, ahead);
        }
        self.give_up_the_oldest();
        Arrival {
            skipped: 0,
            first: false,
            late: true,
            link,
        }
    }

    fn give_up_the_oldest(&mut self) {
        while self.gaps.len() > GAPS_MAX {
            self.gaps.remove(0);
        }
    }

    /// The blob of PROTOCOL.md §8.8. The origin is the store's key for it, and not inside.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(43 + 81 * self.gaps.len());
        let mut writer = Writer::new(&mut bytes);
        writer.u8(FORMAT).u64(self.highest);
        write_chain(&mut writer, self.chain);
        writer.u8(self.gaps.len() as u8);
        for gap in &self.gaps {
            writer.u64(gap.first).u64(gap.last);
            write_chain(&mut writer, gap.before);
            writer.bytes(&gap.after.0);
        }
        bytes
    }

    /// Reads the blob of PROTOCOL.md §8.8.
    ///
    /// # Errors
    /// [`DecodeError`] when it is not such a blob.
    pub fn decode(origin: Origin, bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != FORMAT {
            return Err(DecodeError::Unknown);
        }
        let highest = reader.u64()?;
        let chain = read_chain(&mut reader)?;
        let count = usize::from(reader.u8()?);
        if count > GAPS_MAX {
            return Err(DecodeError::TooLong);
        }
        let mut gaps = Vec::with_capacity(count);
        // The lowest sequence that the next gap may start with.
        let mut lowest = 1;
        for _ in 0..count {
            let gap = Gap {
                first: reader.u64()?,
                last: reader.u64()?,
                before: read_chain(&mut reader)?,
                after: ChainHash(reader.array()?),
            };
            if gap.first < lowest || gap.last < gap.first || gap.last >= highest {
                return Err(DecodeError::Invalid);
            }
            // Gaps that touch would be one.
            lowest = gap.last.saturating_add(2);
            gaps.push(gap);
        }
        reader.finish()?;
        if highest > COUNT_MAX || (highest == 0 && chain.is_some()) {
            return Err(DecodeError::Invalid);
        }
        Ok(Self {
            origin,
            highest,
            chain,
            gaps,
        })
    }
}

/// Compares the chain value of a message with what its follower names.
fn compare(chain: Option<ChainHash>, named: ChainHash) -> ChainLink {
    match chain {
        Some(chain) if chain == named => ChainLink::Continues,
        Some(_) => ChainLink::Broken,
        None => ChainLink::Open,
    }
}

fn write_chain(writer: &mut Writer<'_>, chain: Option<ChainHash>) {
    match chain {
        None => writer.u8(0),
        Some(chain) => writer.u8(1).bytes(&chain.0),
    };
}

fn read_chain(reader: &mut Reader<'_>) -> Result<Option<ChainHash>, DecodeError> {
    match reader.u8()? {
        0 => Ok(None),
        1 => Ok(Some(ChainHash(reader.array()?))),
        _ => Err(DecodeError::Invalid),
    }
}

#[cfg(test)]
#[path = "receive_tests.rs"]
mod tests;
