use std::process::Command;

use sim::seeds::{Description, Failure, shrink};

use crate::seeded::Seeded;

/// Prints a failure. One that repeats is then made small: the smallest world that still fails in that
/// way, as a command line of this program.
pub(crate) fn report(seeded: Seeded, failure: Box<Failure>, shrunk: bool) {
    let seed = failure.seed;
    eprintln!("{failure} (trace {:016x}, {})", failure.trace, commit());
    eprintln!("  faults: {}", seeded.plan(seed).0);
    if !seeded.repeats(seed) {
        eprintln!(
            "  its channels are TLS, which draws randomness of its own: it may go another way"
        );
    } else if rerun(seeded, seed).as_ref() != Some(&failure) {
        eprintln!("  and it went another way the second time");
    } else if shrunk {
        let within = |limits| Seeded { limits, ..seeded };
        let planned = |limits| within(limits).plan(seed);
        let fails = |limits| rerun(within(limits), seed);
        let (limits, failure) = shrink(seeded.limits, failure, &planned, &fails);
        let description = Description {
            world: seeded.world,
            seed,
            limits,
        };
        eprintln!("  sim {description}\n  {failure}");
    }
}

/// How it fails, if it does. What panics has said so once.
fn rerun(seeded: Seeded, seed: u64) -> Option<Box<Failure>> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let failure = seeded.run(seed).err();
    std::panic::set_hook(hook);
    failure
}

/// What this program was built from, as far as the folder tells from which it was built. What is not in
/// any commit yet is called dirty.
fn commit() -> String {
    let describe = [
        "describe",
        "--always",
        "--dirty",
        "--exclude=*",
        "--abbrev=12",
    ];
    let Some(name) = git(&describe) else {
        return "unknown commit".to_owned();
    };
    // Of what the folder was when this program was built, nothing is known once it has moved on.
    let moved = git(&[
        "rev-parse",
        "--path-format=absolute",
        "--git-path",
        "logs/HEAD",
    ]);
    let moved = moved.and_then(|log| std::fs::metadata(log).ok()?.modified().ok());
    let built = std::env::current_exe().ok();
    let built = built.and_then(|program| std::fs::metadata(program).ok()?.modified().ok());
    match (built, moved) {
        (Some(built), Some(moved)) if built < moved => format!("built before commit {name}"),
        _ => format!("commit {name}"),
    }
}

/// What git says about the folder from which this program was built.
fn git(asked: &[&str]) -> Option<String> {
    let mut git = Command::new("git");
    let said = git.arg("-C").arg(env!("CARGO_MANIFEST_DIR")).args(asked);
    let said = said.output().ok().filter(|said| said.status.success())?;
    let said = String::from_utf8(said.stdout).ok()?;
    let said = said.trim();
    (!said.is_empty()).then(|| said.to_owned())
}
