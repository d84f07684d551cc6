//! A process of a test that the kernel ends at a call that is known beforehand, by `strace`.
#![allow(dead_code, reason = "each user takes its part")]

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Calls that change a file.
pub(crate) const WRITING: &str = "pwrite64,fsync,fdatasync,ftruncate,unlink";

/// At which of its calls a process dies, one process after the other; one that survives is the last.
pub(crate) const DYING_AT: [u32; 21] = [
    1, 2, 3, 4, 5, 7, 9, 12, 16, 21, 28, 37, 49, 65, 86, 114, 200, 600, 1_200, 2_400, 5_400,
];

/// How a process ended that was to be killed.
pub(crate) struct Killed {
    /// What it said.
    pub(crate) lines: Vec<String>,
    /// It ended by itself: it makes fewer calls.
    pub(crate) survived: bool,
}

impl Killed {
    /// Runs the ignored test `name` of this program in a process of its own with these variables, and
    /// kills it at its `call`th of one of `calls` on these files. `None`, and a word on standard error,
    /// where there is no `strace` or it may not trace.
    pub(crate) fn at(
        child: (&str, &[(&str, OsString)]),
        calls: (&str, &[&Path]),
        call: u32,
    ) -> Option<Self> {
        Self::by(child, calls, &format!("signal=KILL:when={call}"))
    }

    /// The same with what else is to happen at these calls, as `strace` spells it behind `inject=calls:`.
    pub(crate) fn by(
        (name, variables): (&str, &[(&str, OsString)]),
        (calls, files): (&str, &[&Path]),
        fault: &str,
    ) -> Option<Self> {
        let mut command = Command::new("strace");
        command.args(["-f", "-q", "-o", "/dev/null", "-e"]);
        command.arg(format!("trace={calls}")).arg("-e");
        command.arg(format!("inject={calls}:{fault}"));
        for file in files {
            command.arg("-P").arg(file);
        }
        let ended = command
            .arg(std::env::current_exe().unwrap())
            .args([
                "--exact",
                name,
                "--ignored",
                "--nocapture",
                "--test-threads=1",
            ])
            .envs(variables.iter().cloned())
            .stdin(Stdio::null())
            .output();
        let Ok(ended) = ended else {
            skip("there is no strace");
            return None;
        };
        let said = String::from_utf8_lossy(&ended.stdout);
        let words = String::from_utf8_lossy(&ended.stderr);
        if words.contains("strace: ") {
            skip(&words);
            return None;
        }
        let by_signal = std::os::unix::process::ExitStatusExt::signal(&ended.status);
        assert!(
            ended.status.success() || by_signal == Some(9),
            "{said} {words}"
        );
        Some(Self {
            lines: said.lines().map(str::to_owned).collect(),
            survived: by_signal.is_none(),
        })
    }
}

/// Says so where nobody can overlook it: the harness does not capture this. Where `UNDERTONE_SKIP_NOTHING` is
/// set, it is a failure.
fn skip(why: &str) {
    let may_not = std::env::var_os("UNDERTONE_SKIP_NOTHING").is_some();
    assert!(!may_not, "nothing may be skipped, but {why}");
    let _ = writeln!(std::io::stderr().lock(), "SKIPPED: {why}");
}
