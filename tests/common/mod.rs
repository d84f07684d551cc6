//! The real programs, started and talked to as a user or a script would.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]
#![allow(clippy::disallowed_methods, reason = "these tests run in real time")]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Nothing that a test waits for takes this long, on whatever machine.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A home of its own for each test.
pub struct Home(TempDir);

impl Home {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// A program that finds its folders here and nothing of the tester's own.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("HOME", self.path())
            .env("XDG_DATA_HOME", self.path().join("data"))
            .env("XDG_CONFIG_HOME", self.path().join("config"))
            .env("XDG_STATE_HOME", self.path().join("state"))
            .env_remove("UNDERTONE_PASSWORD");
        command
    }

    pub fn server(&self) -> Command {
        self.command(env!("CARGO_BIN_EXE_chat-server"))
    }

    pub fn client(&self) -> Command {
        self.command(env!("CARGO_BIN_EXE_chat-client"))
    }

    /// Makes the server's key and the demo accounts.
    pub fn seed(&self) -> Output {
        let output = self.server().arg("-n").output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        output
    }

    /// Where the server keeps its data.
    pub fn server_data(&self) -> PathBuf {
        self.path().join("data/undertone/server")
    }
}

/// Runs a program without any input.
pub fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap()
}

/// Bytes that have to be text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Runs a program that ends by itself; its exit code, output and errors.
pub fn ended(command: &mut Command) -> (Option<i32>, String, String) {
    let output = output(command);
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// What a process wrote to one of its outputs, line by line.
struct Lines(Receiver<String>);

impl Lines {
    fn of(source: impl Read + Send + 'static) -> Self {
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(source);
            let mut line = Vec::new();
            while reader
                .read_until(b'\n', &mut line)
                .is_ok_and(|read| read > 0)
            {
                let text = String::from_utf8_lossy(&line);
                if sender.send(text.trim_end_matches('\n').to_owned()).is_err() {
                    break;
                }
                line.clear();
            }
        });
        Self(receiver)
    }

    fn next(&self, deadline: Instant) -> Option<String> {
        let left = deadline.saturating_duration_since(Instant::now());
        self.0.recv_timeout(left).ok()
    }
}

/// A running `chat-server`. Killed when dropped.
pub struct Server {
    child: Child,
    lines: Lines,
    errors: Lines,
    pub port: u16,
    pub url: String,
    /// Everything that it printed so far.
    pub said: Vec<String>,
}

impl Server {
    /// Starts a server on a free port.
    pub fn start(home: &Home) -> Self {
        Self::start_with(home, &["-sp", "0"])
    }

    /// Starts it again where it was.
    pub fn start_on(home: &Home, port: u16) -> Self {
        Self::start_with(home, &["-sp", &port.to_string()])
    }

    pub fn start_with(home: &Home, arguments: &[&str]) -> Self {
        Self::spawn(home.server().args(arguments))
    }

    pub fn spawn(command: &mut Command) -> Self {
        Self::spawn_into(command, Stdio::piped())
    }

    /// Starts a server whose standard error goes there.
    pub fn spawn_into(command: &mut Command, errors: impl Into<Stdio>) -> Self {
        command.stderr(errors);
        let deadline = Instant::now() + PATIENCE;
        loop {
            match Self::try_spawn(command) {
                Ok(server) => return server,
                // Another test's process, not yet its own program, may hold what this one had open.
                Err(words) if words.contains("in use") && Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(words) => panic!("the server did not come up: {words}"),
            }
        }
    }

