//! Line mode: commands come one per line, what happens goes out one event at a time.
//!
//! | file | what |
//! |---|---|
//! | `command.rs` | from a line to a command |
//! | `json.rs` | events for programs: one JSON object a line |
//! | `human.rs` | events for people |
//! | `harmless.rs` | what a peer wrote, made safe for a terminal |
//! | `output.rs` | the one way out |
//! | `input.rs` | the thread that reads lines |
//! | `console.rs` | which of these |
//! | `terminal.rs` | the terminal put back as it was |

mod command;
mod console;
mod harmless;
mod human;
mod input;
mod json;
mod output;
mod terminal;

pub use command::{Command, HELP, Mistake};
pub use console::Console;
pub use harmless::harmless;
pub use human::Human;
pub use input::{Input, LINE_LEN_MAX};
pub use json::{event_object, mistake_object};
pub use output::Output;
