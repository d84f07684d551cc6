//! One SQLite file under one writer: opened, checked, migrated, and stopped when it fails.
//!
//! Durability is SQLite's write-ahead log with `synchronous=FULL`: a commit returns after the log
//! is synced. Integrity is SQLite's own check of structure and indexes at open, and a checksum in
//! every row, verified whenever the row is read and once at open: SQLite has none for pages.
//!
//! After a crash, a log that was cut short reads as the last whole transaction before the cut;
//! nothing tells that apart from writes that never finished. After a close there is no log.

mod fault;
mod files;
mod schema;
mod table;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

pub(crate) use fault::Fault;
use files::Files;
pub(crate) use schema::Schema;
pub(crate) use table::{
    Cells, Table, blob, flag, int63, int64, optional_blob, optional_text, text,
};

use crate::StoreError;

/// The log is copied into the database when it is longer than this.
const LOG_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// SQLite's default, which is what new files get.
const PAGE_BYTES: u64 = 4096;
const CACHED_STATEMENTS: usize = 64;

/// How a SQLite store is opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SqliteOptions {
    /// The most bytes that the database file grows to, its log not counted; by default what the
    /// disk holds. At the limit writes are refused with [`StoreError::Full`].
    pub max_bytes: Option<u64>,
}

/// A database that is open.
pub(crate) struct Engine {
    connection: Connection,
    files: Files,
    stopped: Option<StoreError>,
}

impl Engine {
    /// Opens or creates the database at `path`, in a folder that exists, and checks all of it.
    pub(crate) fn open(
        path: &Path,
        schema: &Schema,
        options: &SqliteOptions,
    ) -> Result<Self, StoreError> {
        let files = Files::claim(path)?;
        let in_use = |fault: Fault| match fault {
            fault if fault.is_busy() => StoreError::InUse(path.display().to_string()),
            fault => fault.into(),
        };
        let connection = connect(files.database()).map_err(in_use)?;
        schema.identify(&connection, path)?;
        configure(&connection, options).map_err(in_use)?;
        schema.migrate(&connection)?;
        schema.verify(&connection)?;
        files.note_made()?;
        Ok(Self {
            connection,
            files,
            stopped: None,
        })
    }

    /// Runs `work` as one transaction.
    pub(crate) fn commit<T>(
        &mut self,
        work: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        if let Some(cause) = &self.stopped {
            return Err(StoreError::Stopped(cause.to_string()));
        }
        let done = transact(&self.connection, work);
        let outcome = done.or_else(|fault| self.undo(fault));
        match &outcome {
            Ok(_) if self.files.log_bytes() <= LOG_BYTES_MAX => {}
            Err(error) if !error.is_refusal() => self.stop(error.clone()),
            // A full disk: what the log holds twice may make room.
            Ok(_) | Err(_) => self.shorten_log(),
        }
        outcome
    }

    /// SQLite ends some failed transactions by itself, and some not.
    fn undo<T>(&self, fault: Fault) -> Result<T, StoreError> {
        let error = StoreError::from(fault);
        if self.connection.is_autocommit() {
            return Err(error);
        }
        match self.connection.execute_batch("ROLLBACK") {
            Ok(()) => Err(error),
            Err(rollback) => Err(StoreError::Io(format!("{error}; then: {rollback}"))),
        }
    }

    /// Copies the log into the database. SQLite's automatic way hides errors, and a sync that
    /// failed once must not be tried again: the kernel may have dropped what it did not write.
    fn shorten_log(&mut self) {
        let checkpoint = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        if let Err(error) = checkpoint.map_err(|error| StoreError::from(Fault::from(error)))
            && !error.is_refusal()
        {
            self.stop(error);
        }
    }

    /// From here on nothing is written any more, not even at close.
    fn stop(&mut self, cause: StoreError) {
        let _ = self
            .connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        self.stopped = Some(cause);
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("database", &self.files.database())
            .field("stopped", &self.stopped)
            .finish_non_exhaustive()
    }
}

fn connect(database: &PathBuf) -> Result<Connection, Fault> {
    // No CREATE: the file is there, with its permissions. No URI: a path is a path.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(database, flags)?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.busy_timeout(std::time::Duration::ZERO)?;
    // Exclusive: the log's index is in memory then, so it cannot fail for want of disk.
    connection.execute_batch(
        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY;",
    )?;
    Ok(connection)
}

fn configure(connection: &Connection, options: &SqliteOptions) -> Result<(), Fault> {
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(Fault::Refused("no write-ahead log on this file system"));
    }
    connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON;
         PRAGMA wal_autocheckpoint = 0; PRAGMA secure_delete = FAST;",
    )?;
    if let Some(max_bytes) = options.max_bytes {
        let pages = (max_bytes / PAGE_BYTES).clamp(1, u64::from(u32::MAX - 1));
        connection.execute_batch(&format!("PRAGMA max_page_count = {pages}"))?;
    }
    Ok(())
}

fn transact<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, Fault>,
) -> Result<T, Fault> {
    // Deferred: a batch that only loads takes no write lock and touches no disk.
    connection.prepare_cached("BEGIN")?.execute([])?;
    let done = work(connection)?;
    connection.prepare_cached("COMMIT")?.execute([])?;
    Ok(done)
}