    fn try_spawn(command: &mut Command) -> Result<Self, String> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = Lines::of(child.stdout.take().unwrap());
        let errors = match child.stderr.take() {
            Some(errors) => Lines::of(errors),
            None => Lines::of(std::io::empty()),
        };
        let deadline = Instant::now() + PATIENCE;
        let mut said = Vec::new();
        let url = loop {
            let Some(line) = lines.next(deadline) else {
                let errors: Vec<_> = std::iter::from_fn(|| errors.next(deadline)).collect();
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("{said:?} {errors:?}"));
            };
            said.push(line.clone());
            if let Some(start) = line.find("undertone://") {
                break line[start..].split_whitespace().next().unwrap().to_owned();
            }
        };
        let authority = url["undertone://".len()..].split('#').next().unwrap();
        let port = authority.rsplit(':').next().unwrap().parse().unwrap();
        Ok(Self {
            child,
            lines,
            errors,
            port,
            url,
            said,
        })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where it tells its metrics: host and port.
    pub fn metrics(&self) -> String {
        let line = self.said.iter().find(|line| line.contains("metrics "));
        let authority = line.unwrap().rsplit("http://").next().unwrap();
        authority.strip_suffix("/metrics").unwrap().to_owned()
    }

    pub fn fingerprint(&self) -> &str {
        self.url.split('#').nth(1).unwrap()
    }

    /// Ends it, and gives everything that it printed.
    pub fn rest(&mut self) -> Vec<u8> {
        signal(self.child.id(), "TERM");
        wait(&mut self.child);
        let deadline = Instant::now() + Duration::from_secs(5);
        let errors = std::iter::from_fn(|| self.errors.next(deadline));
        let lines = std::iter::from_fn(|| self.lines.next(deadline));
        let said = self.said.iter().cloned().chain(lines).chain(errors);
        said.collect::<Vec<_>>().join("\n").into_bytes()
    }

    /// As `kill -9` does.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it has ended by itself. Gives how, and what it wrote to standard error.
    pub fn ended(mut self) -> (ExitStatus, String) {
        let status = wait(&mut self.child);
        let deadline = Instant::now() + Duration::from_secs(5);
        let errors: Vec<_> = std::iter::from_fn(|| self.errors.next(deadline)).collect();
        (status, errors.join("\n"))
    }

    /// As a service manager does.
    pub fn terminate(mut self) -> ExitStatus {
        signal(self.child.id(), "TERM");
        wait(&mut self.child)
    }

    /// As Ctrl-C does.
    pub fn interrupt(mut self) -> ExitStatus {
        interrupt(self.child.id());
        wait(&mut self.child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A running demonstration without a terminal. Killed when dropped.
pub struct Demo {
    child: Child,
    lines: Lines,
    /// The command that it prints for a client.
    pub client: String,
}

impl Demo {
    pub fn start(home: &Home) -> Self {
        let mut child = home
            .server()
            .arg("demo")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = Lines::of(child.stdout.take().unwrap());
        let deadline = Instant::now() + PATIENCE;
        let client = loop {
            let line = lines.next(deadline).unwrap();
            if line.contains(" -u Bob ") {
                break line.trim().to_owned();
            }
        };
        Self {
            child,
            lines,
            client,
        }
    }

    /// As Ctrl-C does, once it has said that this ends it.
    pub fn interrupt(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        while !self.lines.next(deadline).unwrap().contains("Ctrl-C") {}
        interrupt(self.child.id());
        wait(&mut self.child)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a server answers to an HTTP request: head and body, or nothing where it answers nothing.
#[allow(clippy::disallowed_types, reason = "an HTTP client")]
pub fn http_get(authority: &str, path: &str) -> String {
    let mut stream = std::net::TcpStream::connect(authority).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

/// Sends a signal by its name.
pub fn signal(process: u32, name: &str) {
    let status = Command::new("kill")
        .args(["-s", name, &process.to_string()])
        .status();
    assert!(status.unwrap().success());
}

/// As Ctrl-C does; by SIGTERM where SIGINT is ignored, as it is in the background of a script.
fn interrupt(process: u32) {
    signal(process, if ignores("SIGINT") { "TERM" } else { "INT" });
}

/// Whether a signal is ignored here, and so by what is started from here: by `nohup`, or in the background of
/// a script.
pub fn ignores(signal: &str) -> bool {
    let number = signal.parse::<nix::sys::signal::Signal>().unwrap() as u32;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = u64::from_str_radix(ignored.unwrap_or("0").trim(), 16).unwrap();
    mask & 1 << (number - 1) != 0
}

/// Waits for a process's end, and kills it when it has none.
pub fn wait(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    panic!("the process does not end");
}

/// A running `chat-client` in JSON mode. Killed when dropped.
pub struct Client {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Lines,
    errors: Lines,
    /// Events that were read and not asked for yet.
    pending: Vec<Value>,
    /// Every line of output, as it came.
    pub raw: Vec<String>,
}

impl Client {
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command
            .arg("--json")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = Lines::of(child.stdout.take().unwrap());
        let errors = Lines::of(child.stderr.take().unwrap());
        Self {
            stdin: child.stdin.take(),
            child,
            lines,
            errors,
            pending: Vec::new(),
            raw: Vec::new(),
        }
    }

    /// Starts a client of a demo account, whose password is its name.
    pub fn start(home: &Home, user: &str, port: u16) -> Self {
        let mut command = home.client();
        command.args(["-u", user, "-p", user, "-sip", "127.0.0.1", "-sp"]);
        command.arg(port.to_string());
        Self::spawn(command)
    }

    /// Starts one and waits until it is logged in.
    pub fn login(home: &Home, user: &str, port: u16) -> Self {
        let mut client = Self::start(home, user, port);
        client.event("logged_in");
        client
    }

    pub fn say(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        writeln!(stdin, "{line}").unwrap();
        stdin.flush().unwrap();
    }

    pub fn write(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(bytes).unwrap();
        stdin.flush().unwrap();
    }

    /// The next event that fits; others are kept.
    pub fn find(&mut self, what: &str, mut fits: impl FnMut(&Value) -> bool) -> Value {
        if let Some(index) = self.pending.iter().position(&mut fits) {
            return self.pending.remove(index);
        }
        let deadline = Instant::now() + PATIENCE;
        while let Some(line) = self.lines.next(deadline) {
            self.raw.push(line.clone());
            let value: Value = serde_json::from_str(&line)
                .unwrap_or_else(|error| panic!("not a JSON line: {line:?}: {error}"));
            if fits(&value) {
                return value;
            }
            self.pending.push(value);
        }
        let errors: Vec<_> = std::iter::from_fn(|| self.errors.next(Instant::now())).collect();
        panic!("no {what}; there was {:?}; {errors:?}", self.pending);
    }

    /// The next event with this name.
    pub fn event(&mut self, name: &str) -> Value {
        self.find(name, |value| value["event"] == name)
    }

    /// The next message.
    pub fn message(&mut self) -> Value {
        self.event("message")
    }

    /// Waits until a message has this state.
    pub fn status(&mut self, id: &Value, state: &str) -> Value {
        let what = format!("status {state} of {id}");
        self.find(&what, |value| {
            value["event"] == "status" && value["id"] == *id && value["state"] == state
        })
    }

    /// Sends a text and returns its id once it is queued.
    pub fn send(&mut self, to: &str, text: &str) -> Value {
        self.say(&format!("send {to} {text}"));
        self.find("queued", |value| {
            value["event"] == "status" && value["state"] == "queued"
        })["id"]
            .clone()
    }

    /// Asserts that nothing that fits comes within a moment.
    pub fn never(&mut self, moment: Duration, mut fits: impl FnMut(&Value) -> bool) {
        assert!(!self.pending.iter().any(&mut fits), "{:?}", self.pending);
        let deadline = Instant::now() + moment;
        while let Some(line) = self.lines.next(deadline) {
            let value: Value = serde_json::from_str(&line).unwrap();
            assert!(!fits(&value), "{value}");
            self.pending.push(value);
        }
    }

    /// Ends its input.
    pub fn end_input(&mut self) {
        self.stdin = None;
    }

    /// Waits for the end; gives the exit code and what went to standard error.
    pub fn finish(mut self) -> (Option<i32>, String) {
        let status = wait(&mut self.child);
        let deadline = Instant::now() + Duration::from_secs(5);
        let errors: Vec<_> = std::iter::from_fn(|| self.errors.next(deadline)).collect();
        (status.code(), errors.join("\n"))
    }

    pub fn quit(mut self) -> (Option<i32>, String) {
        self.say("quit");
        self.event("bye");
        self.finish()
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// As `kill -9` does.
    pub fn kill(self) {
        self.killed();
    }

    /// The same; gives the events that it printed until then, without those that were taken before.
    pub fn killed(mut self) -> Vec<Value> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let deadline = Instant::now() + PATIENCE;
        while let Some(line) = self.lines.next(deadline) {
            // It may have died in the middle of one.
            self.pending.extend(serde_json::from_str::<Value>(&line));
        }
        std::mem::take(&mut self.pending)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
