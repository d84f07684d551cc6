use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Params, Row, params_from_iter};

use super::Fault;
use crate::checksum::Crc32c;
use crate::clamp63;

/// A table whose every row carries a checksum over its name and values.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// All columns but the last, `checksum`, in the order in which rows are written and read.
    pub(crate) columns: &'static [&'static str],
}

impl Table {
    /// Adds a row that is not there.
    pub(crate) fn insert(&self, db: &Connection, values: &[ValueRef<'_>]) -> Result<(), Fault> {
        self.write(db, "INSERT", values)
    }

    /// Adds a row or replaces the one with the same key.
    pub(crate) fn put(&self, db: &Connection, values: &[ValueRef<'_>]) -> Result<(), Fault> {
        self.write(db, "INSERT OR REPLACE", values)
    }

    /// Deletes rows; `tail` is `WHERE ...`. Returns how many there were.
    pub(crate) fn delete(
        &self,
        db: &Connection,
        tail: &str,
        params: impl Params,
    ) -> Result<usize, Fault> {
        let sql = format!("DELETE FROM {} {tail}", self.name);
        Ok(db.prepare_cached(&sql)?.execute(params)?)
    }

    /// Reads rows; `tail` is all behind `FROM table`. Every row read is verified.
    pub(crate) fn select<T>(
        &self,
        db: &Connection,
        tail: &str,
        params: impl Params,
        mut read: impl FnMut(&mut Cells<'_>) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        let columns = self.columns.join(", ");
        let sql = format!("SELECT {columns}, checksum FROM {} {tail}", self.name);
        let mut statement = db.prepare_cached(&sql)?;
        let mut rows = statement.query(params)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            self.check(row)?;
            found.push(read(&mut Cells { row, next: 0 })?);
        }
        Ok(found)
    }

    /// Reads the row that `tail` names, if there is one.
    pub(crate) fn find<T>(
        &self,
        db: &Connection,
        tail: &str,
        params: impl Params,
        read: impl FnMut(&mut Cells<'_>) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        Ok(self.select(db, tail, params, read)?.into_iter().next())
    }

    /// How many rows `tail` names. Counts without reading, so verifies nothing.
    pub(crate) fn count(
        &self,
        db: &Connection,
        tail: &str,
        params: impl Params,
    ) -> Result<u64, Fault> {
        let sql = format!("SELECT count(*) FROM {} {tail}", self.name);
        let count: i64 = db
            .prepare_cached(&sql)?
            .query_row(params, |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    /// Verifies every row.
    pub(super) fn verify(&self, db: &Connection) -> Result<(), Fault> {
        let columns = self.columns.join(", ");
        let mut statement =
            db.prepare(&format!("SELECT {columns}, checksum FROM {}", self.name))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            self.check(row)?;
        }
        Ok(())
    }

    fn write(&self, db: &Connection, verb: &str, values: &[ValueRef<'_>]) -> Result<(), Fault> {
        let columns = self.columns.join(", ");
        let places = vec!["?"; self.columns.len()].join(", ");
        let sql = format!(
            "{verb} INTO {} ({columns}, checksum) VALUES ({places}, ?)",
            self.name
        );
        let checksum = ValueRef::Integer(self.checksum(values.iter().copied().map(Ok))?);
        let all = values
            .iter()
            .chain(Some(&checksum))
            .map(|value| ToSqlOutput::Borrowed(*value));
        db.prepare_cached(&sql)?.execute(params_from_iter(all))?;
        Ok(())
    }

    fn check(&self, row: &Row<'_>) -> Result<(), Fault> {
        let values = (0..self.columns.len()).map(|at| Ok(row.get_ref(at)?));
        let found: i64 = row.get(self.columns.len())?;
        if self.checksum(values)? == found {
            return Ok(());
        }
        Err(Fault::Damage(format!(
            "a row of table {} fails its checksum",
            self.name
        )))
    }

    fn checksum<'v>(
        &self,
        values: impl Iterator<Item = Result<ValueRef<'v>, Fault>>,
    ) -> Result<i64, Fault> {
        let mut crc = Crc32c::new();
        crc.update(self.name.as_bytes());
        for value in values {
            let (kind, bytes): (u8, &[u8]) = match value? {
                ValueRef::Null => (0, &[]),
                ValueRef::Integer(number) => (1, &number.to_be_bytes()),
                ValueRef::Text(text) => (2, text),
                ValueRef::Blob(blob) => (3, blob),
                ValueRef::Real(_) => {
                    return Err(Fault::Damage(format!("table {} has a float", self.name)));
                }
            };
            crc.update(&[kind]);
            crc.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
            crc.update(bytes);
        }
        Ok(i64::from(crc.value()))
    }
}

/// The values of a row, taken from left to right.
pub(crate) struct Cells<'r> {
    row: &'r Row<'r>,
    next: usize,
}

impl Cells<'_> {
    pub(crate) fn text(&mut self) -> Result<String, Fault> {
        self.take()
    }

    pub(crate) fn optional_text(&mut self) -> Result<Option<String>, Fault> {
        self.take()
    }

    pub(crate) fn blob(&mut self) -> Result<Vec<u8>, Fault> {
        self.take()
    }

    pub(crate) fn optional_blob(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        self.take()
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        self.take()
    }

    /// Written by [`int63`] or [`int64`].
    pub(crate) fn number(&mut self) -> Result<u64, Fault> {
        Ok(self.take::<i64>()?.cast_unsigned())
    }

    pub(crate) fn flag(&mut self) -> Result<bool, Fault> {
        self.take()
    }

    fn take<T: rusqlite::types::FromSql>(&mut self) -> Result<T, Fault> {
        let at = self.next;
        self.next = at.saturating_add(1);
        Ok(self.row.get(at)?)
    }
}

pub(crate) const fn text(value: &str) -> ValueRef<'_> {
    ValueRef::Text(value.as_bytes())
}

pub(crate) const fn blob(value: &[u8]) -> ValueRef<'_> {
    ValueRef::Blob(value)
}

pub(crate) fn optional_text(value: Option<&str>) -> ValueRef<'_> {
    value.map_or(ValueRef::Null, text)
}

pub(crate) fn optional_blob(value: Option<&[u8]>) -> ValueRef<'_> {
    value.map_or(ValueRef::Null, blob)
}

pub(crate) fn flag(value: bool) -> ValueRef<'static> {
    ValueRef::Integer(i64::from(value))
}

/// A number whose order counts; it saturates.
pub(crate) fn int63(value: u64) -> ValueRef<'static> {
    ValueRef::Integer(clamp63(value).cast_signed())
}

/// A number that is only compared for equality; the upper half reads as negative in SQL.
pub(crate) const fn int64(value: u64) -> ValueRef<'static> {
    ValueRef::Integer(value.cast_signed())
}
