//! What is to be measured, from what was asked for.

use crate::scenario::{self, Scenario};
use crate::{cli, peer};

/// Scenarios in the order in which they run.
pub struct Plan {
    /// Each with somebody in it.
    pub contests: Vec<Contest>,
    /// What was asked for and is left out, a line for each.
    pub notes: Vec<String>,
}

/// A scenario and who takes part in it.
pub struct Contest {
    /// The scenario.
    pub scenario: Scenario,
    /// The contenders, of those that this build has.
    pub contenders: Vec<&'static str>,
}

impl Plan {
    /// Finds scenarios and contenders by their names. No peers are all that a scenario has.
    ///
    /// # Errors
    /// What is wrong with the names: there is no such scenario or peer, or nothing remains.
    pub fn new(scenarios: &[String], peers: &[String]) -> Result<Self, String> {
        for name in peers {
            if !peer::names().contains(&name.as_str()) {
                let names = peer::names().join(", ");
                return Err(format!("no peer is called {name:?}; there are {names}"));
            }
        }
        let mut plan = Self {
            contests: Vec::new(),
            notes: missing_from_build(peers),
        };
        for scenario in scenario::find(scenarios)? {
            plan.add(scenario, peers);
        }
        if plan.contests.is_empty() {
            return Err(format!("nothing to measure: {}", plan.notes.join("; ")));
        }
        plan.put_ceiling_first();
        Ok(plan)
    }

    fn add(&mut self, scenario: Scenario, peers: &[String]) {
        // Who measures only the proxy is not asked for by name.
        let everybody = peers.is_empty() || scenario.contenders.len() == 1;
        let named = |contender: &&str| everybody || cli::is_named(peers, contender);
        let contenders: Vec<&str> = scenario.contenders.iter().copied().filter(named).collect();
        let takes_part = |name: &&String| {
            let one = std::slice::from_ref(*name);
            contenders.iter().any(|other| cli::is_named(one, other))
        };
        let absent: Vec<&str> = peers
            .iter()
            .filter(|name| !everybody && !takes_part(name))
            .map(String::as_str)
            .collect();
        if !absent.is_empty() {
            let (scenario, absent) = (scenario.name, absent.join(", "));
            self.notes
                .push(format!("{scenario} does not have {absent}"));
        }
        let built = |name: &&str| peer::is_built(name);
        let contenders: Vec<&str> = contenders.into_iter().filter(built).collect();
        if !contenders.is_empty() {
            self.contests.push(Contest {
                scenario,
                contenders,
            });
        }
    }

    /// What the proxy itself can do comes before what goes through it.
    fn put_ceiling_first(&mut self) {
        let through_proxy = |contest: &Contest| contest.scenario.link.is_some();
        let Some(at) = self.contests.iter().position(through_proxy) else {
            return;
        };
        let is_there = |contest: &Contest| contest.scenario.name == scenario::CEILING;
        if self.contests.iter().any(is_there) {
            return;
        }
        if let Ok(ceiling) = scenario::find(&[scenario::CEILING.to_owned()]) {
            let ceiling = ceiling.into_iter().map(|scenario| Contest {
                contenders: scenario.contenders.to_vec(),
                scenario,
            });
            self.contests.splice(at..at, ceiling);
        }
    }
}

/// Those that were asked for, or all, and are behind a feature that was not.
fn missing_from_build(peers: &[String]) -> Vec<String> {
    let missing: Vec<&str> = peer::names()
        .into_iter()
        .filter(|name| peers.is_empty() || cli::is_named(peers, name))
        .filter(|name| !peer::is_built(name))
        .collect();
    if missing.is_empty() {
        return Vec::new();
    }
    let missing = missing.join(", ");
    vec![format!(
        "not in this build: {missing}; benches/peers/README.md says which feature brings them"
    )]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(scenarios: &[&str], peers: &[&str]) -> Result<Plan, String> {
        let owned =
            |names: &[&str]| -> Vec<String> { names.iter().map(|&name| name.to_owned()).collect() };
        Plan::new(&owned(scenarios), &owned(peers))
    }

    fn contests(plan: &Plan) -> Vec<(&str, &[&str])> {
        let contests = plan.contests.iter();
        contests
            .map(|contest| (contest.scenario.name, &*contest.contenders))
            .collect()
    }

    #[test]
    fn unknown_names_are_errors_that_list_the_known() {
        let error = plan(&["bulk"], &["undertone", "typo"]).err().unwrap();
        assert!(error.contains("\"typo\"") && error.contains("undertone-cubic, quinn,"));
        let error = plan(&["bulk", "typo"], &[]).err().unwrap();
        assert!(error.contains("\"typo\"") && error.contains("bulk, bulk-mtu,"));
        // The beginning of a name is no name.
        assert!(plan(&["bulk"], &["s2n"]).is_err());
        assert!(plan(&["bulk"], &[""]).is_err());
    }

    #[test]
    fn a_name_brings_its_variants_and_no_other_peer() {
        let plan = plan(&["goodput-20ms"], &["undertone", "tcp"]).unwrap();
        assert_eq!(plan.notes, ["goodput-20ms does not have tcp"]);
        let [(_, ceiling), (_, contenders)] = contests(&plan)[..] else {
            panic!("the ceiling and what was asked for");
        };
        assert_eq!(ceiling, ["limit"]);
        assert!(contenders.contains(&"undertone-cubic"));
        assert!(contenders.iter().all(|name| name.starts_with("undertone")));
        let plan = self::plan(&["bulk"], &["tcp"]).unwrap();
        assert_eq!(contests(&plan), [("bulk", &["tcp"][..])]);
    }

    #[test]
    fn a_scenario_without_anybody_is_left_out_and_said() {
        let plan = plan(&["bulk", "ping"], &["udp"]).unwrap();
        assert_eq!(contests(&plan), [("ping", &["udp"][..])]);
        assert_eq!(plan.notes, ["bulk does not have udp"]);
        let error = self::plan(&["bulk", "goodput-20ms"], &["udp"]).err();
        assert!(error.unwrap().contains("bulk does not have udp"));
    }

    #[test]
    fn the_ceiling_comes_once_and_before_the_first_link() {
        let plan = plan(&["bulk", "latency-50ms-1pct", "goodput-20ms"], &["limit"]).unwrap();
        let names: Vec<&str> = contests(&plan).iter().map(|(name, _)| *name).collect();
        let expected = ["bulk", "proxy", "latency-50ms-1pct", "goodput-20ms"];
        assert_eq!(names, expected);
    }

    #[cfg(not(feature = "quiche"))]
    #[test]
    fn a_peer_that_is_not_built_is_said() {
        let plan = plan(&["bulk"], &["tcp", "quiche"]).unwrap();
        assert_eq!(contests(&plan), [("bulk", &["tcp"][..])]);
        assert!(plan.notes[0].starts_with("not in this build: quiche, quiche-bbr2;"));
        assert!(self::plan(&["bulk"], &["quiche"]).is_err());
    }

    #[test]
    fn everything_has_everybody_whom_the_build_has() {
        let plan = plan(&["all"], &[]).unwrap();
        let all: Vec<&str> = scenario::all().iter().map(|each| each.name).collect();
        let names: Vec<&str> = contests(&plan).iter().map(|(name, _)| *name).collect();
        assert_eq!(names, all);
        let built = peer::names()
            .into_iter()
            .filter(|name| peer::is_built(name));
        for name in built {
            let takes_part = |contest: &Contest| contest.contenders.contains(&name);
            assert!(plan.contests.iter().any(takes_part), "{name}");
        }
    }
}
