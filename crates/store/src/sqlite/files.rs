use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::StoreError;

/// The database's files, claimed by this process until dropped.
pub(super) struct Files {
    database: PathBuf,
    log: PathBuf,
    /// Holds the lock; says inside that the database was made.
    lock: File,
}

/// The shortest header that SQLite takes for a database; it takes anything shorter for a new one.
const HEADER_BYTES: u64 = 512;
const MADE: &[u8] = b"made\n";

impl Files {
    /// Takes the lock beside the database, then makes the database's file if it is not there.
    pub(super) fn claim(path: &Path) -> Result<Self, StoreError> {
        let failed = |error: io::Error| StoreError::Io(format!("{}: {error}", path.display()));
        let database = resolve(path).map_err(failed)?;
        let lock = open_private(&with_suffix(&database, ".lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::InUse(path.display().to_string()));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let made = lock.metadata().map_err(failed)?.len() > 0;
        let found = fs::metadata(&database).map(|metadata| metadata.len());
        if let Ok(bytes) = found
            && bytes < HEADER_BYTES
            && (made || bytes > 0)
        {
            return Err(StoreError::Corrupt(format!(
                "{} was cut off",
                path.display()
            )));
        }
        open_private(&database).map_err(failed)?;
        sync_folder(&database).map_err(failed)?;
        let log = with_suffix(&database, "-wal");
        Ok(Self {
            database,
            log,
            lock,
        })
    }

    /// Notes that the database is there, so that an empty file is no new one from here on.
    pub(super) fn note_made(&self) -> Result<(), StoreError> {
        let write = || {
            if self.lock.metadata()?.len() == 0 {
                (&self.lock).write_all(MADE)?;
                self.lock.sync_all()?;
            }
            Ok(())
        };
        write().map_err(|error: io::Error| match error.kind() {
            io::ErrorKind::StorageFull => StoreError::Full,
            _ => StoreError::Io(error.to_string()),
        })
    }

    pub(super) const fn database(&self) -> &PathBuf {
        &self.database
    }

    /// Length of the write-ahead log.
    pub(super) fn log_bytes(&self) -> u64 {
        fs::metadata(&self.log).map_or(0, |metadata| metadata.len())
    }
}

/// The path without symbolic links: one database has one lock, by whatever name it is opened.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    match path.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        resolved => return resolved,
    }
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    Ok(folder.canonicalize()?.join(name))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// Opens a file that nobody else may read, and creates it so. SQLite gives its log the same mode.
fn open_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            file.set_permissions(fs::Permissions::from_mode(0o600))?;
        }
    }
    Ok(file)
}

/// Makes the files' names durable.
fn sync_folder(database: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if let Some(folder) = database.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}
