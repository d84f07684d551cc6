use rusqlite::{Connection, params};

use super::devices;
use super::schema::NOTICES;
use crate::relay::{NOTICES_PER_DEVICE_MAX, Notice, Outcome};
use crate::sqlite::{Cells, Fault, blob, int63, int64, text};
use crate::{DeviceId, MessageId, clamp63};

const OF_DEVICE: &str = "WHERE account = ? AND device = ?";

pub(super) fn put(
    db: &Connection,
    account: &str,
    device: &DeviceId,
    notice: &Notice,
) -> Result<Outcome, Fault> {
    if devices::find(db, account, device)?.is_none() {
        return Ok(Outcome::NoSuchDevice);
    }
    let row = [
        text(account),
        blob(device),
        blob(&notice.message_id),
        int64(u64::from(notice.kind)),
        int63(notice.time_ms),
        text(&notice.by),
    ];
    NOTICES.put(db, &row)?;
    let waiting = NOTICES.count(db, OF_DEVICE, params![account, device])?;
    if waiting > u64::try_from(NOTICES_PER_DEVICE_MAX).unwrap_or(u64::MAX) {
        let tail = "WHERE account = ?1 AND device = ?2 AND message_id =
            (SELECT message_id FROM notices WHERE account = ?1 AND device = ?2
             ORDER BY time_ms, message_id LIMIT 1)";
        NOTICES.delete(db, tail, params![account, device])?;
    }
    Ok(Outcome::Done)
}

pub(super) fn load(
    db: &Connection,
    account: &str,
    device: &DeviceId,
    limit: u32,
) -> Result<Outcome, Fault> {
    let tail = "WHERE account = ? AND device = ? ORDER BY time_ms, message_id LIMIT ?";
    Ok(Outcome::Notices(NOTICES.select(
        db,
        tail,
        params![account, device, limit],
        read,
    )?))
}

pub(super) fn delete(
    db: &Connection,
    account: &str,
    device: &DeviceId,
    message_ids: &[MessageId],
) -> Result<Outcome, Fault> {
    for message_id in message_ids {
        let tail = "WHERE account = ? AND device = ? AND message_id = ?";
        NOTICES.delete(db, tail, params![account, device, message_id])?;
    }
    Ok(Outcome::Done)
}

pub(super) fn delete_of_device(
    db: &Connection,
    account: &str,
    device: &DeviceId,
) -> Result<(), Fault> {
    NOTICES.delete(db, OF_DEVICE, params![account, device])?;
    Ok(())
}

pub(super) fn delete_all(db: &Connection, account: &str) -> Result<(), Fault> {
    NOTICES.delete(db, "WHERE account = ?", params![account])?;
    Ok(())
}

pub(super) fn expire(db: &Connection, before_ms: u64, limit: u32) -> Result<u64, Fault> {
    let tail = "WHERE (account, device, message_id) IN
        (SELECT account, device, message_id FROM notices WHERE time_ms < ?
         ORDER BY time_ms, account, device, message_id LIMIT ?)";
    let before_ms = clamp63(before_ms).cast_signed();
    let removed = NOTICES.delete(db, tail, params![before_ms, limit])?;
    Ok(u64::try_from(removed).unwrap_or(u64::MAX))
}

fn read(cells: &mut Cells<'_>) -> Result<Notice, Fault> {
    cells.text()?;
    cells.array::<16>()?;
    let message_id = cells.array()?;
    let kind = u8::try_from(cells.number()?);
    let kind = kind.map_err(|_| Fault::Damage("a notice has no known kind".into()))?;
    Ok(Notice {
        message_id,
        kind,
        time_ms: cells.number()?,
        by: cells.text()?,
    })
}
