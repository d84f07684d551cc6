//! The committed inputs of every fuzz target (fuzz/README.md), without a fuzzer.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    unreachable_pub,
    reason = "that is how fuzz targets speak"
)]

use std::fs;
use std::path::Path;

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

#[test]
fn no_target_fails_on_its_corpus() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, check) in fuzz::TARGETS {
        let mut count = 0;
        for input in fs::read_dir(corpora.join(name)).expect("a corpus") {
            let path = input.expect("a file").path();
            // What stands last in the output of a failure is its input.
            println!("{}", path.display());
            check(&fs::read(&path).expect("bytes"));
            count += 1;
        }
        assert!(count > 0, "the corpus of {name} is empty");
    }
}

/// Bytes without a meaning, of every length up to a few datagrams.
#[test]
fn no_target_fails_on_noise() {
    let mut rng = sim::Rng::new(1);
    for (name, check) in fuzz::TARGETS {
        for len in (0..64).chain((64..1500).step_by(97)) {
            let noise: Vec<u8> = (0..len).map(|_| rng.next_u64() as u8).collect();
            println!("{name}: {noise:02x?}");
            check(&noise);
        }
    }
}
