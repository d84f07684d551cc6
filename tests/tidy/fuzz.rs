//! Fuzz targets: each has its file and its corpus, and nothing else lies there.

use std::collections::BTreeSet;
use std::fs;

use crate::arrows::{list, metadata, text};
use crate::{assert_none, tree};

/// An input that is longer hides what it is about.
const INPUT_BYTES_MAX: u64 = 16 << 10;

/// The binaries of fuzz/Cargo.toml.
fn targets() -> BTreeSet<String> {
    let metadata = metadata("fuzz/Cargo.toml");
    let targets: BTreeSet<_> = list(&metadata["packages"])
        .iter()
        .flat_map(|package| list(&package["targets"]))
        .filter(|target| list(&target["kind"]).iter().any(|kind| kind == "bin"))
        .map(|target| text(&target["name"]))
        .collect();
    assert!(!targets.is_empty(), "no targets were found");
    targets
}

#[test]
fn every_fuzz_target_has_a_file_and_a_corpus() {
    let targets = targets();
    let fuzz = tree::root().join("fuzz");
    let files: BTreeSet<_> = tree::names(&fuzz.join("fuzz_targets"))
        .iter()
        .map(|name| name.trim_end_matches(".rs").to_owned())
        .collect();
    let corpora: BTreeSet<_> = tree::names(&fuzz.join("corpus")).into_iter().collect();
    let source = fs::read_to_string(fuzz.join("src/lib.rs")).expect("a file");
    let replayed: BTreeSet<_> = source
        .split("(\"")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()))
        .collect();
    let mut found = Vec::new();
    for name in targets.union(&files).chain(&corpora).chain(&replayed) {
        for (place, names) in [
            ("TARGETS of fuzz/src/lib.rs", &replayed),
            ("fuzz/Cargo.toml", &targets),
            ("fuzz/fuzz_targets", &files),
            ("fuzz/corpus", &corpora),
        ] {
            if !names.contains(name) {
                found.push(format!("{name} is not in {place}"));
            }
        }
    }
    for name in &corpora {
        let folder = fuzz.join("corpus").join(name);
        let inputs = tree::names(&folder);
        if inputs.is_empty() {
            found.push(format!("the corpus of {name} is empty"));
        }
        for input in inputs {
            let bytes = fs::metadata(folder.join(&input)).expect("a file").len();
            if bytes > INPUT_BYTES_MAX && input.len() != SHA1_HEX {
                found.push(format!("{name}/{input} has {bytes} bytes"));
            }
        }
    }
    found.sort();
    found.dedup();
    assert_none(
        &found,
        "fuzz targets, their files and their corpora differ:",
    );
}

/// A name that is wrong here would quietly be fuzzed for less time, or longer than it need be.
#[test]
fn a_soak_names_targets_that_exist() {
    let script = fs::read_to_string(tree::root().join("fuzz/soak.sh")).expect("a file");
    let targets = targets();
    let mut found = Vec::new();
    for list in ["reached_by_strangers", "reads_packets"] {
        let (_, names) = script.split_once(&format!("\n{list}='")).expect("a list");
        let (names, _) = names.split_once('\'').expect("the list's end");
        let names: Vec<_> = names.split_whitespace().collect();
        assert!(!names.is_empty(), "{list} is empty");
        let strange = names.iter().filter(|name| !targets.contains(**name));
        found.extend(strange.map(|name| format!("{name} of {list} is no target")));
        if !names.is_sorted_by(|one, next| one < next) {
            found.push(format!("{list} is not in order"));
        }
    }
    assert_none(&found, "fuzz/soak.sh and the fuzz targets differ:");
}

/// What the fuzzer found itself is named after its hash, and is nobody's to commit.
const SHA1_HEX: usize = 40;
