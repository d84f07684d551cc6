use std::collections::{BTreeMap, VecDeque};

use chat::Username;
use chat::message::{DeviceId, MessageId};

use crate::limits::{NOTICES_MAX, NOTICES_PER_DEVICE_MAX};

/// Deliveries that devices have not been told of because they were away.
///
/// They live in memory: that a message was delivered is good to know and nothing depends on it.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    waiting: BTreeMap<(String, DeviceId), VecDeque<(MessageId, Username)>>,
    count: usize,
}

impl Notices {
    /// Remembers that `by` has a message of a device. Beyond a device's limit the oldest goes,
    /// beyond the limit of all this one does.
    pub(crate) fn put(&mut self, name: &str, device: DeviceId, message: MessageId, by: Username) {
        if self.count >= NOTICES_MAX {
            return;
        }
        let waiting = self.waiting.entry((name.to_owned(), device)).or_default();
        if waiting.len() >= NOTICES_PER_DEVICE_MAX {
            waiting.pop_front();
        } else {
            self.count = self.count.saturating_add(1);
        }
        waiting.push_back((message, by));
    }

    /// A device is back: what it has to be told, oldest first.
    pub(crate) fn take(
        &mut self,
        name: &str,
        device: DeviceId,
    ) -> impl Iterator<Item = (MessageId, Username)> + use<> {
        let waiting = self.waiting.remove(&(name.to_owned(), device));
        let waiting = waiting.unwrap_or_default();
        self.count = self.count.saturating_sub(waiting.len());
        waiting.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_told_of_the_newest_once() {
        let bob = || Username::parse("Bob").unwrap();
        let mut notices = Notices::default();
        for number in 0..=255u8 {
            for part in 0..2 {
                notices.put("alice", [1; 16], [number ^ part; 16], bob());
            }
        }
        notices.put("alice", [2; 16], [9; 16], bob());
        assert_eq!(
            notices.take("alice", [1; 16]).count(),
            NOTICES_PER_DEVICE_MAX
        );
        assert_eq!(notices.take("alice", [1; 16]).count(), 0);
        assert_eq!(notices.count, 1);
        assert_eq!(
            notices.take("alice", [2; 16]).next(),
            Some(([9; 16], bob()))
        );
    }

    #[test]
    fn h65_all_notices_together_are_bounded() {
        let mut notices = Notices::default();
        let bob = Username::parse("Bob").unwrap();
        for number in 0..NOTICES_MAX as u64 + 100 {
            let mut device = [0; 16];
            device[..8].copy_from_slice(&number.to_be_bytes());
            notices.put("alice", device, [0; 16], bob.clone());
        }
        assert_eq!(notices.waiting.len(), NOTICES_MAX);
    }
}
