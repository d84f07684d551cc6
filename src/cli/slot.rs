//! A folder for each client that runs.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use super::folders::{FolderError, create_private_folder, path_safe, private_file};

/// How many clients of one account may run on one machine and data folder.
pub const INSTALLATIONS_MAX: u32 = 64;

/// The folder of one installation, held by a lock until this is dropped.
///
/// Two clients of one account on one machine are two installations, each with a device of its own:
/// `servers/SERVER/USER/device-N` below the client's data folder, the first N that nobody uses. SERVER is the name by
/// which the server was known first: it may have moved since.
#[derive(Debug)]
pub struct InstallationSlot {
    folder: PathBuf,
    number: u32,
    _lock: File,
}

impl InstallationSlot {
    /// Takes the first free slot of an account, which is given by its key, at `server`: any text that names it, such as
    /// `host:port`. Where the account was used at the same server by one of `earlier` names, it is a slot there.
    pub fn take(
        data_folder: &Path,
        earlier: &[String],
        server: &str,
        user_key: &str,
    ) -> Result<Self, FolderError> {
        let folder_of = |server: &str| {
            let servers = data_folder.join("servers");
            servers.join(path_safe(server)).join(path_safe(user_key))
        };
        let known = earlier.iter().map(|name| folder_of(name));
        let account =
            (known.into_iter().find(|folder| folder.is_dir())).unwrap_or_else(|| folder_of(server));
        for number in 0..INSTALLATIONS_MAX {
            let folder = account.join(format!("device-{number}"));
            create_private_folder(&folder)?;
            let path = folder.join("lock");
            let failed = |error| FolderError::io("lock", &path, error);
            let mut options = private_file();
            let lock = options
                .create(true)
                .truncate(false)
                .open(&path)
                .map_err(failed)?;
            match lock.try_lock() {
                Ok(()) => {
                    return Ok(Self {
                        folder,
                        number,
                        _lock: lock,
                    });
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
        Err(FolderError::Occupied {
            folder: account,
            max: INSTALLATIONS_MAX,
        })
    }

    /// Where this installation keeps its files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its number, from 0.
    pub const fn number(&self) -> u32 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_a_slot_of_its_own_and_the_first_free_one() {
        let root = tempfile::tempdir().unwrap();
        let take = |server, user| InstallationSlot::take(root.path(), &[], server, user).unwrap();
        let first = take("h:1", "bob");
        let second = take("h:1", "bob");
        assert_eq!((first.number(), second.number()), (0, 1));
        assert_ne!(first.folder(), second.folder());
        // Other accounts and servers do not count.
        assert_eq!(take("h:1", "alice").number(), 0);
        assert_eq!(take("h:2", "bob").number(), 0);
        let folder = first.folder().to_owned();
        drop(first);
        assert_eq!(take("h:1", "bob").folder(), folder);
    }

    #[test]
    fn a_server_that_has_moved_finds_the_installation_of_before() {
        let root = tempfile::tempdir().unwrap();
        let names = ["none:1", "old:1", "old:2"].map(str::to_owned);
        let take = |earlier, server, user| {
            let slot = InstallationSlot::take(root.path(), earlier, server, user).unwrap();
            slot.folder().to_owned()
        };
        let old = take(&[], "old:1", "bob");
        take(&[], "old:2", "bob");
        take(&[], "new:1", "bob");
        assert_eq!(take(&names, "new:1", "bob"), old);
        // Another account was never used there.
        assert_eq!(take(&names, "new:1", "alice"), take(&[], "new:1", "alice"));
    }

    #[test]
    fn h91_a_slot_is_below_the_data_folder() {
        let root = tempfile::tempdir().unwrap();
        let slot = InstallationSlot::take(root.path(), &[], "../..", "../../x").unwrap();
        let folder = slot.folder().canonicalize().unwrap();
        let root = root.path().canonicalize().unwrap();
        assert!(folder.starts_with(root.join("servers")));
        assert_eq!(folder.strip_prefix(&root).unwrap().components().count(), 4);
    }

    #[test]
    fn there_is_an_end_to_slots() {
        let root = tempfile::tempdir().unwrap();
        let take = || InstallationSlot::take(root.path(), &[], "h", "u");
        let taken: Vec<_> = (0..INSTALLATIONS_MAX).map(|_| take().unwrap()).collect();
        assert!(matches!(take(), Err(FolderError::Occupied { .. })));
        drop(taken);
        assert!(take().is_ok());
    }
}
