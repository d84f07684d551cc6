//! A run: two processes on a core each, watched from a third.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;
use std::{env, thread};

use anyhow::{Context, Result, bail};

use crate::child::{Line, Role};
use crate::job::{Job, Packets, Target, Traffic};
use crate::meter::Snapshot;
use crate::proxy::Proxy;
use crate::sockets::Buffers;

/// The server's core, and the client's.
const SERVER_CORE: usize = 0;
const CLIENT_CORE: usize = 1;

/// A process that does not answer for so long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// One process. It ends with this value.
pub struct Process {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Process {
    /// This program again, in another role.
    ///
    /// # Errors
    /// The operating system's.
    pub fn spawn(command: &str, role: &str) -> Result<Self> {
        let mut child = Command::new(env::current_exe()?)
            .args([command, role])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().context("its output")?;
        let (tell, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            input: child.stdin.take(),
            child,
            lines,
        })
    }

    /// Asks it something.
    ///
    /// # Errors
    /// When it has ended.
    pub fn ask(&mut self) -> Result<()> {
        let input = self.input.as_mut().context("its input")?;
        Ok(writeln!(input).and_then(|()| input.flush())?)
    }

    /// What it says next.
    ///
    /// # Errors
    /// When it has ended or says nothing.
    pub fn line(&mut self) -> Result<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Ok(line),
            Err(RecvTimeoutError::Timeout) => bail!("a process says nothing"),
            Err(RecvTimeoutError::Disconnected) => bail!("a process has ended"),
        }
    }

    /// The addresses that a proxy says it has.
    ///
    /// # Errors
    /// When it says something else.
    pub fn fronts(&mut self) -> Result<Vec<SocketAddr>> {
        match self.next()? {
            Line::Fronts(fronts) => Ok(fronts),
            other => bail!("a proxy said {other:?}"),
        }
    }

    fn next(&mut self) -> Result<Line> {
        match serde_json::from_str(&self.line()?)? {
            Line::Failed(why) => bail!(why),
            line => Ok(line),
        }
    }

    /// How things stand in it.
    ///
    /// # Errors
    /// When it has ended or does not answer.
    pub fn snapshot(&mut self) -> Result<Snapshot> {
        // Who has ended cannot be asked. What it said last tells why, and comes next.
        let _ = self.ask();
        loop {
            if let Line::Snapshot(snapshot) = self.next()? {
                return Ok(*snapshot);
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server and what is known of it.
pub struct Server {
    /// The process.
    pub process: Process,
    /// Where it is.
    pub target: Target,
}

impl Server {
    /// Starts one and waits until it is there.
    ///
    /// # Errors
    /// When it does not come.
    pub fn start(job: &Job) -> Result<Self> {
        let mut process = start(job, None, SERVER_CORE)?;
        match process.next()? {
            Line::Ready(target) => Ok(Self { process, target }),
            other => bail!("a server said {other:?}"),
        }
    }
}

/// Starts a client.
///
/// # Errors
/// The operating system's.
pub fn client(job: &Job, target: &Target) -> Result<Process> {
    start(job, Some(target.clone()), CLIENT_CORE)
}

fn start(job: &Job, target: Option<Target>, core: usize) -> Result<Process> {
    let role = Role {
        job: job.clone(),
        target,
        core: Some(core),
    };
    Process::spawn("role", &serde_json::to_string(&role)?)
}

/// What the kernel grants a contender's sockets at both ends. They depend on nothing but the contender.
///
/// # Errors
/// When its ends do not find each other, or their sockets differ.
pub fn socket_buffers(peer: &str) -> Result<Buffers> {
    let job = Job {
        peer: peer.to_owned(),
        traffic: Traffic::Ping { bytes: 64 },
        packets: Packets::Ethernet,
        link: None,
    };
    let pair = Pair::start(&job, 1)?;
    Buffers::of(&[pair.server.process.child.id(), pair.client.child.id()])
}

/// A server, a client that is connected to it, and the link between them.
pub struct Pair {
    /// The client, which ends first, so that nobody is left without an answer.
    pub client: Process,
    /// The server.
    pub server: Server,
    /// The link.
    pub proxy: Option<Proxy>,
}

impl Pair {
    /// Starts both, and the proxy if the job has a link. `seed` decides what the link does.
    ///
    /// # Errors
    /// When they do not find each other.
    pub fn start(job: &Job, seed: u64) -> Result<Self> {
        let server = Server::start(job)?;
        let mut target = server.target.clone();
        let proxy = match job.link {
            Some(link) => {
                let (proxy, fronts) = Proxy::start(link, seed, &[target.address])?;
                target.address = *fronts.first().context("no front")?;
                Some(proxy)
            }
            None => None,
        };
        let mut client = client(job, &target)?;
        match client.next()? {
            Line::Connected => {}
            other => bail!("a client said {other:?}"),
        }
        Ok(Self {
            server,
            client,
            proxy,
        })
    }

    /// Looks at both ends, `warm_up` from now and `length` later.
    ///
    /// # Errors
    /// When one of them has failed.
    pub fn measure(&mut self, warm_up: Duration, length: Duration) -> Result<Measured> {
        thread::sleep(warm_up);
        let (server, client) = (self.server.process.snapshot()?, self.client.snapshot()?);
        thread::sleep(length);
        Ok(Measured {
            client: Span {
                from: client,
                to: self.client.snapshot()?,
            },
            server: Span {
                from: server,
                to: self.server.process.snapshot()?,
            },
        })
    }
}

/// Both ends over the same time.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// The server.
    pub server: Span,
    /// The client.
    pub client: Span,
}

impl Measured {
    /// CPU time of both, in seconds.
    pub fn cpu_s(&self) -> f64 {
        self.server.cpu_s() + self.client.cpu_s()
    }
}

/// How things stood in a process at two times.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Earlier.
    pub from: Snapshot,
    /// Later.
    pub to: Snapshot,
}

impl Span {
    /// CPU time, in seconds.
    pub fn cpu_s(&self) -> f64 {
        (self.to.cpu_ns - self.from.cpu_ns) as f64 / 1e9
    }

    /// Seconds in which application data could arrive.
    pub fn seconds(&self) -> f64 {
        (self.to.at_ns - self.from.at_ns.max(self.first_ns())) as f64 / 1e9
    }

    /// Bytes of application data received.
    pub fn bytes(&self) -> f64 {
        (self.to.bytes - self.from.bytes) as f64
    }

    /// Messages received.
    pub fn messages(&self) -> f64 {
        (self.to.messages - self.from.messages) as f64
    }

    /// Connections made.
    pub fn connections(&self) -> f64 {
        (self.to.connections - self.from.connections) as f64
    }

    /// When the first byte came, if that was in between; 0 otherwise.
    fn first_ns(&self) -> u64 {
        if self.from.bytes == 0 {
            self.to.first_ns.min(self.to.at_ns)
        } else {
            0
        }
    }
}
