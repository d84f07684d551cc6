use codec::{DecodeError, Reader, Writer};

use super::{COUNT_MAX, ChainHash};

/// First byte of the blob.
const FORMAT: u8 = 1;

/// The place of the next message: what its header says of order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Its sequence, from 1.
    pub sequence: u64,
    /// The chain value of the message before it.
    pub previous: ChainHash,
}

/// More messages than a sequence can count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sequence is exhausted")]
pub struct SequenceExhausted;

/// Where a sending device is in one conversation (PROTOCOL.md §8.6).
///
/// Seal for [`SendState::slot`], then [`SendState::advance`] with the sealed message's chain value,
/// and commit the sealed bytes and this state's blob together: a sequence must never be sealed
/// twice. A tombstone goes into the slot of the message it stands for and advances nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendState {
    next: Slot,
}

impl Default for SendState {
    fn default() -> Self {
        Self {
            next: Slot {
                sequence: 1,
                previous: ChainHash::START,
            },
        }
    }
}

impl SendState {
    /// The state of a device that has sent nothing here.
    pub fn new() -> Self {
        Self::default()
    }

    /// The place of the next message.
    pub const fn slot(&self) -> Slot {
        self.next
    }

    /// Notes that the message in [`SendState::slot`] was sealed, with this chain value.
    ///
    /// # Errors
    /// [`SequenceExhausted`] at [`COUNT_MAX`]; the state is unchanged.
    pub fn advance(&mut self, sealed: ChainHash) -> Result<(), SequenceExhausted> {
        if self.next.sequence >= COUNT_MAX {
            return Err(SequenceExhausted);
        }
        self.next = Slot {
            sequence: self.next.sequence + 1,
            previous: sealed,
        };
        Ok(())
    }

    /// The blob of PROTOCOL.md §8.8.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(41);
        Writer::new(&mut bytes)
            .u8(FORMAT)
            .u64(self.next.sequence)
            .bytes(&self.next.previous.0);
        bytes
    }

    /// Reads the blob of PROTOCOL.md §8.8.
    ///
    /// # Errors
    /// [`DecodeError`] when it is not such a blob.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != FORMAT {
            return Err(DecodeError::Unknown);
        }
        let next = Slot {
            sequence: reader.u64()?,
            previous: ChainHash(reader.array()?),
        };
        reader.finish()?;
        let first = next.sequence == 1;
        let counts = (1..=COUNT_MAX).contains(&next.sequence);
        if !counts || first != (next.previous == ChainHash::START) {
            return Err(DecodeError::Invalid);
        }
        Ok(Self { next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_count_from_one_and_chain() {
        let mut state = SendState::new();
        assert_eq!(state.slot().sequence, 1);
        assert_eq!(state.slot().previous, ChainHash::START);
        state.advance(ChainHash([7; 32])).expect("far from the end");
        let slot = Slot {
            sequence: 2,
            previous: ChainHash([7; 32]),
        };
        assert_eq!(state.slot(), slot);
        let restored = SendState::decode(&state.encode());
        assert_eq!(restored.as_ref(), Ok(&state));
    }

    #[test]
    fn h24_a_sequence_at_its_end_is_refused_and_not_repeated() {
        let mut bytes = vec![1];
        Writer::new(&mut bytes).u64(COUNT_MAX).bytes(&[1; 32]);
        let mut state = SendState::decode(&bytes).expect("the last sequence is allowed");
        assert_eq!(state.advance(ChainHash([2; 32])), Err(SequenceExhausted));
        assert_eq!(state.slot().previous, ChainHash([1; 32]), "unchanged");
    }

    #[test]
    fn blobs_that_are_not_states_are_refused() {
        let start = SendState::new().encode();
        for end in 0..start.len() {
            assert!(SendState::decode(&start[..end]).is_err());
        }
        let with = |index: usize, byte: u8| {
            let mut bytes = start.clone();
            bytes[index] = byte;
            SendState::decode(&bytes)
        };
        assert_eq!(with(0, 2), Err(DecodeError::Unknown));
        assert_eq!(with(1, 0x80), Err(DecodeError::Invalid), "above the limit");
        assert_eq!(with(8, 0), Err(DecodeError::Invalid), "sequence 0");
        assert_eq!(with(8, 2), Err(DecodeError::Invalid), "2 without a chain");
        assert_eq!(with(40, 1), Err(DecodeError::Invalid), "1 with a chain");
        let mut longer = start.clone();
        longer.push(0);
        assert_eq!(SendState::decode(&longer), Err(DecodeError::Trailing));
    }
}
