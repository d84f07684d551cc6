//! What belongs to this installation: its device id and key, and whose it is.

use std::sync::Arc;

use crypto::{DeviceKey, Secret};
use e2e::conversation::DeviceId;
use store::device::{Op, Outcome as Stored, meta};
use transport::Instant;

use crate::Client;
use crate::event::Failure;
use crate::work::Pending;

/// Whose installation it is: the account's name, case-mapped.
const ACCOUNT: &str = "account";

/// The newest key bag version seen, 8 bytes.
const BAG_VERSION: &str = "key_bag_version";

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Messages that were opened, could not be, or were sent longer ago are removed from the disk.
const KEPT_MS: u64 = 30 * DAY_MS;

/// Messages that are removed at once, at each start and then each day.
const PRUNED_MAX: u32 = 10_000;

/// This installation to its account and to others.
pub(crate) struct Device {
    pub(crate) id: DeviceId,
    pub(crate) key: Arc<DeviceKey>,
}

pub(crate) fn bag_version_op(version: u64) -> Op {
    Op::PutMeta {
        key: BAG_VERSION.to_owned(),
        value: version.to_be_bytes().to_vec(),
    }
}

impl Client {
    /// Reads what the installation has.
    pub(crate) fn load_installation(&mut self) {
        let keys = [
            ACCOUNT,
            meta::DEVICE_ID,
            meta::DEVICE_KEY,
            meta::MANIFEST,
            BAG_VERSION,
        ];
        let ops = keys.map(|key| Op::LoadMeta {
            key: key.to_owned(),
        });
        self.desk.store(ops.to_vec(), Pending::Load);
    }

    /// The installation is known, or is founded now.
    pub(crate) fn installation_loaded(&mut self, now: Instant, outcomes: Vec<Stored>) {
        match self.restore(outcomes) {
            Ok(true) => {
                // On to what an earlier run left in the outbox.
                self.prune();
                self.outbox.more_on_disk();
                self.connect(now);
            }
            Ok(false) => self.found(),
            Err(reason) => self.fail(now, Failure::Storage { reason }),
        }
    }

    /// Whether there is an installation.
    fn restore(&mut self, outcomes: Vec<Stored>) -> Result<bool, String> {
        let mut blobs = outcomes.into_iter().map(|outcome| match outcome {
            Stored::Meta(blob) => blob,
            _ => None,
        });
        let mut next = || blobs.next().flatten();
        let (account, id, key) = (next(), next(), next());
        let (manifest, bag_version) = (next(), next());
        let damaged = |what: &str| format!("{what} is damaged");
        if let Some(account) = &account
            && account != self.config.username.key().as_bytes()
        {
            return Err("it belongs to another account".to_owned());
        }
        let restored = self.directory.restore(manifest.as_deref());
        restored.map_err(|_| damaged("the newest directory's head"))?;
        if let Some(bytes) = bag_version {
            let version = bytes.try_into();
            let version = version.map_err(|_| damaged("the key bag's version"))?;
            self.bag_version = u64::from_be_bytes(version);
        }
        let (Some(id), Some(key)) = (id, key) else {
            return Ok(false);
        };
        let id = id.try_into().map_err(|_| damaged("the device id"))?;
        let key: [u8; 32] = key.try_into().map_err(|_| damaged("the device key"))?;
        self.device = Some(Device {
            id: DeviceId(id),
            key: Arc::new(DeviceKey::from_seed(Secret::from(key))),
        });
        Ok(true)
    }

    /// Founds the installation: nothing is sent under its id before the id is on disk.
    fn found(&mut self) {
        let id = DeviceId::generate(&mut self.desk.random);
        let key = DeviceKey::generate(&mut self.desk.random);
        let put = |key: &str, value: &[u8]| Op::PutMeta {
            key: key.to_owned(),
            value: value.to_vec(),
        };
        let ops = vec![
            put(ACCOUNT, self.config.username.key().as_bytes()),
            put(meta::DEVICE_ID, &id.0),
            put(meta::DEVICE_KEY, key.seed().expose()),
        ];
        self.device = Some(Device {
            id,
            key: Arc::new(key),
        });
        self.desk.store(ops, Pending::Found);
    }

    /// Makes room once a day.
    pub(crate) fn advance_pruning(&mut self) {
        let since = self.desk.wall_ms.abs_diff(self.pruned_ms);
        if self.was_online && since >= DAY_MS {
            self.prune();
        }
    }

    fn prune(&mut self) {
        self.pruned_ms = self.desk.wall_ms;
        let before_ms = self.desk.wall_ms.saturating_sub(KEPT_MS);
        let limit = PRUNED_MAX;
        let ops = vec![
            Op::PruneOutbox { before_ms, limit },
            Op::PruneInbound { before_ms, limit },
        ];
        self.desk.store(ops, Pending::Note);
    }
}
