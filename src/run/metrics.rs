//! What a server counts, for whoever watches over it: an HTTP answer in the OpenMetrics text format.
//!
//! Numbers only: no names, no addresses, nothing that identifies anybody.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use ::server::Event;
use net::{SocketStats, Waker};
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use transport::EndpointStats;

use super::http::{Page, Port};
use super::problem::Problem;

/// How long an answer waits for the server's loop.
const PATIENCE: Duration = Duration::from_secs(5);

/// Answers that wait for the server's loop; there is one thread that asks.
const QUESTIONS_MAX: usize = 1;

const PATH: &str = "/metrics";
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the server's loop knows at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Snapshot {
    pub(super) endpoint: EndpointStats,
    pub(super) socket: SocketStats,
    /// Connections that are not logged in.
    pub(super) strangers: usize,
    pub(super) people: People,
}

/// What people did, as far as it can be counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct People {
    accounts: u64,
    registrations: u64,
    logins: u64,
    left: u64,
    refused: u64,
    violations: u64,
}

impl People {
    /// Takes in what happened.
    pub(super) fn count(&mut self, event: &Event) {
        match event {
            Event::Ready { accounts } => self.accounts = *accounts as u64,
            Event::Registered { .. } => self.registrations += 1,
            Event::ClientLoggedIn { .. } => self.logins += 1,
            Event::ClientLeft { .. } => self.left += 1,
            Event::LoginRefused { .. } => self.refused += 1,
            Event::Violation { .. } => self.violations += 1,
            _ => {}
        }
    }
}

/// Answers on an HTTP port, from a thread of its own that asks the server's loop.
pub(super) struct Exporter {
    port: Port,
    questions: Receiver<SyncSender<Snapshot>>,
}

