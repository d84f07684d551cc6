//! `chat-client`: see `chat-client --help`.

use std::io::{Write as _, stderr, stdout};
use std::process::ExitCode;

use ::client::Registration;
use crypto::RsaBits;
use tls::Trust;
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
    let earlier = match &trust {
        Trust::Pinned(key) => known
            .names_of(*key)
            .map_err(|error| Problem::trust(Exit::Other, error.to_string()))?,
        _ => Vec::new(),
    };
    let user = options.user.key();
    let slot = InstallationSlot::take(&folder, &earlier, &server.host_port(), user)?;
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
        first_use: matches!(settings.trust, Trust::FirstUse),
        known,
        server: options.server,
    };
    Ok((settings, pins, slot))
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
