//! The command line of `chat-server`.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use super::address::{DEFAULT_PORT, Host};
use super::forms::Forms;
use super::usage::{About, Stop, parse};

const FORMS: Forms = &[("-sp", "--port")];

/// What `chat-server` is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerOptions {
    /// The task.
    pub action: ServerAction,
    /// The address to listen on. Default 127.0.0.1; `::` is every address of both families.
    pub bind: IpAddr,
    /// The UDP port; 0 is any free one. Default 5000, for the demonstration 0.
    pub port: u16,
    /// Where the keys and the database are, instead of the default folder.
    pub data_dir: Option<PathBuf>,
    /// Listen beyond loopback although anyone knows the passwords of the demo accounts.
    pub allow_demo_accounts: bool,
    /// Who may make accounts.
    pub registration: RegistrationPolicy,
    /// Where to tell what is counted, over HTTP.
    pub metrics: Option<SocketAddr>,
    /// Where to write event logs of connections; nowhere where the program was built without them.
    pub qlog: Option<PathBuf>,
    /// How much to log.
    pub log_level: LogLevel,
    /// One JSON object a line instead of words for people.
    pub json: bool,
}

/// The tasks of `chat-server`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerAction {
    /// Listen, and make keys if there are none.
    Serve,
    /// Make the server's key and the demo accounts.
    NewDemoAccounts {
        /// Even over what is there.
        force: bool,
        /// Listen afterwards: a port or an address was asked for.
        then_serve: bool,
    },
    /// A server to try, in a folder of its own, with a bot that answers.
    Demo {
        /// Open a client on a terminal.
        client: bool,
    },
    /// Print address and fingerprint.
    Fingerprint,
    /// Make and print an invitation for one account.
    Invite,
}

/// Who may make accounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum RegistrationPolicy {
    /// Whoever pays with a proof of work
    #[default]
    Open,
    /// Whoever has an invitation, see chat-server invite
    Invite,
    /// Nobody
    Closed,
}

/// How much to log, from little to much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum LogLevel {
    /// What needs somebody
    Error,
    /// What may need somebody
    Warn,
    /// Starts and stops
    #[default]
    Info,
    /// Each connection
    Debug,
    /// Everything but secrets and contents
    Trace,
}

impl LogLevel {
    const fn raised(self) -> Self {
        match self {
            Self::Error => Self::Warn,
            Self::Warn => Self::Info,
            Self::Info => Self::Debug,
            Self::Debug | Self::Trace => Self::Trace,
        }
    }
}

/// A chat server that cannot read what it carries
///
/// Without a command it listens until it is interrupted. On an empty data folder it makes its keys
/// by itself; then it prints its address, which clients take by --server.
#[derive(Parser)]
#[command(
    name = "chat-server",
    version,
    next_line_help = true,
    disable_help_subcommand = true,
    subcommand_help_heading = "Commands",
    override_usage = "chat-server [-sp PORT] [--bind ADDR] [OPTIONS]\n       \
        chat-server -n [--force]\n       chat-server demo [--no-client]\n       \
        chat-server fingerprint | invite | man | completions SHELL",
    after_help = "Examples:\n  chat-server demo            try it, nothing to prepare\n  \
        chat-server -n              make the accounts Alice, Bob, Charlie and Eve\n  \
        chat-server -sp 5000        listen on 127.0.0.1\n  \
        chat-server --bind ::       listen on every address, IPv4 and IPv6"
)]
struct ServerArgs {
    /// Make the server's key and the accounts Alice, Bob, Charlie and Eve (password = name)
    ///
    /// Overwrites nothing without --force. Listens afterwards if -sp or --bind is given.
    #[arg(short = 'n', long)]
    new_demo_accounts: bool,

    /// Let -n overwrite the key and all accounts that are there
    #[arg(long, requires = "new_demo_accounts")]
    force: bool,

    /// UDP port, 0 for any free one [default: 5000]
    #[arg(long, alias = "server-port", value_name = "PORT", global = true)]
    #[arg(value_parser = listen_port)]
    port: Option<u16>,

    /// Address to listen on; 0.0.0.0 or :: for the network [default: 127.0.0.1]
    #[arg(long, value_name = "ADDR", global = true, value_parser = listen_address)]
    bind: Option<IpAddr>,

    /// Folder of the keys and the database [default: ~/.local/share/undertone/server]
    #[arg(long, value_name = "DIR", global = true)]
    data_dir: Option<PathBuf>,

    /// Listen beyond loopback with demo accounts, whose passwords everybody knows
    #[arg(long)]
    allow_demo_accounts: bool,

