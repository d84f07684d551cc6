use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, params, params_from_iter};

use super::conversations;
use super::schema::{COUNTERS, OUTBOX, OUTBOX_BODIES};
use crate::device::{Outbound, OutboundEntry, OutboxState, Outcome};
use crate::sqlite::{Cells, Fault, blob, int63, int64, optional_blob, optional_text, text};
use crate::{ConversationId, MessageId, clamp63};

const BY_ID: &str = "WHERE message_id = ?";

pub(super) fn enqueue(db: &Connection, message: &Outbound, state: &[u8]) -> Result<Outcome, Fault> {
    if find(db, &message.message_id)?.is_some() {
        return Ok(Outcome::IdTaken);
    }
    match conversations::advance(db, &message.conversation, message.sequence, state)? {
        Outcome::Done => push(db, message),
        conflict => Ok(conflict),
    }
}

pub(super) fn enqueue_tombstone(db: &Connection, message: &Outbound) -> Result<Outcome, Fault> {
    if find(db, &message.message_id)?.is_some() {
        return Ok(Outcome::IdTaken);
    }
    let tail = "WHERE conversation = ? AND sequence = ? ORDER BY number";
    let place = params![message.conversation, message.sequence.cast_signed()];
    let holders = OUTBOX.select(db, tail, place, read)?;
    let all_failed = holders
        .iter()
        .all(|holder| holder.state == OutboxState::Failed);
    if holders.is_empty() || !all_failed {
        let expected = conversations::next_sequence(db, &message.conversation)?;
        return Ok(Outcome::SequenceConflict { expected });
    }
    // The first is what somebody wrote.
    for tombstone in holders.iter().skip(1) {
        remove(db, tombstone.number)?;
    }
    push(db, message)
}

pub(super) fn set_state(
    db: &Connection,
    message_id: &MessageId,
    state: OutboxState,
    reason: Option<&str>,
) -> Result<Outcome, Fault> {
    let Some(mut entry) = find(db, message_id)? else {
        return Ok(Outcome::NoSuchMessage);
    };
    if entry.state.may_become(state) {
        entry.state = state;
        entry.reason = reason.map(str::to_owned);
        put(db, &entry)?;
    }
    Ok(Outcome::OutboxState(entry.state))
}

pub(super) fn load(db: &Connection, message_id: &MessageId) -> Result<Outcome, Fault> {
    let entry = match find(db, message_id)? {
        Some(entry) => Some(Box::new(with_body(db, entry)?)),
        None => None,
    };
    Ok(Outcome::OutboundEntry(entry))
}

pub(super) fn list(
    db: &Connection,
    states: &[OutboxState],
    after: u64,
    limit: u32,
) -> Result<Outcome, Fault> {
    let places = vec!["?"; states.len()].join(", ");
    let tail = format!("WHERE state IN ({places}) AND number > ? ORDER BY number LIMIT ?");
    let values = states.iter().map(|state| text(name(*state)));
    let values = values.chain([int63(after), int64(u64::from(limit))]);
    let params = params_from_iter(values.map(ToSqlOutput::Borrowed));
    with_bodies(db, OUTBOX.select(db, &tail, params, read)?)
}

pub(super) fn list_conversation(
    db: &Connection,
    conversation: &ConversationId,
    from: u64,
    limit: u32,
) -> Result<Outcome, Fault> {
    let tail = "WHERE conversation = ? AND sequence >= ? AND number = (
            SELECT max(same.number) FROM outbox AS same
            WHERE same.conversation = outbox.conversation AND same.sequence = outbox.sequence
        ) ORDER BY sequence LIMIT ?";
    let params = params![conversation, clamp63(from).cast_signed(), limit];
    with_bodies(db, OUTBOX.select(db, tail, params, read)?)
}

pub(super) fn prune(db: &Connection, before_ms: u64, limit: u32) -> Result<Outcome, Fault> {
    let tail = "WHERE state != 'queued' AND created_ms < ? AND (
            state != 'failed' OR EXISTS (
                SELECT 1 FROM outbox AS later
                WHERE later.conversation = outbox.conversation
                AND later.sequence >= outbox.sequence
                AND later.state IN ('stored', 'delivered')
            )
        ) ORDER BY number LIMIT ?";
    let before_ms = clamp63(before_ms).cast_signed();
    let old = OUTBOX.select(db, tail, params![before_ms, limit], read)?;
    for entry in &old {
        remove(db, entry.number)?;
    }
    Ok(Outcome::Pruned(
        u64::try_from(old.len()).unwrap_or(u64::MAX),
    ))
}

