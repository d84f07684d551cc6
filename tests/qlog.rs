//! Event logs that both programs write, where they are built with the feature `qlog`.
#![cfg(all(unix, feature = "qlog"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::fs;

use common::{Client, Home, Server};
use serde_json::Value;

#[test]
fn both_ends_of_a_connection_write_a_log() {
    let home = Home::new();
    home.seed();
    let folder = home.path().join("logs");
    let at = folder.to_str().unwrap();
    let server = Server::start_with(&home, &["-sp", "0", "--qlog", at]);
    let mut command = home.client();
    let port = server.port.to_string();
    command.args(["-u", "Bob", "-p", "Bob", "--qlog", at, "-sp", &port]);
    let mut client = Client::spawn(command);
    client.event("logged_in");
    assert_eq!(client.quit().0, Some(0));
    assert!(server.interrupt().success());
    let mut names: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let id = names[0].split('_').next().unwrap();
    assert_eq!(
        names,
        [format!("{id}_client.sqlog"), format!("{id}_server.sqlog")]
    );
    for name in names {
        let log = fs::read_to_string(folder.join(&name)).unwrap();
        let events: Vec<Value> = log
            .lines()
            .map(|line| serde_json::from_str(line.strip_prefix('\u{1e}').unwrap()).unwrap())
            .collect();
        let has = |name: &str| events.iter().any(|event| event["name"] == name);
        assert!(
            has("transport:packet_sent") && has("transport:packet_received"),
            "{name}"
        );
        assert!(has("connectivity:connection_closed"), "{name}");
        assert!(!log.contains("Bob") && !log.contains("127.0.0.1"), "{name}");
    }
}
