use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::StoreError;

/// The database's files, claimed by this process until dropped.
pub(super) struct Files {
    database: PathBuf,
    log: PathBuf,
    /// Holds the lock.
    _lock: File,
}

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
        open_private(&database).map_err(failed)?;
        sync_folder(&database).map_err(failed)?;
        let log = with_suffix(&database, "-wal");
        Ok(Self {
            database,
            log,
            _lock: lock,
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
