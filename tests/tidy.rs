//! The house rules that no compiler knows: arrows, sizes, citations, fuzz targets, files that are left out.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a rule that cannot be checked counts as broken"
)]

#[path = "tidy/arrows.rs"]
mod arrows;
#[path = "tidy/fuzz.rs"]
mod fuzz;
#[path = "tidy/hostile.rs"]
mod hostile;
#[path = "tidy/included.rs"]
mod included;
#[path = "tidy/sizes.rs"]
mod sizes;
#[path = "tidy/tree.rs"]
mod tree;
#[path = "tidy/words.rs"]
mod words;

/// Panics with everything that was found, one finding a line.
#[track_caller]
fn assert_none(found: &[String], rule: &str) {
    assert!(found.is_empty(), "{rule}\n  {}\n", found.join("\n  "));
}