impl Exporter {
    /// Listens on `address`; `waker` wakes the loop that then calls [`Exporter::answer`].
    pub(super) fn start(address: SocketAddr, waker: Waker) -> Result<Self, Problem> {
        let (sender, questions) = sync_channel(QUESTIONS_MAX);
        let port = Port::open(address, PATH, move || Page {
            content_type: CONTENT_TYPE,
            text: ask(&sender, &waker).and_then(|snapshot| page(&snapshot)),
        });
        let port = port.map_err(|error| {
            Problem::other(format!("cannot give metrics on {address}: {error}"))
        })?;
        Ok(Self { port, questions })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Answers whoever asks; `look` is called only then.
    pub(super) fn answer(&self, look: impl Fn() -> Snapshot) {
        for asker in self.questions.try_iter() {
            // Who has given up meanwhile is not there any more.
            let _ = asker.try_send(look());
        }
    }
}

/// What the server's loop knows now, if it is not too busy to say so.
fn ask(questions: &SyncSender<SyncSender<Snapshot>>, waker: &Waker) -> Option<Snapshot> {
    let (sender, answer) = sync_channel(1);
    questions.try_send(sender).ok()?;
    waker.wake();
    answer.recv_timeout(PATIENCE).ok()
}

/// The snapshot as text.
fn page(snapshot: &Snapshot) -> Option<String> {
    let mut registry = Registry::with_prefix("undertone");
    people(&mut registry, snapshot);
    endpoint(&mut registry, &snapshot.endpoint);
    packets(&mut registry, &snapshot.endpoint.counters);
    socket(&mut registry, &snapshot.socket);
    let mut page = String::new();
    text::encode(&mut page, &registry).ok()?;
    Some(page)
}

fn gauge(registry: &mut Registry, name: &str, help: &str, value: usize) {
    let value = i64::try_from(value).unwrap_or(i64::MAX);
    registry.register(name, help, ConstGauge::new(value));
}

fn count(registry: &mut Registry, name: &str, help: &str, value: u64) {
    registry.register(name, help, ConstCounter::new(value));
}

fn count_bytes(registry: &mut Registry, name: &str, help: &str, value: u64) {
    registry.register_with_unit(name, help, Unit::Bytes, ConstCounter::new(value));
}

fn people(registry: &mut Registry, snapshot: &Snapshot) {
    let people = &snapshot.people;
    let accounts = people.accounts.saturating_add(people.registrations);
    let logged_in = people.logins.saturating_sub(people.left);
    gauge(registry, "accounts", "Accounts", accounts as usize);
    gauge(
        registry,
        "logged_in",
        "Connections that are logged in",
        logged_in as usize,
    );
    gauge(
        registry,
        "strangers",
        "Connections that are not logged in",
        snapshot.strangers,
    );
    count(
        registry,
        "registrations",
        "Accounts made over the network",
        people.registrations,
    );
    count(registry, "logins", "Logins", people.logins);
    count(
        registry,
        "logins_refused",
        "Logins and registrations refused",
        people.refused,
    );
    count(
        registry,
        "violations",
        "Peers that broke the protocol",
        people.violations,
    );
}

fn endpoint(registry: &mut Registry, stats: &EndpointStats) {
    gauge(
        registry,
        "connections",
        "Connections, half-open ones included",
        stats.connections,
    );
    gauge(
        registry,
        "half_open",
        "Connections whose handshake is under way",
        stats.half_open,
    );
    count(
        registry,
        "challenges",
        "Challenges sent to strangers",
        stats.challenges,
    );
    count(registry, "resets", "Stateless resets sent", stats.resets);
    let drops = Family::<Vec<(&'static str, &'static str)>, Counter>::default();
    for (reason, dropped) in stats.drops.iter() {
        drops
            .get_or_create(&vec![("reason", reason.name())])
            .inc_by(dropped);
    }
    registry.register("drops", "Datagrams and packets dropped", drops);
}

fn packets(registry: &mut Registry, counters: &transport::Counters) {
    let mut number = |name, help, value| count(registry, name, help, value);
    number("packets_sent", "Packets sent", counters.packets_sent);
    number(
        "packets_received",
        "Authentic packets received",
        counters.packets_received,
    );
    number(
        "packets_dropped",
        "Packets that came for connections and were not taken in; the reasons are among drops",
        counters.packets_dropped,
    );
    number(
        "packets_lost",
        "Packets declared lost",
        counters.packets_lost,
    );
    number(
        "datagrams_sent",
        "UDP payloads sent on connections",
        counters.datagrams_sent,
    );
    number(
        "datagrams_received",
        "UDP payloads received on connections",
        counters.datagrams_received,
    );
    number(
        "packets_late",
        "Packets declared lost that were acknowledged after all",
        counters.packets_late,
    );
    number("probe_timeouts", "Probe timeouts", counters.probe_timeouts);
    number("key_updates", "Updates of data keys", counters.key_updates);
    streams(registry, counters);
    paths(registry, counters);
    let mut bytes = |name, help, value| count_bytes(registry, name, help, value);
    bytes(
        "sent",
        "UDP payload sent on connections",
        counters.bytes_sent,
    );
    bytes(
        "received",
        "UDP payload received on connections",
        counters.bytes_received,
    );
    bytes("lost", "Packets declared lost", counters.bytes_lost);
}

fn streams(registry: &mut Registry, counters: &transport::Counters) {
    let mut number = |name, help, value| count(registry, name, help, value);
    number(
        "frames_repeated",
        "Stream frames that went along a second time before they were missed",
        counters.frames_repeated,
    );
    number(
        "messages_dropped",
        "Messages and datagrams of streams that were not sent, as they were late or too long",
        counters.messages_dropped,
    );
    number(
        "datagram_frames_dropped",
        "Datagrams of streams that arrived while there was no room",
        counters.datagram_frames_dropped,
    );
    let mut bytes = |name, help, value| count_bytes(registry, name, help, value);
    bytes(
        "stream_sent",
        "Stream data sent",
        counters.stream_bytes_sent,
    );
    bytes(
        "stream_resent",
        "Stream data sent again",
        counters.stream_bytes_resent,
    );
}

fn paths(registry: &mut Registry, counters: &transport::Counters) {
    let mut number = |name, help, value| count(registry, name, help, value);
    number(
        "migrations",
        "Connections that went on over another path",
        counters.migrations,
    );
    number(
        "migrations_failed",
        "Paths that did not prove to work",
        counters.migrations_failed,
    );
    number(
        "path_challenges",
        "Challenges sent to validate paths",
        counters.path_challenges,
    );
    number(
        "ecn_marks",
        "Packets of ours that met congestion and were marked",
        counters.ecn_marks,
    );
    number(
        "ecn_failures",
        "Paths that do not let marks of congestion through",
        counters.ecn_failures,
    );
}

fn socket(registry: &mut Registry, stats: &SocketStats) {
    let mut number = |name, help, value| count(registry, name, help, value);
    number("socket_sent", "Datagrams handed to the kernel", stats.sent);
    number(
        "socket_received",
        "Datagrams taken from the kernel",
        stats.received,
    );
    number(
        "socket_send_calls",
        "System calls that sent something",
        stats.send_calls,
    );
    number(
        "socket_receive_calls",
        "System calls that received something",
        stats.receive_calls,
    );
    number(
        "socket_send_blocked",
        "Times that the kernel's buffer was full",
        stats.send_blocked,
    );
    number(
        "socket_send_no_buffers",
        "Sends that the kernel had no memory for",
        stats.send_no_buffers,
    );
    number(
        "socket_send_too_long",
        "Sends that were longer than the path takes",
        stats.send_too_long,
    );
    number("socket_send_errors", "Sends that failed", stats.send_errors);
    number(
        "socket_source_refused",
        "Sends that the kernel made from another address than was asked, as that one has gone",
        stats.source_refused,
    );
    number(
        "socket_receive_errors",
        "Errors of receiving, such as those that ICMP caused",
        stats.receive_errors,
    );
    number(
        "socket_dropped",
        "Datagrams that nobody can answer",
        stats.dropped,
    );
}