    /// Who may make accounts [default: open]
    #[arg(long, value_name = "POLICY")]
    registration: Option<RegistrationPolicy>,

    /// Tell what is counted at http://ADDR/metrics, for Prometheus
    ///
    /// A port on this machine, or an address and a port. There is no password: whoever reaches the
    /// address reads the numbers. They name nobody.
    #[arg(long, value_name = "ADDR", value_parser = metrics_address)]
    metrics: Option<SocketAddr>,

    /// Write an event log of each connection into this folder, in qlog form
    #[cfg(feature = "qlog")]
    #[arg(long, value_name = "DIR")]
    qlog: Option<PathBuf>,

    /// How much to log on standard error [default: info]
    #[arg(long, value_name = "LEVEL", global = true)]
    log_level: Option<LogLevel>,

    /// Log more; twice for still more
    #[arg(short = 'v', long, action = clap::ArgAction::Count, global = true)]
    verbose: u8,

    /// Print and log JSON, one object a line
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    command: Option<ServerCommand>,
}

#[derive(Subcommand)]
enum ServerCommand {
    /// Try it: a server with demo accounts on a free port, and a bot that answers
    ///
    /// Everything is in a folder of its own. Prints the command for a client; on a terminal it
    /// opens one as Bob right there.
    Demo {
        /// Open no client on a terminal
        #[arg(long)]
        no_client: bool,
    },
    /// Print the server's address and fingerprint, for clients to trust
    Fingerprint,
    /// Make an invitation, good for one account, and print it
    Invite,
    #[command(flatten)]
    About(About),
}

/// Reads the command line of `chat-server`, the program's name first.
pub fn server_options(args: impl IntoIterator<Item = OsString>) -> Result<ServerOptions, Stop> {
    let args: ServerArgs = parse(args, FORMS)?;
    let action = match args.command {
        Some(ServerCommand::About(about)) => return Err(about.print::<ServerArgs>(FORMS)),
        Some(_) if args.new_demo_accounts => {
            return Err(Stop::usage("-n goes without a command: chat-server -n"));
        }
        Some(ServerCommand::Demo { no_client }) => ServerAction::Demo { client: !no_client },
        Some(ServerCommand::Fingerprint) => ServerAction::Fingerprint,
        Some(ServerCommand::Invite) => ServerAction::Invite,
        None if args.new_demo_accounts => ServerAction::NewDemoAccounts {
            force: args.force,
            then_serve: args.port.is_some() || args.bind.is_some(),
        },
        None => ServerAction::Serve,
    };
    let default_port = match action {
        ServerAction::Demo { .. } => 0,
        _ => DEFAULT_PORT,
    };
    let log_level = args.log_level.unwrap_or_default();
    Ok(ServerOptions {
        action,
        bind: args.bind.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        port: args.port.unwrap_or(default_port),
        data_dir: args.data_dir,
        allow_demo_accounts: args.allow_demo_accounts,
        registration: args.registration.unwrap_or_default(),
        metrics: args.metrics,
        #[cfg(feature = "qlog")]
        qlog: args.qlog,
        #[cfg(not(feature = "qlog"))]
        qlog: None,
        log_level: (0..args.verbose.min(4)).fold(log_level, |level, _| level.raised()),
        json: args.json,
    })
}

fn listen_port(typed: &str) -> Result<u16, &'static str> {
    typed
        .parse()
        .map_err(|_| "a port is a number from 0 to 65535")
}

fn listen_address(typed: &str) -> Result<IpAddr, &'static str> {
    let host: Option<Host> = typed.parse().ok();
    host.and_then(|host| host.as_str().parse().ok())
        .ok_or("not an IP address; for the whole network use 0.0.0.0 or ::")
}

