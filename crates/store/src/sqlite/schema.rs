use std::path::Path;

use rusqlite::Connection;

use super::{Fault, Table};
use crate::StoreError;

/// Tables, and how they came to be.
pub(crate) struct Schema {
    /// Marks the file as one of this kind (`PRAGMA application_id`).
    pub(crate) application_id: u32,
    /// `migrations[n]` makes version `n + 1` of version `n`; version 0 is the empty file.
    pub(crate) migrations: &'static [&'static str],
    /// Every table of the newest version.
    pub(crate) tables: &'static [&'static Table],
}

/// Type, name, table and text of something in the schema.
type Item = (String, String, String, Option<String>);

impl Schema {
    /// Refuses what is not a database of this kind, or of a newer version. Writes nothing.
    pub(super) fn identify(&self, connection: &Connection, path: &Path) -> Result<(), StoreError> {
        let is_empty = items(connection).map(|items| items.is_empty());
        let is_empty = is_empty.map_err(|fault| match fault {
            fault if fault.is_busy() => StoreError::InUse(path.display().to_string()),
            fault => fault.into(),
        })?;
        let version = number(connection, "user_version")?;
        if is_empty && version == 0 {
            return Ok(());
        }
        if number(connection, "application_id")? != self.application_id {
            return Err(StoreError::Foreign(path.display().to_string()));
        }
        let known = self.version();
        if version > known {
            return Err(StoreError::Newer {
                found: version,
                known,
            });
        }
        Ok(())
    }

    /// Brings the database to the newest version, each step a transaction of its own.
    pub(super) fn migrate(&self, connection: &Connection) -> Result<(), StoreError> {
        let found = number(connection, "user_version")?;
        if found > 0 {
            check_structure(connection)?;
        }
        let id = self.application_id;
        for (version, step) in (1_u32..).zip(self.migrations) {
            if version > found {
                let step = format!(
                    "BEGIN IMMEDIATE; PRAGMA application_id = {id}; {step}
                     PRAGMA user_version = {version}; COMMIT;"
                );
                connection.execute_batch(&step).map_err(Fault::from)?;
            }
        }
        Ok(())
    }

    /// Checks pages, indexes, the schema itself, and every row's checksum.
    pub(super) fn verify(&self, connection: &Connection) -> Result<(), StoreError> {
        check_structure(connection)?;
        let expected = Connection::open_in_memory().map_err(Fault::from)?;
        self.migrate(&expected)?;
        if items(connection)? != items(&expected)? {
            return Err(StoreError::Corrupt(
                "the tables are not those of this version".into(),
            ));
        }
        for table in self.tables {
            table.verify(connection)?;
        }
        Ok(())
    }

    fn version(&self) -> u32 {
        u32::try_from(self.migrations.len()).unwrap_or(u32::MAX)
    }
}

fn check_structure(connection: &Connection) -> Result<(), StoreError> {
    let check = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0));
    let verdict: String = check.map_err(Fault::from)?;
    if verdict == "ok" {
        Ok(())
    } else {
        Err(StoreError::Corrupt(verdict))
    }
}

fn items(connection: &Connection) -> Result<Vec<Item>, Fault> {
    let mut statement = connection
        .prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name")?;
    let items = statement.query_map([], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
    })?;
    Ok(items.collect::<Result<_, _>>()?)
}

fn number(connection: &Connection, pragma: &str) -> Result<u32, StoreError> {
    let value: i64 = connection
        .pragma_query_value(None, pragma, |row| row.get(0))
        .map_err(Fault::from)?;
    u32::try_from(value).map_err(|_| StoreError::Corrupt(format!("{pragma} is {value}")))
}
