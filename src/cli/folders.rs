//! Where data lives on disk, and how secrets are written there.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process;

use crypto::SecretBytes;
use etcetera::BaseStrategy as _;

/// Bytes of the longest file that [`read_secret`] takes.
pub const SECRET_LEN_MAX: usize = 1 << 20;
/// Bytes of the longest name that [`path_safe`] makes.
const NAME_LEN_MAX: usize = 200;

/// Whose data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// `chat-server`.
    Server,
    /// `chat-client`.
    Client,
    /// The demonstration, which is both.
    Demo,
}

impl Program {
    const fn folder(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::Demo => "demo",
        }
    }
}

/// The program's data folder: `given`, or `undertone/server` or `undertone/client` below
/// `$XDG_DATA_HOME` (by default `~/.local/share`). Made for its owner alone if it is not there.
pub fn data_folder(program: Program, given: Option<&Path>) -> Result<PathBuf, FolderError> {
    let folder = match given {
        Some(given) => given.to_owned(),
        None => {
            let xdg = etcetera::base_strategy::Xdg::new().map_err(|_| FolderError::NoHome)?;
            xdg.data_dir().join("undertone").join(program.folder())
        }
    };
    create_private_folder(&folder)?;
    Ok(folder)
}

/// Makes a folder, and those above it, for its owner alone (0700). One that is there stays as it
/// is.
pub fn create_private_folder(folder: &Path) -> Result<(), FolderError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(folder)
        .map_err(|error| FolderError::io("make the folder", folder, error))
}

/// Writes a file that only its owner can read (0600 from the start), whole or not at all: after a
/// crash it holds the old bytes or the new ones.
pub fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    let failed = |error| FolderError::io("write", path, error);
    let temporary = temporary_beside(path);
    let written = write_new(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = written {
        let _ = fs::remove_file(&temporary);
        return Err(failed(error));
    }
    sync_folder_of(path).map_err(failed)
}

fn temporary_beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.tmp", process::id()));
    path.with_file_name(name)
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Left over by a process of the same number that died.
    let _ = fs::remove_file(path);
    let mut file = private_file().create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Options for a file that is written, and is its owner's alone if it is made.
pub(crate) fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => sync_folder(folder),
        _ => sync_folder(Path::new(".")),
    }
}

/// A rename is on disk when its folder is.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    File::open(folder)?.sync_all()
}

/// Reads what [`write_secret`] wrote; `None` if there is no such file.
///
/// Refuses a file that others can read or write: what it holds may not be a secret any more.
pub fn read_secret(path: &Path) -> Result<Option<SecretBytes>, FolderError> {
    let failed = |error| FolderError::io("read", path, error);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let metadata = file.metadata().map_err(failed)?;
    #[cfg(unix)]
    if std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 != 0 {
        return Err(FolderError::Exposed(path.to_owned()));
    }
    if metadata.len() > SECRET_LEN_MAX as u64 {
        return Err(failed(io::ErrorKind::FileTooLarge.into()));
    }
    // Room for all of it, so that no copy stays behind when the buffer grows.
    let mut bytes = Vec::with_capacity(metadata.len() as usize + 64);
    file.take(SECRET_LEN_MAX as u64)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    Ok(Some(SecretBytes::new(bytes)))
}

/// A file name for any text: never empty, no separator, no leading dot, at most 200 bytes, another
/// for every other text, also where a file system ignores case.
pub fn path_safe(text: &str) -> String {
    let mut name = String::new();
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' => name.push(char::from(byte)),
            b'.' if index > 0 => name.push('.'),
            _ => name.push_str(&format!("_{byte:02x}")),
        }
    }
    if name.is_empty() {
        return "_".to_owned();
    }
    if name.len() > NAME_LEN_MAX {
        name.truncate(NAME_LEN_MAX - 66);
        // `_h` begins no escape.
        name.push_str("_h");
        name.extend(crypto::sha256(text.as_bytes()).map(|byte| format!("{byte:02x}")));
    }
    name
}

/// A file or folder does not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// No home folder.
    #[error("there is no home folder: set HOME, or give a folder by --data-dir DIR")]
    NoHome,
    /// The system refuses.
    #[error("cannot {action} {path}: {error}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
    /// Others can read a secret.
    #[error("{0} holds a secret, and others can read or write it: chmod 600 {0}")]
    Exposed(PathBuf),
    /// Every slot for an installation is in use.
    #[error("all {max} installations of this account below {folder} are in use")]
    Occupied {
        /// The folder of them.
        folder: PathBuf,
        /// How many there may be.
        max: u32,
    },
}

impl FolderError {
    pub(crate) fn io(action: &'static str, path: &Path, error: io::Error) -> Self {
        Self::Io {
            action,
            path: path.to_owned(),
            error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt as _;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn secrets_are_their_owners_alone_and_come_back() {
        let root = tempfile::tempdir().unwrap();
        let folder = data_folder(Program::Server, Some(&root.path().join("a/b"))).unwrap();
        assert_eq!(
            (mode(&folder), mode(&root.path().join("a"))),
            (0o700, 0o700)
        );
        let path = folder.join("key");
        assert!(read_secret(&path).unwrap().is_none());
        for bytes in [&b"first"[..], b"second", b""] {
            write_secret(&path, bytes).unwrap();
            assert_eq!(read_secret(&path).unwrap().unwrap().expose(), bytes);
            assert_eq!(mode(&path), 0o600);
        }
        // Nothing else is left in the folder.
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("key");
        write_secret(&path, b"secret").unwrap();
        for exposed in [0o640, 0o604, 0o620] {
            fs::set_permissions(&path, fs::Permissions::from_mode(exposed)).unwrap();
            let error = read_secret(&path).err().unwrap().to_string();
            assert!(error.contains("chmod 600"), "{error}");
        }
        // Writing it anew hides it again.
        write_secret(&path, b"secret").unwrap();
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_other() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("key");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("inside"), "").unwrap();
        assert!(write_secret(&path, b"x").is_err());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_default_folder_follows_xdg() {
        let xdg = etcetera::base_strategy::Xdg::new().unwrap();
        // Not made here: it is the real one of whoever runs this.
        assert!(xdg.data_dir().is_absolute());
    }

    #[test]
    fn h91_names_make_no_path() {
        for (text, name) in [
            ("alice", "alice"),
            ("Alice", "_41lice"),
            ("..", "_2e."),
            (".", "_2e"),
            ("a.b-c", "a.b-c"),
            ("a/b", "a_2fb"),
            ("_", "_5f"),
            ("", "_"),
            ("\u{e9}", "_c3_a9"),
            ("[::1]:5000", "_5b_3a_3a1_5d_3a5000"),
        ] {
            assert_eq!(path_safe(text), name);
        }
        let long = "\u{4e00}".repeat(100);
        assert_eq!(path_safe(&long).len(), NAME_LEN_MAX);
        assert_ne!(path_safe(&long), path_safe(&format!("{long}x")));
    }

    proptest! {
        #[test]
        fn every_text_has_a_name_of_its_own(texts in proptest::collection::vec("[aA./_h0-9\u{0}\u{e9}]{0,3}|\\PC{0,90}", 2..20)) {
            let mut seen = BTreeMap::new();
            for text in texts {
                let name = path_safe(&text);
                prop_assert!(!name.starts_with('.') && name.len() <= NAME_LEN_MAX && !name.is_empty());
                prop_assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b)));
                let earlier = seen.insert(name, text.clone());
                prop_assert!(earlier.is_none_or(|earlier| earlier == text));
            }
        }
    }
}
