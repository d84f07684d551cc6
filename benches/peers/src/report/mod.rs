//! What was measured, for people and for programs.

mod summary;
mod table;

pub use summary::{Outcome, Summary};
pub use table::print;
