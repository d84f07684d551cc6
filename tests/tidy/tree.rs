//! The files of the repository.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// What is not written by hand.
const SKIPPED: [&str; 5] = ["target", ".git", "artifacts", "coverage", "corpus"];

/// A text file.
pub(crate) struct File {
    /// Relative to the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    /// Whether it holds tests and nothing else.
    pub(crate) fn is_test(&self) -> bool {
        let stem = self.path.trim_end_matches(".rs");
        self.path.split('/').any(|part| part == "tests")
            || ["/tests", "_tests", "/testing", "/fixtures"]
                .iter()
                .any(|end| stem.ends_with(end))
    }
}

/// Where the workspace lies.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every text file below the root.
pub(crate) fn files() -> Vec<File> {
    let mut files = Vec::new();
    walk(&root(), &mut files);
    assert!(files.len() > 100, "the tree was not found");
    files
}

/// The Rust files below the root.
pub(crate) fn rust_files() -> impl Iterator<Item = File> {
    files()
        .into_iter()
        .filter(|file| file.path.ends_with(".rs"))
}

/// The names in a folder, sorted; none if there is no such folder.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|entry| entry.expect("an entry").file_name())
        .map(|name| name.into_string().expect("a plain name"))
        .collect();
    names.sort();
    names
}

fn walk(folder: &Path, files: &mut Vec<File>) {
    for name in names(folder) {
        if SKIPPED.contains(&&*name) {
            continue;
        }
        let path = folder.join(&name);
        if path.is_dir() {
            walk(&path, files);
        } else if let Ok(text) = fs::read_to_string(&path) {
            let path = path.strip_prefix(root()).expect("below the root");
            let path = path.to_str().expect("a plain name").replace('\\', "/");
            files.push(File { path, text });
        }
    }
}
