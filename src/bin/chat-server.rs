//! `chat-server`: see `chat-server --help`.

use std::fmt::Display;
use std::io::{Write as _, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use undertone::cli::exit::Exit;
use undertone::cli::folders::{Program, data_folder};
use undertone::cli::server::{RegistrationPolicy, ServerAction, ServerOptions, server_options};
use undertone::run::demo::{self, Demo};
use undertone::run::front::is_terminal;
use undertone::run::log::{Form, Log};
use undertone::run::problem::Problem;
use undertone::run::qlog::log_into;
use undertone::run::server::{
    Host, Seeded, Settings, Stop, identity, invite, renew_and_seed, seed,
};

fn main() -> ExitCode {
    let options = match server_options(std::env::args_os()) {
        Ok(options) => options,
        Err(stop) => return stop.print().into(),
    };
    match run(&options) {
        Ok(()) => Exit::Done.into(),
        Err(problem) => {
            Log::new(form(&options)).problem(&problem);
            problem.exit.into()
        }
    }
}

fn form(options: &ServerOptions) -> Form {
    Form {
        level: options.log_level,
        json: options.json,
    }
}

fn run(options: &ServerOptions) -> Result<(), Problem> {
    let given = options.data_dir.as_deref();
    match options.action {
        ServerAction::Serve => serve(options, data_folder(Program::Server, given)?),
        ServerAction::NewDemoAccounts { force, then_serve } => {
            let folder = data_folder(Program::Server, given)?;
            let seeded = if force {
                renew_and_seed(&folder)?
            } else {
                seed(&folder)?
            };
            tell_seeded(&seeded, &folder);
            if then_serve {
                serve(options, folder)
            } else {
                Ok(())
            }
        }
        ServerAction::Demo { client } => {
            let base = match given {
                Some(folder) => folder.to_owned(),
                None => data_folder(Program::Demo, None)?,
            };
            demonstrate(&base, client)
        }
        ServerAction::Invite => {
            let code = invite(&data_folder(Program::Server, given)?)?;
            writeln!(stdout(), "{code}").map_err(Problem::unwritten)
        }
        ServerAction::Fingerprint => {
            let folder = data_folder(Program::Server, given)?;
            let fingerprint = identity(&folder)?;
            let address = (options.bind, options.port).into();
            let lines = form(options).listening(address, fingerprint, false);
            writeln!(stdout(), "{lines}").map_err(Problem::unwritten)
        }
    }
}

fn serve(options: &ServerOptions, folder: PathBuf) -> Result<(), Problem> {
    let mut config = server::Config::default();
    config.registration = match options.registration {
        RegistrationPolicy::Open => server::Registration::Open,
        RegistrationPolicy::Invite => server::Registration::Invited,
        RegistrationPolicy::Closed => server::Registration::Closed,
    };
    log_into(&mut config.transport, options.qlog.as_deref())?;
    let settings = Settings {
        folder,
        bind: (options.bind, options.port).into(),
        allow_demo_accounts: options.allow_demo_accounts,
        metrics: options.metrics,
        config,
    };
    let (host, listening) = Host::open(settings, Stop::Signals)?;
    let mut log = Log::new(form(options));
    log.listening(&listening);
    host.run(&mut |event| log.event(event))
}

/// To whoever reads it, if anybody does.
fn tell(line: impl Display) {
    let _ = writeln!(stdout(), "{line}");
}

fn tell_seeded(seeded: &Seeded, folder: &Path) {
    if let Some(old) = &seeded.set_aside {
        tell(format_args!("what was there is now in {}", old.display()));
    }
    if !seeded.made.is_empty() {
        let names = seeded.made.join(", ");
        tell(format_args!("made {names}; each password is the name"));
    }
    if !seeded.kept.is_empty() {
        let names = seeded.kept.join(", ");
        tell(format_args!(
            "kept {names}: they were there, and only --force overwrites"
        ));
    }
    tell(format_args!("data folder: {}", folder.display()));
}

fn demonstrate(base: &Path, with_client: bool) -> Result<(), Problem> {
    tell("Making a server with demo accounts ...");
    let demo = Demo::start(base)?;
    let address = demo.listening.address;
    tell(format_args!("Undertone demo on {address}"));
    tell("Alice answers. Talk to her from another terminal:");
    tell(format_args!("  {}", demo::client_command(address)));
    let ended = if with_client && is_terminal() {
        tell("Here you are Bob. Try: send Alice hello there");
        demo.open_client("Bob")
    } else {
        demo.wait(|| tell("Ctrl-C ends it."))
    };
    demo.stop()?;
    ended
}