fn metrics_address(typed: &str) -> Result<SocketAddr, &'static str> {
    let on_this_machine = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let port = typed.parse().map(on_this_machine);
    port.or_else(|_| typed.parse())
        .map_err(|_| "not a port, and not an IP address and a port as in 127.0.0.1:9000")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::exit::Exit;

    fn options(line: &str) -> Result<ServerOptions, Stop> {
        server_options(
            format!("chat-server {line}")
                .split_whitespace()
                .map(OsString::from),
        )
    }

    fn stop(line: &str) -> String {
        let stop = options(line).unwrap_err();
        assert_eq!(stop.exit, Exit::Usage, "{line}");
        stop.text
    }

    fn shown(line: &str) -> String {
        let stop = options(line).unwrap_err();
        assert_eq!(stop.exit, Exit::Done, "{line}");
        stop.text
    }

    #[test]
    fn without_words_it_serves_on_loopback() {
        let options = options("").unwrap();
        assert_eq!(options.action, ServerAction::Serve);
        assert_eq!(options.bind, IpAddr::V4(Ipv4Addr::LOCALHOST));
        assert_eq!((options.port, options.log_level), (5000, LogLevel::Info));
        assert_eq!(options.registration, RegistrationPolicy::Open);
        assert!(!options.allow_demo_accounts && !options.json && options.data_dir.is_none());
    }

    #[test]
    fn the_port_has_every_form_that_people_type() {
        for line in ["-sp 7", "-sp=7", "--port 7", "--port=7", "--server-port 7"] {
            assert_eq!(options(line).unwrap().port, 7, "{line}");
        }
        assert_eq!(options("-sp 0").unwrap().port, 0);
        assert_eq!(options("demo").unwrap().port, 0);
        assert_eq!(options("demo -sp 7").unwrap().port, 7);
        assert_eq!(options("-sp 7 fingerprint").unwrap().port, 7);
    }

    #[test]
    fn addresses_of_both_families() {
        for (typed, expected) in [("0.0.0.0", "0.0.0.0"), ("::", "::"), ("[::1]", "::1")] {
            let bind = options(&format!("--bind {typed}")).unwrap().bind;
            assert_eq!(bind.to_string(), expected);
        }
    }

    #[test]
    fn metrics_are_for_this_machine_unless_an_address_is_given() {
        let metrics = |line| options(line).unwrap().metrics.map(|at| at.to_string());
        assert_eq!(metrics(""), None);
        assert_eq!(metrics("--metrics 9000").unwrap(), "127.0.0.1:9000");
        assert_eq!(metrics("--metrics [::1]:9").unwrap(), "[::1]:9");
    }

    #[test]
    fn tasks() {
        let action = |line| options(line).unwrap().action;
        let seed = |force, then_serve| ServerAction::NewDemoAccounts { force, then_serve };
        assert_eq!(action("-n"), seed(false, false));
        assert_eq!(action("--new-demo-accounts --force"), seed(true, false));
        assert_eq!(action("-n -sp 5000"), seed(false, true));
        assert_eq!(action("demo"), ServerAction::Demo { client: true });
        assert_eq!(
            action("demo --no-client"),
            ServerAction::Demo { client: false }
        );
        assert_eq!(action("fingerprint"), ServerAction::Fingerprint);
        assert_eq!(action("invite"), ServerAction::Invite);
        let more = options("-vv --registration closed --data-dir x --json").unwrap();
        assert_eq!(more.log_level, LogLevel::Trace);
        assert_eq!(more.registration, RegistrationPolicy::Closed);
        assert_eq!((more.data_dir, more.json), (Some("x".into()), true));
    }

    #[test]
    fn mistakes_say_what_to_do() {
        for (line, words) in [
            ("-sp", "-sp <PORT>"),
            ("-sp -n", "-sp <PORT>"),
            ("-sp 65536", "a port is a number from 0 to 65535"),
            ("--bind localhost", "0.0.0.0 or ::"),
            ("--metrics localhost", "127.0.0.1:9000"),
            ("--force", "--new-demo-accounts"),
            ("-n demo", "chat-server -n"),
            ("--registration maybe", "open, invite, closed"),
            ("serve", "serve"),
        ] {
            let text = stop(line);
            assert!(text.contains(words), "{line}: {text}");
            assert!(!text.contains("--port"), "{line}: {text}");
        }
    }

    #[test]
    fn help() {
        #[cfg(not(feature = "qlog"))]
        insta::assert_snapshot!(shown("--help"));
        assert!(shown("-h").contains("  -sp, --port <PORT>"));
        assert!(shown("demo --help").contains("--no-client"));
        assert!(shown("--version").starts_with("chat-server "));
    }

    #[test]
    fn manual_and_completions_show_what_people_type() {
        #[cfg(not(feature = "qlog"))]
        let page = shown("man").replace(env!("CARGO_PKG_VERSION"), "VERSION");
        #[cfg(not(feature = "qlog"))]
        insta::assert_snapshot!("server_manual", page);
        for (shell, form) in [
            ("bash", " -sp --port "),
            ("bash", "--port|-sp)"),
            ("zsh", "'-sp=["),
            ("fish", "-o sp -l port "),
            ("elvish", "cand -sp '"),
            ("powershell", "'-sp', '"),
        ] {
            let script = shown(&format!("completions {shell}"));
            assert!(script.contains(form), "{shell}: {script}");
        }
    }
}
