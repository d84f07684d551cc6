use rusqlite::{Error, ErrorCode};

use crate::StoreError;

/// Why work on the database failed.
#[derive(Debug)]
pub(crate) enum Fault {
    /// SQLite says so.
    Sqlite(Error),
    /// A row is not what was written.
    Damage(String),
    /// The file system does not do what is needed.
    Refused(&'static str),
}

impl Fault {
    /// True when another connection holds the database.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self, Self::Sqlite(error) if matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
        ))
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        let error = match fault {
            Fault::Damage(what) => return Self::Corrupt(what),
            Fault::Refused(why) => return Self::Io(why.to_owned()),
            Fault::Sqlite(error) => error,
        };
        match &error {
            Error::SqliteFailure(failure, _) => match failure.code {
                ErrorCode::DiskFull => Self::Full,
                // Every constraint is one that the operations keep.
                ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::ConstraintViolation
                | ErrorCode::TypeMismatch => Self::Corrupt(error.to_string()),
                _ => Self::Io(error.to_string()),
            },
            Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::InvalidColumnType(..)
            | Error::Utf8Error(..) => Self::Corrupt(error.to_string()),
            _ => Self::Io(error.to_string()),
        }
    }
}
