use std::ops::Bound;

use super::{MemoryStore, items};
use crate::relay::{Account, Credentials, DEVICES_PER_ACCOUNT_MAX, Device, Outcome};
use crate::{DeviceId, clamp63};

impl MemoryStore {
    pub(super) fn insert_account(&mut self, account: &Account) -> Outcome {
        if self.accounts.contains_key(&account.name) {
            return Outcome::Taken;
        }
        let created_ms = clamp63(account.created_ms);
        let account = Account {
            created_ms,
            ..account.clone()
        };
        self.accounts.insert(account.name.clone(), account);
        Outcome::Inserted
    }

    pub(super) fn list_accounts(&self, after: Option<&str>, limit: u32) -> Outcome {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let range = self.accounts.range::<str, _>((start, Bound::Unbounded));
        Outcome::Accounts(
            range
                .take(items(limit))
                .map(|(_, account)| account.summary())
                .collect(),
        )
    }

    pub(super) fn count_demo_accounts(&self) -> Outcome {
        let count = self
            .accounts
            .values()
            .filter(|account| account.demo)
            .count();
        Outcome::Count(u64::try_from(count).unwrap_or(u64::MAX))
    }

    pub(super) fn replace_credentials(
        &mut self,
        name: &str,
        expected_version: u64,
        credentials: &Credentials,
    ) -> Outcome {
        let Some(account) = self.accounts.get_mut(name) else {
            return Outcome::NoSuchAccount;
        };
        let current = account.credentials.key_bag_version;
        if current != expected_version {
            return Outcome::VersionConflict { current };
        }
        account.credentials = credentials.clone();
        Outcome::Done
    }

    pub(super) fn delete_account(&mut self, name: &str) -> Outcome {
        if self.accounts.remove(name).is_none() {
            return Outcome::NoSuchAccount;
        }
        self.devices.remove(name);
        self.mailboxes.remove(name);
        self.notices.retain(|(account, _), _| account != name);
        Outcome::Done
    }

    pub(super) fn touch_device(
        &mut self,
        account: &str,
        device: DeviceId,
        device_key: [u8; 32],
        now_ms: u64,
    ) -> Outcome {
        if !self.accounts.contains_key(account) {
            return Outcome::NoSuchAccount;
        }
        let now_ms = clamp63(now_ms);
        let devices = self.devices.entry(account.to_owned()).or_default();
        if let Some(known) = devices.get_mut(&device) {
            known.device_key = device_key;
            known.see(now_ms);
            return Outcome::Touched {
                new: false,
                cursor: known.cursor,
            };
        }
        if devices.len() >= DEVICES_PER_ACCOUNT_MAX {
            let idle = Device::in_the_way(devices.values(), now_ms).map(|idle| idle.device);
            match idle {
                Ok(idle) => self.remove_device(account, &idle),
                Err(wait_ms) => return Outcome::TooManyDevices { wait_ms },
            };
        }
        let cursor = self
            .mailboxes
            .get(account)
            .map_or(0, |mailbox| mailbox.before_oldest());
        let new = Device {
            device,
            device_key,
            cursor,
            first_seen_ms: now_ms,
            last_seen_ms: now_ms,
        };
        self.devices
            .entry(account.to_owned())
            .or_default()
            .insert(device, new);
        Outcome::Touched { new: true, cursor }
    }

    pub(super) fn list_devices(&self, account: &str) -> Outcome {
        let devices = self.devices.get(account);
        Outcome::Devices(
            devices
                .into_iter()
                .flat_map(|map| map.values().cloned())
                .collect(),
        )
    }

    pub(super) fn see_device(&mut self, account: &str, device: &DeviceId, now_ms: u64) -> Outcome {
        let Some(known) = self.device(account, device) else {
            return Outcome::NoSuchDevice;
        };
        known.see(now_ms);
        Outcome::Done
    }

    pub(super) fn remove_unseen(
        &mut self,
        account: &str,
        device: &DeviceId,
        seen_before_ms: Option<u64>,
    ) -> Outcome {
        match self.device(account, device) {
            Some(known) if known.was_seen_since(seen_before_ms) => Outcome::SeenSince,
            _ => self.remove_device(account, device),
        }
    }

    fn device(&mut self, account: &str, device: &DeviceId) -> Option<&mut Device> {
        self.devices.get_mut(account)?.get_mut(device)
    }

    fn remove_device(&mut self, account: &str, device: &DeviceId) -> Outcome {
        let removed = self
            .devices
            .get_mut(account)
            .and_then(|devices| devices.remove(device));
        if removed.is_none() {
            return Outcome::NoSuchDevice;
        }
        self.notices.remove(&(account.to_owned(), *device));
        self.drop_passed(account);
        Outcome::Done
    }
}
