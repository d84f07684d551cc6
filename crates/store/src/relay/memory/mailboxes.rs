use std::collections::BTreeMap;
use std::ops::Bound;

use super::{MemoryStore, items};
use crate::relay::recent::RecentIds;
use crate::relay::{Append, Entry, Outcome, REFUSED_MAX, Receipt, Refusal};
use crate::{DeviceId, FIRST_SEQUENCE, MessageId, clamp63};

/// One account's log.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    entries: BTreeMap<u64, Entry>,
    bytes: u64,
    newest: u64,
    /// The highest position that any device ever acknowledged.
    delivered: u64,
}

/// How far a sending device got in a conversation.
#[derive(Debug)]
pub(super) struct Mark {
    next: u64,
    /// Messages refused for good, by their numbers, all below `next`.
    refused: BTreeMap<u64, MessageId>,
    recent: RecentIds,
}

impl Default for Mark {
    fn default() -> Self {
        Self {
            next: FIRST_SEQUENCE,
            refused: BTreeMap::new(),
            recent: RecentIds::default(),
        }
    }
}

impl Mailbox {
    pub(super) fn before_oldest(&self) -> u64 {
        let oldest = self.entries.keys().next();
        oldest.map_or(self.newest, |position| position.saturating_sub(1))
    }

    fn has_room(&self, append: &Append) -> bool {
        let messages = length(self.entries.len()).saturating_add(1);
        let bytes = self.bytes.saturating_add(length(append.sealed.len()));
        messages <= append.quota.messages && bytes <= append.quota.bytes
    }

    fn push(&mut self, append: &Append) -> u64 {
        self.newest = self.newest.saturating_add(1);
        self.bytes = self.bytes.saturating_add(length(append.sealed.len()));
        let entry = Entry {
            position: self.newest,
            sender: append.sender.clone(),
            sending_device: append.sending_device,
            message_id: append.message_id,
            sealed: append.sealed.clone(),
            time_ms: clamp63(append.now_ms),
        };
        self.entries.insert(self.newest, entry);
        self.newest
    }

    fn remove(&mut self, position: u64) {
        if let Some(entry) = self.entries.remove(&position) {
            self.bytes = self.bytes.saturating_sub(length(entry.sealed.len()));
        }
    }
}

impl MemoryStore {
    pub(super) fn append(&mut self, append: &Append) -> Outcome {
        let key = (
            append.sender.clone(),
            append.sending_device,
            append.conversation,
        );
        let mark = self.marks.get(&key);
        let next = mark.map_or(FIRST_SEQUENCE, |mark| mark.next);
        let remembered = mark.map_or(0, |mark| mark.refused.len());
        let is_old = (FIRST_SEQUENCE..next).contains(&append.sequence);
        if is_old {
            match mark.and_then(|mark| mark.refused.get(&append.sequence)) {
                None => {
                    let is_other = mark.is_some_and(|mark| {
                        let recent = &mark.recent;
                        recent.contradict(next, append.sequence, &append.message_id)
                    });
                    return if is_other {
                        gap(next)
                    } else {
                        Outcome::Duplicate
                    };
                }
                Some(refused) if *refused == append.message_id => return full(true),
                Some(_) => {}
            }
        }
        if !self.accounts.contains_key(&append.recipient) {
            return Outcome::Refused {
                reason: Refusal::NoSuchAccount,
                remembered: false,
            };
        }
        if !is_old && append.sequence != next {
            return gap(next);
        }
        let mailbox = self.mailboxes.entry(append.recipient.clone()).or_default();
        if mailbox.has_room(append) {
            let mark = self.marks.entry(key).or_default();
            mark.refused.remove(&append.sequence);
            mark.recent.note(next, append.sequence, append.message_id);
            mark.next = next.max(append.sequence.saturating_add(1));
            return Outcome::Stored {
                position: mailbox.push(append),
            };
        }
        if is_old || !append.remember_full || remembered >= REFUSED_MAX {
            return full(false);
        }
        let mark = self.marks.entry(key).or_default();
        mark.refused.insert(append.sequence, append.message_id);
        mark.recent.note(next, append.sequence, append.message_id);
        mark.next = append.sequence.saturating_add(1);
        full(true)
    }

