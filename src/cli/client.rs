//! The command line of `chat-client`.

use std::ffi::OsString;
use std::path::PathBuf;

use chat::Username;
use chat::limits::INVITE_LEN_MAX;
use clap::{Args, Parser, Subcommand};
use crypto::SecretBytes;

use super::address::{BadAddress, DEFAULT_PORT, Host, ServerAddress};
use super::forms::Forms;
use super::password::{PasswordOptions, Purpose};
use super::rewrite::ONE_DASH;
use super::trust::TrustOptions;
use super::usage::{About, Stop, parse};

const FORMS: Forms = &ONE_DASH;

/// What `chat-client` is to do.
pub enum ClientTask {
    /// Log in, and chat.
    Chat(Box<ClientOptions>),
    /// Look at the path to a server.
    Doctor(DoctorOptions),
}

/// What to find out about the path to a server. No account is needed.
pub struct DoctorOptions {
    /// Where the server is. Default 127.0.0.1:5000.
    pub server: ServerAddress,
    /// How the server's key is known.
    pub trust: TrustOptions,
    /// Where the keys of known servers are, instead of the default folder.
    pub data_dir: Option<PathBuf>,
    /// How many probes to send.
    pub probes: u32,
    /// A JSON object instead of a table.
    pub json: bool,
}

/// How to chat.
pub struct ClientOptions {
    /// Whether an account is to be made first ([`Purpose::NewAccount`]).
    pub purpose: Purpose,
    /// The invitation to make an account with.
    pub invite: Option<String>,
    /// Who the user is.
    pub user: Username,
    /// Where the password comes from.
    pub password: PasswordOptions,
    /// Where the server is. Default 127.0.0.1:5000.
    pub server: ServerAddress,
    /// How the server's key is known.
    pub trust: TrustOptions,
    /// Where keys and messages are, instead of the default folder.
    pub data_dir: Option<PathBuf>,
    /// Where to write event logs of connections; nowhere where the program was built without them.
    pub qlog: Option<PathBuf>,
    /// JSON objects also on a terminal.
    pub json: bool,
}

/// Chat, end-to-end encrypted
///
/// Without a command it logs in. On a terminal there is a prompt: type help. Otherwise, and with
/// --json, it reads one command a line and prints one JSON object a line.
#[derive(Parser)]
#[command(
    name = "chat-client",
    version,
    next_line_help = true,
    disable_help_subcommand = true,
    subcommand_help_heading = "Commands",
    override_usage = "chat-client -u NAME [-sip HOST] [-sp PORT] [OPTIONS]\n       \
        chat-client register -u NAME [OPTIONS]\n       \
        chat-client doctor [-sip HOST] [-sp PORT] [--json]\n       \
        chat-client man | completions SHELL",
    after_help = "Examples:\n  chat-client -u Bob                                asks for the password\n  \
        chat-client -u Bob -p Bob -sip 127.0.0.1 -sp 5000\n  \
        chat-client register -u Dora                      makes an account\n\n\
        Exit codes: 0 done, 2 usage, 3 server unreachable, 4 login failed, 5 server key\n\
        changed, 1 anything else."
)]
struct ClientArgs {
    #[command(flatten)]
    common: CommonArgs,
    #[command(subcommand)]
    command: Option<ClientCommand>,
}

#[derive(Subcommand)]
enum ClientCommand {
    /// Make an account, and log in
    Register {
        /// Invitation, where the server asks for one
        #[arg(long, value_name = "CODE", value_parser = invitation)]
        invite: Option<String>,
    },
    /// Tell what the path to the server gives: round trips, loss, datagram size
    ///
    /// Needs no account: it shakes hands and sends probes. Takes about a second.
    Doctor {
        /// How many probes to send
        #[arg(long, value_name = "N", default_value_t = 20)]
        #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
        probes: u32,
    },
    #[command(flatten)]
    About(About),
}

#[derive(Args)]
struct CommonArgs {
    /// Your name
    #[arg(short, long, value_name = "NAME", global = true, value_parser = username)]
    user: Option<Username>,

    /// IP address or name of the server [default: 127.0.0.1]
    #[arg(long, value_name = "HOST", global = true, value_parser = host)]
    server_ip: Option<Host>,

    /// UDP port of the server [default: 5000]
    #[arg(long, alias = "port", value_name = "PORT", global = true, value_parser = server_port)]
    server_port: Option<u16>,

