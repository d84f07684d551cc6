//! Devices that come and go (PROTOCOL.md §7.3): which are there, and which are waited for no more.

use store::relay::{DEVICE_IDLE_MS, DEVICE_STALE_MS, Device, Op, Outcome};
use transport::ConnectionHandle;

use super::Server;
use crate::ledger::Then;
use crate::limits::SEEN_EVERY_MS;

impl Server {
    /// Notes that a device is there, at most once a day.
    pub(super) fn see_device(&mut self, handle: ConnectionHandle) {
        let wall_ms = self.wall_ms;
        let Some(user) = self.user(handle) else {
            return;
        };
        if wall_ms.abs_diff(user.seen_ms) >= SEEN_EVERY_MS {
            user.seen_ms = wall_ms;
            let see = user.seen(wall_ms);
            self.ledger.push(see, Then::Nothing);
        }
    }

    /// One device of the account has logged in: others may have been away for very long.
    pub(super) fn look_for_stale_devices(&mut self, account: String) {
        let list = Op::ListDevices {
            account: account.clone(),
        };
        self.ledger.push(list, Then::Devices(account));
    }

    /// A message found no room: devices that were away for some days may be in its way. Its sender tries again.
    pub(super) fn look_for_idle_devices(&mut self, account: &str) {
        // Once, however many messages were refused meanwhile.
        if self.crowded.insert(account.to_owned()) {
            let list = Op::ListDevices {
                account: account.to_owned(),
            };
            self.ledger.push(list, Then::Room(account.to_owned()));
        }
    }

    /// Devices that nobody has seen for long go: what waits for them alone fills the mailbox, until
    /// it takes nothing more.
    pub(super) fn devices_listed(&mut self, account: &str, outcome: &Outcome) {
        let Outcome::Devices(devices) = outcome else {
            return;
        };
        let (stale, _) = self.away_for(account, devices, DEVICE_STALE_MS);
        self.forget(account, &stale, DEVICE_STALE_MS);
    }

    /// Devices go that were away for some days, as far as they hold up what all others have acknowledged. What nobody
    /// has acknowledged stays.
    pub(super) fn make_room(&mut self, account: &str, outcome: &Outcome) {
        self.crowded.remove(account);
        let Outcome::Devices(devices) = outcome else {
            return;
        };
        let (mut idle, others) = self.away_for(account, devices, DEVICE_IDLE_MS);
        let Some(passed) = others.iter().map(|device| device.cursor).min() else {
            return;
        };
        idle.retain(|device| device.cursor < passed);
        self.forget(account, &idle, DEVICE_IDLE_MS);
    }

    /// The devices that are not online and were not seen for so long, and the others.
    fn away_for<'a>(
        &self,
        account: &str,
        devices: &'a [Device],
        ms: u64,
    ) -> (Vec<&'a Device>, Vec<&'a Device>) {
        let since_ms = self.wall_ms.saturating_sub(ms);
        devices.iter().partition(|device| {
            let is_online = self.presence.device(account, &device.device).is_some();
            device.last_seen_ms < since_ms && !is_online
        })
    }

    fn forget(&mut self, account: &str, devices: &[&Device], away_for_ms: u64) {
        for device in devices {
            // One that is about to log in stays: the store looks again.
            let op = Op::RemoveDevice {
                account: account.to_owned(),
                device: device.device,
                seen_before_ms: Some(self.wall_ms.saturating_sub(away_for_ms)),
            };
            self.ledger.push(op, Then::Nothing);
        }
    }
}
