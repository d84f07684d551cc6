//! Event logs tell what happened, in a form that tools read.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use common::{PORT, Pair, config};
use serde_json::Value;
use sim::Link;
use transport::qlog::{Sink, Trace, Traces};
use transport::{Config, Counters, Mode, OpenGate, Side};

/// Keeps the logs of one endpoint in memory.
#[derive(Clone, Debug, Default)]
struct Logs(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

struct Log {
    id: String,
    logs: Logs,
}

impl Traces for Logs {
    fn begin(&self, trace: &Trace) -> Option<Box<dyn Sink>> {
        let (id, logs) = (trace.id.clone(), self.clone());
        Some(Box::new(Log { id, logs }))
    }
}

impl Sink for Log {
    fn record(&mut self, record: &[u8]) {
        let mut logs = self.logs.0.lock().unwrap();
        logs.entry(self.id.clone()).or_default().extend(record);
    }
}

impl Logs {
    fn config(&self) -> Config {
        let mut config = config();
        config.qlog = Some(Arc::new(self.clone()));
        config
    }

    /// The only log, as header and events.
    fn read(&self) -> (Value, Vec<Value>) {
        let logs = self.0.lock().unwrap();
        assert_eq!(logs.len(), 1);
        let text = str::from_utf8(logs.values().next().unwrap()).unwrap();
        let mut lines = text.lines().map(|line| {
            // RFC 7464 §2.2.
            let record = line.strip_prefix('\u{1e}').unwrap();
            serde_json::from_str(record).unwrap()
        });
        (lines.next().unwrap(), lines.collect())
    }
}

fn named<'a>(events: &'a [Value], name: &str) -> Vec<&'a Value> {
    let is_named = |event: &&Value| event["name"] == name;
    (events.iter().filter(is_named))
        .map(|event| &event["data"])
        .collect()
}

fn numbers(packets: &[&Value]) -> BTreeSet<(String, u64)> {
    let number = |packet: &&Value| {
        let header = &packet["header"];
        let kind = header["packet_type"].as_str().unwrap().to_owned();
        (kind, header["packet_number"].as_u64().unwrap())
    };
    packets.iter().map(number).collect()
}

fn bytes(packets: &[&Value]) -> u64 {
    let len = |packet: &&Value| packet["raw"]["length"].as_u64().unwrap();
    packets.iter().map(len).sum()
}

/// A client and a server that write logs, a lossy link, a message, and the end.
fn run() -> (Logs, Logs, Counters, Counters) {
    let (ours, theirs) = (Logs::default(), Logs::default());
    let mut pair = Pair::with(1, ours.config(), theirs.config(), Box::new(OpenGate));
    let client = pair.client;
    pair.until_connected();
    pair.world.change_links(client, |link| {
        *link = Link::with_delay(Duration::from_millis(20));
        link.loss = 0.02;
    });
    let stream = pair.open(PORT, Mode::Messages);
    pair.send(stream, &[7; 300_000]);
    assert!(pair.run(60, |logs| !logs[1].messages.is_empty()));
    let handle = pair.handle;
    pair.on_client(|endpoint, now| endpoint.connection(handle).unwrap().close(now, 5, "done"));
    pair.run(60, |_| false);
    let client = pair.on_client(|endpoint, _| endpoint.stats().counters);
    let server = pair.on_server(|endpoint, _| endpoint.stats().counters);
    (ours, theirs, client, server)
}

#[test]
fn both_logs_agree_with_the_counters_and_with_each_other() {
    let (ours, theirs, client, server) = run();
    let (ours, theirs) = (ours.read(), theirs.read());
    for ((header, events), counters, side) in
        [(&ours, client, "client"), (&theirs, server, "server")]
    {
        assert_eq!(header["qlog_format"], "JSON-SEQ");
        assert_eq!(header["trace"]["vantage_point"]["type"], side);
        let sent = named(events, "transport:packet_sent");
        let received = named(events, "transport:packet_received");
        assert_eq!(sent.len() as u64, counters.packets_sent);
        assert_eq!(received.len() as u64, counters.packets_received);
        assert_eq!(bytes(&sent), counters.bytes_sent);
        let dropped = named(events, "transport:packet_dropped");
        assert_eq!(dropped.len() as u64, counters.packets_dropped);
        let lost = named(events, "recovery:packet_lost");
        assert_eq!(lost.len() as u64, counters.packets_lost);
        assert!(numbers(&lost).is_subset(&numbers(&sent)));
        assert_eq!(named(events, "connectivity:connection_closed").len(), 1);
        let times = events.iter().map(|event| event["time"].as_f64().unwrap());
        assert!(times.is_sorted(), "time goes on");
    }
    let id = |header: &Value| header["trace"]["common_fields"]["ODCID"].clone();
    assert_eq!(id(&ours.0), id(&theirs.0));
    let sent = numbers(&named(&ours.1, "transport:packet_sent"));
    let received = numbers(&named(&theirs.1, "transport:packet_received"));
    assert!(received.is_subset(&sent) && received.len() < sent.len());
}

