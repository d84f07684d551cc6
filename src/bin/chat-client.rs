//! `chat-client`: see `chat-client --help`.

use std::io::{Write as _, stderr, stdout};
use std::process::ExitCode;

use ::client::Registration;
use crypto::RsaBits;
use tls::Trust;
use undertone::cli::address::ServerAddress;
use undertone::cli::client::{ClientOptions, ClientTask, DoctorOptions, client_task};
use undertone::cli::exit::Exit;
use undertone::cli::folders::{Program, data_folder};
use undertone::cli::password::Purpose;
use undertone::cli::pins::{KnownServers, PinError};
use undertone::cli::slot::InstallationSlot;
use undertone::cli::trust::TrustError;
use undertone::run::client::{self, run};
use undertone::run::doctor::{Findings, Settings, examine};
use undertone::run::front::{LineFront, Pins};
use undertone::run::problem::Problem;
use undertone::run::report::{to_json, to_table};
use undertone::run::visit::key_of;

fn main() -> ExitCode {
    let options = match client_task(std::env::args_os()) {
        Ok(ClientTask::Chat(options)) => *options,
        Ok(ClientTask::Doctor(options)) => return doctor(options),
        Err(stop) => return stop.print().into(),
    };
    let mut front = LineFront::new(options.json, None);
    match prepare(options) {
        Ok((settings, pins, _slot)) => {
            front.remember(pins);
            let ended = run(settings, &mut front);
            front.end(ended).into()
        }
        Err(problem) => {
            front.tell(&problem);
            problem.exit.into()
        }
    }
}

/// Looks at the path to a server and prints what it found.
fn doctor(options: DoctorOptions) -> ExitCode {
    let mut front = LineFront::new(options.json, None);
    let told = if options.json { to_json } else { to_table };
    let written = diagnose(options)
        .and_then(|findings| writeln!(stdout(), "{}", told(&findings)).map_err(Problem::unwritten));
    match written {
        Ok(()) => Exit::Done.into(),
        Err(problem) => {
            front.tell(&problem);
            problem.exit.into()
        }
    }
}

fn diagnose(options: DoctorOptions) -> Result<Findings, Problem> {
    let folder = data_folder(Program::Client, options.data_dir.as_deref())?;
    let known = KnownServers::in_folder(&folder);
    let trust = options
        .trust
        .resolve(&options.server, &known)
        .map_err(|error| untrusted(&error, &known))?;
    examine(Settings {
        host: options.server.host.as_str().to_owned(),
        port: options.server.port,
        trust,
        probes: options.probes,
    })
}

/// Everything that a client needs before it begins: whom to trust, a folder of its own, the password.
/// The slot is held as long as the client runs.
fn prepare(options: ClientOptions) -> Result<(client::Settings, Pins, InstallationSlot), Problem> {
    let folder = data_folder(Program::Client, options.data_dir.as_deref())?;
    let known = KnownServers::in_folder(&folder);
    let trust = options
        .trust
        .resolve(&options.server, &known)
        .map_err(|error| untrusted(&error, &known))?;
    let server = &options.server;
    let is_known = known.find(server).is_ok_and(|key| key.is_some());
    let (trust, names) = recognise(server, trust, &known)?;
    let (name, user) = (server.host_port(), options.user.key());
    let slot = InstallationSlot::take(&folder, &names, &name, user)?;
    let password = options
        .password
        .read(options.purpose, &mut |warning| {
            let _ = writeln!(stderr(), "{warning}");
        })
        .map_err(|error| Problem::usage(error.to_string()))?;
    let registration = match options.purpose {
        Purpose::Login => None,
        Purpose::NewAccount => Some(Registration {
            invite: options.invite.map(String::into_bytes),
            bits: RsaBits::B3072,
        }),
    };
    let settings = client::Settings {
        host: server.host.as_str().to_owned(),
        port: server.port,
        trust,
        username: options.user,
        password,
        registration,
        database: slot.folder().join("client.sqlite"),
        qlog: options.qlog,
        heeds_signals: true,
    };
    let pins = Pins {
        known_as: (names.into_iter().next()).filter(|first| !is_known && *first != name),
        first_use: matches!(settings.trust, Trust::FirstUse),
        known,
        server: options.server,
    };
    Ok((settings, pins, slot))
}

/// Finds out whether a server is one that is known by another name already, so that what is queued for it is sent and
/// its users are known. Gives whom to trust, and the names.
fn recognise(
    server: &ServerAddress,
    trust: Trust,
    known: &KnownServers,
) -> Result<(Trust, Vec<String>), Problem> {
    let unreadable = |error: PinError| Problem::trust(Exit::Other, error.to_string());
    let names_of = |key| known.names_of(key).map_err(unreadable);
    if let Trust::Pinned(key) = trust {
        return Ok((trust, names_of(key)?));
    }
    if known.is_empty().map_err(unreadable)? {
        return Ok((trust, Vec::new()));
    }
    // The folder is chosen before the login, so it is asked for its key, which it proves to have.
    let Some(key) = key_of(server.host.as_str(), server.port, trust.clone())? else {
        return Ok((trust, Vec::new()));
    };
    let names = names_of(key)?;
    let trust = match names.is_empty() {
        true => trust,
        false => Trust::Pinned(key),
    };
    Ok((trust, names))
}

fn untrusted(error: &TrustError, known: &KnownServers) -> Problem {
    match error {
        TrustError::Pin(PinError::Other { .. }) => {
            let words = format!("{error}; {}", known.advice());
            Problem::trust(Exit::ServerKeyChanged, words)
        }
        _ => Problem::trust(Exit::Other, error.to_string()),
    }
}
