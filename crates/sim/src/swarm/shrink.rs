use super::{Failure, Faults, Limits, Plan, run};

/// Turns a failing plan's limits down as long as it still fails: first kinds of faults, then clients,
/// then actions, then messages. Returns the smallest that was found, and how it fails.
pub fn shrink(seed: u64, limits: Limits, failure: Box<Failure>) -> (Limits, Box<Failure>) {
    let plan = |limits| {
        let plan = Plan::new(seed, limits);
        (plan.faults, plan.clients)
    };
    let fails = |limits| run(&Plan::new(seed, limits)).err();
    shrink_with(limits, failure, &plan, &fails)
}

/// The same for any kind of world. `plan` tells which faults and how many clients there are within
/// some limits, `fails` how a world fails that keeps to them, if it does.
pub fn shrink_with(
    limits: Limits,
    failure: Box<Failure>,
    plan: &dyn Fn(Limits) -> (Faults, u64),
    fails: &dyn Fn(Limits) -> Option<Box<Failure>>,
) -> (Limits, Box<Failure>) {
    let mut smallest = Smallest {
        plan,
        fails,
        limits,
        failure,
    };
    smallest.drop_faults();
    smallest.drop_clients();
    smallest.drop_actions();
    smallest.drop_messages();
    (smallest.limits, smallest.failure)
}

/// The smallest failing world that is known.
struct Smallest<'a> {
    plan: &'a dyn Fn(Limits) -> (Faults, u64),
    fails: &'a dyn Fn(Limits) -> Option<Box<Failure>>,
    limits: Limits,
    failure: Box<Failure>,
}

impl Smallest<'_> {
    /// Whether it fails within these limits as well; then they are the smallest.
    fn fails(&mut self, limits: Limits) -> bool {
        let failed = (self.fails)(limits);
        let fails = failed.is_some();
        if let Some(failure) = failed {
            (self.limits, self.failure) = (limits, failure);
        }
        fails
    }

    fn drop_faults(&mut self) {
        let (active, _) = (self.plan)(self.limits);
        let without = |faults: Faults, limits| Limits { faults, ..limits };
        // Those that are not active are no loss, and a world without any is easily understood.
        self.limits.faults = active;
        for fault in active.iter() {
            let fewer = self.limits.faults.without(fault);
            self.fails(without(fewer, self.limits));
        }
    }

    fn drop_clients(&mut self) {
        let (_, most) = (self.plan)(self.limits);
        for clients in 1..most {
            let limits = self.limits;
            if self.fails(Limits { clients, ..limits }) {
                return;
            }
        }
    }

    /// The shortest failing prefix, as far as halving finds it.
    fn drop_actions(&mut self) {
        let (mut passes, mut fails) = (0, self.limits.actions.min(1 << 20));
        while fails - passes > 1 {
            let actions = passes + (fails - passes) / 2;
            let limits = self.limits;
            if self.fails(Limits { actions, ..limits }) {
                fails = actions;
            } else {
                passes = actions;
            }
        }
    }

    /// Every second message, every fourth, and so on.
    fn drop_messages(&mut self) {
        for power in 1..10 {
            let (limits, thinning) = (self.limits, 1 << power);
            if !self.fails(Limits { thinning, ..limits }) {
                return;
            }
        }
    }
}
