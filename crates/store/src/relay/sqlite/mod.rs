//! The relay's store in a SQLite file.

mod accounts;
mod devices;
mod entries;
mod marks;
mod notices;
mod schema;

use std::path::Path;

use rusqlite::{Connection, params};

use super::{Op, Outcome};
use crate::sqlite::{Engine, Fault, SqliteOptions, blob, text};
use crate::{Store, StoreError};

/// A store in a SQLite file, readable with `sqlite3` while no server has it open.
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
        Op::InsertAccount(account) => accounts::insert(db, account),
        Op::InsertAccountAndMeta {
            account,
            key,
            value,
        } => {
            let outcome = accounts::insert(db, account)?;
            if outcome == Outcome::Inserted {
                put_meta(db, key, value)?;
            }
            Ok(outcome)
        }
        Op::LoadAccount { name } => accounts::load(db, name),
        Op::ListAccounts { after, limit } => accounts::list(db, after.as_deref(), *limit),
        Op::CountDemoAccounts => accounts::count_demo(db),
        Op::ReplaceCredentials {
            name,
            expected_version,
            credentials,
        } => accounts::replace_credentials(db, name, *expected_version, credentials),
        Op::DeleteAccount { name } => accounts::delete(db, name),
        Op::TouchDevice {
            account,
            device,
            device_key,
            now_ms,
        } => devices::touch(db, account, *device, *device_key, *now_ms),
        Op::ListDevices { account } => Ok(Outcome::Devices(devices::list(db, account)?)),
        Op::SeeDevice {
            account,
            device,
            now_ms,
        } => devices::see(db, account, device, *now_ms),
        Op::RemoveDevice {
            account,
            device,
            seen_before_ms,
        } => devices::remove_unseen(db, account, device, *seen_before_ms),
        Op::Append(append) => marks::append(db, append),
        Op::ReadAfter {
            account,
            device,
            after,
            max_messages,
            max_bytes,
        } => entries::read_after(db, account, device, *after, *max_messages, *max_bytes),
        Op::Acknowledge {
            account,
            device,
            position,
        } => entries::acknowledge(db, account, device, *position),
        Op::Expire { before_ms, limit } => Ok(Outcome::Expired {
            messages: entries::expire(db, *before_ms, *limit)?,
            notices: notices::expire(db, *before_ms, *limit)?,
        }),
        Op::PutNotice {
            account,
            device,
            notice,
        } => notices::put(db, account, device, notice),
        Op::LoadNotices {
            account,
            device,
            limit,
        } => notices::load(db, account, device, *limit),
        Op::DeleteNotices {
            account,
            device,
            message_ids,
        } => notices::delete(db, account, device, message_ids),
        Op::PutMeta { key, value } => put_meta(db, key, value),
        Op::LoadMeta { key } => {
            let value = schema::META.find(db, "WHERE key = ?", params![key], |cells| {
                cells.text()?;
                cells.blob()
            })?;
            Ok(Outcome::Meta(value))
        }
    }
}

fn put_meta(db: &Connection, key: &str, value: &[u8]) -> Result<Outcome, Fault> {
    schema::META.put(db, &[text(key), blob(value)])?;
    Ok(Outcome::Done)
}
