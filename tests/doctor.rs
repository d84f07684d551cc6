//! `chat-client doctor`: what it finds out about paths, good and bad ones.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
#![allow(clippy::disallowed_types, reason = "a socket that never answers")]
#![cfg(unix)]

mod common;

use std::net::UdpSocket;
use std::time::Duration;

use common::{Home, Server, ended};
use net::proxy::{Impairment, Proxy};

#[test]
fn a_doctor_tells_what_the_path_to_a_server_gives() {
    let home = Home::new();
    let server = Server::start(&home);
    let port = server.port.to_string();
    let (code, out, err) = ended(home.client().args(["doctor", "-sp", &port, "--json"]));
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    let found: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(found["event"], "doctor");
    assert_eq!(found["reachable"], true);
    assert_eq!(found["family"], "IPv4");
    assert_eq!(found["fingerprint"], server.fingerprint());
    assert_eq!(found["probes"], 20);
    // An answer may come too late from a machine that is busy.
    assert!(found["probes_lost"].as_u64().unwrap() <= 2, "{out}");
    let number = |name: &str| found[name].as_f64().unwrap();
    assert!(number("rtt_min_ms") > 0.0 && number("handshake_ms") > number("rtt_min_ms"));
    assert!(number("rtt_median_ms") >= number("rtt_min_ms"));
    // Loopback takes any length: found is what both ends allow.
    assert!(number("datagram_bytes") > 8900.0, "{out}");
    assert!(number("gso_segments") >= 1.0 && number("gro_segments") >= 1.0);
    assert_eq!(found["survives_rebinding"], true);
    assert_eq!(found["ecn"], "capable");
    let (code, out, _) =
        ended(
            home.client()
                .args(["doctor", "--server", &server.url, "--probes=2"]),
        );
    assert_eq!(code, Some(0));
    for words in [
        "127.0.0.1:",
        "IPv4",
        " of 2 probes",
        " bytes",
        "round trip",
        "marks of congestion pass",
        "the connection goes on",
    ] {
        assert!(out.contains(words), "{words} in {out}");
    }
    let data = home.path().join("data/undertone/client");
    assert!(!data.join("servers").exists(), "it makes no installation");
}

#[test]
fn a_doctor_tells_why_there_is_no_path() {
    let home = Home::new();
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port().to_string();
    let (code, _, err) = ended(home.client().args(["doctor", "-sp", &port]));
    assert_eq!(code, Some(3), "{err}");
    let server = Server::start(&home);
    let port = server.port.to_string();
    let other = format!("undertone://127.0.0.1:{port}#{}", "ab".repeat(32));
    let (code, out, _) = ended(home.client().args(["doctor", "--server", &other, "--json"]));
    assert_eq!(code, Some(5), "{out}");
    assert!(out.contains("server_key_changed"), "{out}");
    assert!(out.contains(server.fingerprint()), "{out}");
}

/// Through a link of 20 ms that loses every fifth datagram and carries no marks.
#[test]
fn a_doctor_tells_what_is_wrong_with_a_path() {
    let home = Home::new();
    let server = Server::start(&home);
    let mut link = Impairment::default();
    (link.seed, link.loss, link.delay) = (7, 0.2, Duration::from_millis(20));
    let to = format!("127.0.0.1:{}", server.port).parse().unwrap();
    let proxy = Proxy::start(to, link).unwrap();
    let port = proxy.local_addr().port().to_string();
    let (code, out, err) = ended(home.client().args(["doctor", "-sp", &port, "--json"]));
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    let found: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(found["fingerprint"], server.fingerprint());
    let number = |name: &str| found[name].as_f64().unwrap();
    assert!(
        number("rtt_min_ms") >= 40.0 && number("rtt_median_ms") >= 40.0,
        "{out}"
    );
    assert!(
        number("handshake_ms") >= 80.0,
        "a puzzle and a handshake: {out}"
    );
    // Of twenty two-way trips each is lost with a probability of more than a third.
    let lost = number("probes_lost");
    assert!((1.0..20.0).contains(&lost), "{out}");
    assert_ne!(found["ecn"], "capable", "the proxy forwards no marks");
    assert_eq!(found["survives_rebinding"], true, "{out}");
    let advice = found["advice"].to_string();
    assert!(advice.contains("packets get lost"), "{out}");
    assert!(!advice.contains("far away"), "{out}");
}
