//! What keeps a program from doing its work, for a person and for a script.

use store::StoreError;

use crate::cli::exit::Exit;
use crate::cli::folders::FolderError;

/// Why a program ends before it should: words that say what to do, and an exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How the process ends.
    pub exit: Exit,
    /// Its name in machine-readable output.
    pub code: &'static str,
    /// For a person.
    pub message: String,
}

impl Problem {
    /// Code of a folder that another process uses.
    pub(super) const IN_USE: &'static str = "in_use";

    /// Something that has no exit code of its own.
    pub(super) fn other(message: String) -> Self {
        Self {
            exit: Exit::Other,
            code: "failed",
            message,
        }
    }

    /// What was asked for cannot be printed.
    pub fn unwritten(error: std::io::Error) -> Self {
        Self::other(format!("cannot write to standard output: {error}"))
    }

    /// The server is not, or no longer, trusted.
    pub fn trust(exit: Exit, message: String) -> Self {
        let code = match exit {
            Exit::ServerKeyChanged => "server_key_changed",
            _ => "server_untrusted",
        };
        Self {
            exit,
            code,
            message,
        }
    }

    /// Contradicting or missing arguments.
    pub fn usage(message: String) -> Self {
        Self {
            exit: Exit::Usage,
            code: "usage",
            message,
        }
    }

    /// The server cannot be reached.
    pub(super) fn unreachable(message: String) -> Self {
        Self {
            exit: Exit::Unreachable,
            code: "unreachable",
            message,
        }
    }
}

impl From<FolderError> for Problem {
    fn from(error: FolderError) -> Self {
        Self::other(error.to_string())
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let mut problem = Self::other(error.to_string());
        if matches!(error, StoreError::InUse(_)) {
            problem.code = Self::IN_USE;
            problem.message += "; end that one first, or choose another folder by --data-dir";
        }
        problem
    }
}
