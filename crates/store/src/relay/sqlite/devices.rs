use rusqlite::{Connection, params};

use super::schema::DEVICES;
use super::{accounts, entries, notices};
use crate::relay::{DEVICES_PER_ACCOUNT_MAX, Device, Outcome};
use crate::sqlite::{Cells, Fault, blob, int63, text};
use crate::{DeviceId, clamp63};

pub(super) fn touch(
    db: &Connection,
    account: &str,
    device: DeviceId,
    device_key: [u8; 32],
    now_ms: u64,
) -> Result<Outcome, Fault> {
    if !accounts::exists(db, account)? {
        return Ok(Outcome::NoSuchAccount);
    }
    let now_ms = clamp63(now_ms);
    if let Some(mut known) = find(db, account, &device)? {
        known.device_key = device_key;
        known.see(now_ms);
        put(db, account, &known)?;
        return Ok(Outcome::Touched {
            new: false,
            cursor: known.cursor,
        });
    }
    let known = list(db, account)?;
    if known.len() >= DEVICES_PER_ACCOUNT_MAX {
        match Device::in_the_way(&known, now_ms) {
            Ok(idle) => remove(db, account, &idle.device)?,
            Err(wait_ms) => return Ok(Outcome::TooManyDevices { wait_ms }),
        };
    }
    let cursor = entries::before_oldest(db, account)?;
    let new = Device {
        device,
        device_key,
        cursor,
        first_seen_ms: now_ms,
        last_seen_ms: now_ms,
    };
    put(db, account, &new)?;
    Ok(Outcome::Touched { new: true, cursor })
}

pub(super) fn see(
    db: &Connection,
    account: &str,
    device: &DeviceId,
    now_ms: u64,
) -> Result<Outcome, Fault> {
    let Some(mut known) = find(db, account, device)? else {
        return Ok(Outcome::NoSuchDevice);
    };
    known.see(now_ms);
    put(db, account, &known)?;
    Ok(Outcome::Done)
}

pub(super) fn find(
    db: &Connection,
    account: &str,
    device: &DeviceId,
) -> Result<Option<Device>, Fault> {
    DEVICES.find(
        db,
        "WHERE account = ? AND device = ?",
        params![account, device],
        read,
    )
}

/// The devices in the order of their ids.
pub(super) fn list(db: &Connection, account: &str) -> Result<Vec<Device>, Fault> {
    DEVICES.select(
        db,
        "WHERE account = ? ORDER BY device",
        params![account],
        read,
    )
}

pub(super) fn put(db: &Connection, account: &str, device: &Device) -> Result<(), Fault> {
    let row = [
        text(account),
        blob(&device.device),
        blob(&device.device_key),
        int63(device.cursor),
        int63(device.first_seen_ms),
        int63(device.last_seen_ms),
    ];
    DEVICES.put(db, &row)
}

pub(super) fn remove_unseen(
    db: &Connection,
    account: &str,
    device: &DeviceId,
    seen_before_ms: Option<u64>,
) -> Result<Outcome, Fault> {
    match find(db, account, device)? {
        Some(known) if known.was_seen_since(seen_before_ms) => Ok(Outcome::SeenSince),
        _ => remove(db, account, device),
    }
}

fn remove(db: &Connection, account: &str, device: &DeviceId) -> Result<Outcome, Fault> {
    if DEVICES.delete(
        db,
        "WHERE account = ? AND device = ?",
        params![account, device],
    )? == 0
    {
        return Ok(Outcome::NoSuchDevice);
    }
    notices::delete_of_device(db, account, device)?;
    entries::drop_passed(db, account)?;
    Ok(Outcome::Done)
}

pub(super) fn delete_all(db: &Connection, account: &str) -> Result<(), Fault> {
    DEVICES.delete(db, "WHERE account = ?", params![account])?;
    Ok(())
}

fn read(cells: &mut Cells<'_>) -> Result<Device, Fault> {
    cells.text()?;
    Ok(Device {
        device: cells.array()?,
        device_key: cells.array()?,
        cursor: cells.number()?,
        first_seen_ms: cells.number()?,
        last_seen_ms: cells.number()?,
    })
}
