//! docs/HOSTILE.md names every case and the tests that show it; the tests bear the case's number.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::{assert_none, tree};

/// Cases from here on are about a cluster, which does not exist.
const CLUSTER: u32 = 92;

/// A file and a test in it.
type Test = (String, String);

/// What the page says of one case.
#[derive(Default)]
struct Case {
    tests: BTreeSet<Test>,
    /// Why there is no test.
    reason: bool,
}

/// The numbers that a test's name begins with: 16 and 9 for `h16_h09_…`.
fn numbers(name: &str) -> Vec<u32> {
    name.split('_')
        .map_while(|part| {
            let digits = part.strip_prefix('h').filter(|digits| digits.len() == 2)?;
            digits.parse().ok()
        })
        .collect()
}

/// The cases of the page, by number.
fn page() -> BTreeMap<u32, Case> {
    let path = tree::root().join("docs/HOSTILE.md");
    let text = fs::read_to_string(path).expect("docs/HOSTILE.md");
    let mut cases: BTreeMap<u32, Case> = BTreeMap::new();
    let mut current = None;
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("### ") {
            let number = heading.split('.').next().and_then(|n| n.parse().ok());
            let number = number.unwrap_or_else(|| panic!("no number: {line}"));
            assert!(!cases.contains_key(&number), "twice: {line}");
            current = Some(cases.entry(number).or_default());
        } else if let (Some(case), Some(list)) = (current.as_mut(), line.strip_prefix("- `")) {
            let (path, names) = list.split_once("`: ").expect("a file and its tests");
            for name in names.split(", ") {
                let name = name.trim_matches('`').to_owned();
                case.tests.insert((path.to_owned(), name));
            }
        } else if let (Some(case), Some(reason)) = (current.as_mut(), line.strip_prefix("No test:"))
        {
            case.reason = !reason.trim().is_empty();
        }
    }
    cases
}

/// The tests of the tree, by the number of the case.
fn tests() -> BTreeMap<u32, BTreeSet<Test>> {
    let mut tests: BTreeMap<u32, BTreeSet<Test>> = BTreeMap::new();
    for file in tree::rust_files() {
        for line in file.text.lines() {
            let Some((before, rest)) = line.split_once("fn h") else {
                continue;
            };
            let before = before.trim();
            if !before.is_empty() && !before.starts_with("pub") {
                continue;
            }
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
            let name = format!("h{}", rest.get(..end.unwrap_or(rest.len())).unwrap_or(rest));
            for number in numbers(&name) {
                let test = (file.path.clone(), name.clone());
                tests.entry(number).or_default().insert(test);
            }
        }
    }
    tests
}

#[test]
fn the_page_of_hostile_cases_and_the_tests_agree() {
    let (page, tests) = (page(), tests());
    let mut found = Vec::new();
    for number in 1..CLUSTER {
        let Some(case) = page.get(&number) else {
            found.push(format!("case {number} is not on the page"));
            continue;
        };
        let none = BTreeSet::new();
        let there = tests.get(&number).unwrap_or(&none);
        for (path, name) in there.difference(&case.tests) {
            found.push(format!("case {number} does not name {name} in {path}"));
        }
        for (path, name) in case.tests.difference(there) {
            found.push(format!("case {number}: there is no {name} in {path}"));
        }
        if case.tests.is_empty() && !case.reason {
            found.push(format!("case {number} says neither test nor reason"));
        }
        if !case.tests.is_empty() && case.reason {
            found.push(format!("case {number} has tests and says why it has none"));
        }
    }
    let strange = page.keys().chain(tests.keys()).filter(|&&n| n >= CLUSTER);
    found.extend(strange.map(|number| format!("there is no case {number}")));
    assert_none(&found, "docs/HOSTILE.md and the tests differ:");
}