    /// Server as it prints itself: undertone://HOST:PORT#FINGERPRINT
    #[arg(long, value_name = "ADDRESS", global = true)]
    server: Option<ServerAddress>,

    /// Folder of keys and messages [default: ~/.local/share/undertone/client]
    #[arg(long, value_name = "DIR", global = true)]
    data_dir: Option<PathBuf>,

    /// Write an event log of each connection into this folder, in qlog form
    #[cfg(feature = "qlog")]
    #[arg(long, value_name = "DIR", global = true)]
    qlog: Option<PathBuf>,

    /// Print JSON, one object a line, on a terminal too
    #[arg(long, global = true)]
    json: bool,

    /// Password; others can see it in the process list
    #[arg(
        short,
        long,
        value_name = "PASSWORD",
        global = true,
        allow_hyphen_values = true
    )]
    #[arg(help_heading = "Password, asked for if none is given")]
    password: Option<String>,

    /// File with the password; - for the first line of standard input
    #[arg(long, value_name = "FILE", global = true, help_heading = PASSWORD)]
    password_file: Option<PathBuf>,

    /// Command that prints the password
    ///
    /// It is run by sh. After the options comes the environment variable UNDERTONE_PASSWORD, then
    /// a prompt.
    #[arg(long, value_name = "COMMAND", global = true, help_heading = PASSWORD)]
    password_command: Option<String>,

    /// Refuse a server whose key is not known yet
    ///
    /// By default the key of a new server is shown and, once the login has proven it, remembered.
    #[arg(long, global = true, help_heading = TRUST)]
    no_tofu: bool,

    /// File with the fingerprints of trusted servers, one a line
    #[arg(long, value_name = "FILE", global = true, help_heading = TRUST)]
    trusted_keys: Option<PathBuf>,
}

const PASSWORD: &str = "Password, asked for if none is given";
const TRUST: &str = "Trust in the server";

/// Reads the command line of `chat-client`, the program's name first.
pub fn client_task(args: impl IntoIterator<Item = OsString>) -> Result<ClientTask, Stop> {
    let ClientArgs { common, command } = parse(args, FORMS)?;
    let (purpose, invite) = match command {
        Some(ClientCommand::About(about)) => return Err(about.print::<ClientArgs>(FORMS)),
        Some(ClientCommand::Doctor { probes }) => return doctor(common, probes),
        Some(ClientCommand::Register { invite }) => (Purpose::NewAccount, invite),
        None => (Purpose::Login, None),
    };
    let Some(user) = common.user.clone() else {
        return Err(Stop::usage("who are you? Give your name by -u NAME"));
    };
    let server = server(&common)?;
    let trust = trust(&common, &server)?;
    Ok(ClientTask::Chat(Box::new(ClientOptions {
        purpose,
        invite,
        user,
        server,
        trust,
        data_dir: common.data_dir.clone(),
        json: common.json,
        #[cfg(feature = "qlog")]
        qlog: common.qlog.clone(),
        #[cfg(not(feature = "qlog"))]
        qlog: None,
        password: password(common)?,
    })))
}

fn doctor(common: CommonArgs, probes: u32) -> Result<ClientTask, Stop> {
    let server = server(&common)?;
    Ok(ClientTask::Doctor(DoctorOptions {
        trust: trust(&common, &server)?,
        server,
        data_dir: common.data_dir,
        probes,
        json: common.json,
    }))
}

fn server(args: &CommonArgs) -> Result<ServerAddress, Stop> {
    let given = args.server_ip.is_some() || args.server_port.is_some();
    match &args.server {
        Some(_) if given => Err(Stop::usage("--server goes without -sip and -sp")),
        Some(server) => Ok(server.clone()),
        None => {
            let loopback = || core::net::Ipv4Addr::LOCALHOST;
            let host = args.server_ip.clone();
            Ok(ServerAddress {
                host: host.unwrap_or_else(|| Host::from(core::net::IpAddr::V4(loopback()))),
                port: args.server_port.unwrap_or(DEFAULT_PORT),
                fingerprint: None,
            })
        }
    }
}

fn trust(args: &CommonArgs, server: &ServerAddress) -> Result<TrustOptions, Stop> {
    match (server.fingerprint, &args.trusted_keys) {
        (Some(_), Some(_)) => Err(Stop::usage(
            "only one of a fingerprint in --server and --trusted-keys can say whom to trust",
        )),
        (Some(fingerprint), None) => Ok(TrustOptions::Pinned(fingerprint)),
        (None, Some(file)) => Ok(TrustOptions::Keys(file.clone())),
        (None, None) => Ok(TrustOptions::Known {
            first_use: !args.no_tofu,
        }),
    }
}

