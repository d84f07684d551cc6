//! Where a password comes from.
//!
//! An option wins over the environment, the environment over the prompt. Two options at once are
//! refused by the argument parser.

use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use chat::login::{PASSWORD_LEN_MAX, Password};
use crypto::SecretBytes;

use super::question;

/// The environment variable that holds a password.
pub const ENVIRONMENT: &str = "UNDERTONE_PASSWORD";

/// Warns once that a password on the command line is not private.
pub const VISIBLE_WARNING: &str = "others on this machine can see a password given by -p in the \
    process list; --password-file, --password-command, UNDERTONE_PASSWORD or the prompt hide it";

/// Room for the longest password and its line ending.
const SOURCE_LEN_MAX: usize = PASSWORD_LEN_MAX + 2;

/// The options of a password; at most one is set.
#[derive(Default)]
pub struct PasswordOptions {
    /// `-p`.
    pub given: Option<SecretBytes>,
    /// `--password-file`; `-` is the first line of standard input.
    pub file: Option<PathBuf>,
    /// `--password-command`.
    pub command: Option<String>,
}

/// What to ask where nothing gave a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Ask once.
    Login,
    /// Ask twice: a slip would lock the new account.
    NewAccount,
}

impl PasswordOptions {
    /// Finds the password: UTF-8 without its line ending, fit for a login.
    ///
    /// `warn` gets sentences for standard error. May wait for a command or for the user; while it asks
    /// there must be no other thread, which signals would meet.
    pub fn read(
        self,
        purpose: Purpose,
        warn: &mut dyn FnMut(&str),
    ) -> Result<SecretBytes, PasswordError> {
        let environment = env::var_os(ENVIRONMENT);
        let password = if let Some(given) = self.given {
            warn(VISIBLE_WARNING);
            given
        } else if let Some(file) = self.file {
            from_file(&file, warn)?
        } else if let Some(command) = self.command {
            from_command(&command)?
        } else if let Some(value) = environment {
            SecretBytes::new(value.into_encoded_bytes())
        } else {
            prompt(purpose)?
        };
        check(password)
    }
}

/// Refuses what no login would take.
fn check(password: SecretBytes) -> Result<SecretBytes, PasswordError> {
    let text = str::from_utf8(password.expose()).map_err(|_| PasswordError::NotText)?;
    if text.is_empty() {
        return Err(PasswordError::Empty);
    }
    Password::parse(text).map_err(|_| PasswordError::Unusable)?;
    Ok(password)
}

fn from_file(path: &Path, warn: &mut dyn FnMut(&str)) -> Result<SecretBytes, PasswordError> {
    if path.as_os_str() == OsStr::new("-") {
        return first_line(io::stdin().lock()).map_err(PasswordError::Stdin);
    }
    let failed = |error| PasswordError::File(path.to_owned(), error);
    let file = File::open(path).map_err(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_file() && metadata.permissions().mode() & 0o077 != 0 {
            let path = path.display();
            warn(&format!("others can read {path}; chmod 600 hides it"));
        }
    }
    Ok(without_line_ending(read_bounded(file).map_err(failed)?))
}

/// The command's output. Its questions and errors go to the terminal; of standard input it sees
/// nothing, because that may hold the user's commands.
fn from_command(command: &str) -> Result<SecretBytes, PasswordError> {
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(PasswordError::Command)?;
    let output = match child.stdout.take() {
        Some(stdout) => read_bounded(stdout),
        None => Ok(Vec::new()),
    };
    let status = child.wait().map_err(PasswordError::Command)?;
    let output = output.map_err(PasswordError::Command)?;
    if !status.success() {
        drop(SecretBytes::new(output));
        return Err(PasswordError::CommandFailed(status.to_string()));
    }
    Ok(without_line_ending(output))
}

fn prompt(purpose: Purpose) -> Result<SecretBytes, PasswordError> {
    let ask = |question| {
        let typed = question::ask(question).map_err(PasswordError::Nowhere)?;
        Ok(SecretBytes::new(typed.into_bytes()))
    };
    let password = ask("Password: ")?;
    if purpose == Purpose::NewAccount && !ask("The same again: ")?.ct_eq(&password) {
        return Err(PasswordError::Different);
    }
    Ok(password)
}

