use rusqlite::{Connection, params};

use super::devices;
use super::schema::{BODIES, ENTRIES, MAILBOXES};
use crate::relay::{Append, Device, Entry, Outcome, Quota, Receipt};
use crate::sqlite::{Cells, Fault, blob, int63, text};
use crate::{DeviceId, MessageId, clamp63};

/// A row of `mailboxes`. There is none before the first entry.
#[derive(Default)]
pub(super) struct Mailbox {
    newest: u64,
    /// The highest position that any device ever acknowledged.
    delivered: u64,
    messages: u64,
    bytes: u64,
}

/// A row of `entries`.
struct Head {
    account: String,
    position: u64,
    sender: String,
    sending_device: DeviceId,
    message_id: MessageId,
    time_ms: u64,
    bytes: u64,
    body: u64,
}

impl Mailbox {
    pub(super) fn load(db: &Connection, account: &str) -> Result<Self, Fault> {
        let found = MAILBOXES.find(db, "WHERE account = ?", params![account], |cells| {
            cells.text()?;
            Ok(Self {
                newest: cells.number()?,
                delivered: cells.number()?,
                messages: cells.number()?,
                bytes: cells.number()?,
            })
        })?;
        Ok(found.unwrap_or_default())
    }

    fn put(&self, db: &Connection, account: &str) -> Result<(), Fault> {
        let row = [
            text(account),
            int63(self.newest),
            int63(self.delivered),
            int63(self.messages),
            int63(self.bytes),
        ];
        MAILBOXES.put(db, &row)
    }

    pub(super) fn has_room(&self, sealed: &[u8], quota: Quota) -> bool {
        self.messages.saturating_add(1) <= quota.messages
            && self.bytes.saturating_add(length(sealed)) <= quota.bytes
    }

    /// Adds an entry and returns its position.
    pub(super) fn push(mut self, db: &Connection, append: &Append) -> Result<u64, Fault> {
        let body = add_body(db, &append.sealed)?;
        self.newest = self.newest.saturating_add(1);
        self.messages = self.messages.saturating_add(1);
        self.bytes = self.bytes.saturating_add(length(&append.sealed));
        let row = [
            text(&append.recipient),
            int63(self.newest),
            text(&append.sender),
            blob(&append.sending_device),
            blob(&append.message_id),
            int63(append.now_ms),
            int63(length(&append.sealed)),
            int63(body),
        ];
        ENTRIES.insert(db, &row)?;
        self.put(db, &append.recipient)?;
        Ok(self.newest)
    }
}

impl Head {
    fn read(cells: &mut Cells<'_>) -> Result<Self, Fault> {
        Ok(Self {
            account: cells.text()?,
            position: cells.number()?,
            sender: cells.text()?,
            sending_device: cells.array()?,
            message_id: cells.array()?,
            time_ms: cells.number()?,
            bytes: cells.number()?,
            body: cells.number()?,
        })
    }

    fn into_entry(self, sealed: Vec<u8>) -> Entry {
        Entry {
            position: self.position,
            sender: self.sender,
            sending_device: self.sending_device,
            message_id: self.message_id,
            sealed,
            time_ms: self.time_ms,
        }
    }
}

pub(super) fn read_after(
    db: &Connection,
    account: &str,
    device: &DeviceId,
    after: Option<u64>,
    max_messages: u32,
    max_bytes: u64,
) -> Result<Outcome, Fault> {
    let Some(device) = devices::find(db, account, device)? else {
        return Ok(Outcome::NoSuchDevice);
    };
    let start = clamp63(device.cursor.max(after.unwrap_or(0)));
    let tail = "WHERE account = ? AND position > ? ORDER BY position LIMIT ?";
    let heads = ENTRIES.select(
        db,
        tail,
        params![account, start.cast_signed(), max_messages],
        Head::read,
    )?;
    let mut entries = Vec::new();
    let mut bytes = 0_u64;
    for head in heads {
        bytes = bytes.saturating_add(head.bytes);
        if bytes > max_bytes && !entries.is_empty() {
            break;
        }
        let sealed = load_body(db, head.body)?;
        entries.push(head.into_entry(sealed));
    }
    Ok(Outcome::Entries(entries))
}

pub(super) fn acknowledge(
    db: &Connection,
    account: &str,
    device: &DeviceId,
    position: u64,
) -> Result<Outcome, Fault> {
    let Some(device) = devices::find(db, account, device)? else {
        return Ok(Outcome::NoSuchDevice);
    };
    let mut mailbox = Mailbox::load(db, account)?;
    let position = position.min(mailbox.newest);
    if position <= device.cursor {
        return Ok(Outcome::Acknowledged {
            receipts: Vec::new(),
        });
    }
    let tail = "WHERE account = ? AND position > ? AND position <= ? ORDER BY position";
    let range = params![account, device.cursor.cast_signed(), position.cast_signed()];
    let receipts = ENTRIES.select(db, tail, range, |cells| {
        let head = Head::read(cells)?;
        Ok(Receipt {
            position: head.position,
            sender: head.sender,
            sending_device: head.sending_device,
            message_id: head.message_id,
            first: head.position > mailbox.delivered,
        })
    })?;
    devices::put(
        db,
        account,
        &Device {
            cursor: position,
            ..device
        },
    )?;
    if position > mailbox.delivered {
        mailbox.delivered = position;
        mailbox.put(db, account)?;
    }
    drop_passed(db, account)?;
    Ok(Outcome::Acknowledged { receipts })
}

