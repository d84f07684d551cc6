//! From the words of a command line to options, or to what is printed instead.

use std::ffi::OsString;
use std::io::{self, Write as _};

use clap::{CommandFactory, Parser};

use super::exit::Exit;
use super::forms::{self, Forms};
use super::rewrite::rewrite;

/// A command line that ends with a text: help, a manual page, or what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// What to print, with its line ending.
    pub text: String,
    /// [`Exit::Done`]: on standard output. [`Exit::Usage`]: on standard error.
    pub exit: Exit,
}

impl Stop {
    pub(super) fn done(text: String) -> Self {
        let exit = Exit::Done;
        Self { text, exit }
    }

    /// A mistake in the command line, and what to do.
    pub(super) fn usage(sentence: impl core::fmt::Display) -> Self {
        Self {
            text: format!("error: {sentence}\n\nFor more information, try '--help'.\n"),
            exit: Exit::Usage,
        }
    }

    /// Prints the text where it belongs and gives the code to end with. A reader that went away is
    /// no error.
    pub fn print(self) -> Exit {
        let text = self.text.as_bytes();
        let _ = match self.exit {
            Exit::Done => io::stdout().lock().write_all(text),
            _ => io::stderr().lock().write_all(text),
        };
        self.exit
    }
}

/// Parses the words of a command line, the program's name first.
pub(super) fn parse<P: Parser>(
    args: impl IntoIterator<Item = OsString>,
    forms: Forms,
) -> Result<P, Stop> {
    P::try_parse_from(rewrite(args)).map_err(|error| {
        let rendered = error.render().to_string();
        if error.use_stderr() {
            Stop {
                text: forms::in_error(&rendered, forms),
                exit: Exit::Usage,
            }
        } else {
            Stop::done(forms::in_help(&rendered, forms))
        }
    })
}

/// What both programs print about themselves.
#[derive(Clone, Debug, PartialEq, Eq, clap::Subcommand)]
pub(super) enum About {
    /// Print the manual page
    ///
    /// For example: man -l <(PROGRAM man)
    Man,
    /// Print completions for a shell
    ///
    /// For example in ~/.bashrc: source <(PROGRAM completions bash)
    Completions {
        /// The shell
        #[arg(value_name = "SHELL")]
        shell: clap_complete::Shell,
    },
}

impl About {
    pub(super) fn print<P: CommandFactory>(&self, forms: Forms) -> Stop {
        Stop::done(match self {
            Self::Man => forms::manual(P::command(), forms),
            Self::Completions { shell } => forms::completions(*shell, P::command(), forms),
        })
    }
}