    pub(super) fn read_after(
        &self,
        account: &str,
        device: &DeviceId,
        after: Option<u64>,
        max_messages: u32,
        max_bytes: u64,
    ) -> Outcome {
        let Some(device) = self
            .devices
            .get(account)
            .and_then(|devices| devices.get(device))
        else {
            return Outcome::NoSuchDevice;
        };
        let start = device.cursor.max(after.unwrap_or(0));
        let mut entries = Vec::new();
        let mut bytes = 0_u64;
        let kept = self.mailboxes.get(account).into_iter().flat_map(|mailbox| {
            mailbox
                .entries
                .range((Bound::Excluded(start), Bound::Unbounded))
        });
        for (_, entry) in kept.take(items(max_messages)) {
            bytes = bytes.saturating_add(length(entry.sealed.len()));
            if bytes > max_bytes && !entries.is_empty() {
                break;
            }
            entries.push(entry.clone());
        }
        Outcome::Entries(entries)
    }

    pub(super) fn acknowledge(
        &mut self,
        account: &str,
        device: &DeviceId,
        position: u64,
    ) -> Outcome {
        let Some(known) = self
            .devices
            .get_mut(account)
            .and_then(|map| map.get_mut(device))
        else {
            return Outcome::NoSuchDevice;
        };
        let Some(mailbox) = self.mailboxes.get_mut(account) else {
            return Outcome::Acknowledged {
                receipts: Vec::new(),
            };
        };
        let position = position.min(mailbox.newest);
        if position <= known.cursor {
            return Outcome::Acknowledged {
                receipts: Vec::new(),
            };
        }
        let range = (Bound::Excluded(known.cursor), Bound::Included(position));
        let receipts = mailbox.entries.range(range).map(|(_, entry)| Receipt {
            position: entry.position,
            sender: entry.sender.clone(),
            sending_device: entry.sending_device,
            message_id: entry.message_id,
            first: entry.position > mailbox.delivered,
        });
        let receipts = receipts.collect();
        known.cursor = position;
        mailbox.delivered = mailbox.delivered.max(position);
        self.drop_passed(account);
        Outcome::Acknowledged { receipts }
    }

    /// Removes what every device has acknowledged.
    pub(super) fn drop_passed(&mut self, account: &str) {
        let devices = self
            .devices
            .get(account)
            .into_iter()
            .flat_map(|map| map.values());
        let Some(passed) = devices.map(|device| device.cursor).min() else {
            return;
        };
        let Some(mailbox) = self.mailboxes.get_mut(account) else {
            return;
        };
        let positions: Vec<u64> = mailbox
            .entries
            .range(..=passed)
            .map(|(at, _)| *at)
            .collect();
        for position in positions {
            mailbox.remove(position);
        }
    }

    pub(super) fn expire(&mut self, before_ms: u64, limit: u32) -> Outcome {
        let before_ms = clamp63(before_ms);
        let mut old = Vec::new();
        for (account, mailbox) in &self.mailboxes {
            for entry in mailbox
                .entries
                .values()
                .filter(|entry| entry.time_ms < before_ms)
            {
                old.push((entry.time_ms, account.clone(), entry.position));
            }
        }
        old.sort();
        old.truncate(items(limit));
        for (_, account, position) in &old {
            if let Some(mailbox) = self.mailboxes.get_mut(account) {
                mailbox.remove(*position);
            }
        }
        let notices = self.expire_notices(before_ms, limit);
        Outcome::Expired {
            messages: length(old.len()),
            notices,
        }
    }
}

fn gap(expected: u64) -> Outcome {
    Outcome::Refused {
        reason: Refusal::Gap { expected },
        remembered: false,
    }
}

fn full(remembered: bool) -> Outcome {
    Outcome::Refused {
        reason: Refusal::MailboxFull,
        remembered,
    }
}

fn length(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
