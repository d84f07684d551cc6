//! The program as people run it: what it refuses, and that what it writes can be read.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_peers"));
    command.args(arguments).output().unwrap()
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn what_nobody_knows_is_a_usage_error_and_nothing_is_measured() {
    for arguments in [
        &["bulk", "--peers", "undertone,typo"][..],
        &["typo"],
        &["bulk", "--peers", "udp"],
        &["bulk", "--reps", "0"],
        &["bulk", "--seconds", "0"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(said(&output.stdout), "", "{arguments:?}");
    }
    let typo = said(&run(&["bulk", "--peers", "typo"]).stderr);
    assert!(typo.contains("undertone, undertone-default,"), "{typo}");
}

#[test]
fn help_lists_scenarios_and_peers() {
    let output = run(&["--help"]);
    assert!(output.status.success());
    let help = said(&output.stdout);
    for name in ["goodput-200ms-jitter", "latency-50ms-1pct", "tcp-tls"] {
        assert!(help.contains(name), "{name}");
    }
}

#[test]
fn a_file_that_cannot_be_written_is_known_at_once() {
    let output = run(&["bulk", "--json", "/nowhere/results.jsonl"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(said(&output.stdout), "");
    assert!(said(&output.stderr).contains("/nowhere/results.jsonl"));
}

/// One bare scenario and one through the proxy, as short as they can be.
#[test]
fn results_come_as_lines_of_json_and_as_pictures() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("results");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let (lines, pictures) = (folder.join("results.jsonl"), folder.join("pictures"));
    let path = |path: &PathBuf| path.to_str().unwrap().to_owned();
    let (json, plot) = (path(&lines), path(&pictures));
    let mut arguments = vec!["bulk", "goodput-20ms", "--peers", "undertone,tcp,limit"];
    arguments.extend(["--reps", "1", "--seconds", "1", "--json", &json]);
    if cfg!(feature = "plot") {
        arguments.extend(["--plot", &plot]);
    }
    let output = run(&arguments);
    let (out, err) = (said(&output.stdout), said(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    assert!(err.contains("goodput-20ms does not have tcp"), "{err}");
    assert!(out.contains("everybody's socket buffers: 4194304 bytes asked for"));

    let mut expected = vec![("bulk", "undertone"), ("bulk", "tcp"), ("bulk", "limit")];
    expected.push(("proxy", "limit"));
    for contender in ["undertone", "undertone-default", "undertone-cubic", "limit"] {
        expected.push(("goodput-20ms", contender));
    }
    let text = fs::read_to_string(&lines).unwrap();
    let results = text.lines().map(serde_json::from_str);
    let results: Vec<Value> = results.collect::<Result<_, _>>().unwrap();
    assert_eq!(results.len(), expected.len(), "{text}");
    for (result, (scenario, peer)) in results.iter().zip(&expected) {
        assert_eq!(
            (&result["scenario"], &result["peer"]),
            (&(*scenario).into(), &(*peer).into())
        );
        assert_eq!(result["failures"], Value::Array(Vec::new()));
        assert_eq!(result["runs"], 1);
        assert_eq!(result["socket_buffers"], results[0]["socket_buffers"]);
        for figure in result["figures"].as_array().unwrap() {
            let median = figure["median"].as_f64().unwrap();
            assert!(median >= 0.0, "{scenario} {peer}: {figure}");
            assert_eq!(figure["values"].as_array().unwrap().len(), 1);
        }
        assert!(result["figures"][0]["median"].as_f64().unwrap() > 0.0);
        if cfg!(feature = "plot") {
            let picture = pictures.join(format!("{scenario}.svg"));
            let picture = fs::read_to_string(picture).unwrap();
            assert!(picture.trim_end().ends_with("</svg>"));
            assert!(picture.contains(peer));
        }
    }
}
