use rusqlite::{Connection, params};

use super::schema::{CONVERSATIONS, SEEN};
use crate::device::{Conversation, Origin, Outcome};
use crate::sqlite::{Fault, blob, int64};
use crate::{ConversationId, FIRST_SEQUENCE};

pub(super) fn find(
    db: &Connection,
    conversation: &ConversationId,
) -> Result<Option<Conversation>, Fault> {
    CONVERSATIONS.find(
        db,
        "WHERE conversation = ?",
        params![conversation],
        |cells| {
            cells.array::<16>()?;
            Ok(Conversation {
                next_sequence: cells.number()?,
                state: cells.blob()?,
            })
        },
    )
}

pub(super) fn next_sequence(db: &Connection, conversation: &ConversationId) -> Result<u64, Fault> {
    Ok(find(db, conversation)?.map_or(FIRST_SEQUENCE, |known| known.next_sequence))
}

pub(super) fn advance(
    db: &Connection,
    conversation: &ConversationId,
    sequence: u64,
    state: &[u8],
) -> Result<Outcome, Fault> {
    let expected = next_sequence(db, conversation)?;
    if sequence != expected {
        return Ok(Outcome::SequenceConflict { expected });
    }
    let next = sequence.saturating_add(1);
    CONVERSATIONS.put(db, &[blob(conversation), int64(next), blob(state)])?;
    Ok(Outcome::Done)
}

pub(super) fn seen(db: &Connection, origin: &Origin) -> Result<Option<Vec<u8>>, Fault> {
    let tail = "WHERE sender_key = ? AND sending_device = ? AND conversation = ?";
    let key = params![
        origin.sender_key,
        origin.sending_device,
        origin.conversation
    ];
    SEEN.find(db, tail, key, |cells| {
        cells.array::<32>()?;
        cells.array::<16>()?;
        cells.array::<16>()?;
        cells.blob()
    })
}

pub(super) fn record_seen(
    db: &Connection,
    origin: &Origin,
    expected: Option<&[u8]>,
    state: &[u8],
) -> Result<Outcome, Fault> {
    let current = seen(db, origin)?;
    if current.as_deref() != expected {
        return Ok(Outcome::SeenConflict { current });
    }
    let row = [
        blob(&origin.sender_key),
        blob(&origin.sending_device),
        blob(&origin.conversation),
        blob(state),
    ];
    SEEN.put(db, &row)?;
    Ok(Outcome::Done)
}
