//! A client's store in a SQLite file.

mod contacts;
mod conversations;
mod inbox;
mod outbox;
mod schema;

use std::path::Path;

use rusqlite::{Connection, params};

use super::{Op, Outcome};
use crate::sqlite::{Engine, Fault, SqliteOptions, blob, text};
use crate::{Store, StoreError};

/// A store in a SQLite file, readable with `sqlite3` while no client has it open.
///
/// Beside the file stand a lock (`.lock`) and, while it is open or after a crash, a log (`-wal`),
/// which belongs to it: who copies the one copies the other. All are for their owner alone (0600).
#[derive(Debug)]
pub struct SqliteStore {
    engine: Engine,
}

impl SqliteStore {
    /// Opens the store at `path`, and makes it if there is none; its folder must exist.
    ///
    /// Reads and checks the whole file.
    ///
    /// # Errors
    ///
    /// [`StoreError::InUse`], [`StoreError::Newer`], [`StoreError::Foreign`],
    /// [`StoreError::Corrupt`], [`StoreError::Full`] or [`StoreError::Io`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, &SqliteOptions::default())
    }

    /// As [`open`](Self::open), with options.
    pub fn open_with(path: &Path, options: &SqliteOptions) -> Result<Self, StoreError> {
        let engine = Engine::open(path, &schema::SCHEMA, options)?;
        Ok(Self { engine })
    }
}

impl Store for SqliteStore {
    type Op = Op;
    type Outcome = Outcome;

    fn commit(&mut self, batch: &[Op]) -> Result<Vec<Outcome>, StoreError> {
        self.engine
            .commit(|db| batch.iter().map(|op| apply(db, op)).collect())
    }
}

fn apply(db: &Connection, op: &Op) -> Result<Outcome, Fault> {
    match op {
        Op::Enqueue { message, state } => outbox::enqueue(db, message, state),
        Op::EnqueueTombstone(message) => outbox::enqueue_tombstone(db, message),
        Op::SetOutboxState {
            message_id,
            state,
            reason,
        } => outbox::set_state(db, message_id, *state, reason.as_deref()),
        Op::LoadOutbound { message_id } => outbox::load(db, message_id),
        Op::ListOutbox {
            states,
            after,
            limit,
        } => outbox::list(db, states, *after, *limit),
        Op::ListConversation {
            conversation,
            from,
            limit,
        } => outbox::list_conversation(db, conversation, *from, *limit),
        Op::PruneOutbox { before_ms, limit } => outbox::prune(db, *before_ms, *limit),
        Op::StoreInbound(message) => inbox::store(db, message),
        Op::SetInboundState {
            position,
            state,
            display,
        } => inbox::set_state(db, *position, *state, display.as_deref()),
        Op::ListInbound {
            state,
            after,
            limit,
        } => inbox::list(db, *state, *after, *limit),
        Op::FindInbound { message_id } => inbox::find(db, message_id),
        Op::PruneInbound { before_ms, limit } => inbox::prune(db, *before_ms, *limit),
        Op::PinContact(contact) => contacts::pin(db, contact),
        Op::UpdateContact(contact) => contacts::update(db, contact),
        Op::LoadContact { name } => Ok(Outcome::Contact(contacts::find(db, name)?.map(Box::new))),
        Op::ListContacts => contacts::list(db),
        Op::AdvanceConversation {
            conversation,
            sequence,
            state,
        } => conversations::advance(db, conversation, *sequence, state),
        Op::LoadConversation { conversation } => Ok(Outcome::Conversation(conversations::find(
            db,
            conversation,
        )?)),
        Op::RecordSeen {
            origin,
            expected,
            state,
        } => conversations::record_seen(db, origin, expected.as_deref(), state),
        Op::LoadSeen { origin } => Ok(Outcome::Seen(conversations::seen(db, origin)?)),
        Op::PutMeta { key, value } => {
            schema::META.put(db, &[text(key), blob(value)])?;
            Ok(Outcome::Done)
        }
        Op::LoadMeta { key } => {
            let value = schema::META.find(db, "WHERE key = ?", params![key], |cells| {
                cells.text()?;
                cells.blob()
            })?;
            Ok(Outcome::Meta(value))
        }
    }
}