fn password(args: CommonArgs) -> Result<PasswordOptions, Stop> {
    let options = PasswordOptions {
        given: args.password.map(|it| SecretBytes::new(it.into_bytes())),
        file: args.password_file,
        command: args.password_command,
    };
    let ways = [
        options.given.is_some(),
        options.file.is_some(),
        options.command.is_some(),
    ];
    if ways.iter().filter(|given| **given).count() > 1 {
        return Err(Stop::usage(
            "only one of -p, --password-file and --password-command can give the password",
        ));
    }
    Ok(options)
}

fn username(typed: &str) -> Result<Username, &'static str> {
    typed
        .parse()
        .map_err(|_| "a name has up to 64 bytes, no spaces and no control characters")
}

fn invitation(typed: &str) -> Result<String, &'static str> {
    match typed.len() <= INVITE_LEN_MAX && typed.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(typed.to_owned()),
        false => Err("not an invitation"),
    }
}

fn host(typed: &str) -> Result<Host, BadAddress> {
    typed.parse()
}

fn server_port(typed: &str) -> Result<u16, BadAddress> {
    let port: Option<u16> = typed.parse().ok();
    port.filter(|port| *port != 0).ok_or(BadAddress::Port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::exit::Exit;

    const DIGITS: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn task(line: &str) -> Result<ClientTask, Stop> {
        client_task(
            format!("chat-client {line}")
                .split_whitespace()
                .map(OsString::from),
        )
    }

    fn options(line: &str) -> Result<ClientOptions, Stop> {
        task(line).map(|task| match task {
            ClientTask::Chat(options) => *options,
            ClientTask::Doctor(_) => panic!("{line}"),
        })
    }

    #[test]
    fn a_doctor_needs_a_server_and_no_name() {
        let doctor = |line: &str| match task(line) {
            Ok(ClientTask::Doctor(options)) => options,
            _ => panic!("{line}"),
        };
        let options = doctor("doctor");
        assert_eq!(options.server.host_port(), "127.0.0.1:5000");
        assert_eq!((options.probes, options.json), (20, false));
        let options = doctor("doctor --probes 3 -sip ::1 -sp 7 --json");
        assert_eq!(options.server.host_port(), "[::1]:7");
        assert_eq!((options.probes, options.json), (3, true));
        assert_eq!(stop("doctor --probes 0").exit, Exit::Usage);
    }

    fn stop(line: &str) -> Stop {
        options(line).err().unwrap()
    }

    fn shown(line: &str) -> String {
        let stop = stop(line);
        assert_eq!(stop.exit, Exit::Done, "{line}");
        stop.text
    }

    fn given(line: &str) -> String {
        let password = options(line).unwrap().password.given.unwrap();
        String::from_utf8(password.expose().to_vec()).unwrap()
    }

    #[test]
    fn the_server_defaults_to_this_machine() {
        let options = options("-u Bob").unwrap();
        assert_eq!(options.user.display(), "Bob");
        assert_eq!(options.server.host_port(), "127.0.0.1:5000");
        assert_eq!(options.trust, TrustOptions::Known { first_use: true });
        assert_eq!(options.purpose, Purpose::Login);
        assert!(!options.json && options.data_dir.is_none());
    }

    #[test]
    fn the_server_has_every_form_that_people_type() {
        for (line, expected) in [
            ("-sip 10.0.0.1 -sp 7", "10.0.0.1:7"),
            ("-sip=10.0.0.1 -sp=7", "10.0.0.1:7"),
            ("--server-ip h --server-port 7", "h:7"),
            ("--server-ip=h --port=7", "h:7"),
            ("-sip ::1", "[::1]:5000"),
            ("-sip [::1] -sp 7", "[::1]:7"),
            ("--server undertone://h:7", "h:7"),
            ("--server h", "h:5000"),
        ] {
            let options = options(&format!("-u Bob {line}")).unwrap();
            assert_eq!(options.server.host_port(), expected, "{line}");
        }
    }

    #[test]
    fn a_password_may_look_like_an_option() {
        assert_eq!(given("-u Bob -p Bob -sip 127.0.0.1 -sp 5000"), "Bob");
        for password in ["-sp", "-sip", "-u", "--", "--json", "-"] {
            assert_eq!(given(&format!("-p {password} -u Bob")), password);
            assert_eq!(given(&format!("-u Bob -p {password} -sp 7")), password);
            assert_eq!(
                given(&format!("-u Bob --password={password} -sp 7")),
                password
            );
        }
    }

    #[test]
    fn options_may_stand_on_either_side_of_a_command() {
        for line in ["register -u Dora -p x -sp 7", "-u Dora -sp 7 register -p x"] {
            let options = options(line).unwrap();
            assert_eq!(options.purpose, Purpose::NewAccount);
            assert_eq!(options.user.display(), "Dora");
            assert_eq!(options.server.port, 7);
            assert!(options.password.given.is_some() && options.invite.is_none());
        }
    }

    #[test]
    fn an_invitation_is_for_a_new_account() {
        let registration = options("register --invite 0abc -u Dora").unwrap();
        assert_eq!(registration.invite.as_deref(), Some("0abc"));
        assert_eq!(stop("-u Dora --invite 0abc").exit, Exit::Usage);
        assert_eq!(stop("register -u Dora --invite \u{e9}").exit, Exit::Usage);
    }

    #[test]
    fn trust_has_three_ways() {
        let trust = |line: &str| options(&format!("-u Bob {line}")).unwrap().trust;
        let pinned = format!("--server undertone://h:7#{DIGITS}");
        assert_eq!(
            trust(&pinned),
            TrustOptions::Pinned(DIGITS.parse().unwrap())
        );
        assert_eq!(trust("--trusted-keys f"), TrustOptions::Keys("f".into()));
        assert_eq!(trust("--no-tofu"), TrustOptions::Known { first_use: false });
        let both = stop(&format!("-u Bob {pinned} --trusted-keys f"));
        assert_eq!(both.exit, Exit::Usage);
        assert!(both.text.contains("only one of"), "{}", both.text);
    }

    #[test]
    fn mistakes_say_what_to_do() {
        for (line, words) in [
            ("", "-u NAME"),
            ("-sp 7", "-u NAME"),
            ("-u Bob -sp -sip 1.2.3.4", "-sp <PORT>"),
            ("-u Bob -sip", "-sip <HOST>"),
            ("-u Bob -sp 0", "from 1 to 65535"),
            ("-u Bob -sip 1.2.3.4:5000", "-sp PORT"),
            ("-u Bob -sip 1.2.3.4/8", "not a host name or IP address"),
            ("-u -sp 7", "--user <NAME>"),
            ("-u \u{7}", "no control characters"),
            ("-u Bob --server h -sp 7", "without -sip and -sp"),
            ("-u Bob --server http://h", "undertone://"),
            ("-u Bob -p a --password-file b", "only one of -p"),
            (
                "-u Bob --password-command a --password-file b",
                "only one of -p",
            ),
            ("-u Bob chat", "chat"),
        ] {
            let Stop { text, exit } = stop(line);
            assert_eq!(exit, Exit::Usage, "{line}");
            assert!(text.contains(words), "{line}: {text}");
            assert!(!text.contains("--server-port <"), "{line}: {text}");
            assert!(!text.contains("--server-ip <"), "{line}: {text}");
        }
    }

    #[test]
    fn help() {
        #[cfg(not(feature = "qlog"))]
        insta::assert_snapshot!(shown("--help"));
        let short = shown("-h");
        assert!(short.contains("  -sp, --server-port <PORT>"));
        assert!(short.contains("  -sip, --server-ip <HOST>"));
        assert!(shown("register --help").contains("  -sp, --server-port <PORT>"));
        assert!(shown("--version").starts_with("chat-client "));
    }

    #[test]
    fn manual_and_completions_show_what_people_type() {
        #[cfg(not(feature = "qlog"))]
        let page = shown("man").replace(env!("CARGO_PKG_VERSION"), "VERSION");
        #[cfg(not(feature = "qlog"))]
        insta::assert_snapshot!("client_manual", page);
        for (shell, form) in [
            ("bash", " -sip --server-ip "),
            ("bash", " -sp --server-port "),
            ("bash", "--server-port|-sp)"),
            ("zsh", "'-sp=["),
            ("zsh", "'-sip=["),
            ("fish", "-o sp -l server-port "),
            ("fish", "-o sip -l server-ip "),
            ("elvish", "cand -sip '"),
            ("powershell", "'-sip', '"),
        ] {
            let script = shown(&format!("completions {shell}"));
            assert!(script.contains(form), "{shell}: {script}");
        }
    }
}
