//! How a program ends.

use std::process::ExitCode;

/// The exit codes of both programs. Scripts rely on the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done as asked.
    Done = 0,
    /// Anything without a number of its own.
    Other = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// No server answered.
    Unreachable = 3,
    /// Wrong password or unknown user: the same for both.
    LoginFailed = 4,
    /// The server's key is not the known one.
    ServerKeyChanged = 5,
}

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl From<&client::Failure> for Exit {
    fn from(failure: &client::Failure) -> Self {
        match failure {
            client::Failure::Unreachable { .. } => Self::Unreachable,
            client::Failure::LoginFailed => Self::LoginFailed,
            client::Failure::ServerKeyChanged { .. } => Self::ServerKeyChanged,
            _ => Self::Other,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::Failure;
    use crypto::Fingerprint;

    #[test]
    fn scripts_tell_failures_apart() {
        let reason = String::new();
        let key = Fingerprint::new([0; 32]);
        for (failure, code) in [
            (
                Failure::Unreachable {
                    reason: reason.clone(),
                },
                3,
            ),
            (Failure::LoginFailed, 4),
            (
                Failure::ServerKeyChanged {
                    expected: key,
                    presented: key,
                },
                5,
            ),
            (Failure::NameTaken, 1),
            (Failure::Internal { reason }, 1),
        ] {
            assert_eq!(Exit::from(&failure).code(), code);
        }
        assert_eq!((Exit::Done.code(), Exit::Usage.code()), (0, 2));
    }
}
