//! Files that no `mod` names are compiled by nobody, and their tests run nowhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use crate::assert_none;
use crate::tree::{self, File};

/// `a/b/../c` as `a/c`, with `/`.
fn plain(path: &Path) -> String {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    plain.to_str().expect("a plain name").replace('\\', "/")
}

/// Whether cargo compiles this file as a crate of its own, without being told by a `mod`.
fn is_root(path: &str) -> bool {
    let is_package = |folder: &&Path| tree::root().join(folder).join("Cargo.toml").exists();
    let package = Path::new(path).ancestors().skip(1).find(is_package);
    let within = package.and_then(|package| Path::new(path).strip_prefix(package).ok());
    let within = plain(within.expect("a package"));
    let parts: Vec<_> = within.split('/').collect();
    matches!(
        parts[..],
        ["build.rs"]
            | ["src", "lib.rs" | "main.rs"]
            | ["src", "bin", _]
            | ["src", "bin", _, "main.rs"]
            | ["tests" | "examples" | "benches" | "fuzz_targets", _]
            | ["tests" | "examples" | "benches", _, "main.rs"]
    )
}

/// The modules that a file names, and whether each has the folder of its file for its own modules. A
/// file that `is_owner` has the folder that it lies in, another one a folder of its name beside it.
fn modules(file: &File, is_owner: bool) -> Vec<(String, bool)> {
    let path = Path::new(&file.path);
    let beside = path.parent().expect("a folder");
    let folder = if is_owner {
        beside.to_owned()
    } else {
        path.with_extension("")
    };
    let mut modules = Vec::new();
    let mut is_told = false;
    for line in file.text.lines().map(str::trim) {
        if let Some((attribute, rest)) = line.split_once("path = \"")
            && line.starts_with("#[")
        {
            let told = rest.split('"').next().unwrap_or_default();
            modules.push((plain(&beside.join(told)), true));
            is_told = attribute == "#[";
        } else if let Some((before, name)) = line.split_once("mod ")
            && let Some(name) = name.strip_suffix(';')
            && (before.is_empty() || before.starts_with("pub"))
        {
            if !is_told {
                modules.push((plain(&folder.join(name).join("mod.rs")), true));
                modules.push((plain(&folder.join(format!("{name}.rs"))), false));
            }
            is_told = false;
        }
    }
    modules
}

/// Every file that is a crate's root, or a module of a file that is compiled.
fn compiled(files: &[File]) -> BTreeSet<String> {
    let by_path: BTreeMap<_, _> = files.iter().map(|file| (&*file.path, file)).collect();
    let roots = files.iter().filter(|file| is_root(&file.path));
    let mut next: Vec<_> = roots.map(|file| (file.path.clone(), true)).collect();
    let mut compiled = BTreeSet::new();
    while let Some((path, is_owner)) = next.pop() {
        if let Some(file) = by_path.get(&*path)
            && compiled.insert(path)
        {
            next.extend(modules(file, is_owner));
        }
    }
    compiled
}

#[test]
fn every_file_is_a_module_of_something() {
    let files: Vec<_> = tree::rust_files().collect();
    let compiled = compiled(&files);
    let paths = files.into_iter().map(|file| file.path);
    let apart: Vec<_> = paths.filter(|path| !compiled.contains(path)).collect();
    assert_none(&apart, "no `mod` names these:");
}
