//! Swarm testing (Groce et al. 2012): every seed picks a topology, a workload and which faults are
//! active; phase 1 lets them loose and checks what must always hold, phase 2 heals the network and
//! checks that everything arrives.

mod crimes;
mod ends;
mod frames;
mod harm;
mod invariants;
mod ledger;
mod liar;
mod lies;
mod party;
mod plan;
mod roll_call;
mod run;
mod work;

pub use plan::Plan;
pub use run::run;