#[test]
fn a_log_tells_the_life_of_a_connection() {
    let (ours, theirs, ..) = run();
    let (_, events) = ours.read();
    let phases: Vec<_> = named(&events, "connectivity:connection_state_updated")
        .into_iter()
        .map(|data| data["new"].as_str().unwrap().to_owned())
        .collect();
    let expected = [
        "attempted",
        "handshake_complete",
        "handshake_confirmed",
        "closing",
        "closed",
    ];
    assert_eq!(phases, expected);
    let metrics = named(&events, "recovery:metrics_updated");
    assert!(metrics.iter().any(|data| data["smoothed_rtt"].is_number()));
    assert!(metrics.len() > 20, "{}", metrics.len());
    let frames: BTreeSet<_> = named(&events, "transport:packet_sent")
        .iter()
        .flat_map(|packet| packet["frames"].as_array().unwrap())
        .map(|frame| frame["frame_type"].as_str().unwrap())
        .collect();
    for kind in ["crypto", "padding", "ack", "stream", "connection_close"] {
        assert!(frames.contains(kind), "{kind} in {frames:?}");
    }
    let (_, events) = theirs.read();
    let closed = named(&events, "connectivity:connection_closed");
    assert_eq!(closed[0]["owner"], "remote");
    assert_eq!(closed[0]["application_code"], 5);
    assert_eq!(named(&events, "transport:parameters_set").len(), 1);
}

#[test]
fn a_log_tells_of_moves_and_of_marks() {
    let (ours, theirs) = (Logs::default(), Logs::default());
    let mut pair = Pair::with(1, ours.config(), theirs.config(), Box::new(OpenGate));
    pair.until_connected();
    let stream = pair.open(PORT, Mode::Messages);
    pair.send(stream, &[7; 30_000]);
    pair.run(1, |_| false);
    pair.world.move_node(pair.client, common::address(9));
    let handle = pair.handle;
    let moves = |endpoint: &mut transport::Endpoint, now| {
        endpoint.connection(handle).unwrap().migrate(now).unwrap();
    };
    pair.on_client(moves);
    pair.send(stream, &[7; 30_000]);
    assert!(pair.run(5, |logs| logs[1].messages.len() == 2));
    pair.run(1, |_| false);
    for logs in [ours, theirs] {
        let (_, events) = logs.read();
        let moves = named(&events, "connectivity:migration_state_updated");
        assert_eq!(moves.len(), 1);
        assert_eq!(moves[0]["new"], "migration_complete");
        let frames: BTreeSet<_> = named(&events, "transport:packet_sent")
            .iter()
            .flat_map(|packet| packet["frames"].as_array().unwrap())
            .map(|frame| frame["frame_type"].as_str().unwrap())
            .collect();
        for kind in [
            "new_connection_id",
            "retire_connection_id",
            "path_challenge",
            "path_response",
        ] {
            assert!(frames.contains(kind), "{kind} in {frames:?}");
        }
        let marks = named(&events, "recovery:ecn_state_updated");
        assert!(marks.iter().any(|data| data["new"] == "capable"));
    }
}

#[test]
fn nobody_has_to_want_a_log() {
    #[derive(Debug)]
    struct Nowhere;

    impl Traces for Nowhere {
        fn begin(&self, trace: &Trace) -> Option<Box<dyn Sink>> {
            assert_eq!(trace.side, Side::Client);
            None
        }
    }

    let mut ours = config();
    ours.qlog = Some(Arc::new(Nowhere));
    let mut pair = Pair::with(1, ours, config(), Box::new(OpenGate));
    pair.until_connected();
}
