use super::RECENT_IDS_MAX;
use crate::MessageId;

/// The ids of the last messages of one count, oldest first: that of the number before the next one
/// is the last.
#[derive(Debug, Default)]
pub(super) struct RecentIds(Vec<MessageId>);

impl RecentIds {
    pub(super) fn decode(bytes: &[u8]) -> Self {
        Self(bytes.as_chunks().0.to_vec())
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        self.0.concat()
    }

    /// Whether the message `sequence` is known to have another id, when `next` comes next.
    pub(super) fn contradict(&self, next: u64, sequence: u64, message_id: &MessageId) -> bool {
        let known = self
            .index(next, sequence)
            .and_then(|index| self.0.get(index));
        known.is_some_and(|known| known != message_id)
    }

    /// Notes the id of the message `sequence`: the one that came next, or an earlier one that takes
    /// another's number.
    pub(super) fn note(&mut self, next: u64, sequence: u64, message_id: MessageId) {
        if sequence == next {
            if self.0.len() >= RECENT_IDS_MAX {
                self.0.remove(0);
            }
            self.0.push(message_id);
        } else if let Some(index) = self.index(next, sequence)
            && let Some(known) = self.0.get_mut(index)
        {
            *known = message_id;
        }
    }

    fn index(&self, next: u64, sequence: u64) -> Option<usize> {
        let back = usize::try_from(next.checked_sub(sequence)?).ok()?;
        self.0.len().checked_sub(back)
    }
}
