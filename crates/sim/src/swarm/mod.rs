//! Swarm testing (Groce et al. 2012): every seed picks a topology, a workload and which faults are
//! active; phase 1 lets them loose and checks what must always hold, phase 2 heals the network and
//! checks that everything arrives.

mod crimes;
mod description;
mod ends;
mod fault;
mod fired;
mod frames;
mod harm;
mod ledger;
mod liar;
mod lies;
mod panics;
mod party;
mod plan;
#[cfg(feature = "planted")]
mod planted;
mod roll_call;
mod run;
mod shrink;
mod watch;
mod work;

pub use description::{Description, Kind};
pub use fault::{Fault, Faults};
#[cfg(feature = "system")]
pub(crate) use fired::Fired;
#[cfg(feature = "system")]
pub(crate) use panics::unless_it_panics;
#[cfg(feature = "system")]
pub(crate) use plan::link_of;
pub use plan::{Limits, Plan};
#[cfg(feature = "planted")]
pub use planted::{Found, find};
pub use run::{Failure, Outcome, run};
pub use shrink::shrink;
