//! What was measured, for people and for programs.

#[cfg(feature = "plot")]
mod plot;
mod summary;
mod table;

#[cfg(feature = "plot")]
pub use plot::plot;
pub use summary::{Outcome, Summary, append};
pub use table::print;
