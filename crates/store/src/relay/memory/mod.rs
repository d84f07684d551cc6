//! The relay's store in memory: for tests and simulations, gone with the process.

mod accounts;
mod mailboxes;
mod notices;

use std::collections::BTreeMap;

use super::{Account, Device, Notice, Op, Outcome};
use crate::{ConversationId, DeviceId, MessageId, Store, StoreError};
use mailboxes::{Mailbox, Mark};

/// A store in memory. Nothing of it is durable, and no commit of it fails.
#[derive(Debug, Default)]
pub struct MemoryStore {
    accounts: BTreeMap<String, Account>,
    devices: BTreeMap<String, BTreeMap<DeviceId, Device>>,
    mailboxes: BTreeMap<String, Mailbox>,
    marks: BTreeMap<(String, DeviceId, ConversationId), Mark>,
    notices: BTreeMap<(String, DeviceId), BTreeMap<MessageId, Notice>>,
    meta: BTreeMap<String, Vec<u8>>,
}

impl Store for MemoryStore {
    type Op = Op;
    type Outcome = Outcome;

    fn commit(&mut self, batch: &[Op]) -> Result<Vec<Outcome>, StoreError> {
        Ok(batch.iter().map(|op| self.apply(op)).collect())
    }
}

impl MemoryStore {
    fn apply(&mut self, op: &Op) -> Outcome {
        match op {
            Op::InsertAccount(account) => self.insert_account(account),
            Op::InsertAccountAndMeta {
                account,
                key,
                value,
            } => {
                let outcome = self.insert_account(account);
                if outcome == Outcome::Inserted {
                    self.meta.insert(key.clone(), value.clone());
                }
                outcome
            }
            Op::LoadAccount { name } => {
                Outcome::Account(self.accounts.get(name).cloned().map(Box::new))
            }
            Op::ListAccounts { after, limit } => self.list_accounts(after.as_deref(), *limit),
            Op::CountDemoAccounts => self.count_demo_accounts(),
            Op::ReplaceCredentials {
                name,
                expected_version,
                credentials,
            } => self.replace_credentials(name, *expected_version, credentials),
            Op::DeleteAccount { name } => self.delete_account(name),
            Op::TouchDevice {
                account,
                device,
                device_key,
                now_ms,
            } => self.touch_device(account, *device, *device_key, *now_ms),
            Op::ListDevices { account } => self.list_devices(account),
            Op::SeeDevice {
                account,
                device,
                now_ms,
            } => self.see_device(account, device, *now_ms),
            Op::RemoveDevice {
                account,
                device,
                seen_before_ms,
            } => self.remove_unseen(account, device, *seen_before_ms),
            Op::Append(append) => self.append(append),
            Op::ReadAfter {
                account,
                device,
                after,
                max_messages,
                max_bytes,
            } => self.read_after(account, device, *after, *max_messages, *max_bytes),
            Op::Acknowledge {
                account,
                device,
                position,
            } => self.acknowledge(account, device, *position),
            Op::Expire { before_ms, limit } => self.expire(*before_ms, *limit),
            Op::PutNotice {
                account,
                device,
                notice,
            } => self.put_notice(account, device, notice),
            Op::LoadNotices {
                account,
                device,
                limit,
            } => self.load_notices(account, device, *limit),
            Op::DeleteNotices {
                account,
                device,
                message_ids,
            } => self.delete_notices(account, device, message_ids),
            Op::PutMeta { key, value } => {
                self.meta.insert(key.clone(), value.clone());
                Outcome::Done
            }
            Op::LoadMeta { key } => Outcome::Meta(self.meta.get(key).cloned()),
        }
    }
}

fn items(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}
