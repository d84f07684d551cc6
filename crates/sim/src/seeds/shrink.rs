use super::{Failure, Faults, Limits};

/// Turns a failing world's limits down as long as it still fails in the same way: first kinds of faults,
/// then clients, then actions, then messages. Returns the smallest that was found, and how it fails.
///
/// `plan` tells which faults and how many clients there are within some limits, `fails` how a world fails
/// that keeps to them, if it does.
pub fn shrink(
    limits: Limits,
    failure: Box<Failure>,
    plan: &dyn Fn(Limits) -> (Faults, u64),
    fails: &dyn Fn(Limits) -> Option<Box<Failure>>,
) -> (Limits, Box<Failure>) {
    let mut smallest = Smallest {
        plan,
        fails,
        kind: kind(&failure.what),
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
    /// What else fails on the way is another story.
    kind: Vec<String>,
    limits: Limits,
    failure: Box<Failure>,
}

/// What went wrong without numbers and names, in which smaller worlds differ.
fn kind(what: &str) -> Vec<String> {
    let words = what.split(|letter: char| !letter.is_alphanumeric());
    let is_kept = |word: &&str| {
        let is_id = word.len() == 8 && word.chars().all(|letter| letter.is_ascii_hexdigit());
        let is_number = word.chars().any(|letter| letter.is_ascii_digit());
        !word.is_empty() && !is_id && !is_number
    };
    words.filter(is_kept).map(str::to_owned).collect()
}

impl Smallest<'_> {
    /// Whether it fails in that way within these limits as well; then they are the smallest.
    fn fails(&mut self, limits: Limits) -> bool {
        let failed = (self.fails)(limits);
        let failed = failed.filter(|failure| kind(&failure.what) == self.kind);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeds::{Description, Fault, Kind};

    fn failure(what: &str) -> Box<Failure> {
        Box::new(Failure {
            seed: 1,
            at: transport::Instant::ZERO,
            what: what.to_owned(),
            trace: 0,
        })
    }

    /// What is left of a world of 4 clients with every fault, which fails as long as `fails` says so.
    fn shrunk(fails: &dyn Fn(Limits) -> Option<Box<Failure>>) -> (Limits, Box<Failure>) {
        let plan = |limits: Limits| (limits.faults, limits.clients.min(4));
        let first = fails(Limits::default());
        let first = first.unwrap_or_else(|| failure("nothing fails"));
        shrink(Limits::default(), first, &plan, fails)
    }

    #[test]
    fn only_what_a_failure_needs_is_left() {
        let (limits, how) = shrunk(&|limits| {
            let needed = limits.faults.has(Fault::Loss) && limits.faults.has(Fault::Restart);
            let enough = limits.clients >= 2 && limits.actions >= 37 && limits.thinning <= 4;
            let what = format!("record {} again", limits.actions);
            (needed && enough).then(|| failure(&what))
        });
        let both = Faults::default().with(Fault::Loss).with(Fault::Restart);
        assert_eq!(limits.faults, both);
        assert_eq!(
            (limits.clients, limits.actions, limits.thinning),
            (2, 37, 4)
        );
        assert_eq!(how.what, "record 37 again");
        // As it is kept: a kind of fault that is invented later is none of it.
        let kept = Description {
            world: Kind::Transport,
            seed: 1,
            limits,
        };
        let line = "--seed 1 --only loss,restart --clients 2 --actions 37 --thinning 4";
        assert_eq!(kept.to_string(), line);
    }

    #[test]
    fn what_fails_in_another_way_is_not_taken_for_the_same() {
        let (limits, how) = shrunk(&|limits| {
            let what = match limits.clients {
                0..=2 => "client 1 has not begun to connect",
                _ => "record 3 of 17 under 01ab23cd again",
            };
            Some(failure(what))
        });
        assert_eq!((limits.clients, limits.actions), (3, 1));
        assert_eq!(limits.faults, Faults::default());
        assert_eq!(how.what, "record 3 of 17 under 01ab23cd again");
    }

    #[test]
    fn a_kind_has_no_numbers_and_no_names() {
        let kinds = [
            "node 3: 1>2 #7 deadbeef is lost",
            "node 0: 0>1 #9 01234567 is lost",
        ];
        assert_eq!(
            kinds.map(kind),
            [["node", "is", "lost"]; 2].map(|k| k.map(str::to_owned).to_vec())
        );
        assert_ne!(kind("a is lost"), kind("a is shown"));
    }
}
