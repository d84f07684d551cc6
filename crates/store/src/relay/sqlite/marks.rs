use rusqlite::{Connection, params};

use super::accounts;
use super::entries::Mailbox;
use super::schema::{MARKS, RECENT, REFUSALS};
use crate::relay::recent::RecentIds;
use crate::relay::{Append, Outcome, REFUSED_MAX, Refusal};
use crate::sqlite::{Fault, blob, int64, text};
use crate::{FIRST_SEQUENCE, MessageId};

pub(super) fn append(db: &Connection, append: &Append) -> Result<Outcome, Fault> {
    let next = next_sequence(db, append)?;
    let is_old = (FIRST_SEQUENCE..next).contains(&append.sequence);
    if is_old {
        match refused(db, append)? {
            None => {
                let recent = recent(db, append)?;
                let is_other = recent.contradict(next, append.sequence, &append.message_id);
                return Ok(if is_other {
                    gap(next)
                } else {
                    Outcome::Duplicate
                });
            }
            Some(message_id) if message_id == append.message_id => return Ok(full(true)),
            Some(_) => {}
        }
    }
    if !accounts::exists(db, &append.recipient)? {
        return Ok(Outcome::Refused {
            reason: Refusal::NoSuchAccount,
            remembered: false,
        });
    }
    if !is_old && append.sequence != next {
        return Ok(gap(next));
    }
    let mailbox = Mailbox::load(db, &append.recipient)?;
    if mailbox.has_room(&append.sealed, append.quota) {
        if is_old {
            forget_refusal(db, append)?;
        } else {
            advance(db, append)?;
        }
        note(db, append, next)?;
        return Ok(Outcome::Stored {
            position: mailbox.push(db, append)?,
        });
    }
    if is_old || !append.remember_full || !remember_refusal(db, append)? {
        return Ok(full(false));
    }
    advance(db, append)?;
    note(db, append, next)?;
    Ok(full(true))
}

fn next_sequence(db: &Connection, append: &Append) -> Result<u64, Fault> {
    let tail = "WHERE sender = ? AND sending_device = ? AND conversation = ?";
    let key = params![append.sender, append.sending_device, append.conversation];
    let next = MARKS.find(db, tail, key, |cells| {
        cells.text()?;
        cells.array::<16>()?;
        cells.array::<16>()?;
        cells.number()
    })?;
    Ok(next.unwrap_or(FIRST_SEQUENCE))
}

fn advance(db: &Connection, append: &Append) -> Result<(), Fault> {
    let row = [
        text(&append.sender),
        blob(&append.sending_device),
        blob(&append.conversation),
        int64(append.sequence.saturating_add(1)),
    ];
    MARKS.put(db, &row)
}

fn recent(db: &Connection, append: &Append) -> Result<RecentIds, Fault> {
    let tail = "WHERE sender = ? AND sending_device = ? AND conversation = ?";
    let key = params![append.sender, append.sending_device, append.conversation];
    let found = RECENT.find(db, tail, key, |cells| {
        cells.text()?;
        cells.array::<16>()?;
        cells.array::<16>()?;
        cells.blob()
    })?;
    Ok(RecentIds::decode(&found.unwrap_or_default()))
}

fn note(db: &Connection, append: &Append, next: u64) -> Result<(), Fault> {
    let mut recent = recent(db, append)?;
    recent.note(next, append.sequence, append.message_id);
    let ids = recent.encode();
    let row = [
        text(&append.sender),
        blob(&append.sending_device),
        blob(&append.conversation),
        blob(&ids),
    ];
    RECENT.put(db, &row)
}

/// The message that was refused for good under this sequence number.
fn refused(db: &Connection, append: &Append) -> Result<Option<MessageId>, Fault> {
    let tail = "WHERE sender = ? AND sending_device = ? AND conversation = ? AND sequence = ?";
    let key = params![
        append.sender,
        append.sending_device,
        append.conversation,
        append.sequence.cast_signed()
    ];
    REFUSALS.find(db, tail, key, |cells| {
        cells.text()?;
        cells.array::<16>()?;
        cells.array::<16>()?;
        cells.number()?;
        cells.array()
    })
}

/// False when no more refusals fit.
fn remember_refusal(db: &Connection, append: &Append) -> Result<bool, Fault> {
    let tail = "WHERE sender = ? AND sending_device = ? AND conversation = ?";
    let key = params![append.sender, append.sending_device, append.conversation];
    let remembered = REFUSALS.count(db, tail, key)?;
    if remembered >= u64::try_from(REFUSED_MAX).unwrap_or(u64::MAX) {
        return Ok(false);
    }
    let row = [
        text(&append.sender),
        blob(&append.sending_device),
        blob(&append.conversation),
        int64(append.sequence),
        blob(&append.message_id),
    ];
    REFUSALS.insert(db, &row)?;
    Ok(true)
}

fn forget_refusal(db: &Connection, append: &Append) -> Result<(), Fault> {
    let tail = "WHERE sender = ? AND sending_device = ? AND conversation = ? AND sequence = ?";
    let key = params![
        append.sender,
        append.sending_device,
        append.conversation,
        append.sequence.cast_signed()
    ];
    REFUSALS.delete(db, tail, key)?;
    Ok(())
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
