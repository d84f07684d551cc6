//! What stands in files: citations that lead somewhere, and names that must not stand there.

use std::collections::BTreeSet;

use crate::{assert_none, tree};

/// What a protocol crate does not ask for, whatever lints say.
const FORBIDDEN: [&str; 7] = [
    "HashMap",
    "HashSet",
    "Instant::now",
    "SystemTime::now",
    "thread::sleep",
    "thread::spawn",
    "UdpSocket",
];

/// The numbers of docs/PROTOCOL.md's headings.
fn sections(protocol: &str) -> BTreeSet<String> {
    let headings = protocol.lines().filter(|line| line.starts_with("##"));
    headings
        .filter_map(|line| line.trim_start_matches('#').split_whitespace().next())
        .map(|number| number.trim_end_matches('.').to_owned())
        .collect()
}

/// Comments run on over line ends.
fn joined(text: &str) -> String {
    text.lines()
        .map(|line| line.trim_start().trim_start_matches(['/', '!', '#', '*']))
        .flat_map(str::split_whitespace)
        .collect::<Vec<_>>()
        .join(" ")
}

/// The sections that a text cites: `PROTOCOL.md §1.1`, and lists of them.
fn cited(text: &str) -> Vec<String> {
    let text = joined(text);
    let mut cited = Vec::new();
    for (at, name) in text.match_indices("PROTOCOL.md") {
        let mut rest = text[at + name.len()..].trim_start_matches(['`', ')', ' ']);
        while let Some(from_number) = rest.strip_prefix('§') {
            let end = from_number.find(|char: char| !char.is_ascii_digit() && char != '.');
            let (number, behind) = from_number.split_at(end.unwrap_or(from_number.len()));
            cited.push(number.trim_end_matches('.').to_owned());
            let behind = behind.trim_start_matches([',', ' ']);
            rest = ["and ", "to ", "or "]
                .iter()
                .find_map(|word| behind.strip_prefix(word))
                .unwrap_or(behind);
        }
    }
    cited
}

#[test]
fn cited_sections_of_the_protocol_exist() {
    let files = tree::files();
    let protocol = files.iter().find(|file| file.path == "docs/PROTOCOL.md");
    let sections = sections(&protocol.expect("docs/PROTOCOL.md").text);
    let mut count = 0;
    let mut found = Vec::new();
    for file in &files {
        for section in cited(&file.text) {
            count += 1;
            if !sections.contains(&section) {
                found.push(format!("{}: §{section}", file.path));
            }
        }
    }
    assert!(count > 50, "only {count} citations were found");
    assert_none(&found, "sections that docs/PROTOCOL.md does not have:");
}

#[test]
fn citations_are_read_over_line_ends() {
    let name = ["PROTOCOL", ".md"].concat();
    let text = format!("/// as {name}\n/// §8.3 and §9. Then\n//! (docs/{name} §1.1, §2).");
    assert_eq!(cited(&text), ["8.3", "9", "1.1", "2"]);
}

/// What stands between backticks, on one line.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// Whether some file defines the last part of a path as `Endpoint::poll_transmit`.
fn is_defined(files: &[tree::File], path: &str) -> bool {
    let name = path.rsplit("::").next().unwrap_or(path);
    let rust = files.iter().filter(|file| file.path.ends_with(".rs"));
    let mut lines = rust.flat_map(|file| file.text.lines());
    lines.any(|line| {
        let words: Vec<_> = line
            .split(|char: char| !(char.is_alphanumeric() || char == '_'))
            .filter(|word| !word.is_empty())
            .collect();
        let kinds = ["fn", "struct", "enum", "trait", "mod", "const", "type"];
        words
            .windows(2)
            .any(|pair| kinds.contains(&pair[0]) && pair[1] == name)
            || line.trim_start().starts_with(&format!("{name}(")) // a variant
    })
}

/// A page about a house that was rebuilt misleads.
#[test]
fn what_the_architecture_names_exists() {
    let files = tree::files();
    let page = files
        .iter()
        .find(|file| file.path == "docs/ARCHITECTURE.md");
    let page = page.expect("docs/ARCHITECTURE.md");
    let mut found = Vec::new();
    let mut count = 0;
    for name in quoted(&page.text) {
        let known = if name.ends_with(".rs") {
            files.iter().any(|file| file.path.ends_with(name))
        } else if name.contains("::") {
            is_defined(&files, name)
        } else {
            continue;
        };
        count += 1;
        if !known {
            found.push(name.to_owned());
        }
    }
    assert!(count > 20, "only {count} names were found");
    assert_none(&found, "docs/ARCHITECTURE.md names what does not exist:");
}

/// The repository speaks of itself, not of the machine that somebody wrote it on.
#[test]
fn no_file_names_a_workplace() {
    let places = ["work", "farm", "home", "Users"].map(|name| format!("/{name}/"));
    let mut found = Vec::new();
    for file in tree::files() {
        for (number, line) in file.text.lines().enumerate() {
            if places.iter().any(|place| line.contains(place)) {
                found.push(format!("{}:{}: {line}", file.path, number + 1));
            }
        }
    }
    assert_none(&found, "paths of somebody's machine:");
}

/// Whether one of the few lines above allows it, with a reason.
fn is_excused(above: &[&str]) -> bool {
    let near = above[above.len().saturating_sub(8)..].join(" ");
    let allows =
        near.contains("#[allow(") || near.contains("#[expect(") || near.contains("#![allow(");
    allows && near.contains("clippy::disallowed") && near.contains("reason")
}

/// clippy.toml refuses these where clippy sees them; here is the rest, macros and `cfg` included.
#[test]
fn machines_ask_for_no_clock_no_thread_and_no_random_order() {
    let mut found = Vec::new();
    for file in tree::rust_files() {
        let crates = file.path.strip_prefix("crates/").unwrap_or("net/");
        if crates.starts_with("net/") || file.is_test() {
            continue;
        }
        let lines: Vec<_> = file.text.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let asks = FORBIDDEN.iter().any(|word| code.contains(word));
            if asks && !is_excused(&lines[..=index]) {
                found.push(format!("{}:{}: {}", file.path, index + 1, line.trim()));
            }
        }
    }
    assert_none(&found, "in a protocol crate, without a reason:");
}
