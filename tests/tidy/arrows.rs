//! Which crate may know which, read from `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::{assert_none, tree};

/// Everything that a crate may depend on, dev-dependencies aside (docs/ARCHITECTURE.md).
const ALLOWED: &[(&str, &[&str])] = &[
    ("codec", &[]),
    ("crypto", &["codec"]),
    ("internet", &["crypto", "codec"]),
    ("transport", &["internet", "crypto", "codec"]),
    ("tls", &["transport", "internet", "crypto"]),
    // Randomness of the operating system, behind crypto's trait.
    ("net", &["transport", "crypto"]),
    ("chat", &["crypto", "codec"]),
    ("e2e", &["crypto", "codec"]),
    ("store", &[]),
    ("server", &["chat", "store", "transport", "crypto", "codec"]),
    (
        "client",
        &["e2e", "chat", "store", "transport", "crypto", "codec"],
    ),
    (
        "sim",
        &[
            "server",
            "client",
            "e2e",
            "chat",
            "store",
            "tls",
            "transport",
            "internet",
            "crypto",
            "codec",
        ],
    ),
    (
        "undertone",
        &[
            "server",
            "client",
            "e2e",
            "chat",
            "store",
            "net",
            "tls",
            "transport",
            "internet",
            "crypto",
            "codec",
        ],
    ),
];

/// A dependency that ends up in what people run.
struct Arrow {
    from: String,
    to: String,
    features: Vec<String>,
}

struct Workspace {
    members: BTreeSet<String>,
    arrows: Vec<Arrow>,
    /// Of each member, what each feature switches on.
    features: Vec<(String, String, Vec<String>)>,
}

pub(crate) fn metadata(manifest: &str) -> Value {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .arg("--manifest-path")
        .arg(tree::root().join(manifest))
        .output()
        .expect("cargo runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo metadata: {error}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn workspace() -> Workspace {
    let metadata = metadata("Cargo.toml");
    let packages = list(&metadata["packages"]);
    let members: BTreeSet<_> = packages.iter().map(|p| text(&p["name"])).collect();
    let mut arrows = Vec::new();
    let mut features = Vec::new();
    for package in packages {
        let from = text(&package["name"]);
        for (feature, on) in package["features"].as_object().expect("a table") {
            let on = list(on).iter().map(text).collect();
            features.push((from.clone(), feature.clone(), on));
        }
        for dependency in list(&package["dependencies"]) {
            let to = text(&dependency["name"]);
            if dependency["kind"] != "dev" && members.contains(&to) {
                let features = list(&dependency["features"]).iter().map(text).collect();
                let from = from.clone();
                arrows.push(Arrow { from, to, features });
            }
        }
    }
    Workspace {
        members,
        arrows,
        features,
    }
}

#[test]
fn arrows_point_down() {
    let allowed: BTreeMap<_, _> = ALLOWED.iter().copied().collect();
    let workspace = workspace();
    let mut found = Vec::new();
    for member in &workspace.members {
        if !allowed.contains_key(&**member) {
            found.push(format!("{member} is not in the table"));
        }
    }
    for Arrow { from, to, .. } in &workspace.arrows {
        let may = allowed.get(&**from).copied().unwrap_or_default();
        if !may.contains(&&**to) {
            found.push(format!("{from} -> {to}"));
        }
    }
    assert_none(&found, "arrows that docs/ARCHITECTURE.md does not have:");
}

fn reachable(workspace: &Workspace, from: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut next = vec![from.to_owned()];
    while let Some(name) = next.pop() {
        let arrows = workspace.arrows.iter().filter(|arrow| arrow.from == name);
        next.extend(arrows.map(|arrow| arrow.to.clone()));
        seen.insert(name);
    }
    seen
}

/// Whoever cannot name the code that opens messages cannot open them.
#[test]
fn a_server_cannot_decrypt() {
    let reached = reachable(&workspace(), "server");
    assert!(reached.contains("transport"), "the graph was not read");
    assert!(!reached.contains("e2e"), "server reaches e2e: {reached:?}");
}

/// A session without secrets, keys that are published, work that costs nothing: for tests alone.
#[test]
fn nothing_dangerous_is_linked_into_what_people_run() {
    let workspace = workspace();
    let is_danger = |feature: &String| {
        feature
            .rsplit('/')
            .next()
            .unwrap_or("")
            .starts_with("danger")
    };
    let mut found = Vec::new();
    for Arrow { from, to, features } in &workspace.arrows {
        for feature in features.iter().filter(|feature| is_danger(feature)) {
            found.push(format!("{from} switches on {to}/{feature}"));
        }
    }
    // sim is nothing but tests, as the loop below makes sure; its own program may have everything.
    let features = workspace.features.iter();
    for (member, feature, on) in features.filter(|(member, ..)| member != "sim") {
        if !is_danger(feature) && on.iter().any(is_danger) {
            found.push(format!("{member}'s feature {feature} switches on {on:?}"));
        }
    }
    for member in workspace.members.iter().filter(|member| *member != "sim") {
        if reachable(&workspace, member).contains("sim") {
            found.push(format!("{member} reaches sim"));
        }
    }
    assert_none(&found, "dangers outside of tests:");
}

#[test]
fn every_crate_obeys_the_workspace_lints() {
    // Packages outside the workspace, which cannot inherit from it.
    let outside = ["fuzz/", "benches/peers/"];
    let mut found = Vec::new();
    for file in tree::files() {
        let is_room = file.path.matches('/').count() <= 3
            && !outside.iter().any(|folder| file.path.starts_with(folder));
        let obeys = if file.path == "crates/net/Cargo.toml" {
            // Where the kernel is spoken to: unsafe code is allowed by name, all else is as it is
            // everywhere.
            file.text.ends_with(&lints_of_net())
        } else if file.path == "crates/net/src/lib.rs" {
            file.text.contains("#![deny(unsafe_code)]")
        } else if file.path.starts_with("crates/net/src/") && file.path != UNSAFE {
            !file.text.contains("allow(unsafe_code")
        } else if is_room && file.path.ends_with("Cargo.toml") {
            file.text.contains("[lints]\nworkspace = true")
        } else if is_room && file.path.ends_with("src/lib.rs") {
            file.text.contains("#![forbid(unsafe_code)]")
        } else {
            true
        };
        if !obeys {
            found.push(file.path);
        }
    }
    assert_none(
        &found,
        "no [lints] of the workspace, or unsafe code not forbidden:",
    );
}

/// The one file with unsafe code.
const UNSAFE: &str = "crates/net/src/timestamps.rs";

/// The workspace's lints as a crate's own, with unsafe code denied, which a module can override,
/// instead of forbidden.
fn lints_of_net() -> String {
    let root = tree::files()
        .into_iter()
        .find(|file| file.path == "Cargo.toml");
    let root = root.expect("the workspace's manifest").text;
    let begin = root.find("[workspace.lints.rust]").expect("lints");
    let end = root.find("\n[package]").expect("a root package");
    root[begin..end]
        .trim_end()
        .replace("[workspace.lints.", "[lints.")
        .replace("unsafe_code = \"forbid\"", "unsafe_code = \"deny\"")
        + "\n"
}
