//! Which key belongs to which server: the known servers, and an operator's list of keys.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crypto::Fingerprint;

use super::address::ServerAddress;
use super::folders::{FolderError, private_file, write_secret};

/// The servers whose key a login has proven: a text file with a line `host:port fingerprint` each.
///
/// People may edit it: comments and empty lines stay. Programs that write at once take turns.
#[derive(Clone, Debug)]
pub struct KnownServers {
    path: PathBuf,
}

impl KnownServers {
    /// The file `known_servers` in a client's data folder. It need not exist.
    pub fn in_folder(data_folder: &Path) -> Self {
        Self {
            path: data_folder.join("known_servers"),
        }
    }

    /// The file, for messages that tell people to edit it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What to do about a server whose key is not the known one.
    pub fn advice(&self) -> String {
        format!(
            "somebody may sit between you and the server; only if its operator tells you that the \
             key was replaced, remove the server's line from {}",
            self.path.display()
        )
    }

    /// The key that is known for a server, if any. Only `host` and `port` of `server` count.
    pub fn find(&self, server: &ServerAddress) -> Result<Option<Fingerprint>, PinError> {
        self.find_in(&self.read()?, server)
    }

    /// Whether no server is known.
    pub fn is_empty(&self) -> Result<bool, PinError> {
        Ok(self.pins_in(&self.read()?).next().transpose()?.is_none())
    }

    /// The names, as `host:port`, under which a server with this key is known; the oldest first.
    pub fn names_of(&self, key: Fingerprint) -> Result<Vec<String>, PinError> {
        let text = self.read()?;
        let pins = self.pins_in(&text).filter_map(|pin| match pin {
            Ok((_, server, known)) => (known == key).then(|| Ok(server.host_port())),
            Err(error) => Some(Err(error)),
        });
        pins.collect()
    }

    /// Remembers the key of a server. Never replaces another one.
    pub fn pin(&self, server: &ServerAddress, key: Fingerprint) -> Result<(), PinError> {
        let lock_path = self.path.with_extension("lock");
        let failed = |error| FolderError::io("lock", &lock_path, error);
        let mut options = private_file();
        let lock = options.create(true).truncate(false).open(&lock_path);
        let lock = lock.map_err(failed)?;
        lock.lock().map_err(failed)?;
        let mut text = self.read()?;
        match self.find_in(&text, server)? {
            Some(known) if known == key => return Ok(()),
            Some(known) => return Err(PinError::Other { known, key }),
            None => {}
        }
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&format!("{} {key}\n", server.host_port()));
        // A symbolic link stays one, and what it leads to is written.
        let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        Ok(write_secret(&path, text.as_bytes())?)
    }

    fn read(&self) -> Result<String, PinError> {
        match fs::read_to_string(&self.path) {
            Ok(text) => Ok(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(FolderError::io("read", &self.path, error).into()),
        }
    }

    /// The same in `text` instead of the file. Reads all lines: a damaged one could be the very pin
    /// that is missing.
    pub fn find_in(
        &self,
        text: &str,
        server: &ServerAddress,
    ) -> Result<Option<Fingerprint>, PinError> {
        let mut found = None;
        for pin in self.pins_in(text) {
            let (number, place, key) = pin?;
            if (&place.host, place.port) == (&server.host, server.port) {
                if found.is_some_and(|earlier| earlier != key) {
                    let what = "a second key for one server";
                    return Err(PinError::line(&self.path, number, what));
                }
                found = Some(key);
            }
        }
        Ok(found)
    }

    /// Lines with their numbers, as they are understood.
    fn pins_in(
        &self,
        text: &str,
    ) -> impl Iterator<Item = Result<(usize, ServerAddress, Fingerprint), PinError>> {
        entries(text).map(|(number, line)| {
            let bad = |what| PinError::line(&self.path, number, what);
            let mut words = line.split_whitespace();
            let (Some(place), Some(digits), None) = (words.next(), words.next(), words.next())
            else {
                return Err(bad("expected `host:port fingerprint`"));
            };
            let place = place.parse().map_err(|_| bad("not host:port"))?;
            let key = digits.parse().map_err(|_| bad(NOT_A_KEY))?;
            Ok((number, place, key))
        })
    }
}

const NOT_A_KEY: &str = "a fingerprint has 64 hexadecimal digits";

/// Reads a list of trusted keys: a fingerprint in each line, and perhaps a comment after `#`.
pub fn trusted_keys(path: &Path) -> Result<Vec<Fingerprint>, PinError> {
    let text = fs::read_to_string(path);
    let text = text.map_err(|error| FolderError::io("read", path, error))?;
    trusted_keys_in(&text, path)
}

/// The same from `text` instead of the file; `path` is for messages.
pub fn trusted_keys_in(text: &str, path: &Path) -> Result<Vec<Fingerprint>, PinError> {
    let mut keys = Vec::new();
    for (number, line) in entries(text) {
        let digits = line.parse();
        keys.push(digits.map_err(|_| PinError::line(path, number, NOT_A_KEY))?);
    }
    if keys.is_empty() {
        return Err(PinError::NoKeys(path.to_owned()));
    }
    Ok(keys)
}

/// Lines that say something, counted from 1, without comments.
fn entries(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let without_comment = |line: &str| line.find('#').unwrap_or(line.len());
    (1..)
        .zip(text.lines())
        .map(move |(number, line)| (number, line.split_at(without_comment(line)).0.trim()))
        .filter(|(_, line)| !line.is_empty())
}