fn remove(db: &Connection, number: u64) -> Result<(), Fault> {
    OUTBOX.delete(db, "WHERE number = ?", params![number.cast_signed()])?;
    OUTBOX_BODIES.delete(db, "WHERE number = ?", params![number.cast_signed()])?;
    Ok(())
}

fn push(db: &Connection, message: &Outbound) -> Result<Outcome, Fault> {
    let newest = COUNTERS.find(db, "WHERE name = 'outbox'", [], |cells| {
        cells.text()?;
        cells.number()
    })?;
    let number = newest.unwrap_or(0).saturating_add(1);
    COUNTERS.put(db, &[text("outbox"), int63(number)])?;
    let body = [
        int63(number),
        blob(&message.sealed),
        optional_blob(message.display.as_deref()),
    ];
    OUTBOX_BODIES.insert(db, &body)?;
    let message = Outbound {
        sealed: Vec::new(),
        display: None,
        ..message.clone()
    };
    let entry = OutboundEntry {
        number,
        message,
        state: OutboxState::Queued,
        reason: None,
    };
    put(db, &entry)?;
    Ok(Outcome::Enqueued { number })
}

/// The entry without its body.
fn find(db: &Connection, message_id: &MessageId) -> Result<Option<OutboundEntry>, Fault> {
    OUTBOX.find(db, BY_ID, params![message_id], read)
}

/// Writes all but the body.
fn put(db: &Connection, entry: &OutboundEntry) -> Result<(), Fault> {
    let message = &entry.message;
    let row = [
        int63(entry.number),
        blob(&message.message_id),
        blob(&message.conversation),
        int64(message.sequence),
        text(&message.recipient),
        int63(message.created_ms),
        text(name(entry.state)),
        optional_text(entry.reason.as_deref()),
    ];
    OUTBOX.put(db, &row)
}

fn read(cells: &mut Cells<'_>) -> Result<OutboundEntry, Fault> {
    let number = cells.number()?;
    let message = Outbound {
        message_id: cells.array()?,
        conversation: cells.array()?,
        sequence: cells.number()?,
        recipient: cells.text()?,
        created_ms: cells.number()?,
        sealed: Vec::new(),
        display: None,
    };
    let state = state(&cells.text()?)?;
    Ok(OutboundEntry {
        number,
        message,
        state,
        reason: cells.optional_text()?,
    })
}

fn with_bodies(db: &Connection, heads: Vec<OutboundEntry>) -> Result<Outcome, Fault> {
    let entries = heads.into_iter().map(|head| with_body(db, head));
    Ok(Outcome::Outbox(entries.collect::<Result<_, _>>()?))
}

fn with_body(db: &Connection, mut entry: OutboundEntry) -> Result<OutboundEntry, Fault> {
    let number = params![entry.number.cast_signed()];
    let body = OUTBOX_BODIES.find(db, "WHERE number = ?", number, |cells| {
        cells.number()?;
        Ok((cells.blob()?, cells.optional_blob()?))
    })?;
    (entry.message.sealed, entry.message.display) =
        body.ok_or_else(|| Fault::Damage("a message of the outbox has no body".into()))?;
    Ok(entry)
}

const fn name(state: OutboxState) -> &'static str {
    match state {
        OutboxState::Queued => "queued",
        OutboxState::Stored => "stored",
        OutboxState::Delivered => "delivered",
        OutboxState::Failed => "failed",
    }
}

fn state(name: &str) -> Result<OutboxState, Fault> {
    match name {
        "queued" => Ok(OutboxState::Queued),
        "stored" => Ok(OutboxState::Stored),
        "delivered" => Ok(OutboxState::Delivered),
        "failed" => Ok(OutboxState::Failed),
        _ => Err(Fault::Damage(
            "a message of the outbox has no known state".into(),
        )),
    }
}
