//! The demonstration: a server, four accounts, and Alice who answers.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread::JoinHandle;

use ::client::Event;
use chat::Username;
use crypto::{Fingerprint, SecretBytes};
use net::Waker;
use tls::Trust;

use super::client::{Command, Front, Settings};
use super::front::LineFront;
use super::problem::Problem;
use super::server::{Host, Listening, Stop};
use super::signals::Endings;
use super::{client, server};

/// Demonstrations at a time on one machine: each has a folder of its own.
const FOLDERS_MAX: usize = 16;

/// Answers that wait for the bot's client, which has no room while its server is away. It answers no more until then.
const ANSWERS_WAITING_MAX: usize = 1024;

/// The account that answers.
const BOT: &str = "Alice";

/// A running demonstration.
pub struct Demo {
    /// Where its server listens.
    pub listening: Listening,
    folder: PathBuf,
    server: JoinHandle<Result<(), Problem>>,
    bot: JoinHandle<()>,
    stop: Arc<AtomicBool>,
    waker: Waker,
}

impl Demo {
    /// Starts a server on a free port of this machine, in the first folder below `base` that no other
    /// demonstration uses, and the bot.
    ///
    /// # Errors
    /// No folder can be used, or the machine gives no socket or thread.
    pub fn start(base: &Path) -> Result<Self, Problem> {
        let (folder, host, listening, stop) = open(base)?;
        let waker = host.waker();
        let server = spawn("demo-server", move || host.run(&mut |_| {}))?;
        let settings = Settings {
            // They are for the demonstration, which ends it.
            heeds_signals: false,
            ..settings(&folder, BOT, &listening)?
        };
        let bot = spawn("demo-bot", move || {
            // It ends with the server.
            let _ = client::run(settings, &mut Bot::default());
        })?;
        Ok(Self {
            listening,
            folder,
            server,
            bot,
            stop,
            waker,
        })
    }

    /// Opens a client on this terminal and runs it until it leaves.
    ///
    /// # Errors
    /// What ended it otherwise.
    pub fn open_client(&self, name: &str) -> Result<(), Problem> {
        let settings = settings(&self.folder, name, &self.listening)?;
        let mut front = LineFront::new(false, None);
        let ended = client::run(settings, &mut front);
        // What went wrong has been told.
        front.end(ended);
        Ok(())
    }

    /// Waits for the signal that ends it; `ready` is called when one may be sent.
    ///
    /// # Errors
    /// The machine does not let us listen for signals.
    pub fn wait(&self, ready: impl FnOnce()) -> Result<(), Problem> {
        let (sender, receiver) = channel();
        let tell = move || {
            // Nobody waits for a second one.
            let _ = sender.send(());
        };
        let _endings = Endings::listen(tell, || {})?;
        ready();
        let _ = receiver.recv();
        Ok(())
    }

    /// Ends it.
    ///
    /// # Errors
    /// What kept the server from ending in peace.
    pub fn stop(self) -> Result<(), Problem> {
        self.stop.store(true, Ordering::Relaxed);
        self.waker.wake();
        let served = self.server.join();
        drop(self.bot);
        served.unwrap_or_else(|_| Err(Problem::other("the server's thread failed".into())))
    }
}

fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, Problem> {
    std::thread::Builder::new()
        .name(name.into())
        .spawn(work)
        .map_err(|error| Problem::other(format!("cannot start a thread: {error}")))
}

type Opened = (PathBuf, Host, Listening, Arc<AtomicBool>);

fn open(base: &Path) -> Result<Opened, Problem> {
    let mut last = None;
    for number in 1..=FOLDERS_MAX {
        let name = match number {
            1 => "demo".to_owned(),
            number => format!("demo-{number}"),
        };
        let folder = base.join(name);
        crate::cli::folders::create_private_folder(&folder).map_err(Problem::from)?;
        match open_in(&folder) {
            Ok((host, listening, stop)) => return Ok((folder, host, listening, stop)),
            Err(problem) if problem.code == Problem::IN_USE => last = Some(problem),
            Err(problem) => return Err(problem),
        }
    }
    Err(last.unwrap_or_else(|| Problem::other("too many demonstrations are running".into())))
}

