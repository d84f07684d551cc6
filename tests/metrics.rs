//! What a server tells whoever watches over it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
#![allow(clippy::disallowed_types, reason = "an HTTP client")]
#![cfg(unix)]

mod common;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use common::{Client, Home, Server};
use undertone::internet::DropReason;

/// The answer to a request, head and body.
fn ask(authority: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(authority).unwrap();
    let request = format!("{request} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn value(page: &str, name: &str) -> u64 {
    let line = page
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let line = line.unwrap_or_else(|| panic!("no {name} in {page}"));
    line.trim().parse().unwrap()
}

#[test]
fn a_server_tells_what_it_counts_and_names_nobody() {
    let home = Home::new();
    home.seed();
    let server = Server::start_with(&home, &["-sp", "0", "--metrics", "0"]);
    let line = server.said.iter().find(|line| line.starts_with("metrics "));
    let url = line.unwrap().split_whitespace().nth(1).unwrap();
    let authority = url.strip_prefix("http://").unwrap();
    let authority = authority.strip_suffix("/metrics").unwrap();
    assert!(authority.starts_with("127.0.0.1:"), "{authority}");
    let before = ask(authority, "GET /metrics");
    assert!(before.starts_with("HTTP/1.1 200 "), "{before}");
    assert!(before.contains("application/openmetrics-text"), "{before}");
    assert!(before.trim_end().ends_with("# EOF"), "{before}");
    assert_eq!(value(&before, "undertone_connections"), 0);
    assert_eq!(value(&before, "undertone_packets_sent_total"), 0);

    let client = Client::login(&home, "Bob", server.port);
    let page = ask(authority, "GET /metrics");
    assert_eq!(value(&page, "undertone_accounts"), 4);
    assert_eq!(value(&page, "undertone_logged_in"), 1);
    assert_eq!(value(&page, "undertone_logins_total"), 1);
    assert_eq!(value(&page, "undertone_connections"), 1);
    assert_eq!(value(&page, "undertone_half_open"), 0);
    assert!(value(&page, "undertone_challenges_total") >= 1);
    assert!(value(&page, "undertone_packets_received_total") > 5);
    assert!(value(&page, "undertone_sent_bytes_total") > 3000);
    for reason in DropReason::ALL {
        let line = format!("undertone_drops_total{{reason=\"{}\"}} ", reason.name());
        assert!(page.contains(&line), "{line}");
    }
    // None but what a client has sent twice, to a machine that is slow.
    let received = value(&page, "undertone_packets_received_total");
    assert!(value(&page, "undertone_packets_dropped_total") < received);
    assert!(!page.to_lowercase().contains("bob"), "{page}");
    assert_eq!(client.quit().0, Some(0));

    let other = ask(authority, "GET /");
    assert!(other.starts_with("HTTP/1.1 404 "), "{other}");
    let other = ask(authority, "DELETE /metrics");
    assert!(other.starts_with("HTTP/1.1 404 "), "{other}");
}

#[test]
fn a_port_that_is_taken_is_said_before_anything_is_served() {
    let home = Home::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = home
        .server()
        .args(["-sp", "0", "--metrics", &address])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("cannot give metrics on"), "{error}");
}
