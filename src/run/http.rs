//! One page over HTTP/1.1 (RFC 9112): as much of it as who gathers metrics asks for. One connection
//! at a time, each with one request and little patience.

use std::io::{self, Read, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long a client may take for each part of its request, and for the answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// A request in more parts than this is not read to its end, nor one that is longer.
const PARTS_MAX: usize = 8;
const REQUEST_LEN_MAX: usize = 8 * 1024;

/// How long nothing is accepted after that has failed: for want of file descriptors, say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// What is answered to somebody who asks for the page.
pub struct Page {
    /// Its `Content-Type`.
    pub content_type: &'static str,
    /// The page; `None` when there is none now.
    pub text: Option<String>,
}

/// A port that answers from a thread of its own, until it is dropped.
pub(super) struct Port {
    address: SocketAddr,
    closing: Arc<AtomicBool>,
}

impl Port {
    /// Listens on `address`; whoever asks for `path` gets what `page` gives.
    pub(super) fn open(
        address: SocketAddr,
        path: &'static str,
        page: impl Fn() -> Page + Send + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let closing = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&closing);
        std::thread::Builder::new()
            .name("server-http".into())
            .spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    match listener.accept() {
                        // A client that is gone is no concern of ours.
                        Ok((mut client, _)) => drop(answer(&mut client, path, &page)),
                        #[allow(clippy::disallowed_methods, reason = "a thread of its own")]
                        Err(_) => std::thread::sleep(ACCEPT_PAUSE),
                    }
                }
            })?;
        Ok(Self { address, closing })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Port {
    /// Wakes the thread, so that it sees that it is over.
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect_timeout(&self.address, PATIENCE);
    }
}

/// One request and its answer.
fn answer(client: &mut TcpStream, path: &str, page: &impl Fn() -> Page) -> io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    client.set_write_timeout(Some(PATIENCE))?;
    match respond(client, path, page)? {
        Some(answer) => client.write_all(answer.as_bytes()),
        None => Ok(()),
    }
}

/// Reads a request, and gives what it is answered with. `None` where it has no end.
pub fn respond(
    client: &mut impl Read,
    path: &str,
    page: &impl Fn() -> Page,
) -> io::Result<Option<String>> {
    let Some(head) = read_head(client)? else {
        return Ok(None);
    };
    let head = String::from_utf8_lossy(&head);
    let mut words = head.split_whitespace();
    let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let plain = "text/plain; charset=utf-8";
    let (status, content_type, text) = match method {
        "GET" | "HEAD" if target == path => {
            let page = page();
            match page.text {
                Some(text) => ("200 OK", page.content_type, text),
                None => ("503 Service Unavailable", plain, String::new()),
            }
        }
        _ => ("404 Not Found", plain, format!("see {path}\n")),
    };
    let mut out = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: \
         close\r\n\r\n",
        text.len()
    );
    if method != "HEAD" {
        out.push_str(&text);
    }
    Ok(Some(out))
}

/// The request up to its empty line, whose body nobody reads. `None` if it takes too long to come.
fn read_head(client: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut head = vec![0; REQUEST_LEN_MAX];
    let mut len = 0;
    for _ in 0..PARTS_MAX {
        let room = head.get_mut(len..).unwrap_or_default();
        let read = client.read(room)?;
        len += read;
        let so_far = head.get(..len).unwrap_or_default();
        if let Some(end) = so_far.windows(4).position(|end| end == b"\r\n\r\n") {
            head.truncate(end);
            return Ok(Some(head));
        }
        if read == 0 {
            break;
        }
    }
    Ok(None)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_follows_the_empty_line_is_no_request() {
        let answer = |request: &str| {
            let page = || Page {
                content_type: "text/plain",
                text: Some("the page".to_owned()),
            };
            respond(&mut request.as_bytes(), "/metrics", &page).unwrap()
        };
        let found = answer("GET /metrics HTTP/1.1\r\n\r\n").unwrap();
        assert!(found.starts_with("HTTP/1.1 200 OK\r\n"), "{found}");
        for hidden in [
            " \r\n\r\nGET /metrics",
            "GET\r\n\r\n/metrics HTTP/1.1\r\n\r\n",
        ] {
            let found = answer(hidden).unwrap();
            assert!(found.starts_with("HTTP/1.1 404 Not Found\r\n"), "{found}");
        }
        assert_eq!(answer("GET /metrics HTTP/1.1\r\n"), None);
    }
}
