//! Faults in a running process's system calls, by `strace`.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::common::{Home, PATIENCE, signal, wait};

/// Makes system calls of a process fail until it is dropped.
pub struct Tracer {
    process: u32,
    child: Child,
    log: PathBuf,
}

impl Tracer {
    /// Attaches to `process` and traces `calls`, with what is to happen to each as `strace` spells it
    /// behind `inject=calls:`; a process may be over by that before this returns. `None`, and a word on
    /// standard error, where there is no `strace` or it may not trace.
    pub fn attach(home: &Home, process: u32, calls: &str, fault: &str) -> Option<Self> {
        let log = home.path().join("strace.log");
        let spawned = Command::new("strace")
            .args(["-f", "-q", "-p", &process.to_string(), "-e"])
            .arg(format!("trace={calls}"))
            .arg("-e")
            .arg(format!("inject={calls}:{fault}"))
            .arg("-o")
            .arg(&log)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut child) = spawned else {
            skip("there is no strace");
            return None;
        };
        // With its log elsewhere it says nothing but why it fails.
        let begin = std::time::Instant::now();
        while begin.elapsed() < PATIENCE {
            if is_traced(process) {
                return Some(Self {
                    process,
                    child,
                    log,
                });
            }
            if child.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let _ = child.kill();
        let _ = child.wait();
        let mut tracer = Self {
            process,
            child,
            log,
        };
        if !tracer.calls().is_empty() {
            return Some(tracer);
        }
        let words = tracer.child.stderr.take().map(BufReader::new);
        let words: Vec<_> = words
            .into_iter()
            .flat_map(BufReader::lines)
            .flatten()
            .collect();
        skip(&format!("strace does not attach: {words:?}"));
        None
    }

    /// The calls so far, one a line.
    pub fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// How many of them were made to fail.
    pub fn injected(&self) -> usize {
        let calls = self.calls();
        calls
            .iter()
            .filter(|call| call.contains("INJECTED"))
            .count()
    }

    /// Whether the process is gone.
    pub fn is_over(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|ended| ended.is_some())
    }

    /// Lets everything go on as it should.
    pub fn detach(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            // A call that is just being made to fail would fail with ENOSYS when it is let go.
            tell(self.process, "STOP");
            until_it_rests(self.process);
            signal(self.child.id(), "INT");
            wait(&mut self.child);
            tell(self.process, "CONT");
        }
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        self.end();
    }
}

/// Sends a signal to a process that may be gone.
fn tell(process: u32, name: &str) {
    let _ = Command::new("kill")
        .args(["-s", name, &process.to_string()])
        .stderr(Stdio::null())
        .status();
}

/// Waits until all threads of a process have been stopped for a while, or it is gone.
fn until_it_rests(process: u32) {
    let mut rested = 0;
    for _ in 0..500 {
        if rested >= 20 {
            return;
        }
        let threads = fs::read_dir(format!("/proc/{process}/task"));
        let mut threads = threads.into_iter().flatten().flatten();
        let rests = threads.all(|thread| {
            let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            let state = stat.rsplit(')').next().unwrap_or_default().trim_start();
            state.is_empty() || state.starts_with(['T', 't', 'Z', 'X'])
        });
        rested = if rests { rested + 1 } else { 0 };
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// Runs a program that the kernel ends at its `call`th of one of `calls`; each of its threads counts for
/// itself. Whether it made fewer and ended well;
/// `None`, and a word on standard error, where there is no `strace` or it may not trace.
pub fn survives(command: &Command, calls: &str, call: u32) -> Option<bool> {
    let mut traced = Command::new("strace");
    traced
        .args(["-f", "-q", "-o", "/dev/null", "-e"])
        .arg(format!("trace={calls}"))
        .arg("-e")
        .arg(format!("inject={calls}:signal=KILL:when={call}"))
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => traced.env(name, value),
            None => traced.env_remove(name),
        };
    }
    let Ok(ended) = traced.stdin(Stdio::null()).output() else {
        skip("there is no strace");
        return None;
    };
    let words = String::from_utf8_lossy(&ended.stderr);
    if words.contains("strace: ") {
        skip(&words);
        return None;
    }
    let killed = ended.status.signal() == Some(9);
    assert!(killed || ended.status.success(), "{words}");
    Some(!killed)
}

/// Whether all threads of a process have a tracer.
fn is_traced(process: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else {
        return false;
    };
    let mut threads = threads.flatten();
    threads.all(|thread| {
        let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        let tracer = status
            .lines()
            .find_map(|line| line.strip_prefix("TracerPid:"));
        tracer.is_some_and(|pid| pid.trim() != "0")
    })
}

/// Says so where nobody can overlook it: the harness does not capture this. Where `UNDERTONE_SKIP_NOTHING` is
/// set, it is a failure.
pub fn skip(why: &str) {
    let may_not = std::env::var_os("UNDERTONE_SKIP_NOTHING").is_some();
    assert!(!may_not, "nothing may be skipped, but {why}");
    let _ = writeln!(std::io::stderr().lock(), "SKIPPED: {why}");
}
