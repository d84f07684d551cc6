use std::io::{self, ErrorKind};

use rusqlite::ffi::SQLITE_IOERR_WRITE;
use rusqlite::{Error, ErrorCode};

use crate::StoreError;

/// Why work on the database failed.
#[derive(Debug)]
pub(crate) enum Fault {
    /// SQLite says so.
    Sqlite(Error),
    /// A write found no room, and SQLite says only that it failed.
    NoRoom,
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
        if is_failed_write(&error) && was_for_want_of_room(&io::Error::last_os_error()) {
            return Self::NoRoom;
        }
        Self::Sqlite(error)
    }
}

fn is_failed_write(error: &Error) -> bool {
    matches!(error, Error::SqliteFailure(failure, _) if failure.extended_code == SQLITE_IOERR_WRITE)
}

/// SQLite calls a disk full when a write fails with ENOSPC alone. A quota ends writes with EDQUOT,
/// and a file that may not grow with EFBIG; that is all the same to who waits for room. What the
/// thread's last failed call said is that write's error: undoing a transaction in the log makes no
/// call that could fail.
fn was_for_want_of_room(last: &io::Error) -> bool {
    matches!(
        last.kind(),
        ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
    )
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        let error = match fault {
            Fault::NoRoom => return Self::Full,
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
