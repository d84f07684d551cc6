//! The program `sim`: what it is asked, what it refuses, and what it prints.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::process::{Command, Output};

use serde_json::Value;

fn sim(arguments: &str) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_sim"));
    program.args(arguments.split_whitespace());
    program.output().unwrap()
}

/// The line at the end.
fn line(output: &Output) -> Value {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

#[test]
fn seeds_are_run_and_summed_up_in_a_line() {
    let output = sim("--from 3 --seeds 2 --actions 20");
    assert_eq!(output.status.code(), Some(0));
    let line = line(&output);
    assert_eq!(line["seeds"], 2);
    assert_eq!(line["violations"], 0);
    assert!(line["virtual_hours"].as_f64().unwrap() > 0.0);
    assert!(line["virtual_seconds_per_second"].as_f64().unwrap() > 0.0);
    let fired = line["fired"].as_object().unwrap();
    assert!(fired.contains_key("loss") && fired.contains_key("forgery"));
    assert!(!fired.contains_key("malice"), "a server's");
}

#[test]
fn a_seed_is_the_same_run_again() {
    let trace = |arguments| line(&sim(arguments))["trace"].clone();
    let seed = "--seed 7 --actions 20";
    assert_eq!(trace(seed), trace(seed));
    assert_ne!(trace(seed), trace("--seed 8 --actions 20"));
}

#[test]
fn the_last_seed_of_all_is_one_too() {
    let output = sim("--seed 18446744073709551615 --actions 1");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(line(&output)["seeds"], 1);
}

#[test]
fn what_cannot_be_is_refused_with_a_reason() {
    for (arguments, reason) in [
        (
            "--from 18446744073709551615 --seeds 2",
            "18446744073709551615",
        ),
        ("--seeds 0", "1.."),
        ("--minutes 0", "1.."),
        ("--clients 0", "1.."),
        ("--actions 0", "1.."),
        ("--thinning 0", "1.."),
        ("--only rain", "there is no fault"),
        ("--only malice", "a transport world has no malice"),
        (
            "--world system --without liar",
            "a system world has no liar",
        ),
        ("--world chess", "transport and system"),
        ("--watch --seed 1", "--world system"),
        ("--world system --watch", "--seed"),
    ] {
        let output = sim(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(reason), "{arguments}: {error}");
    }
}

#[test]
fn help_names_the_faults_of_each_world() {
    let help = String::from_utf8(sim("--help").stdout).unwrap();
    let (_, faults) = help.split_once("Faults of transport: ").unwrap();
    let (transport, system) = faults.split_once("Faults of system: ").unwrap();
    assert!(transport.contains("liar") && !transport.contains("disk-full"));
    assert!(system.contains("disk-full") && !system.contains("liar"));
}