/// One byte beyond the limit shows that there is more; the buffer never grows, so no copy stays
/// behind in memory.
fn read_bounded(source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(SOURCE_LEN_MAX + 64);
    source
        .take(SOURCE_LEN_MAX as u64 + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn without_line_ending(mut bytes: Vec<u8>) -> SecretBytes {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    SecretBytes::new(bytes)
}

/// Byte by byte: what follows the line belongs to somebody else.
fn first_line(source: impl BufRead) -> io::Result<SecretBytes> {
    let mut line = Vec::with_capacity(SOURCE_LEN_MAX + 64);
    for byte in source.bytes().take(SOURCE_LEN_MAX + 1) {
        line.push(byte?);
        if line.last() == Some(&b'\n') {
            break;
        }
    }
    Ok(without_line_ending(line))
}

/// No password, and why.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Of no characters.
    #[error("the password is empty")]
    Empty,
    /// Not UTF-8.
    #[error("the password is not UTF-8 text")]
    NotText,
    /// Too long, or with control characters such as a line ending inside.
    #[error("the password is longer than {PASSWORD_LEN_MAX} bytes or has control characters")]
    Unusable,
    /// The second answer was another.
    #[error("the two passwords differ")]
    Different,
    /// The file cannot be read.
    #[error("cannot read the password file {0}: {1}")]
    File(PathBuf, io::Error),
    /// Standard input cannot be read.
    #[error("cannot read the password from standard input: {0}")]
    Stdin(io::Error),
    /// The command cannot be run.
    #[error("cannot run the password command: {0}")]
    Command(io::Error),
    /// The command says that it failed.
    #[error("the password command failed: {0}")]
    CommandFailed(String),
    /// Nothing gave one, and there is nobody to ask.
    #[error(
        "no password, and no terminal to ask on ({0}): give one by --password-file FILE, \
         --password-command COMMAND or the environment variable {ENVIRONMENT}"
    )]
    Nowhere(io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: PasswordOptions) -> (Result<String, String>, Vec<String>) {
        let mut warnings = Vec::new();
        let password = options.read(Purpose::Login, &mut |text| warnings.push(text.to_owned()));
        let text = |it: SecretBytes| String::from_utf8(it.expose().to_vec()).unwrap();
        (
            password.map(text).map_err(|error| error.to_string()),
            warnings,
        )
    }

    fn file(bytes: &[u8], mode: u32) -> tempfile::NamedTempFile {
        use std::os::unix::fs::PermissionsExt as _;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(file.path(), permissions).unwrap();
        file
    }

    fn from_bytes(bytes: &[u8]) -> Result<String, String> {
        let file = file(bytes, 0o600);
        let options = PasswordOptions {
            file: Some(file.path().to_owned()),
            ..PasswordOptions::default()
        };
        let (password, warnings) = read(options);
        assert!(warnings.is_empty());
        password
    }

    fn from_shell(command: &str) -> Result<String, String> {
        let options = PasswordOptions {
            command: Some(command.to_owned()),
            ..PasswordOptions::default()
        };
        read(options).0
    }

    #[test]
    fn a_password_on_the_command_line_draws_one_warning() {
        let options = PasswordOptions {
            given: Some(SecretBytes::new(b"-sp".to_vec())),
            ..PasswordOptions::default()
        };
        let (password, warnings) = read(options);
        assert_eq!(password.as_deref(), Ok("-sp"));
        assert_eq!(warnings, [VISIBLE_WARNING]);
    }

    #[test]
    fn a_file_loses_one_line_ending_and_nothing_else() {
        for (bytes, expected) in [
            (&b"secret"[..], "secret"),
            (b"secret\n", "secret"),
            (b"secret\r\n", "secret"),
            (b" two words \n", " two words "),
        ] {
            assert_eq!(from_bytes(bytes).as_deref(), Ok(expected));
        }
        for bytes in [
            &b""[..],
            b"\n",
            b"a\n\n",
            b"a\xff",
            &[b'a'; 1025],
            &[b'a'; 9999],
        ] {
            assert!(from_bytes(bytes).is_err(), "{bytes:?}");
        }
        assert_eq!(from_bytes(&[b'a'; 1024]).unwrap().len(), 1024);
    }

    #[test]
    fn a_file_that_others_can_read_draws_a_warning() {
        let file = file(b"secret", 0o640);
        let options = PasswordOptions {
            file: Some(file.path().to_owned()),
            ..PasswordOptions::default()
        };
        let (password, warnings) = read(options);
        assert_eq!(password.as_deref(), Ok("secret"));
        assert!(warnings.len() == 1 && warnings[0].contains("chmod 600"));
    }

    #[test]
    fn a_missing_file_is_named() {
        let options = PasswordOptions {
            file: Some("/nonexistent/file".into()),
            ..PasswordOptions::default()
        };
        assert!(read(options).0.unwrap_err().contains("/nonexistent/file"));
    }

    #[test]
    fn a_command_gives_its_output_if_it_succeeds() {
        assert_eq!(from_shell("printf 'a b\\n'").as_deref(), Ok("a b"));
        let failed = from_shell("echo secret; exit 7").unwrap_err();
        assert!(
            failed.contains("failed") && failed.contains('7'),
            "{failed}"
        );
        assert!(!failed.contains("secret"));
        // It does not wait for input, and a flood ends it.
        assert_eq!(from_shell("cat; echo x").as_deref(), Ok("x"));
        assert!(from_shell("yes").is_err());
    }

    #[test]
    fn the_first_line_leaves_the_rest() {
        let mut source = &b"secret\r\nlist\n"[..];
        assert_eq!(first_line(&mut source).unwrap().expose(), b"secret");
        assert_eq!(source, b"list\n");
        assert_eq!(first_line(&b"end"[..]).unwrap().expose(), b"end");
    }
}