/// A list of keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// The file cannot be read or written.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A line makes no sense.
    #[error("{path}, line {line}: {what}")]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// A list of trusted keys without any.
    #[error("{0} lists no fingerprint")]
    NoKeys(PathBuf),
    /// Another key is known for this server.
    #[error("the known key of this server is {known}, not {key}")]
    Other {
        /// The one in the file.
        known: Fingerprint,
        /// The one that was to be written.
        key: Fingerprint,
    },
}

impl PinError {
    fn line(path: &Path, line: usize, what: &'static str) -> Self {
        Self::Line {
            path: path.to_owned(),
            line,
            what,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Fingerprint {
        Fingerprint::new([byte; 32])
    }

    fn server(typed: &str) -> ServerAddress {
        typed.parse().unwrap()
    }

    #[test]
    fn pins_are_found_by_host_and_port_and_never_replaced() {
        let root = tempfile::tempdir().unwrap();
        let known = KnownServers::in_folder(root.path());
        assert_eq!(known.find(&server("h:1")).unwrap(), None);
        assert!(known.is_empty().unwrap());
        known.pin(&server("h:1"), key(1)).unwrap();
        known.pin(&server("[::1]:1"), key(2)).unwrap();
        known.pin(&server("h:1"), key(1)).unwrap();
        assert_eq!(known.find(&server("H:1")).unwrap(), Some(key(1)));
        assert_eq!(known.find(&server("[0::1]:1")).unwrap(), Some(key(2)));
        assert_eq!(known.find(&server("h:2")).unwrap(), None);
        let refused = known.pin(&server("h:1"), key(3));
        assert!(matches!(refused, Err(PinError::Other { known, .. }) if known == key(1)));
        let expected = format!("h:1 {}\n[::1]:1 {}\n", key(1), key(2));
        assert_eq!(fs::read_to_string(known.path()).unwrap(), expected);
        known.pin(&server("h:3"), key(1)).unwrap();
        assert!(!known.is_empty().unwrap());
        assert_eq!(known.names_of(key(1)).unwrap(), ["h:1", "h:3"]);
        assert_eq!(known.names_of(key(2)).unwrap(), ["[::1]:1"]);
        assert_eq!(known.names_of(key(3)).unwrap(), Vec::<String>::new());
    }

    #[cfg(unix)]
    #[test]
    fn a_list_that_is_kept_elsewhere_stays_there() {
        let (root, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let kept = elsewhere.path().join("servers");
        fs::write(&kept, format!("h:1 {}\n", key(1))).unwrap();
        let known = KnownServers::in_folder(root.path());
        std::os::unix::fs::symlink(&kept, known.path()).unwrap();
        known.pin(&server("h:2"), key(2)).unwrap();
        assert!(known.path().is_symlink());
        let expected = format!("h:1 {}\nh:2 {}\n", key(1), key(2));
        assert_eq!(fs::read_to_string(kept).unwrap(), expected);
    }

    #[test]
    fn edits_by_people_stay_and_their_slips_are_named() {
        let root = tempfile::tempdir().unwrap();
        let known = KnownServers::in_folder(root.path());
        let edited = format!("# mine\n\nh:1\t{}  # home", key(1));
        fs::write(known.path(), &edited).unwrap();
        assert_eq!(known.find(&server("h:1")).unwrap(), Some(key(1)));
        known.pin(&server("h:2"), key(2)).unwrap();
        let text = fs::read_to_string(known.path()).unwrap();
        assert_eq!(text, format!("{edited}\nh:2 {}\n", key(2)));
        for (text, line) in [
            ("h:1".to_owned(), 1),
            (format!("\nh:0 {}", key(1)), 2),
            ("# x\n\nh:1 abc".to_owned(), 3),
            (format!("h:1 {} x", key(1)), 1),
            (format!("h:1 {}\nh:1 {}", key(1), key(2)), 2),
        ] {
            fs::write(known.path(), &text).unwrap();
            let error = known.find(&server("h:1")).unwrap_err().to_string();
            assert!(error.contains(&format!("line {line}:")), "{error}");
            // Nothing is written over a file that is not understood.
            assert!(known.pin(&server("h:1"), key(1)).is_err());
            assert_eq!(fs::read_to_string(known.path()).unwrap(), text);
        }
    }

    #[test]
    fn writers_take_turns() {
        let root = tempfile::tempdir().unwrap();
        let known = KnownServers::in_folder(root.path());
        std::thread::scope(|scope| {
            for port in 1..=8 {
                let known = known.clone();
                scope.spawn(move || known.pin(&server(&format!("h:{port}")), key(port)).unwrap());
            }
        });
        for port in 1..=8 {
            let found = known.find(&server(&format!("h:{port}"))).unwrap();
            assert_eq!(found, Some(key(port)));
        }
    }

    #[test]
    fn trusted_keys_are_one_to_a_line() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("keys");
        let read = |text: &str| {
            fs::write(&path, text).unwrap();
            trusted_keys(&path).map_err(|error| error.to_string())
        };
        let text = format!("# ours\n{} # first\n\n  {}\r\n", key(1), key(2));
        assert_eq!(read(&text), Ok(vec![key(1), key(2)]));
        assert!(
            read(&format!("{}\nabc\n", key(1)))
                .unwrap_err()
                .contains("line 2")
        );
        assert!(read("# nothing\n").unwrap_err().contains("no fingerprint"));
        assert!(trusted_keys(&root.path().join("none")).is_err());
    }
}
