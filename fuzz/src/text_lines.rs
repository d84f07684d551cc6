//! Any bytes as the small texts that people and programs hand over: where a server is, which keys are
//! known and trusted, a request for metrics. What is understood can be printed, and means the same.

use std::io::{self, Read};
use std::path::Path;

use undertone::cli::address::{Host, ServerAddress};
use undertone::cli::pins::{KnownServers, trusted_keys_in};
use undertone::run::http::{Page, respond};

/// Checks one input: as the first of its lines, or whole.
pub fn check(bytes: &[u8]) {
    check_request(bytes);
    let Ok(text) = core::str::from_utf8(bytes) else {
        return;
    };
    check_trusted(text);
    let line = text.lines().next().unwrap_or_default();
    if let Ok(host) = line.parse::<Host>() {
        assert_eq!(host.as_str().parse(), Ok(host.clone()));
        assert_eq!(host.to_string().parse(), Ok(host));
    }
    if let Ok(address) = line.parse::<ServerAddress>() {
        let printed = address.to_string();
        assert!(printed.bytes().all(|byte| byte.is_ascii_graphic()));
        assert_eq!(printed.parse(), Ok(address.clone()));
        check_known(&text[line.len()..], &address);
    }
}

/// The list of known servers below an address: what it says of that server, it says again in a line
/// of its own; and where it says nothing, a line is heard.
fn check_known(list: &str, server: &ServerAddress) {
    let known = KnownServers::in_folder(Path::new("folder"));
    let Ok(found) = known.find_in(list, server) else {
        return;
    };
    let key = found.unwrap_or([7; 32].into());
    let line = format!("{} {key}\n", server.host_port());
    assert_eq!(known.find_in(&line, server).ok(), Some(Some(key)));
    let both = format!("{list}\n{line}");
    assert_eq!(known.find_in(&both, server).ok(), Some(Some(key)));
    let other = format!("{list}\n{} {}\n", server.host_port(), "08".repeat(32));
    let contradicted = known.find_in(&other, server).is_err();
    assert_eq!(contradicted, found.is_some_and(|key| key != [8; 32].into()));
}

fn check_trusted(list: &str) {
    let path = Path::new("keys");
    if let Ok(keys) = trusted_keys_in(list, path) {
        assert!(!keys.is_empty() && keys.len() <= list.len() / 64);
        let again: String = keys.iter().map(|key| format!("{key} # a key\n")).collect();
        assert_eq!(trusted_keys_in(&again, path).ok(), Some(keys));
    }
}

/// A request in pieces, as a network brings it.
struct Pieces<'a>(&'a [u8]);

impl Read for Pieces<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let len = self.0.len().min(out.len()).min(100);
        let (piece, rest) = self.0.split_at(len);
        out[..len].copy_from_slice(piece);
        self.0 = rest;
        Ok(len)
    }
}

fn check_request(bytes: &[u8]) {
    let page = || Page {
        content_type: "text/plain",
        text: Some("the page".to_owned()),
    };
    let answer = respond(&mut Pieces(bytes), "/metrics", &page).expect("nothing fails to read");
    let end = bytes.windows(4).position(|end| end == b"\r\n\r\n");
    let Some(answer) = answer else {
        return assert!(end.is_none() || bytes.len() > 4 * 100);
    };
    let request = &bytes[..end.expect("a request that ends")];
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let text = String::from_utf8_lossy(request);
    let mut words = text.split_whitespace();
    let asked = [words.next(), words.next()].map(Option::unwrap_or_default);
    let length = match asked {
        ["GET", "/metrics"] => {
            assert_eq!(body, "the page");
            body.len()
        }
        ["HEAD", _] => {
            assert_eq!(body, "");
            let length = |line: &str| line.strip_prefix("Content-Length: ")?.parse().ok();
            head.lines().find_map(length).expect("a length")
        }
        _ => body.len(),
    };
    assert!(head.contains(&format!("\r\nContent-Length: {length}\r\n")));
    assert!(
        head.starts_with("HTTP/1.1 200 OK\r\n") || head.starts_with("HTTP/1.1 404 Not Found\r\n")
    );
    assert!(!head.contains("200 OK") || body == "the page" || body.is_empty());
}