fn open_in(folder: &Path) -> Result<(Host, Listening, Arc<AtomicBool>), Problem> {
    server::seed(folder)?;
    let stop = Arc::new(AtomicBool::new(false));
    let settings = server::Settings {
        folder: folder.to_owned(),
        bind: (Ipv4Addr::LOCALHOST, 0).into(),
        allow_demo_accounts: true,
        metrics: None,
        config: ::server::Config::default(),
    };
    let (host, listening) = Host::open(settings, Stop::Flag(Arc::clone(&stop)))?;
    Ok((host, listening, stop))
}

fn settings(folder: &Path, name: &str, listening: &Listening) -> Result<Settings, Problem> {
    let own = folder.join(name.to_lowercase());
    crate::cli::folders::create_private_folder(&own).map_err(Problem::from)?;
    Ok(Settings {
        host: listening.address.ip().to_string(),
        port: listening.address.port(),
        trust: Trust::Pinned(listening.fingerprint),
        username: Username::parse(name).map_err(|error| Problem::usage(error.to_string()))?,
        password: SecretBytes::new(name.as_bytes().to_vec()),
        registration: None,
        database: own.join("client.sqlite"),
        qlog: None,
        heeds_signals: true,
    })
}

/// Answers whoever writes.
#[derive(Default)]
struct Bot {
    answers: VecDeque<Command>,
    waker: Option<Waker>,
}

impl Front for Bot {
    fn start(&mut self, waker: Waker) -> Result<(), Problem> {
        self.waker = Some(waker);
        Ok(())
    }

    fn is_interrupted(&mut self) -> bool {
        false
    }

    fn poll(&mut self) -> Option<Command> {
        self.answers.pop_front()
    }

    fn show(&mut self, event: &Event) {
        if let Event::Message(message) = event
            && message.from != message.to
            && message.from.key() != BOT.to_lowercase()
            && self.answers.len() < ANSWERS_WAITING_MAX
        {
            self.answers.push_back(Command::Send {
                to: message.from.clone(),
                text: answer(&message.text),
            });
            if let Some(waker) = &self.waker {
                waker.wake();
            }
        }
    }

    fn refuse(&mut self, _: &str) {}

    fn pin(&mut self, _: Fingerprint) {}
}

/// What the bot says to a text.
fn answer(text: &str) -> String {
    let quoted: String = text.chars().take(200).collect();
    let greets = ["hello", "hi", "hey", "good "];
    let lower = quoted.to_lowercase();
    if greets.iter().any(|greeting| lower.starts_with(greeting)) {
        return format!("Hello! You said: {quoted}");
    }
    if lower.trim_end().ends_with('?') {
        return format!("Good question. You asked: {quoted}");
    }
    format!("You said: {quoted}")
}

/// The command that opens a client as Bob, as it can be typed here.
pub fn client_command(address: SocketAddr) -> String {
    let beside = std::env::current_exe().ok().and_then(|own| {
        let client = own.with_file_name("chat-client");
        client.exists().then_some(client)
    });
    let program = match beside {
        Some(client) if is_on_path(&client) => "chat-client".to_owned(),
        Some(client) => client.display().to_string(),
        None => "cargo run --release --bin chat-client --".to_owned(),
    };
    let (ip, port) = (address.ip(), address.port());
    format!("{program} -u Bob -p Bob -sip {ip} -sp {port}")
}

/// Whether typing a program's name starts this very file.
fn is_on_path(program: &Path) -> bool {
    let Some(name) = program.file_name() else {
        return false;
    };
    std::env::var_os("PATH").is_some_and(|paths| {
        let found = std::env::split_paths(&paths).map(|folder| folder.join(name));
        found.into_iter().find(|path| path.exists()).as_deref() == Some(program)
    })
}