/// The position before the oldest entry that is kept.
pub(super) fn before_oldest(db: &Connection, account: &str) -> Result<u64, Fault> {
    let tail = "WHERE account = ? ORDER BY position LIMIT 1";
    match ENTRIES.find(db, tail, params![account], Head::read)? {
        Some(oldest) => Ok(oldest.position.saturating_sub(1)),
        None => Ok(Mailbox::load(db, account)?.newest),
    }
}

/// Removes what every device has acknowledged.
///
/// At once, a whole mailbox if need be: no receipt and no deletion is behind another call. What a
/// mailbox may hold bounds the time, some tenths of a second for 256 MiB or 10,000 messages, and
/// storing them took ten times as long (`tests/relay/figures.rs`). In slices, senders would be
/// refused for want of room that there is.
pub(super) fn drop_passed(db: &Connection, account: &str) -> Result<(), Fault> {
    let devices = devices::list(db, account)?;
    let Some(passed) = devices.iter().map(|device| device.cursor).min() else {
        return Ok(());
    };
    let tail = "WHERE account = ? AND position <= ?";
    let range = params![account, passed.cast_signed()];
    // Reading verifies the rows: the deletions below go by what is in them.
    let lengths = ENTRIES.select(db, tail, range, |cells| Ok(Head::read(cells)?.bytes))?;
    if lengths.is_empty() {
        return Ok(());
    }
    let bodies = format!("WHERE id IN (SELECT body FROM entries {tail})");
    BODIES.delete(db, &bodies, range)?;
    ENTRIES.delete(db, tail, range)?;
    let mut mailbox = Mailbox::load(db, account)?;
    mailbox.messages = mailbox.messages.saturating_sub(count(&lengths));
    mailbox.bytes = lengths.into_iter().fold(mailbox.bytes, u64::saturating_sub);
    mailbox.put(db, account)
}

pub(super) fn expire(db: &Connection, before_ms: u64, limit: u32) -> Result<u64, Fault> {
    let before_ms = clamp63(before_ms).cast_signed();
    let tail = "WHERE time_ms < ? ORDER BY time_ms, account, position LIMIT ?";
    let heads = ENTRIES.select(db, tail, params![before_ms, limit], Head::read)?;
    for head in &heads {
        remove(db, head)?;
    }
    Ok(count(&heads))
}

pub(super) fn delete_all(db: &Connection, account: &str) -> Result<(), Fault> {
    let bodies = "WHERE id IN (SELECT body FROM entries WHERE account = ?)";
    BODIES.delete(db, bodies, params![account])?;
    ENTRIES.delete(db, "WHERE account = ?", params![account])?;
    MAILBOXES.delete(db, "WHERE account = ?", params![account])?;
    Ok(())
}

fn remove(db: &Connection, head: &Head) -> Result<(), Fault> {
    let place = params![head.account, head.position.cast_signed()];
    ENTRIES.delete(db, "WHERE account = ? AND position = ?", place)?;
    BODIES.delete(db, "WHERE id = ?", params![head.body.cast_signed()])?;
    let mut mailbox = Mailbox::load(db, &head.account)?;
    mailbox.messages = mailbox.messages.saturating_sub(1);
    mailbox.bytes = mailbox.bytes.saturating_sub(head.bytes);
    mailbox.put(db, &head.account)
}

fn add_body(db: &Connection, sealed: &[u8]) -> Result<u64, Fault> {
    // The checksum covers the id, so the id is chosen before the row is written. Only the index is asked: another body
    // may be long, and one that takes an id that is taken is not inserted.
    let newest: Option<i64> = db.query_row("SELECT max(id) FROM bodies", [], |row| row.get(0))?;
    let id = clamp63(newest.map_or(0, i64::cast_unsigned).saturating_add(1));
    BODIES.insert(db, &[int63(id), blob(sealed)])?;
    Ok(id)
}

fn load_body(db: &Connection, id: u64) -> Result<Vec<u8>, Fault> {
    let body = BODIES.find(db, "WHERE id = ?", params![id.cast_signed()], |cells| {
        cells.number()?;
        cells.blob()
    })?;
    body.ok_or_else(|| Fault::Damage("an entry has no body".into()))
}

fn length(bytes: &[u8]) -> u64 {
    count(bytes)
}

fn count<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
