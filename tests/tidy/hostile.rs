//! docs/HOSTILE.md names every case and the tests that show it; the tests bear the case's number.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::assert_none;
use crate::tree::{self, File};

/// Cases from here on are about a cluster, which does not exist.
const CLUSTER: u32 = 92;

/// Behind the name of a test that runs only when it is asked for.
const ON_DEMAND: &str = " (on demand)";

/// A file, a test in it, and whether it runs only when it is asked for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Test {
    path: String,
    name: String,
    on_demand: bool,
}

impl Test {
    /// As the page spells it.
    fn spelled(&self) -> String {
        let mark = if self.on_demand { ON_DEMAND } else { "" };
        format!("`{}`{mark} in {}", self.name, self.path)
    }
}

/// What the page says of one case.
#[derive(Default)]
struct Case {
    tests: BTreeSet<Test>,
    /// Why there is no test.
    reason: bool,
}

/// The numbers that a test's name begins with: 16 and 9 for `h16_h09_…`. An error for numbers that do
/// not have two digits.
fn numbers(name: &str) -> Result<Vec<u32>, ()> {
    let digits = |part: &str| {
        let digits = part.strip_prefix('h')?.to_owned();
        digits
            .starts_with(|c: char| c.is_ascii_digit())
            .then_some(digits)
    };
    let number = |digits: String| match digits.len() {
        2 => digits.parse().map_err(drop),
        _ => Err(()),
    };
    name.split('_').map_while(digits).map(number).collect()
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
            case.tests.extend(names.split(", ").map(|name| Test {
                path: path.to_owned(),
                name: name.trim_end_matches(ON_DEMAND).trim_matches('`').into(),
                on_demand: name.ends_with(ON_DEMAND),
            }));
        } else if let (Some(case), Some(reason)) = (current.as_mut(), line.strip_prefix("No test:"))
        {
            case.reason = !reason.trim().is_empty();
        }
    }
    cases
}

/// The name of a function that is defined in this line and begins like a test of a case.
fn numbered(line: &str) -> Option<&str> {
    let (before, rest) = line.split_once("fn h")?;
    if before.trim_start().starts_with("//") || !rest.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
    let rest = rest.get(..end.unwrap_or(rest.len()))?;
    line.get(before.len() + 3..before.len() + 4 + rest.len())
}

/// The attributes of what follows these lines.
fn attributes(before: &[&str]) -> Vec<String> {
    let comment = |line: &&str| line.starts_with("//");
    let lines = before.iter().rev().map(|line| line.trim());
    lines
        .take_while(|line| comment(line) || !(line.is_empty() || line.ends_with(['{', '}', ';'])))
        .filter(|line| !comment(line))
        .map(str::to_owned)
        .collect()
}

/// Whether this file is a part of a contract suite whose list, in the `main.rs` above, has the name: a
/// macro makes a test of it there, one for each engine.
fn is_listed(files: &[File], path: &str, name: &str) -> bool {
    let Some((above, _)) = path.split_once("/suite/") else {
        return false;
    };
    let item = format!("{name},");
    let main = files.iter().find(|f| f.path == format!("{above}/main.rs"));
    main.is_some_and(|main| main.text.lines().any(|line| line.trim() == item))
}

/// The tests of the tree, by the number of the case, and what is wrong with some.
fn tests(files: &[File]) -> (BTreeMap<u32, BTreeSet<Test>>, Vec<String>) {
    let (mut tests, mut found) = (BTreeMap::<u32, BTreeSet<Test>>::new(), Vec::new());
    for file in files {
        let lines: Vec<_> = file.text.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let Some(name) = numbered(line) else {
                continue;
            };
            let path = file.path.clone();
            let Ok(numbers) = numbers(name) else {
                found.push(format!("{name} in {path} has a number without two digits"));
                continue;
            };
            let attributes = attributes(lines.get(..index).unwrap_or_default());
            let has = |start: &str| attributes.iter().any(|line| line.starts_with(start));
            if !has("#[test]") && !is_listed(files, &path, name) {
                found.push(format!("{name} in {path} has a number and is no test"));
                continue;
            }
            let test = Test {
                path,
                name: name.to_owned(),
                on_demand: has("#[ignore"),
            };
            for number in numbers {
                tests.entry(number).or_default().insert(test.clone());
            }
        }
    }
    (tests, found)
}

/// How the page and the tests of one case differ.
fn compare(number: u32, case: &Case, there: &BTreeSet<Test>, found: &mut Vec<String>) {
    let mut say = |words: String| found.push(format!("case {number} {words}"));
    for test in there.difference(&case.tests) {
        say(format!("does not name {}", test.spelled()));
    }
    for test in case.tests.difference(there) {
        say(format!("names {}, which is not there", test.spelled()));
    }
    match (case.tests.is_empty(), case.reason) {
        (true, false) => say("says neither test nor reason".into()),
        (false, true) => say("has tests and says why it has none".into()),
        (false, false) if case.tests.iter().all(|test| test.on_demand) => {
            say("has only tests that nobody runs unasked".into());
        }
        _ => {}
    }
}

#[test]
fn the_page_of_hostile_cases_and_the_tests_agree() {
    let files: Vec<_> = tree::rust_files().collect();
    let page = page();
    let (tests, mut found) = tests(&files);
    let none = BTreeSet::new();
    for number in 1..CLUSTER {
        match page.get(&number) {
            Some(case) => compare(
                number,
                case,
                tests.get(&number).unwrap_or(&none),
                &mut found,
            ),
            None => found.push(format!("case {number} is not on the page")),
        }
    }
    let strange = page.keys().chain(tests.keys()).filter(|&&n| n >= CLUSTER);
    found.extend(strange.map(|number| format!("there is no case {number}")));
    assert_none(&found, "docs/HOSTILE.md and the tests differ:");
}
