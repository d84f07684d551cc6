use super::{MemoryStore, items};
use crate::relay::{NOTICES_PER_DEVICE_MAX, Notice, Outcome};
use crate::{DeviceId, MessageId, clamp63};

impl MemoryStore {
    pub(super) fn put_notice(
        &mut self,
        account: &str,
        device: &DeviceId,
        notice: &Notice,
    ) -> Outcome {
        if !self
            .devices
            .get(account)
            .is_some_and(|devices| devices.contains_key(device))
        {
            return Outcome::NoSuchDevice;
        }
        let waiting = self
            .notices
            .entry((account.to_owned(), *device))
            .or_default();
        let notice = Notice {
            time_ms: clamp63(notice.time_ms),
            ..notice.clone()
        };
        waiting.insert(notice.message_id, notice);
        if waiting.len() > NOTICES_PER_DEVICE_MAX {
            let oldest = waiting
                .values()
                .map(|old| (old.time_ms, old.message_id))
                .min();
            if let Some((_, message_id)) = oldest {
                waiting.remove(&message_id);
            }
        }
        Outcome::Done
    }

    pub(super) fn load_notices(&self, account: &str, device: &DeviceId, limit: u32) -> Outcome {
        let waiting = self.notices.get(&(account.to_owned(), *device));
        let mut notices: Vec<_> = waiting
            .into_iter()
            .flat_map(|waiting| waiting.values().cloned())
            .collect();
        notices.sort_by_key(|notice| (notice.time_ms, notice.message_id));
        notices.truncate(items(limit));
        Outcome::Notices(notices)
    }

    pub(super) fn delete_notices(
        &mut self,
        account: &str,
        device: &DeviceId,
        message_ids: &[MessageId],
    ) -> Outcome {
        if let Some(waiting) = self.notices.get_mut(&(account.to_owned(), *device)) {
            for message_id in message_ids {
                waiting.remove(message_id);
            }
        }
        Outcome::Done
    }

    pub(super) fn expire_notices(&mut self, before_ms: u64, limit: u32) -> u64 {
        let mut old = Vec::new();
        for (key, waiting) in &self.notices {
            for notice in waiting.values().filter(|notice| notice.time_ms < before_ms) {
                old.push((notice.time_ms, key.clone(), notice.message_id));
            }
        }
        old.sort();
        old.truncate(items(limit));
        for (_, key, message_id) in &old {
            if let Some(waiting) = self.notices.get_mut(key) {
                waiting.remove(message_id);
            }
        }
        u64::try_from(old.len()).unwrap_or(u64::MAX)
    }
}
