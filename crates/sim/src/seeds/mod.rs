//! What worlds that are made from seeds have in common, whatever they are made of: kinds of faults and
//! what they do to links, what bounds a world, how it ends, and how one that fails is made small.

mod description;
mod fault;
mod fired;
mod limits;
mod link;
mod outcome;
mod panics;
mod shrink;

pub use description::{Description, Kind};
pub use fault::{Fault, Faults};
pub(crate) use fired::Fired;
pub use limits::Limits;
pub(crate) use link::link_of;
pub use outcome::{Failure, Outcome};
pub(crate) use panics::unless_it_panics;
pub use shrink::shrink;
