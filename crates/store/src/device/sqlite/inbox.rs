use rusqlite::{Connection, params};

use super::schema::{INBOX, INBOX_BODIES};
use crate::device::{Inbound, InboundState, Outcome};
use crate::sqlite::{Cells, Fault, blob, int63, optional_blob, text};
use crate::{MessageId, clamp63};

pub(super) fn store(db: &Connection, message: &Inbound) -> Result<Outcome, Fault> {
    let Some(position) = free_position(db, message)? else {
        return Ok(Outcome::KeptBefore);
    };
    put(db, message, position)?;
    let body = [
        int63(position),
        blob(&message.sealed),
        optional_blob(message.display.as_deref()),
    ];
    INBOX_BODIES.insert(db, &body)?;
    Ok(Outcome::Kept)
}

/// Where a message goes; `None` if it is there already.
fn free_position(db: &Connection, message: &Inbound) -> Result<Option<u64>, Fault> {
    let Some(there) = head(db, message.position)? else {
        return Ok(Some(message.position));
    };
    let is_same = there.message_id == message.message_id;
    let tail = "WHERE message_id = ? AND sender = ?";
    if is_same || INBOX.count(db, tail, params![message.message_id, message.sender])? > 0 {
        return Ok(None);
    }
    let newest = INBOX.find(db, "ORDER BY position DESC LIMIT 1", [], read)?;
    let newest = newest.map_or(0, |newest| newest.position);
    // At the largest number there is no place left.
    Ok(Some(clamp63(newest.saturating_add(1))).filter(|position| *position > newest))
}

pub(super) fn set_state(
    db: &Connection,
    position: u64,
    state: InboundState,
    display: Option<&[u8]>,
) -> Result<Outcome, Fault> {
    let Some(message) = head(db, position)? else {
        return Ok(Outcome::NoSuchMessage);
    };
    let message = Inbound { state, ..message };
    put(db, &message, message.position)?;
    if display.is_some() {
        let message = with_body(db, message)?;
        let body = [
            int63(message.position),
            blob(&message.sealed),
            optional_blob(display),
        ];
        INBOX_BODIES.put(db, &body)?;
    }
    Ok(Outcome::Done)
}

pub(super) fn list(
    db: &Connection,
    state: InboundState,
    after: u64,
    limit: u32,
) -> Result<Outcome, Fault> {
    let tail = "WHERE state = ? AND position > ? ORDER BY position LIMIT ?";
    let after = clamp63(after).cast_signed();
    let heads = INBOX.select(db, tail, params![name(state), after, limit], read)?;
    let messages = heads.into_iter().map(|message| with_body(db, message));
    Ok(Outcome::Inbox(messages.collect::<Result<_, _>>()?))
}

pub(super) fn find(db: &Connection, message_id: &MessageId) -> Result<Outcome, Fault> {
    let tail = "WHERE message_id = ? ORDER BY position";
    let found = INBOX.select(db, tail, params![message_id], |cells| {
        read(cells).map(|message| (message.position, message.state))
    })?;
    Ok(Outcome::Found(found))
}

pub(super) fn prune(db: &Connection, before_ms: u64, limit: u32) -> Result<Outcome, Fault> {
    let tail = "WHERE state != 'received' AND time_ms < ? ORDER BY position LIMIT ?";
    let before_ms = clamp63(before_ms).cast_signed();
    let old = INBOX.select(db, tail, params![before_ms, limit], read)?;
    for message in &old {
        let position = message.position.cast_signed();
        INBOX.delete(db, "WHERE position = ?", params![position])?;
        INBOX_BODIES.delete(db, "WHERE position = ?", params![position])?;
    }
    Ok(Outcome::Pruned(
        u64::try_from(old.len()).unwrap_or(u64::MAX),
    ))
}

/// The message without its body.
fn head(db: &Connection, position: u64) -> Result<Option<Inbound>, Fault> {
    INBOX.find(
        db,
        "WHERE position = ?",
        params![clamp63(position).cast_signed()],
        read,
    )
}

/// Writes all but the body.
fn put(db: &Connection, message: &Inbound, position: u64) -> Result<(), Fault> {
    let row = [
        int63(position),
        text(&message.sender),
        blob(&message.message_id),
        int63(message.time_ms),
        text(name(message.state)),
    ];
    INBOX.put(db, &row)
}

fn read(cells: &mut Cells<'_>) -> Result<Inbound, Fault> {
    Ok(Inbound {
        position: cells.number()?,
        sender: cells.text()?,
        message_id: cells.array()?,
        sealed: Vec::new(),
        time_ms: cells.number()?,
        state: state(&cells.text()?)?,
        display: None,
    })
}

fn with_body(db: &Connection, mut message: Inbound) -> Result<Inbound, Fault> {
    let position = params![message.position.cast_signed()];
    let body = INBOX_BODIES.find(db, "WHERE position = ?", position, |cells| {
        cells.number()?;
        Ok((cells.blob()?, cells.optional_blob()?))
    })?;
    (message.sealed, message.display) =
        body.ok_or_else(|| Fault::Damage("a message of the inbox has no body".into()))?;
    Ok(message)
}

const fn name(state: InboundState) -> &'static str {
    match state {
        InboundState::Received => "received",
        InboundState::Opened => "opened",
        InboundState::Unreadable => "unreadable",
    }
}

fn state(name: &str) -> Result<InboundState, Fault> {
    match name {
        "received" => Ok(InboundState::Received),
        "opened" => Ok(InboundState::Opened),
        "unreadable" => Ok(InboundState::Unreadable),
        _ => Err(Fault::Damage(
            "a message of the inbox has no known state".into(),
        )),
    }
}
