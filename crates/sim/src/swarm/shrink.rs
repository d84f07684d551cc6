use super::{Failure, Limits, Plan, run};

/// Turns a failing plan's limits down as long as it still fails: first kinds of faults, then clients,
/// then actions. Returns the smallest that was found, and how it fails.
pub fn shrink(seed: u64, limits: Limits, failure: Box<Failure>) -> (Limits, Box<Failure>) {
    let mut best = (limits, failure);
    let attempt = |limits: Limits, best: &mut (Limits, Box<Failure>)| {
        let failed = run(&Plan::new(seed, limits)).err();
        if let Some(failure) = failed {
            *best = (limits, failure);
            return true;
        }
        false
    };
    for fault in super::Fault::ALL {
        let (limits, _) = &best;
        if limits.faults.has(fault) {
            let limits = Limits {
                faults: limits.faults.without(fault),
                ..*limits
            };
            attempt(limits, &mut best);
        }
    }
    for clients in 1..Plan::new(seed, best.0).clients {
        let limits = Limits { clients, ..best.0 };
        if attempt(limits, &mut best) {
            break;
        }
    }
    // The shortest failing prefix, as far as halving finds it.
    let (mut passes, mut fails) = (0, best.0.actions.min(1 << 20));
    while fails - passes > 1 {
        let actions = passes + (fails - passes) / 2;
        let limits = Limits { actions, ..best.0 };
        if attempt(limits, &mut best) {
            fails = actions;
        } else {
            passes = actions;
        }
    }
    best
}
